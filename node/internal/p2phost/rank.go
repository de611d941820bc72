package p2phost

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
)

// Steps between the addresses of one peer. The first that answers wins and
// the rest are cancelled, so a step must be longer than a handshake on a busy
// machine, or a peer gets two connections; and short enough that a peer whose
// UDP is filtered appears within a second. Twenty nodes that start at once on
// two cores need 300 to 500 ms for a handshake.
const (
	sameTransportStep = 150 * time.Millisecond
	tcpAfterQUIC      = 500 * time.Millisecond
)

// rankDials orders a peer's addresses: QUIC before TCP, IPv4 before IPv6
// (on a LAN the one that always works), each after a step.
// It implements network.DialRanker.
func rankDials(addrs []ma.Multiaddr) []network.AddrDelay {
	rank := func(a ma.Multiaddr) int {
		r := 0
		if _, err := a.ValueForProtocol(ma.P_QUIC_V1); err != nil {
			r += 2
		}
		if len(a) > 0 && a[0].Code() != ma.P_IP4 {
			r++
		}
		return r
	}
	sorted := slices.Clone(addrs)
	slices.SortStableFunc(sorted, func(a, b ma.Multiaddr) int { return rank(a) - rank(b) })

	out := make([]network.AddrDelay, 0, len(sorted))
	var delay time.Duration
	for i, a := range sorted {
		if i > 0 {
			if rank(sorted[i-1]) < 2 && rank(a) >= 2 {
				delay += tcpAfterQUIC
			} else {
				delay += sameTransportStep
			}
		}
		out = append(out, network.AddrDelay{Addr: a, Delay: delay})
	}
	return out
}
