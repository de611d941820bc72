// Package labtest tests p2pchat as its users have it: the built binary, several
// machines, a switch, and what happens to cables, addresses and processes.
// Everything is done through the command line and judged by what it prints,
// as docs promise it; the local socket serves only to wait for something
// without starting a process every few milliseconds.
//
// The LAN is package lab's; see there for what the tests need and for the
// variables that make them longer and stricter. One test is one story.
package labtest
