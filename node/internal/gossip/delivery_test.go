package gossip

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// everybodyGets publishes count payloads from each member and waits until each
// of the others has each exactly once. It forgets what was delivered before.
func everybodyGets(b *board, all []*member, count int, kind string) {
	b.t.Helper()
	b.note(func() {
		for _, m := range all {
			m.delivered, m.forwards = nil, 0
		}
	})
	var want []string
	for i := range count {
		for k, m := range all {
			p := m.own(fmt.Sprintf("%s message %d of %d", kind, i, k))
			want = append(want, p)
			m.publish(p)
		}
	}
	for k, m := range all {
		b.until(fmt.Sprintf("%d has everything", k), func() bool { return len(m.delivered) >= len(want)-count })
		got := get(b, func() []string { return slices.Clone(m.delivered) })
		for _, p := range want {
			if ours := strings.HasSuffix(p, string(m.id())); ours == slices.Contains(got, p) {
				b.t.Errorf("member %d, %q: published by itself %v, delivered %v", k, p, ours, !ours)
			}
		}
		if n := len(slices.Compact(slices.Sorted(slices.Values(got)))); n != len(got) {
			b.t.Errorf("member %d: %d payloads were delivered, %d of them different", k, len(got), n)
		}
	}
}

func TestDelivery(t *testing.T) {
	for _, n := range []int{2, 5, 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			b := newBoard(t)
			all := meet(b, n, nil)
			for _, kind := range []string{"flooded", "plain"} {
				everybodyGets(b, all, 3, kind)
				// What is passed on is so right after it is delivered for the
				// first time, and all is delivered.
				forwards := get(b, func() (sum int) {
					for _, m := range all {
						sum += m.forwards
					}
					return sum
				})
				suppressed := kind == "flooded" && n >= all[0].service.SuppressAbove()
				if suppressed && forwards > 0 {
					t.Errorf("flooded payloads were passed on %d times", forwards)
				}
				if !suppressed && n > 2 && forwards == 0 {
					t.Errorf("%s payloads were not passed on", kind)
				}
			}
		})
	}
}

// A publisher claims to be connected to all, and is not.
func TestFloodedButOne(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	all := meet(b, 14, func(i, j int) bool { return i != 13 || j != 0 })
	all[0].publish(all[0].own("flooded first"))
	for _, m := range all[1:] {
		m.has(all[0].own("flooded first"))
	}
	for i, m := range all {
		if n := get(b, func() int { return m.forwards }); n > 0 {
			t.Errorf("member %d passed it on %d times", i, n)
		}
	}
	if n := get(b, func() int { return all[0].sentTo[all[13].id()] }); n > 0 {
		t.Error("the publisher sent it after all")
	}
}

// A tenth of the connections is missing; everybody claims to reach everybody.
func TestFloodedPartialMesh(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	all := meet(b, 20, func(int, int) bool { return rnd.IntN(10) > 0 })
	everybodyGets(b, all, 2, "flooded")
}

// In a small room the claim is not heeded: all may be in each other's meshes,
// and nobody would advertise anything.
func TestSmallRoomForwards(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	all := meet(b, 5, func(i, j int) bool { return i != 4 || j != 0 })
	everybodyGets(b, all, 3, "flooded")
}

// What one peer sends in a row is delivered in a row.
func TestOrder(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	all := meet(b, 2, nil)
	var want []string
	for i := range 400 { // fewer than a queue holds
		want = append(want, fmt.Sprint("line ", i))
		all[0].publish(want[i])
	}
	all[1].has(want[len(want)-1])
	if got := get(b, func() []string { return all[1].delivered }); !slices.Equal(got, want) {
		t.Errorf("delivered %d payloads, not in order", len(got))
	}
}
