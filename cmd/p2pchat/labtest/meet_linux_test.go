package labtest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

// Three machines on a switch: they find each other, and two talk.
func TestThreeMeetAndTalk(t *testing.T) {
	t.Parallel()
	repeat(t, "three online for each other", 3*time.Second, func(t *testing.T) time.Duration {
		l := lab.New(t, 3)
		all := people(t, l)
		took := l.Within(3*time.Second, all[0].node.Started, "three online for each other", everyoneSees(all))
		alice, bob, carol := all[0], all[1], all[2]
		for _, p := range all {
			roster := p.peers()
			if len(roster) != 2 {
				t.Errorf("%s has %d peers: %+v", p.who.Name, len(roster), roster)
			}
			for _, row := range roster {
				if row.State != "online" || row.Name == "" || row.Name == p.who.Name || len(row.Addrs) == 0 {
					t.Errorf("%s lists %+v", p.who.Name, row)
				}
				// Whoever listens first may hear the other's dial before its
				// announcement.
				if row.Via != "mdns" && row.Via != "incoming" {
					t.Errorf("%s found %s via %s", p.who.Name, row.Name, row.Via)
				}
			}
		}

		sent := object[receipt](alice, "send", "@bob", "Hi! server, need help")
		if sent.State != "delivered" || sent.Acked != 1 || sent.Members != 1 {
			t.Errorf("receipt %+v", sent)
		}
		bob.tell(alice, "Hi client! glad to help")
		agree(t, alice, bob, []string{"Hi! server, need help", "Hi client! glad to help"})
		if got := alice.log(bob)[0]; got.ID != sent.ID || got.Author != alice.who.PeerID || got.Name != "alice" {
			t.Errorf("logged %+v, receipt %+v", got, sent)
		}
		if got := carol.log(alice); len(got) != 0 {
			t.Errorf("carol has %+v", got)
		}
		for _, p := range all {
			p.node.Stop()
		}
		return took
	})
}

// From the start of the second program to its first delivered message, by
// people who never met.
func TestFirstMessage(t *testing.T) {
	t.Parallel()
	repeat(t, "start to first delivered message", 3*time.Second, func(t *testing.T) time.Duration {
		l := lab.New(t, 2)
		alice, bob := newPerson(t, l.Hosts[0], "alice"), newPerson(t, l.Hosts[1], "bob")
		alice.serve()
		bob.serve()
		bob.tell(alice, "first")
		return l.Took(3*time.Second, bob.node.Started, "start to first delivered message")
	})
}

// Twenty machines: everyone sees everyone, over one connection each.
func TestTwenty(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 20)
	all := people(t, l)
	start := all[0].node.Started
	l.Within(15*time.Second, start, "twenty online for each other", everyoneSees(all))
	l.Within(15*time.Second, start, "one connection per pair", oneConnectionEach(all))
	for _, p := range all {
		if got := len(p.peers()); got != 19 {
			t.Errorf("%s lists %d peers", p.who.Name, got)
		}
		if got := len(object[status](p, "status").Connections); got != 19 {
			t.Errorf("%s has %d connections", p.who.Name, got)
		}
	}
	all[0].tell(all[19], "from the first to the last")
}

// Two machines on one cable and no DHCP.
func TestLinkLocal(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]lab.HostOption{
		"IPv6 too":                    {lab.LinkLocal()},
		"IPv4 only":                   {lab.LinkLocal(), lab.NoIPv6()},
		"IPv4 only, no default route": {lab.LinkLocal(), lab.NoIPv6(), lab.NoDefaultRoute()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			alice, bob := pair(t, lab.New(t, 2, opts...))
			for _, addr := range bob.node.Addrs {
				if !strings.HasPrefix(addr, "/ip4/169.254.") || !strings.HasSuffix(addr, "/p2p/"+bob.who.PeerID) {
					t.Errorf("bob announces %s", addr)
				}
			}
			alice.tell(bob, "no server, no DHCP")
			bob.tell(alice, "no problem")
			agree(t, alice, bob, []string{"no server, no DHCP", "no problem"})
		})
	}
}

// Two subnets and a router that carries no multicast: an address typed in by
// hand connects them, and is remembered.
func TestTwoSubnets(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 0)
	left, right := l.Switches[0], l.AddSwitch()
	router := l.AddHost(lab.On(left, right), lab.Router())
	alice := newPerson(t, l.AddHost(lab.On(left), lab.Via(router)), "alice").serve()
	bob := newPerson(t, l.AddHost(lab.On(right), lab.Via(router)), "bob").serve()

	if got := alice.peers(); len(got) != 0 {
		t.Errorf("alice sees across the router by herself: %+v", got)
	}
	alice.run(exitUsage, "peers", "add", "not an address")
	alice.run(exitDone, "peers", "add", bob.node.Addrs[0])
	l.Within(10*time.Second, time.Now(), "online by address", everyoneSees([]*person{alice, bob}))
	alice.tell(bob, "over the hill")
	for _, row := range alice.peers() {
		if row.Via != "static" {
			t.Errorf("alice lists %+v", row)
		}
	}

	alice.node.Stop()
	bob.leave(alice, "while you were away")
	alice.restart()
	l.Within(10*time.Second, time.Now(), "online by the remembered address", everyoneSees([]*person{alice, bob}))
	l.Within(10*time.Second, time.Now(), "queued message over the hill",
		alice.has(bob, []string{"over the hill", "while you were away"}))

	alice.run(exitDone, "peers", "remove", "@bob")
	l.Within(10*time.Second, time.Now(), "removed", bob.sees(alice, "offline"))
	alice.fails(exitNotFound, "not-found", "peers", "remove", "@nobody")
	agree(t, alice, bob, []string{"over the hill", "while you were away"})
}

