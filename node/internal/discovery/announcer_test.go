package discovery

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// air is a LAN of announcers without hosts: what one sends all others hear at
// once. Connections are made as by the policy with the lower ID dialling.
type air struct {
	now   time.Time
	nodes []*announcer
	sent  int // packets
	links [][]bool
}

func newAir(n int) *air {
	a := &air{now: t0}
	for i := range n {
		a.nodes = append(a.nodes, newAnnouncer(testID(i), rand.New(rand.NewPCG(7, uint64(i)))))
		a.links = append(a.links, make([]bool, n))
	}
	return a
}

// connected counts the nodes that have a connection to every other one.
func (a *air) connected() int {
	n := 0
	for i := range a.nodes {
		all := true
		for j := range a.nodes {
			all = all && (i == j || a.links[i][j])
		}
		if all {
			n++
		}
	}
	return n
}

// until runs the network. Every announcement makes those with a lower ID dial;
// a dial takes 20 ms.
func (a *air) until(end time.Time) {
	type dial struct {
		at   time.Time
		i, j int
	}
	var dials []dial
	for a.now.Before(end) {
		at, quiet := end, true
		for i, n := range a.nodes {
			sendings, next := n.tick(a.now)
			if !next.IsZero() && next.Before(at) {
				at = next
			}
			for _, s := range sendings {
				quiet = false
				a.sent++
				for j, other := range a.nodes {
					if j < i && !a.links[i][j] {
						dials = append(dials, dial{a.now.Add(20 * time.Millisecond), i, j})
					}
					// As Service.received decides.
					if j > i && !a.links[i][j] && (s.askAll || !s.query) {
						other.askedAll(a.now)
					}
					if j != i {
						other.overheard(a.now, s.ask, len(a.nodes))
					}
				}
			}
		}
		if !quiet {
			continue // what was sent may have changed what others plan
		}
		for _, d := range dials {
			if d.at.Before(at) {
				at = d.at
			}
		}
		a.now = at
		rest := dials[:0]
		for _, d := range dials {
			if d.at.After(a.now) {
				rest = append(rest, d)
				continue
			}
			a.links[d.i][d.j], a.links[d.j][d.i] = true, true
		}
		dials = rest
	}
}

// Two hundred nodes that start at once find each other within seconds, and
// the whole LAN then carries a few packets a second.
func TestMulticastIsCheap(t *testing.T) {
	t.Parallel()
	const n = 200
	a := newAir(n)
	for _, node := range a.nodes {
		node.appear(t0)
	}
	a.until(t0.Add(2 * time.Second))
	if c := a.connected(); c != n {
		t.Errorf("%d of %d nodes know all after two seconds", c, n)
	}
	a.until(t0.Add(10 * time.Second))
	if a.sent > 12*n {
		t.Errorf("start cost %d packets, %d for each node", a.sent, a.sent/n)
	}
	t.Logf("start of %d nodes: %d packets", n, a.sent)
	a.sent = 0
	a.until(t0.Add(10*time.Second + 10*time.Minute))
	if perSecond := float64(a.sent) / 600; perSecond > 5 {
		t.Errorf("%.1f packets a second in a complete mesh", perSecond)
	}
}

// One that is gone without a word is asked for by the mesh together.
func TestSearchIsShared(t *testing.T) {
	t.Parallel()
	const n = 50
	a := newAir(n)
	for i := range a.nodes {
		for j := range a.nodes {
			a.links[i][j] = true
		}
	}
	for _, node := range a.nodes {
		node.repeatFrom(t0)
		node.miss(t0, map[peer.ID]time.Time{testID(n): t0})
	}
	a.until(t0.Add(time.Minute))
	if perSecond := float64(a.sent) / 60; perSecond > 15 {
		t.Errorf("%d nodes miss one: %.1f packets a second", n, perSecond)
	} else if perSecond < 0.5 {
		t.Errorf("%d nodes miss one, and ask %.1f times a second", n, perSecond)
	}
}

