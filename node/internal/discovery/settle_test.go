package discovery

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Two ends of some connections, alive or dead, opened in orders that differ
// at the ends, agree on one that stays.
func TestOneConnectionStays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type conn struct {
			byLower, alive bool
		}
		conns := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) conn {
			return conn{rapid.Bool().Draw(t, "dialled by lower"), rapid.Bool().Draw(t, "alive")}
		}), 1, 5).Draw(t, "connections")
		lower, higher := newWorld(nil, 1), newWorld(nil, 2)
		gone := make([]bool, len(conns))
		for _, w := range []*world{lower, higher} {
			order := rapid.Permutation(slices.Collect(func(yield func(int) bool) {
				for i := range conns {
					if !yield(i) {
						return
					}
				}
			})).Draw(t, "order")
			for _, i := range order {
				w.now = w.now.Add(time.Millisecond)
				other, out := 2, conns[i].byLower
				if w == higher {
					other, out = 1, !out
				}
				w.open(other, fmt.Sprint(i), out)
			}
		}
		// Both act; what one closes the other sees a little later.
		for range 200 {
			for _, w := range []*world{lower, higher} {
				for _, c := range w.run() {
					switch c := c.(type) {
					case pingCmd:
						var i int
						fmt.Sscan(c.link, &i)
						w.pinged(w.now, c.link, conns[i].alive && !gone[i])
					case closeCmd:
						var i int
						fmt.Sscan(c.link, &i)
						gone[i] = true
						w.closed(w.now, c.link)
					}
				}
				w.now = w.now.Add(50 * time.Millisecond)
			}
			for i, g := range gone {
				if g && conns[i].alive {
					lower.closed(lower.now, fmt.Sprint(i))
					higher.closed(higher.now, fmt.Sprint(i))
				}
			}
		}
		left := 0
		for i := range conns {
			if conns[i].alive && !gone[i] {
				left++
			}
		}
		anyAlive := slices.ContainsFunc(conns, func(c conn) bool { return c.alive })
		// The newest has just been opened and is not pinged: it counts as
		// alive at each end, and if it is not, the heartbeat ends it.
		if left > 1 || (anyAlive && left == 0 && len(lower.links)+len(higher.links) == 0) {
			t.Fatalf("%d connections left of %+v (closed %v)", left, conns, gone)
		}
	})
}
