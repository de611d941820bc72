// Package antientropy makes the histories of a room equal between two members,
// on /p2pchat/sync/1.0.0. Gossip is a hint; this is what the delivery rests on.
//
// # The wire
//
// A run is one stream about one room. Frames are uvarint-length-prefixed
// SyncFrame messages of at most [maxFrame] bytes; fields not known are passed
// over. The sides take turns, each of one or more frames, of which the last has
// end set (the first two turns are one frame each):
//
//  1. opener   open: room and digest of what is committed
//  2. other    EQUAL, and the run is over; REFUSED; BUSY;
//     or DIFFERENT with a sketch: hashes of 256 buckets of control IDs
//     (by the first byte of the ID) and 256 of log positions (by the
//     first byte of SHA-256(author ‖ log))
//  3. opener   for the buckets that differ: control IDs, positions, low marks
//  4. other    its positions there, the control events and ranges of logs the
//     opener lacks, the IDs of those it lacks itself
//  5. opener   the events asked for, the ranges the other side lacks
//  6. other    …, and so on by turns
//
// From turn 3 on a turn may ask for events (want: control events that the rules
// cite and the replica lacks, messages that it lacks the bodies of), from turn 4 on
// for the whole of a log that has two branches (unknown), which the next turn
// answers; it states the positions committed since the last statement and the
// digest, and says done if it asks for nothing. The run is over when the other side
// answers done with done. What is received is committed before the turn that states
// it is written, so positions are receipts; both sides are equal if the last two
// digests are.
//
// Who has much to send begins with the newest, ends a turn after a while, not
// done, and begins the next with what is new (differences.go). What one run is
// bringing no other asks for, and all make way while people talk (flight.go).
//
// The digest is SHA-256("p2pchat sync v1\x00" ‖ control root ‖ frontier digest), and
// what there is besides of branches. Low marks, control events the root is not over
// and messages that lack their body (bodies.go) don't count.
//
// A log whose position one side names and the other does not hold, though it
// holds another event there, has two branches: both sides send all of it. Within
// a turn events come in any order, except that a control event comes after those
// it cites. Ranges may have gaps.
//
// # Limits
//
// Frames are checked for the number of their parts before they are unpacked; a
// list over its limit is cut at a bucket by an honest sender and ends the stream
// of another. Events are decoded strictly here and have to be of the run's room;
// whether a signature is good is for [Replica.Ingest] to say. Every frame has a
// deadline, a run [maxRun]. A peer may have [maxServed] streams open and
// [servedBurst] runs at once, then one each [servedEvery]: more of them wait in
// the stream.
//
// # Concurrency
//
// A mutex guards what is scheduled; it is held for no call to anything outside.
// [Service.Run] has one goroutine that starts runs when they are due; each run
// has one, ours or served, which ends with its stream, its deadline, or Run, and
// one more for each turn that it reads. A run reads or writes, never both, and
// reads no more than one frame ahead of what it commits, so a slow disk slows the
// sender. There is one run at a time about a room with a peer: if both open one,
// that of the lower peer ID stays. Of our own there are two at a time with a peer
// and, for the first [roomYield], two about a room, so that not everybody sends us
// the same.
//
// Building with the tag nosync switches all of this off, for tests that show what
// is lost without it.
package antientropy
