// Package report reads capture files and says what happened in them: who
// talked to whom, how long connections took to open, round trips, what was
// sent again, throughput over time, and who announced himself.
//
// [Read] goes once through a file of either format and keeps a bounded amount
// of memory whatever its size; what did not fit is counted, and said in
// [Report.Notes]. It looks at headers only, needs no other program, and takes
// any file: one that was cut by a crash gives what is whole, frames that make
// no sense are counted as others. Files that are no capture are
// [ErrNotCapture].
//
// What stands inside the encryption, chat lines and protocols, [Decrypt] asks
// of tshark and the project's plugin. [Report.HTML] is the report as one
// page.
//
// # How things are measured
//
// All times are those of the place where the capture was made.
//
//   - TCP handshake: from the first SYN to the client's ACK of SYN+ACK
//     (RFC 9293, section 3.5).
//   - Secure handshake: over TCP from the client's ClientHello to the first
//     record that he protects (RFC 8446, section 2; with libp2p that is his
//     certificate), with Noise from his first message to his second; over QUIC
//     from his first Initial to his first 1-RTT packet (RFC 9001).
//   - Round trip: from a segment to the acknowledgement that covers it and
//     nothing sent later; segments sent twice are left out (RFC 6298, section
//     3). To the server and to the client apart, since the capture stands
//     somewhere between. Of QUIC, whose acknowledgements are encrypted, only
//     the handshake's.
//   - Sent again: a TCP segment all of whose bytes had been seen before, or
//     which fills a gap more than 3 ms after that was seen; less, and it was
//     overtaken: out of order. Of QUIC nobody can tell from outside.
//
// File formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. They are
// read here, not by gopacket, whose reader knows neither names nor comments nor
// keys, and brings tables of 5 MB into every start of the program.
package report
