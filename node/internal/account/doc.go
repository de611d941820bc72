// Package account owns an account's place on disk: the data directory, the key
// file in it and the lock that makes one account one process.
//
// The directory is 0700. It holds `account.key` (0600), which exists if and
// only if the account does, and `lock`. The key file is one line,
// "p2pchat-key-1 " and the 32-byte Ed25519 seed in base64, in the clear or,
// with a password, encrypted to it as an armored age file (age-encryption.org/v1,
// scrypt recipient of work factor [workFactor]). It is written to a temporary
// file, synced and renamed, so it is either whole or absent.
//
// An archive takes an account to another machine: a tar of two regular files,
// `account.key` as it is on disk and then the database, in the clear or, with a
// password of its own, as a binary age file of the same kind. Nothing else may be in
// it, and nothing after it.
package account