func collect(a *announcer, from, to time.Time) (out []sending, at []time.Duration) {
	for now := from; now.Before(to); now = now.Add(10 * time.Millisecond) {
		s, _ := a.tick(now)
		for _, m := range s {
			out, at = append(out, m), append(at, now.Sub(from))
		}
	}
	return out, at
}

func testAnnouncer() *announcer {
	return newAnnouncer(testID(0), rand.New(rand.NewPCG(3, 4)))
}

func TestBurst(t *testing.T) {
	t.Parallel()
	a := testAnnouncer()
	a.appear(t0)
	got, at := collect(a, t0, t0.Add(30*time.Second))
	if len(got) != len(burst) || at[0] != 0 || at[1] > 400*time.Millisecond {
		t.Errorf("burst at %v", at)
	}
	for _, s := range got {
		if !s.query || !s.askAll {
			t.Errorf("burst sends %+v", s)
		}
	}
}

func TestSeekByName(t *testing.T) {
	t.Parallel()
	a := testAnnouncer()
	missing := map[peer.ID]time.Time{}
	for i := 1; i <= 30; i++ {
		missing[testID(i)] = t0
	}
	a.miss(t0, missing)
	got, at := collect(a, t0, t0.Add(5*time.Second))
	asked := map[peer.ID]int{}
	for i, s := range got {
		if len(s.ask) > maxQuestions || !s.query || s.askAll {
			t.Fatalf("sent %+v", s)
		}
		for _, id := range s.ask {
			asked[id]++
			if at[i] == 0 && asked[id] != 1 {
				t.Errorf("asked for twice at once")
			}
		}
	}
	for id := range missing {
		if asked[id] < 5 || asked[id] > 9 {
			t.Errorf("asked for %s %d times in five seconds", id, asked[id])
		}
	}
	a.miss(t0.Add(5*time.Second), nil)
	if got, _ := collect(a, t0.Add(5*time.Second), t0.Add(15*time.Second)); len(got) != 0 {
		t.Errorf("still asking: %+v", got)
	}
	// Ten minutes later once a minute is enough.
	a.miss(t0.Add(time.Hour), map[peer.ID]time.Time{testID(1): t0})
	if got, _ := collect(a, t0.Add(time.Hour), t0.Add(70*time.Minute)); len(got) < 7 || len(got) > 15 {
		t.Errorf("%d questions in ten minutes, an hour after the loss", len(got))
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	a := testAnnouncer()
	// However often it is asked, a node answers all once a second.
	var got []sending
	for i := range 100 {
		now := t0.Add(time.Duration(i) * 50 * time.Millisecond)
		a.askedAll(now)
		s, _ := a.tick(now)
		got = append(got, s...)
	}
	if len(got) < 4 || len(got) > 6 {
		t.Errorf("%d answers in five seconds", len(got))
	}
	for _, s := range got {
		if s.query {
			t.Errorf("answered with %+v", s)
		}
	}
	// Asked by name it answers at once.
	now := t0.Add(time.Minute)
	a.askedByName(now)
	if _, at := collect(a, now, now.Add(time.Second)); len(at) != 1 || at[0] > 50*time.Millisecond {
		t.Errorf("answered by name after %v", at)
	}
}

func TestLonelyAsks(t *testing.T) {
	t.Parallel()
	a := testAnnouncer()
	a.appear(t0)
	collect(a, t0, t0.Add(6*time.Second))
	a.setLonely(t0.Add(6*time.Second), true)
	got, _ := collect(a, t0.Add(6*time.Second), t0.Add(66*time.Second))
	if len(got) < 4 || len(got) > 9 || !got[0].askAll {
		t.Errorf("%d packets in a lonely minute: %+v", len(got), got)
	}
	a.setLonely(t0.Add(66*time.Second), false)
	collect(a, t0.Add(66*time.Second), t0.Add(86*time.Second))
	got, _ = collect(a, t0.Add(86*time.Second), t0.Add(686*time.Second))
	if len(got) < 7 || len(got) > 14 || got[0].query {
		t.Errorf("%d packets in ten quiet minutes: %v", len(got), fmt.Sprint(got))
	}
}
