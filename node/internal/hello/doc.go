// Package hello keeps one long-lived stream per connection on
// /p2pchat/hello/1.0.0. It carries the signed profile, availability, a
// heartbeat that also measures the round trip, and goodbye; it decides whether
// a peer is here.
//
// Frames are uvarint-length-prefixed HelloFrame messages of at most [maxFrame]
// bytes. The side that dialled the connection opens the stream; the first frame
// of each side carries profile, availability and instance. The dialling side
// pings every [pingEvery], the other answers. A ping unanswered for
// [pongWithin], or no ping for [silence], closes the connection: an absent peer
// shows as such within 15 s, at about three packets per pingEvery.
//
// Receipts say how much of the receiver's own logs in rooms the sender has
// committed: at most [maxReceipts] positions a frame, gathered for
// [receiptGather], the newest of each log. They are hints and may be lost.
//
// Concurrency: each stream has a reader goroutine, which ends when the stream
// does, and on the dialling side a pinger that ends with it. The set of sessions
// is guarded by a mutex. The [Handler] is called by one goroutine, without that
// mutex, in the order in which sessions came and went; it may call the service.
package hello
