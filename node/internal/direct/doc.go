// Package direct carries one-to-one chat: one long-lived stream per pair on
// /p2pchat/direct/1.0.0.
//
// Frames are uvarint-length-prefixed DirectFrame messages of at most [maxFrame]
// bytes, which may begin at any time and then have a deadline. Each side first
// sends the frontier it has committed of the two people's conversation, then the
// ranges the other lacks, then what is new as it is committed. An ack carries
// the frontier its sender has committed since; nothing is acknowledged that is
// not on disk. Typing and read markers are frames that are not kept by this
// protocol.
//
// A stream is opened when there is something to say ([Service.Wake]); either
// side may. If both do at once the lower peer ID's stays. A stream that ends
// while the connection lives is opened again with a growing delay. With whom
// [Config].Barred names there is none: his are reset, and nothing tells him why.
//
// Concurrency: a mutex guards the table of sessions. A session has a reader
// and a writer goroutine; both end when the stream or Run's context does. The
// writer owns what was sent; the reader commits what arrives before it reads
// on, so a slow disk slows the sender through flow control.
package direct
