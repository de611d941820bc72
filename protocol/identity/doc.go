// Package identity owns who somebody is: the key, the peer ID made from it,
// the fingerprint people compare, the signed profile and the rules for names.
//
// One Ed25519 key is one account. Its libp2p peer ID (libp2p peer-ids
// specification: the identity multihash of the protobuf-encoded public key) is
// the address nobody else can occupy. A username is a claim the key signs,
// never an identifier: two people may claim the same one, and [Confusable]
// tells when they should be told apart by [Fingerprint].
//
// Formats: a profile is the canonical protobuf message Profile (at most
// [MaxProfile] bytes), signed with Ed25519 over the domain string
// "p2pchat profile v1\x00" followed by its bytes.
//
// The package is pure: no I/O, no clock, no randomness, no state.
package identity
