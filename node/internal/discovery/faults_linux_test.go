package discovery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"p2pchat/node/internal/discovery"
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

func TestTwentyMeet(t *testing.T) {
	if testing.Short() {
		t.Skip("twenty processes")
	}
	l := lab.New(t, 20)
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

// A node that was told where the others are needs no multicast, and comes
// back to them after a fault all the same.
func TestStaticPeers(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"quic", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, 2)
			of := func(number int) string {
				addr := "/ip4/" + l.Hosts[number-1].Addr().String()
				if transport == "quic" {
					addr += "/udp/47700/quic-v1"
				} else {
					addr += "/tcp/47700"
				}
				return addr + "/p2p/" + idOf(number).String()
			}
			a := start(t, l.Hosts[0], 1, transport, "static", of(2))
			b := start(t, l.Hosts[1], 2, transport, "static", of(1))
			probed(t, l, "static start", startBound+2*time.Second, time.Now(), a, b)
			one(t, l, a, b)
			l.Partition([]*lab.Host{l.Hosts[0]})
			time.Sleep(lab.Long(15*time.Second, 45*time.Second))
			l.Heal()
			probed(t, l, "static partition over "+transport, recoveryBound, time.Now(), a, b)
			l.Hosts[0].LinkDown()
			time.Sleep(lab.Long(3*time.Second, 10*time.Second))
			l.Hosts[0].LinkUp()
			probed(t, l, "static link over "+transport, recoveryBound, time.Now(), a, b)
			b.Kill9()
			b = start(t, l.Hosts[1], 2, transport, "static")
			probed(t, l, "static restart over "+transport, recoveryBound, time.Now(), a, b)
			one(t, l, a, b)
		})
	}
}

// Two nodes of one machine hear each other.
func TestOneMachine(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	began := time.Now()
	a := start(t, l.Hosts[0], 1, "both")
	b := start(t, l.Hosts[0], 2, "both")
	c := start(t, l.Hosts[1], 3, "both")
	probed(t, l, "two on one machine", startBound, began, a, b, c)
	one(t, l, a, b, c)
}

// An adapter that is pulled out and another that is plugged in.
func TestAdapterReplaced(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	a, b := start(t, l.Hosts[0], 1, "both"), start(t, l.Hosts[1], 2, "both")
	probed(t, l, "before", startBound, time.Now(), a, b)
	l.Hosts[0].NIC.Remove()
	time.Sleep(2 * time.Second)
	plugged := time.Now()
	l.Hosts[0].Plug(l.Switches[0])
	probed(t, l, "adapter replaced", recoveryBound, plugged, a, b)
}

// A machine that slept.
func TestSleep(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"quic", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, 2)
			a, b := start(t, l.Hosts[0], 1, transport), start(t, l.Hosts[1], 2, transport)
			probed(t, l, "before", startBound, time.Now(), a, b)
			a.Pause()
			time.Sleep(lab.Long(20*time.Second, 60*time.Second))
			a.Continue()
			probed(t, l, "woken over "+transport, recoveryBound, time.Now(), a, b)
			one(t, l, a, b)
		})
	}
}

func TestIPv6Alone(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 3, lab.NoAddress())
	for i, h := range l.Hosts {
		h.AddAddr(fmt.Sprintf("fd00:77::%d/64", i+1))
	}
	began := time.Now()
	var nodes []*running
	for i, h := range l.Hosts {
		nodes = append(nodes, start(t, h, i+1, "both"))
	}
	probed(t, l, "IPv6 alone", startBound+2*time.Second, began, nodes...)
	one(t, l, nodes...)
}

func TestNoIPv6(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2, lab.NoIPv6())
	began := time.Now()
	a, b := start(t, l.Hosts[0], 1, "both"), start(t, l.Hosts[1], 2, "both")
	probed(t, l, "no IPv6", startBound, began, a, b)
}

// Only fe80:: addresses: the nodes start, hear each other, and say why they
// cannot connect.
func TestLinkLocalIPv6Diagnosis(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2, lab.NoAddress())
	a := start(t, l.Hosts[0], 1, "both")
	start(t, l.Hosts[1], 2, "both")
	l.Within(startBound, time.Now(), "heard", func(context.Context) error {
		if !strings.Contains(a.Stdout.String(), "event unreachable "+idOf(2).String()) {
			return errors.New("not heard")
		}
		return nil
	})
	r := diagnose(t, l, a)
	if !r.LinkLocalOnly || len(r.Heard) != 1 || r.Heard[0].OnLink || r.Heard[0].Err == "" {
		t.Errorf("diagnosis %+v", r)
	}
}

func TestDiagnosis(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	a, b := start(t, l.Hosts[0], 1, "both"), start(t, l.Hosts[1], 2, "both")
	probed(t, l, "start", startBound, time.Now(), a, b)
	r := diagnose(t, l, a)
	if r.Trouble != "" || r.LinkLocalOnly || !r.Multicast {
		t.Errorf("diagnosis %+v", r)
	}
	if len(r.Heard) != 1 || !r.Heard[0].OnLink || !r.Heard[0].Connected || r.Heard[0].Peer != idOf(2) {
		t.Errorf("heard %+v", r.Heard)
	}
	for _, i := range r.Interfaces {
		switch i.Name {
		case "eth0":
			if !i.Used || !i.Echo || i.Others != 1 || i.SendFail != "" {
				t.Errorf("eth0: %+v", i)
			}
		case "lo":
			if i.Used || i.Why == "" {
				t.Errorf("lo: %+v", i)
			}
		}
	}
	// A firewall that drops incoming multicast shows.
	l.Hosts[0].Filter("udp dport 5353 drop")
	r = diagnose(t, l, a)
	for _, i := range r.Interfaces {
		if i.Name == "eth0" && i.Echo {
			t.Errorf("behind a firewall: %+v", i)
		}
	}
}

