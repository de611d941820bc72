// Package discovery makes peers appear, and come back after every fault.
//
// It multicasts who we are and listens for others (mDNS, service
// _p2pchat._udp, RFC 6762 and 6763; TXT entries "dnsaddr=MULTIADDR" as in
// libp2p's mDNS specification), remembers those it shook hands with, dials
// them, and closes connections that are dead. An address heard is a hint; who
// answers there is settled by the handshake.
//
// # Rules
//
//   - The peer with the lower ID dials at once, the other after two seconds.
//     Of two connections the older one that the lower ID dialled stays.
//   - A connection is pinged (libp2p ping, one second) when there is reason to
//     doubt it: our interfaces or addresses changed, its peer announces other
//     addresses or has restarted, its peer asks for us by name, a second
//     connection from the same peer arrives. If no answer comes it is closed.
//   - A lost peer is dialled again about once a second for a minute, then
//     every three seconds, after ten minutes once a minute; any sign of life
//     starts anew. One that said goodbye is left in peace.
//   - Only addresses in a subnet of ours are dialled, except those the user
//     named.
//   - Nobody is dialled unasked above Config.MaxConns connections.
//   - Interfaces are watched (netlink on Linux, elsewhere a poll). On a change
//     groups are joined anew and the node announces itself five times in four
//     seconds.
//
// # On the wire
//
// A packet is an ordinary DNS message to 224.0.0.251 or ff02::fb, port 5353,
// with the service instance PEER-ID._p2pchat._udp.local. An announcement is a
// PTR record and the instance's TXT record: "boot=" and eight hex digits that
// are new with every start, and a dnsaddr entry for each address on the
// interface it is sent on. TTL 0 says goodbye. A response carries it as answer
// (with SRV and address records for other tools), a query as additional
// record. A query asks for PTR of the service (who is there?) or for TXT of
// certain instances (are you there? I have lost you).
//
// # Concurrency
//
// One goroutine, Service.decide, owns all state: the policy (whom to dial,
// which connections to keep) and the announcer (what to multicast), both pure
// state machines with the time as an argument. It never waits for network or
// disk. Dials, pings, closes, packet reading, the address book and event
// delivery have goroutines of their own, all of which Run waits for.
package discovery
