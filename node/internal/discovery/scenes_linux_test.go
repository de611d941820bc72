package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

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
		t.Skip("many processes")
	}
	l := lab.New(t, crowd)
	var nodes []*running
	for i, h := range l.Hosts {
		nodes = append(nodes, start(t, h, i+1, "both"))
	}
	probed(t, l, "crowd", crowdBound, time.Now(), nodes...)
	l.Partition(l.Hosts[:crowd/2])
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
