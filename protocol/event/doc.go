// Package event owns what is kept: signed events, the logs they form and the
// frontiers that say how much of a log somebody holds.
//
// An event is a signed header and a body. The header names the body by kind,
// length and SHA-256, so a body can be dropped without breaking anything. The
// signature is Ed25519 over "p2pchat event v1\x00" ‖ header bytes; the ID is
// SHA-256(header bytes ‖ signature). Header bytes travel and are stored as they
// were signed, never re-encoded; they are accepted only in the one canonical
// encoding (fields ascending, defaults left out, nothing unknown).
//
// In the message lane every author has one log per installation and
// conversation: seq 1, 2, 3 …, each event naming the ID of the one before. A
// chain therefore authenticates the signatures below it, and [VerifyRange]
// checks one signature per contiguous range. The control lane (rooms) is a
// graph by ctl and has no log, seq or prev.
//
// Limits: an event [MaxEvent] bytes (control lane [MaxControlEvent]), a text
// [MaxText], [MaxHeads] entries in ctl and heads, [MaxLogs] logs per author and
// conversation. All are checked before anything of that size is allocated.
//
// The package is pure: no I/O, no clock, no randomness, no state.
package event