// One address given at the start does as well.
func TestPeerFlag(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	alice := newPerson(t, l.Hosts[0], "alice").serve("--no-mdns")
	bob := newPerson(t, l.Hosts[1], "bob").serve("--no-mdns", "--peer", alice.node.Addrs[0])
	l.Within(3*time.Second, time.Now(), "online by --peer", everyoneSees([]*person{alice, bob}))
	alice.tell(bob, "no multicast needed")
}

// What the ready line announces can be dialled by others.
func TestAnnouncedAddresses(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, lab.New(t, 2))
	for _, p := range []*person{alice, bob} {
		if len(p.node.Addrs) == 0 {
			t.Errorf("%s announces nothing", p.who.Name)
		}
		for _, addr := range p.node.Addrs {
			parts := strings.Split(addr, "/")
			ip, err := netip.ParseAddr(parts[2])
			if err != nil || ip.IsUnspecified() || ip.IsLoopback() || ip.Is6() && ip.IsLinkLocalUnicast() ||
				!strings.HasSuffix(addr, "/p2p/"+p.who.PeerID) {
				t.Errorf("%s announces %s", p.who.Name, addr)
			}
		}
		if p.node.PeerID != p.who.PeerID || p.node.Name != p.who.Name {
			t.Errorf("ready says %+v, init said %+v", p.node, p.who)
		}
		got := object[status](p, "status").Addrs
		if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(p.node.Addrs))) {
			t.Errorf("status says %v, ready said %v", got, p.node.Addrs)
		}
	}
}

// Each transport alone: what is given with --listen is all there is.
func TestOneTransport(t *testing.T) {
	t.Parallel()
	for transport, listen := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			alice, bob := pair(t, lab.New(t, 2), "--listen", listen)
			alice.tell(bob, "hello")
			for _, c := range object[status](alice, "status").Connections {
				if c.Transport != transport {
					t.Errorf("connection %+v", c)
				}
			}
			for _, addr := range bob.node.Addrs {
				if strings.Contains(addr, "quic-v1") != (transport == "quic-v1") {
					t.Errorf("bob announces %s", addr)
				}
			}
		})
	}
}

var transports = map[string]string{
	"quic-v1": fmt.Sprintf("/ip4/0.0.0.0/udp/%d/quic-v1", defaultPort),
	"tcp":     fmt.Sprintf("/ip4/0.0.0.0/tcp/%d", defaultPort),
}

// A node with nothing to say hardly says anything.
func TestQuiet(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 4)
	all := people(t, l)
	l.Within(3*time.Second, all[0].node.Started, "four online", everyoneSees(all))
	// First a conversation, during which QUIC finds out how large packets may
	// be; otherwise each heartbeat carries a probe until it knows. Then past
	// the first announcements, which come in quick succession.
	bob := all[1]
	for _, p := range all {
		if p != bob {
			p.chatters(bob, 50)
			bob.chatters(p, 50)
		}
	}
	last(lab.Long(10*time.Second, 30*time.Second))
	sniff := bob.Sniff()
	start := time.Now()
	last(lab.Long(40*time.Second, 60*time.Second))
	sniff.Stop()
	took := time.Since(start)
	count := 0
	for _, p := range packets(t, sniff.File) {
		if tl := p.TransportLayer(); tl != nil { // the rest is the kernel's: ARP, ICMPv6
			count++
		}
	}
	rate := float64(count) / took.Seconds() / float64(len(all)-1)
	lab.Report(t, lab.Figure{What: "idle traffic per peer", Value: rate, Unit: "packets/s", Hosts: len(all)})
	t.Logf("%.2f packets/s in and out per connected peer", rate)
	if rate > 0.5 {
		t.Errorf("%.2f packets/s per connected peer, at most 0.5 are fine:\n%s", rate, census(t, sniff.File))
	}
}

// chatters sends a number of messages and waits until they are delivered.
func (p *person) chatters(to *person, n int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	r := p.RunInput(ctx, strings.Repeat("la\n", n), "send", "@"+to.who.Name, "--lines", "--wait", lab.Patience().String(), "--json")
	if r.Code != exitDone || strings.Count(r.Stdout, `"delivered"`) != n {
		p.t.Fatal(r)
	}
}
