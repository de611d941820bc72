// Package rooms runs the rooms this account is in: topics, admission,
// directory, presence, and the way of events between them, the rules of
// protocol/room and the history.
//
// # The way of an event
//
// Ours: the rules draft it, the ledger signs and commits it, the rules take it
// in, it is sealed and published on the room's topic. Theirs: the topic's
// validator opens the envelope and checks signatures once; the room takes all
// that is waiting as one batch, asks the rules, commits what they keep as one
// change, sends receipts and tells the faces. What a gossip message lost, sync
// brings by the same way. An event whose ctl is not here yet is parked, at most
// [maxParked] per peer, and asked for.
//
// GossipSub is a hint: everything is committed before it is published, and a
// queue that is full drops what sync repairs.
//
// # Wire
//
// /p2pchat/join/1.0.0: one frame JoinAsk, then frames JoinAnswer of at most 1 MiB
// until a grant or a refusal. /p2pchat/rooms/1.0.0: one frame DirectoryAsk, then
// frames DirectoryAnswer until the stream ends. Frames are protobuf messages
// preceded by their length as an unsigned varint.
//
// # Concurrency
//
// Every room has one goroutine, [Room.run], which owns its rules, its keys,
// what is parked and who is present. Others reach them through [Room.do] or by
// putting arrivals and words into its queues. It commits before it takes the
// next batch, so what comes meanwhile shares the next commit. Receipts have a
// mutex of their own, since they come often and touch nothing else. Streams
// have a goroutine each, which ends with the stream or with Run.
package rooms
