// Package demo is `p2pchat demo`: it composes package node and package captures
// into a demonstration that runs on one machine.
//
// Two fresh nodes named client and server find each other, say the lines of the
// dialogue, meet in a room that server makes, talk there and stop; first over TCP only, then two others over QUIC only. A
// capture of all of it stays. What came of it is a table whose observations are
// read from the receivers' logs.
//
// # Among themselves
//
// The nodes live on the loopback interface: they listen there only, multicast
// there only, and each knows nobody but the other ([node.Config].Only). So
// nodes on the LAN, nodes of this machine and another demonstration neither
// notice them nor are noticed. Client is at 127.0.0.1 and server, where all of
// 127.0.0.0/8 is the machine's own (Linux), at 127.0.0.2, so that a capture
// tells them apart. Of the two peer IDs client's is the lower, which makes it
// the one that dials.
//
// Ports are chosen before anything starts, so that the capture is open when the
// first packet leaves: between 28000 and 29399, where no system hands out ports
// by itself and Wireshark expects no other protocol.
//
// # Files
//
// Accounts, keys and databases are in a temporary directory that is removed at
// the end, also of an interrupted demonstration. The capture is whole as soon
// as [Run] returns.
package demo
