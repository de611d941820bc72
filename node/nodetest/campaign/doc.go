// Package campaign makes up faults from a seed, has them happen to people who
// talk, and judges what they are left with. A [Scenario] is data: who does what
// when, in a room that is open, hidden or has a password, and what is done to them.
// Where it happens is a [World]: the simulated network (package sim) and the LAN of
// network namespaces (labtest, with lab) both are.
//
// [Run] has one scenario happen, puts everything right, waits until all agree,
// and returns the [Outcome]. What it asks for:
//
//   - Room: the canonical state is the same on all members, byte for byte, and so
//     are the logs: ID, author, log, seq, kind, nick and text. Who came late to a
//     room whose history is limited has the end of them, and need not know the
//     nicks taken before.
//   - Two people: both show the same.
//   - Every message that was acknowledged, by Send's return, is on the disk of
//     everybody it is for exactly once, and shown by all unless the room's rules
//     may hide it: its author was governed, or all were.
//   - After an older copy of somebody's data was put back, this holds for what
//     another honest member had committed before; the rest of what he said since
//     the copy was made may be gone.
//   - Nothing else is shown, and nothing counts that somebody did who had no right
//     to it.
//
// A seed makes the same scenario again, not the same run: which goroutine goes
// first, keys and nonces are the machine's. In virtual time most runs of a seed
// fail alike.
//
// # Concurrency
//
// A World is used by one goroutine, but for Service, which several ask.
package campaign
