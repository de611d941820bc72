// Package envelope owns what travels on a room's GossipSub topic: content
// sealed with the room's epoch key, so that whoever did not join reads neither
// authors nor text.
//
// A topic is "/p2pchat/room/1.0.0/" ‖ base32 (RFC 4648, lower case, unpadded) of
// SHA-256(room ID). A payload on it is an Envelope: epoch ID, nonce and what
// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) makes of a Content, with topic ‖
// epoch ID as additional data. The nonce is 24 random bytes. A Content is a
// number of signed events, or a signed presence, which is not kept.
//
// Limits: a payload 256 KiB, a presence 256 bytes.
//
// The package is pure; randomness is handed in.
package envelope
