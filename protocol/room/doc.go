// Package room owns a room's constitution: who may do what, decided alike on
// every node without a server. docs/ROOMS.md explains the rules; the names used
// here (anc, key, conf, above, may, cuts, eff) are the ones used there.
//
// A [Room] is a state machine in memory: events in, [Effects] out. Its state is
// a function of the set of control events it was given, and which messages are
// visible a function of that and the set of messages; the order in which they
// came changes nothing. The caller does everything else: it verifies signatures
// before it hands an event in, persists what the effects say is held before it
// sends or shows anything that rests on it, fetches what is missing
// ([MissingError], [Room.Wanted]), and keeps the bodies. A room that is loaded
// again is given its events again, in any order in which ctl comes before those
// that cite it, and then what [Room.Wanted] names, until it names nothing that
// is at hand: what is kept only since a cut reaches it may have come before that.
//
// Evaluation is incremental. Of every control event its ancestry, the power it
// was issued under and its static verdict are kept, which never change; an event
// that becomes effective, or ceases to be, re-marks only the acts issued under
// the grants it cuts, in descending order of power, and only the messages of
// those it touches are judged again (all, after a switch or the room's end).
//
// Formats: the bodies are the canonical protobuf messages of
// protocol/pb/room.proto; kinds are numbered from 16 in each lane and never
// renumbered. Limits: room name 64 characters, nick 32 characters, subject and
// description 1 KiB, reason 512 bytes, 16 heads in ctl, 4 tips per log of a cut,
// 256 ineffective control events per author that nothing effective cites.
//
// The package is pure: no I/O, no clock, no randomness, no goroutines. A Room is
// not safe for concurrent use; one goroutine owns it.
//
// Building with the tag nocuts has nothing cut, for tests that show what comes
// back without it.
package room
