package discovery_test

import (
	"fmt"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

// Bounds of the contract.
const (
	recoveryBound = 10 * time.Second // after a fault has ended
	startBound    = 3 * time.Second
	crowdBound    = 15 * time.Second // twenty nodes
)

func TestThreeMeet(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"quic", "tcp", "both"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, 3)
			began := time.Now()
			var nodes []*running
			for i, h := range l.Hosts {
				nodes = append(nodes, start(t, h, i+1, transport))
			}
			probed(t, l, "start", startBound, began, nodes...)
			one(t, l, nodes...)
		})
	}
}

// Twenty machines are switched on at once.
func TestCrowdMeets(t *testing.T) {
	if testing.Short() {
		t.Skip("twenty processes")
	}
	l := lab.New(t, crowd)
	began := time.Now()
	var nodes []*running
	for i, h := range l.Hosts {
		nodes = append(nodes, start(t, h, i+1, "both"))
	}
	probed(t, l, "all connected to all", crowdBound, began, nodes...)
	one(t, l, nodes...)
}

func TestLinkLocalAddressesOnly(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"quic", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, 2, lab.LinkLocal())
			began := time.Now()
			a, b := start(t, l.Hosts[0], 1, transport), start(t, l.Hosts[1], 2, transport)
			probed(t, l, "link-local", startBound, began, a, b)
		})
	}
}

// fault is something that happens to the first host or its node, and passes.
type fault struct {
	name        string
	options     []lab.HostOption // of the first host
	strike      func(*lab.Lab, *running)
	short, full time.Duration // how long it lasts
	mend        func(*testing.T, *lab.Lab, *running) *running
}

func mends(f func(*lab.Lab, *lab.Host)) func(*testing.T, *lab.Lab, *running) *running {
	return func(_ *testing.T, l *lab.Lab, n *running) *running {
		f(l, n.host)
		return n
	}
}

var faults = []fault{
	{
		name:   "link down and up",
		strike: func(_ *lab.Lab, n *running) { n.host.LinkDown() },
		short:  3 * time.Second, full: 10 * time.Second,
		mend: mends(func(_ *lab.Lab, h *lab.Host) { h.LinkUp() }),
	},
	{
		name:   "switch port down and up",
		strike: func(_ *lab.Lab, n *running) { n.host.PortDown() },
		short:  3 * time.Second, full: 10 * time.Second,
		mend: mends(func(_ *lab.Lab, h *lab.Host) { h.PortUp() }),
	},
	{
		name:   "partition",
		strike: func(l *lab.Lab, n *running) { l.Partition([]*lab.Host{n.host}) },
		short:  15 * time.Second, full: 45 * time.Second,
		mend: mends(func(l *lab.Lab, _ *lab.Host) { l.Heal() }),
	},
	{
		name:   "short partition",
		strike: func(l *lab.Lab, n *running) { l.Partition([]*lab.Host{n.host}) },
		short:  5 * time.Second, full: 10 * time.Second,
		mend: mends(func(l *lab.Lab, _ *lab.Host) { l.Heal() }),
	},
	{
		name:   "address changed",
		strike: func(*lab.Lab, *running) {},
		mend:   mends(func(l *lab.Lab, h *lab.Host) { h.SetAddr(l.Switches[0].Addr(99)) }),
	},
	{
		name:    "link down at the start",
		options: []lab.HostOption{lab.LinkDownAtStart()},
		short:   3 * time.Second, full: 10 * time.Second,
		mend: mends(func(_ *lab.Lab, h *lab.Host) { h.LinkUp() }),
	},
	{
		name:    "address after the start",
		options: []lab.HostOption{lab.NoAddress()},
		short:   3 * time.Second, full: 10 * time.Second,
		mend: mends(func(l *lab.Lab, h *lab.Host) { h.AddAddr(l.Switches[0].Addr(98)) }),
	},
	{
		name:   "killed and restarted",
		strike: func(_ *lab.Lab, n *running) { n.Kill9() },
		short:  time.Second, full: time.Second,
		mend: func(t *testing.T, _ *lab.Lab, n *running) *running {
			return start(t, n.host, n.number, n.transport)
		},
	},
}

// TestFaults lets each fault happen once, or P2PCHAT_LAB_RUNS times, over QUIC
// alone and over TCP alone.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("faults last")
	}
	t.Parallel()
	for _, f := range faults {
		for _, transport := range []string{"quic", "tcp"} {
			for run := range lab.Runs() {
				t.Run(fmt.Sprintf("%s over %s %d", f.name, transport, run+1), func(t *testing.T) {
					t.Parallel()
					// Who of the two has the lower ID makes a difference: node
					// numbers are swapped from run to run.
					f.happen(t, transport, run%2 == 1)
				})
			}
		}
	}
}

func (f fault) happen(t *testing.T, transport string, swap bool) {
	l := lab.New(t, 0)
	host, other, third := l.AddHost(f.options...), l.AddHost(), l.AddHost()
	first, second := 1, 2
	if swap {
		first, second = 2, 1
	}
	a := start(t, host, first, transport)
	b := start(t, other, second, transport)
	c := start(t, third, 3, transport)
	if f.strike != nil {
		probed(t, l, "before "+f.name, startBound, time.Now(), a, b, c)
		f.strike(l, a)
	} else {
		probed(t, l, "before "+f.name, startBound, time.Now(), b, c)
	}
	time.Sleep(lab.Long(f.short, f.full))
	ended := time.Now()
	a = f.mend(t, l, a)
	probed(t, l, f.name+" over "+transport, recoveryBound, ended, a, b, c)
	one(t, l, a, b, c)
}
