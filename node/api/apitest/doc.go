// Package apitest holds what tests of [api.Service] share.
//
//   - [Run] is the contract suite. Every implementation of the service, in
//     process or over a socket, must pass it: what it checks is what a face may
//     rely on.
//   - [LAN] and [FakeNode] are a network in memory whose nodes implement the
//     service: delivery, receipts, presence, typing, read markers, and a switch
//     to take a node off the network. They serve the tests of the faces and of
//     the socket, which then need neither keys, disk nor sockets. Who may do
//     what in a room is decided by protocol/room, a copy of it at every node, on
//     events that nobody signed and whose IDs are the same in every run.
//
// A LAN has one lock, and everything a call causes on other nodes has happened
// when the call returns; so a test needs to wait for nothing but a watcher's
// own pace. All of it works under testing/synctest.
package apitest
