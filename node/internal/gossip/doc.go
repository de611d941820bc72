// Package gossip is the fast path of rooms: opaque payloads on GossipSub
// topics. It owns the one PubSub instance of a host, its parameters, and who a
// message is passed on to; it knows nothing of rooms, envelopes or stores.
//
// It is a hint, not the delivery. A message is lost to a peer whose connection
// is cut for longer than its neighbours advertise it (about a second), whose
// queue is full, who is slow to take it, or who is not in a mesh yet, in the
// first heartbeat after it connects or joins; what stands on this repairs that.
//
// # On the wire
//
// libp2p pubsub and GossipSub v1.1 to v1.3 under their standard protocol IDs
// (github.com/libp2p/specs, pubsub/ and pubsub/gossipsub/), so that other
// implementations can take part. Messages carry data and topic only
// (StrictNoSign: no from, seqno, signature or key; one that has them is
// refused). The ID of a message is a hash of both, see [MessageID]: the same
// payload published twice within ten minutes goes out once. A payload has at
// most [MaxPayload] bytes, an RPC at most 4 KiB more; a stream that brings a
// longer one is reset.
//
// # Who gets a message
//
// A publisher sends to every connected subscriber of the topic (flood publish)
// whom [Config].Belongs admits. Others pass it on to their mesh, unless the
// publisher says in the payload that it reached every member itself
// ([Config].Flooded): then they only take it into the message cache, so that
// heartbeats advertise it (IHAVE) and a neighbour who missed it asks (IWANT).
// A full mesh of 50 then carries a message once per member instead of seven
// times, and a cut connection is repaired within a heartbeat or two. As mesh
// neighbours are never advertised to, a room in which everybody may be
// everybody's neighbour is not spared the forwarding, whatever the payload
// says; see [Service.SuppressAbove]. One who has but few connections, to peers
// who all have it in their meshes, is not repaired here; the flag therefore
// says that the publisher is connected to all, not to most.
//
// go-libp2p-pubsub decides what to do with a message in its router, and takes
// options for scoring, flood publishing and parameters only with its own. We
// need those, so the router is not replaced. Instead the subscription's filter,
// which that library calls in its loop just before it forwards, marks a
// message as local, which ends the library's part, and hands it to the
// router's PublishBatch with a scheduler that sends to those we choose.
//
// # Score
//
// Peers lose for invalid messages (P4) and for misbehaviour (P7: broken
// promises, grafts that come too early), nothing else: a quiet member is no
// bad one, and on a LAN many share an address. Below zero a peer is dropped
// from meshes, below the thresholds in options.go it is advertised nothing,
// then sent nothing, then not listened to.
//
// # Concurrency
//
// All methods may be called concurrently. PubSub has one loop and a goroutine
// or two per stream. One goroutine validates, of all topics, in the order of
// arrival, so that what a peer sent in a row is delivered in a row. A topic has
// two goroutines of its own, one that delivers and one that tells of peers;
// their calls to the [Handler] do not overlap. All end with the context of New.
package gossip
