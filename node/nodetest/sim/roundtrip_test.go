package sim

import (
	"testing"
	"time"
)

// TestRoundTrip: the round trip that is shown is the network's, on both sides, from the
// first moment; no wait of a node's own is part of it.
func TestRoundTrip(t *testing.T) {
	inBubble(t, 7, func(t *testing.T, n *Net) {
		a := must(n.Account(t.Context(), "anna"))(t)
		b := must(n.Account(t.Context(), "bert"))(t)
		check(t, a.Start(t.Context()))
		check(t, b.Start(t.Context(), a))
		for begun := time.Now(); time.Since(begun) < 3*time.Minute; time.Sleep(time.Second) {
			for _, pair := range [][2]*Node{{a, b}, {b, a}} {
				for _, p := range must(pair[0].Peers(t.Context()))(t) {
					if p.PeerID != pair[1].ID || p.RTT == nil {
						continue
					}
					took := time.Duration(*p.RTT * float64(time.Millisecond))
					if most := 2*defaultLatency + time.Millisecond; took < defaultLatency || took > most {
						t.Fatalf("after %v: %v for %s, at most %v", time.Since(begun), took, pair[0].Name, most)
					}
				}
			}
		}
		for _, x := range []*Node{a, b} {
			if ps := must(x.Peers(t.Context()))(t); len(ps) != 1 || ps[0].RTT == nil {
				t.Errorf("%s has measured nothing: %v", x.Name, ps)
			}
		}
	})
}
