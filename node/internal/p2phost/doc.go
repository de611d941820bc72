// Package p2phost owns the libp2p host of a node: its transports, its limits
// and the addresses it announces. It knows nothing of chat or discovery.
//
// What it builds is a host for a LAN: QUIC and TCP, TLS 1.3 preferred and
// Noise as fallback, yamux on TCP, the resource manager on and the connection
// manager at a high-water mark. There is no relay, AutoNAT, DHT, hole
// punching, port mapping or metrics registry: none of them has work on a LAN,
// and each costs goroutines, memory or packets.
//
// Where it differs from go-libp2p's defaults, and why (v0.51):
//
//   - The resource manager admits new connections per remote address at 0.2/s
//     after a burst of 16, outgoing attempts included, and counts a whole IPv6
//     LAN (/56) as one address with 8 connections. A peer that is redialled
//     once a second would soon be refused by our own limiter. See limits.go.
//   - Interface addresses are cached for a minute in the host. The announced
//     addresses are therefore computed by an AddrsFactory from the interfaces
//     as they are now. See addrs.go.
//   - SO_REUSEPORT lets two processes of one user listen on the same TCP port
//     and share its connections at random. A port is probed without it first.
//     See listen.go.
//   - TCP is dialled 30 ms after QUIC, which on a loaded machine yields two
//     connections to one peer. See rank.go.
//   - Session keys can be listened to while the host lives, for captures that
//     are to be read. Noise has no log of its keys and is refused as long. See
//     keylog.go and tls.go.
//   - quic-go's UDP segmentation offload is off, in the whole process: what it
//     sends cannot be read in a capture.
//
// All methods are safe for concurrent use. Close ends every goroutine.
package p2phost
