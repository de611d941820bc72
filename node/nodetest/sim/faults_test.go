package sim

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"p2pchat/node/api"
)

var (
	seeds = flag.Int("sim.seeds", 4, "runs of TestFaults, with seeds from -sim.seed up")
	seed  = flag.Uint64("sim.seed", 1, "the first seed of TestFaults")
)

// Whatever happens to cables and nodes, and whatever an outsider shouts: once it
// is over, all members show the same, and everything that was said.
func TestFaults(t *testing.T) {
	for i := range *seeds {
		s := *seed + uint64(i)
		t.Run(fmt.Sprint("seed=", s), func(t *testing.T) {
			inBubble(t, s, func(t *testing.T, n *Net) {
				m := newMischief(t, n, s)
				m.happens(60, m.step)
				m.end()
				m.same(3 * time.Minute)
			})
		})
	}
}

// mischief does things to a few.
type mischief struct {
	*few
	random  *rand.Rand
	outside map[*Node]bool // those that left the room
	pest    *pest
	count   int
	// governed: what is said and done may be refused, and what was said hidden.
	governed bool
}

func newMischief(t *testing.T, n *Net, seed uint64) *mischief {
	t.Helper()
	m := &mischief{few: fewIn(t, n, 6), random: random(seed), outside: map[*Node]bool{}}
	m.pest = newPest(t, m.few)
	return m
}

// happens takes so many steps, at random intervals.
func (m *mischief) happens(steps int, step func()) {
	m.t.Helper()
	for range steps {
		m.count++
		step()
		time.Sleep(m.upTo(4 * time.Second))
	}
}

// one of those for which ok holds, nil if there are none.
func (m *mischief) one(ok func(*Node) bool) *Node {
	var some []*Node
	for _, n := range m.all {
		if ok(n) {
			some = append(some, n)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[m.random.IntN(len(some))]
}

func running(n *Node) bool { return n.Node != nil }
func stopped(n *Node) bool { return n.Node == nil }

func (m *mischief) inside(n *Node) bool { return running(n) && !m.outside[n] }

// step does one thing, most often say something.
func (m *mischief) step() {
	m.t.Helper()
	switch m.random.IntN(16) {
	case 0:
		k := 1 + m.random.IntN(len(m.all)-1)
		order := m.random.Perm(len(m.all))
		var side []*Node
		for _, i := range order[:k] {
			side = append(side, m.all[i])
		}
		m.note("cut off %v", names(side))
		m.Lan.Cut(side)
	case 1, 2:
		m.note("heal")
		m.Lan.Heal()
	case 3:
		share := m.random.Float64() * 0.3
		m.note("lose %.0f %%", 100*share)
		m.Lan.SetLoss(share)
	case 4:
		latency, jitter := m.upTo(80*time.Millisecond), m.upTo(40*time.Millisecond)
		m.note("latency %v to %v", latency, latency+jitter)
		m.Lan.SetLatency(latency, jitter)
	case 5:
		if n := m.one(running); n != nil {
			m.note("stop %s", n.Name)
			check(m.t, n.Stop())
		}
	case 6, 7:
		if n := m.one(stopped); n != nil {
			m.note("start %s", n.Name)
			m.start(n)
		}
	case 8:
		if n := m.one(func(n *Node) bool { return m.inside(n) && !(m.governed && n == m.all[0]) }); n != nil {
			m.note("%s leaves", n.Name)
			_, err := n.LeaveRoom(m.t.Context(), m.room)
			m.outside[n] = m.done(err)
		}
	case 9:
		if n := m.one(func(n *Node) bool { return running(n) && m.outside[n] }); n != nil {
			m.join(n, 2*time.Second)
		}
	case 10:
		if n := m.one(m.inside); n != nil {
			m.note("%s takes another nick", n.Name)
			_, err := n.JoinRoom(m.t.Context(), api.JoinRoomRequest{Room: m.room, Nick: fmt.Sprint(n.Name, "-", m.count)})
			m.done(err)
		}
	case 11:
		m.note("the pest shouts")
		m.pest.shout(m.random)
	default:
		if n := m.one(m.inside); n != nil {
			for i := range 1 + m.random.IntN(5) {
				text := fmt.Sprintf("%s: line %d of step %d", n.Name, i, m.count)
				if m.done(n.Say(m.t.Context(), m.room, text)) {
					m.said = append(m.said, text)
				}
			}
		}
	}
}

func (m *mischief) note(format string, args ...any) {
	m.t.Logf("step %d: "+format, append([]any{m.count}, args...)...)
}

// done tells whether something was done; in a governed room it may be refused.
func (m *mischief) done(err error) bool {
	m.t.Helper()
	var known *api.Error
	if m.governed && errors.As(err, &known) && (known.Code.Exit() == refusedExit || known.Code == api.CodeNotJoined || known.Code == api.CodeUsage) {
		m.note("refused: %v", err)
		return false
	}
	check(m.t, err)
	return true
}

var refusedExit = api.CodeForbidden.Exit()

func (m *mischief) upTo(d time.Duration) time.Duration {
	return time.Duration(m.random.Int64N(int64(d))).Truncate(time.Millisecond)
}

func names(ns []*Node) (out []string) {
	for _, n := range ns {
		out = append(out, n.Name)
	}
	return out
}

// start starts a node, which is told one other.
func (m *mischief) start(n *Node) {
	m.t.Helper()
	other := m.one(func(o *Node) bool { return o != n })
	check(m.t, n.Start(m.t.Context(), other))
}

// join has a node enter again; nobody may be there to let it in.
func (m *mischief) join(n *Node, wait time.Duration) {
	m.t.Helper()
	_, err := n.JoinRoom(m.t.Context(), api.JoinRoomRequest{Room: m.room, Wait: wait})
	m.note("%s joins: %v", n.Name, err)
	if !api.IsCode(err, api.CodeNotJoined) && !api.IsCode(err, api.CodeNotFound) && m.done(err) {
		delete(m.outside, n)
	}
}

// end puts everything right.
func (m *mischief) end() {
	m.t.Helper()
	m.note("the end of it: %d lines said, %d bytes sent", len(m.said), m.Lan.Sent())
	m.Lan.Heal()
	m.Lan.SetLoss(0)
	m.Lan.SetLatency(defaultLatency, 0)
	for _, n := range m.all {
		if stopped(n) {
			m.start(n)
		}
	}
	// Of a room that everybody left who left last knows that it is empty, and
	// so can enter it first.
	for range 2 {
		for _, n := range m.all {
			if m.outside[n] || m.governed {
				m.join(n, 10*time.Second)
			}
		}
	}
	if len(m.outside) > 0 && !m.governed {
		m.t.Fatalf("%d nodes cannot enter again", len(m.outside))
	}
}
