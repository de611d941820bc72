package sim

import (
	"fmt"
	"testing"
	"time"
)

// A hundred in one room: every message everywhere, once, in the same order. One
// who comes late gets the same.
func TestHundred(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, n *Net) {
		const nodes, lines = 100, 50
		room := must(n.Gather(t.Context(), Crowd{Nodes: nodes, Dials: 8}))(t)
		f := must(n.Measure(t.Context(), room, lines, 100*time.Millisecond))(t)
		t.Log(f)
		all := must(Same(t.Context(), room, n.Nodes()...))(t)
		if want := nodes + lines; len(all) != want { // the joins and the lines
			t.Errorf("the log has %d entries, want %d", len(all), want)
		}

		late := must(n.Account(t.Context(), "late"))(t)
		check(t, late.enter(t.Context(), room, n.Nodes()[:2]))
		check(t, Until(time.Minute, func() error {
			got, err := Same(t.Context(), room, n.Nodes()...)
			if err == nil && len(got) != len(all)+1 {
				err = fmt.Errorf("the log has %d entries, want %d", len(got), len(all)+1)
			}
			return err
		}))
	})
}

// Twenty who are all connected: nobody passes anything on. What is advertised
// while it is under way to somebody may come to him twice.
func TestTwentyConnected(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, n *Net) {
		const nodes, lines = 20, 50
		room := must(n.Gather(t.Context(), Crowd{Nodes: nodes}))(t)
		f := must(n.Measure(t.Context(), room, lines, 100*time.Millisecond))(t)
		t.Log(f)
		if f.Duplicates > 0.5 {
			t.Errorf("%.2f duplicates per delivery though everybody is connected to everybody", f.Duplicates)
		}
		all := must(Same(t.Context(), room, n.Nodes()...))(t)
		if want := nodes + lines; len(all) != want {
			t.Errorf("the log has %d entries, want %d", len(all), want)
		}
	})
}
