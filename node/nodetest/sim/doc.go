// Package sim runs whole nodes in one process on a simulated network: real
// stores, real QUIC, real GossipSub, and links whose latency, loss and cuts a
// test decides. Under testing/synctest time is virtual, so that a minute of
// heartbeats costs what the work in it costs; without it everything runs in
// real time.
//
// A [Net] has one [Lan], to which every [Node] is connected by an interface of
// its own. Nodes do not announce themselves by multicast: each is told some
// peers, and what follows (who dials again, which connection stays) is
// discovery's doing, as on a cable. A node can be stopped and started again on
// the same store.
//
// What this rests on beside virtual time: no socket is open and no interface is
// watched (node.Seams), since a goroutine that waits for the kernel keeps
// virtual time from passing. The disk is real, and takes no virtual time.
//
// # Concurrency
//
// A Net and its nodes may be used from several goroutines. The nodes' own
// goroutines end with [Node.Stop], those of the network with [Net.Close].
package sim