// A node that has its mesh is quiet.
func TestQuiet(t *testing.T) {
	if testing.Short() {
		t.Skip("counts packets for a while")
	}
	t.Parallel()
	l := lab.New(t, 3)
	var nodes []*running
	for i, h := range l.Hosts {
		nodes = append(nodes, start(t, h, i+1, "both", "mdns,nobeat"))
	}
	probed(t, l, "start", startBound, time.Now(), nodes...)
	time.Sleep(6 * time.Second) // the bursts are over
	during := lab.Long(20*time.Second, 2*time.Minute)
	sniff := l.Hosts[0].Sniff()
	time.Sleep(during)
	sniff.Stop()
	count := multicasts(t, sniff.File)
	t.Logf("%d multicast packets of three nodes in %v", count, during)
	// Once a minute of each, a little sooner or later.
	if most := 3 * (1 + int(during/(45*time.Second))); count > most {
		t.Errorf("%d multicast packets of three nodes in %v, want at most %d", count, during, most)
	}
}

// multicasts counts the mDNS packets in a capture.
func multicasts(t *testing.T, file string) (n int) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.NoCopy)
		if udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP); ok && udp.DstPort == 5353 {
			n++
		}
	}
}

func diagnose(t *testing.T, l *lab.Lab, n *running) (r discovery.Report) {
	t.Helper()
	before := len(n.Stdout.Lines())
	fmt.Fprintln(n.in, "diagnose")
	l.Within(recoveryBound, time.Now(), "diagnosis", func(context.Context) error {
		for _, line := range n.Stdout.Lines()[before:] {
			if text, ok := strings.CutPrefix(line, "diagnosis "); ok {
				return json.Unmarshal([]byte(text), &r)
			}
		}
		return errors.New("none yet")
	})
	return r
}

// Two machines that exchange addresses: each holds the other's old one for
// its own a while, unless it is told.
func TestAddressesSwapped(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"quic", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, 2)
			a, b := start(t, l.Hosts[0], 1, transport), start(t, l.Hosts[1], 2, transport)
			probed(t, l, "before", startBound, time.Now(), a, b)
			l.Hosts[0].DelAddrs()
			l.Hosts[1].SetAddr(l.Switches[0].Addr(1))
			swapped := time.Now()
			l.Hosts[0].AddAddr(l.Switches[0].Addr(2))
			probed(t, l, "addresses swapped over "+transport, recoveryBound, swapped, a, b)
		})
	}
}

// A crowd that is cut in half and comes together again.
func TestCrowdPartition(t *testing.T) {
	if testing.Short() {
		t.Skip("twelve processes")
	}
	l := lab.New(t, 12)
	var nodes []*running
	for i, h := range l.Hosts {
		nodes = append(nodes, start(t, h, i+1, "both"))
	}
	probed(t, l, "crowd", crowdBound, time.Now(), nodes...)
	l.Partition(l.Hosts[:6])
	time.Sleep(lab.Long(20*time.Second, 45*time.Second))
	l.Heal()
	probed(t, l, "crowd after a partition", recoveryBound, time.Now(), nodes...)
	one(t, l, nodes...)
}

// Two nodes with one identity both learn of it.
func TestTwin(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	a, b := start(t, l.Hosts[0], 1, "both"), start(t, l.Hosts[1], 1, "both")
	l.Within(recoveryBound, time.Now(), "twins noticed", func(context.Context) error {
		for _, n := range []*running{a, b} {
			if !strings.Contains(n.Stdout.String(), "event twin "+idOf(1).String()) {
				return fmt.Errorf("not on %s", n.host.Name)
			}
		}
		return nil
	})
}

// A peer that leaves in good order is not searched for.
func TestLeave(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	a, b := start(t, l.Hosts[0], 1, "both"), start(t, l.Hosts[1], 2, "both")
	probed(t, l, "before", startBound, time.Now(), a, b)
	time.Sleep(6 * time.Second) // the bursts are over
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	if r := b.Interrupt(ctx, syscall.SIGTERM); r.Code != 0 {
		t.Errorf("stopped with %d", r.Code)
	}
	l.Within(startBound, time.Now(), "left", func(context.Context) error {
		if !strings.Contains(a.Stdout.String(), "event disconnected "+idOf(2).String()) {
			return errors.New("still connected")
		}
		return nil
	})
	sniff := l.Hosts[0].Sniff()
	time.Sleep(5 * time.Second)
	sniff.Stop()
	// A node alone asks every ten seconds; one that searches, every second.
	if n := multicasts(t, sniff.File); n > 2 {
		t.Errorf("%d multicast packets in the five seconds after", n)
	}
}
