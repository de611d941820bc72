package sim

import (
	"context"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
)

// The network does what it is told.
func TestLan(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, n *Net) {
		const latency = 20 * time.Millisecond
		// settled is, in virtual time, when QUIC has sent again what was lost: the ends
		// of streams are among it, and a host answers two pings of one peer at a time.
		const settled = 10 * time.Second
		n.Lan.SetLatency(latency, 0)
		a := must(n.Add(t.Context(), "a"))(t)
		o := must(n.AddOutsider(t.Context()))(t)
		defer o.Close()
		check(t, o.Meet(t.Context(), a))
		trip := func() (time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			r, answered := <-ping.Ping(ctx, o, o.Network().Peers()[0])
			if !answered {
				return 0, ctx.Err()
			}
			return r.RTT, r.Error
		}
		for range 3 {
			if d := must(trip())(t); d < 2*latency || d > 2*latency+time.Millisecond {
				t.Errorf("a round trip takes %v, want twice %v", d, latency)
			}
		}
		n.Lan.Cut([]*Node{a})
		if d, err := trip(); err == nil {
			t.Errorf("a packet went and came in %v though the cable is cut", d)
		}
		n.Lan.Heal()
		time.Sleep(settled)
		must(trip())(t)
		n.Lan.SetLoss(1)
		if d, err := trip(); err == nil {
			t.Errorf("a packet went and came in %v though all are lost", d)
		}
		n.Lan.SetLoss(0)
		time.Sleep(settled)
		must(trip())(t)
	})
}
