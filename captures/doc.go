// Package captures records the traffic of exactly one p2pchat node to a file
// that Wireshark, tshark, tcpdump and capinfos open.
//
// A caller describes the node in a [Target] (where it listens, which
// connections it has, which peers it may dial), opens a [Capture] with [Open]
// and runs it with [Capture.Run] until its context ends. The package knows
// nothing of the node's code; whoever composes both hands the Target over, and
// a Refresh function that is asked about once a second for a new one.
//
// # What is kept
//
// A frame is kept if it is Ethernet (with up to two VLAN tags) or bare IP,
// carries IPv4 or IPv6 (up to four extension headers), TCP or UDP, and
//
//   - one of its sides is an address of this host at a port where the node
//     listens (the node dials from these ports too: QUIC always, TCP nearly
//     always), or
//   - it belongs to a connection that the Target names, or
//   - it is multicast DNS (UDP port 5353) and a name in it belongs to the
//     service _p2pchat._udp, or to one of its instances if the Target names
//     any.
//
// Addresses are this host's own as the system lists them now, or did until 2 s
// ago. Later fragments of a datagram are kept if its first fragment was. A remote
// port that happens to equal the node's says nothing: the local side decides.
// A TCP connection from this host to the listening address of a known peer
// whose local port is not the node's may be the node's (go-libp2p dials from
// any port when the usual one still waits in TIME-WAIT): its packets are held
// for up to 3 s until the node names the connection, else forgotten.
//
// Two filters work in a row. The kernel's (classic BPF) sees to ports only, and
// keeps the rest of the machine's traffic out of the way; the one in user space
// looks at addresses, connections, DNS names and fragments and has the last
// word.
//
// # Files
//
// The file's name decides the format; both are little endian, with nanosecond
// timestamps (UTC, since 1970) and at most 262144 bytes of each frame:
//
//   - .pcapng (draft-ietf-opsawg-pcapng): one section; one interface block per
//     interface with name, addresses, operating system, filter and link type
//     (1 Ethernet, 101 bare IP); name resolution blocks that map addresses to
//     usernames; enhanced packet blocks with direction; at the end one
//     statistics block per interface with received and dropped counts.
//   - .pcap (draft-ietf-opsawg-pcap, magic number 0xa1b23c4d): packets of
//     interfaces that share one link type.
//
// A capture with secrets ([Options.Secrets]) can be read. A .pcapng has the keys of
// TLS sessions in decryption secrets blocks, each before the packets that it opens,
// and comments at packets for a plugin: see [RoomComment] and [PersonComment]. Files
// of a ring begin with all of them, as far as a quarter of their size each. Of a
// .pcap the keys stand in a file beside it (an NSS key log, 0600, named .keylog,
// which replaces nothing but key logs), and there are no comments. Packets are held
// for 500 ms then.
//
// Packets of all interfaces stand in the order of their timestamps: each is
// held for 200 ms after it was read, which is longer than any interface takes
// to deliver (frames come in blocks, at most 40 ms old). Frames sent with
// segmentation offload are recorded as the kernel handed them to the device,
// hence longer than the MTU. A VLAN tag that the hardware took off is put back.
//
// Whole blocks are written with one write call, so a file is readable at any
// moment, also after a crash or kill -9; what the kernel itself cuts short in
// mid-call (a kill at that very moment, a full disk) costs the last block, and
// where the process lives on it cuts the file back to the last whole block.
//
// Files are created with mode 0600. Something that exists under the name is
// replaced only if it is a capture or empty; symbolic links are not followed.
// Under sudo the file goes to the user who called it. A named pipe or "-"
// (standard output, pcapng) may be written to instead of a file.
//
// A ring writes NAME_00001_20060102150405.pcapng and so on, as dumpcap does,
// each a complete capture of at most the given size, and deletes the oldest.
//
// # Systems
//
// Linux: packet sockets with a memory-mapped ring (TPACKET_V3) of 16 MiB per
// interface, without cgo; needs CAP_NET_RAW and nothing more (a ring is not
// bound by net.core.rmem_max, as a socket's receive buffer would be).
//
// macOS and the BSDs: BPF devices, by github.com/google/gopacket/bsdbpf. Nothing
// is filtered in the kernel, and frames that it had no room for are not counted.
// Windows on amd64: Npcap, by github.com/google/gopacket/pcap, with the kernel's
// filter. On both, packets of the loopback interface are recorded as bare IP, and
// the direction of packets is not known. These are compiled and what they share
// with Linux is tested; they have not been run.
//
// Other systems, Windows on arm64 among them: [ErrUnsupported].
//
// # Concurrency
//
// [Capture.Run] is one goroutine that owns filter, queue, file and counters;
// one goroutine per interface reads frames, one watches for changes of
// interfaces and addresses, one calls Refresh, one takes secrets. Run waits for
// all of them.
package captures
