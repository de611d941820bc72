package tui

import (
	"fmt"
	"strings"
	"time"

	"p2pchat/node/api"
)

// address is a multiaddr as people read it.
type address struct{ host, port, transport string }

// parseAddress takes a multiaddr such as /ip4/10.0.0.2/udp/47700/quic-v1/p2p/ID
// apart; whatever it does not know ends up in host as it stands.
func parseAddress(s string) address {
	bare, _, _ := strings.Cut(s, "/p2p/")
	f := strings.Split(bare, "/")
	if len(f) < 5 || f[0] != "" {
		return address{host: bare}
	}
	host, rest := f[2], f[3:]
	if f[1] == "ip6zone" && len(f) >= 7 {
		host, rest = f[4]+"%"+f[2], f[5:]
	}
	a := address{host: host, port: rest[1], transport: rest[0]}
	if len(rest) > 2 {
		a.transport = strings.Join(rest[2:], "/")
	}
	return a
}

// String is host:port.
func (a address) String() string {
	switch {
	case a.port == "":
		return a.host
	case strings.Contains(a.host, ":"):
		return "[" + a.host + "]:" + a.port
	}
	return a.host + ":" + a.port
}

// addressOf is the address of a peer that fits its live connection, else the
// first; false if none is known.
func addressOf(p api.Peer) (address, bool) {
	for _, s := range p.Addrs {
		if a := parseAddress(s); p.Transport != nil && a.transport == *p.Transport {
			return a, true
		}
	}
	if len(p.Addrs) == 0 {
		return address{}, false
	}
	return parseAddress(p.Addrs[0]), true
}

// rtt is a round trip as shown, "" if it is not known.
func rtt(p api.Peer) string {
	switch {
	case p.RTT == nil:
		return ""
	case *p.RTT < 10:
		return fmt.Sprintf("%.2f ms", *p.RTT)
	}
	return fmt.Sprintf("%.0f ms", *p.RTT)
}

// seen says when a peer was last seen.
func (m *model) seen(p api.Peer) string {
	if p.State == api.Online {
		return "now"
	}
	if p.LastSeen.IsZero() {
		return "never"
	}
	t, now := m.local(p.LastSeen), m.now()
	switch d := now.Sub(t); {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case sameDay(t, now):
		return t.Format("15:04")
	case t.Year() == now.Year():
		return t.Format("2 Jan 15:04")
	}
	return t.Format("2 Jan 2006")
}
