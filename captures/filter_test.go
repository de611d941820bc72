package captures

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

var (
	now0   = time.Unix(1700000000, 0)
	locals = []netip.Addr{
		netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("fe80::1"),
	}
)

// verdictOf classifies a frame, with flows still undecided named as such.
func verdictOf(f *filter, w wire, now time.Time) verdict {
	p, ok := decode(w.link, w.bytes())
	if !ok {
		return drop
	}
	fl := f.classify(p, now)
	if fl == nil {
		return drop
	}
	return fl.verdict
}

func TestFilter(t *testing.T) {
	t.Parallel()
	ours := question(t, "_p2pchat._udp.local.")
	other := question(t, "_ipp._tcp.local.")
	node := Target{
		TCP:         AnyAddr(47700),
		UDP:         AnyAddr(47700),
		Connections: []Connection{{Local: addrPort("192.0.2.1:51000"), Remote: addrPort("192.0.2.9:47700")}},
		Peers:       []netip.AddrPort{addrPort("192.0.2.9:47700")},
	}
	with := node
	with.With = []netip.Addr{netip.MustParseAddr("192.0.2.9")}
	exact := Target{TCP: []netip.AddrPort{addrPort("192.0.2.1:47700")}, UDP: []netip.AddrPort{addrPort("0.0.0.0:47700")}}

	for _, tc := range []struct {
		name   string
		target Target
		frame  wire
		want   verdict
	}{
		{"to our port", node, udp("192.0.2.9:9", "192.0.2.1:47700", "x"), keep},
		{"from our port", node, tcp("192.0.2.1:47700", "192.0.2.9:9", "x"), keep},
		{"another address of ours", node, tcp("198.51.100.1:47700", "192.0.2.9:9", "x"), keep},
		{"over IPv6", node, udp("[fe80::9]:47700", "[fe80::1]:47700", "x"), keep},
		{"loopback", node, tcp("127.0.0.1:40000", "127.0.0.1:47700", ""), keep},
		{"loopback, an address nobody lists", node, tcp("127.9.9.9:40000", "127.8.8.8:47700", ""), keep},
		{"remote port equals ours, local program is another", node, udp("192.0.2.1:40000", "192.0.2.9:47700", "x"), drop},
		{"the same, answered", node, udp("192.0.2.9:47700", "192.0.2.1:40000", "x"), drop},
		{"between others", node, udp("192.0.2.8:47700", "192.0.2.9:47700", "x"), drop},
		{"another program", node, tcp("192.0.2.1:443", "192.0.2.9:40000", "x"), drop},
		{"named connection out", node, tcp("192.0.2.1:51000", "192.0.2.9:47700", "x"), keep},
		{"named connection in", node, tcp("192.0.2.9:47700", "192.0.2.1:51000", "x"), keep},
		{"named connection's ports over UDP", node, udp("192.0.2.1:51000", "192.0.2.9:47700", "x"), drop},
		{"maybe our dial", node, tcp("192.0.2.1:51001", "192.0.2.9:47700", "x"), undecided},
		{"not to a peer's port", node, tcp("192.0.2.1:51001", "192.0.2.9:47701", "x"), drop},
		{"somebody else's dial to the peer", node, tcp("192.0.2.8:51001", "192.0.2.9:47700", "x"), drop},
		{"our mDNS question", node, udp("192.0.2.1:5353", "224.0.0.251:5353", ours), keep},
		{"somebody's mDNS question", node, udp("192.0.2.8:5353", "224.0.0.251:5353", ours), keep},
		{"mDNS over IPv6", node, udp("[fe80::9]:5353", "[ff02::fb]:5353", ours), keep},
		{"mDNS answered to one", node, udp("192.0.2.8:5353", "192.0.2.1:40000", ours), keep},
		{"mDNS of other services", node, udp("192.0.2.1:5353", "224.0.0.251:5353", other), drop},
		{"mDNS payload on another port", node, udp("192.0.2.1:5354", "224.0.0.251:5355", ours), drop},
		{"with the peer", with, udp("192.0.2.9:1", "192.0.2.1:47700", "x"), keep},
		{"with another", with, udp("192.0.2.8:1", "192.0.2.1:47700", "x"), drop},
		{"with: our own mDNS", with, udp("192.0.2.1:5353", "224.0.0.251:5353", ours), keep},
		{"with: the peer's mDNS", with, udp("192.0.2.9:5353", "224.0.0.251:5353", ours), keep},
		{"with: another's mDNS", with, udp("192.0.2.8:5353", "224.0.0.251:5353", ours), drop},
		{"with: maybe our dial to another", with, tcp("192.0.2.1:51001", "192.0.2.8:47700", ""), drop},
		{"listens on one address", exact, tcp("192.0.2.9:1", "192.0.2.1:47700", ""), keep},
		{"not on the other", exact, tcp("192.0.2.9:1", "198.51.100.1:47700", ""), drop},
		{"nor on loopback", exact, tcp("127.0.0.1:1", "127.0.0.1:47700", ""), drop},
		{"listens on all of IPv4", exact, udp("192.0.2.9:1", "198.51.100.1:47700", ""), keep},
		{"not on IPv6", exact, udp("[fe80::9]:1", "[fe80::1]:47700", ""), drop},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := verdictOf(newFilter(tc.target.clean(), locals, now0), tc.frame, now0); got != tc.want {
				t.Errorf("verdict %d, want %d", got, tc.want)
			}
		})
	}
}

// A dial from another local port waits for the node's word.
func TestFilterDialFromAnotherPort(t *testing.T) {
	t.Parallel()
	node := Target{TCP: AnyAddr(47700), Peers: []netip.AddrPort{addrPort("192.0.2.9:47700")}}.clean()
	named := node
	named.Connections = []Connection{{Local: addrPort("192.0.2.1:51000"), Remote: addrPort("192.0.2.9:47700")}}
	syn := tcp("192.0.2.1:51000", "192.0.2.9:47700", "")
	syn.syn = true
	answer := tcp("192.0.2.9:47700", "192.0.2.1:51000", "")

	t.Run("the node's", func(t *testing.T) {
		t.Parallel()
		f := newFilter(node, locals, now0)
		p, _ := decode(syn.link, syn.bytes())
		first := f.classify(p, now0)
		if v := verdictOf(f, answer, now0); v != undecided || f.pending != 1 {
			t.Fatalf("answer: verdict %d, %d pending", v, f.pending)
		}
		f.setTarget(named, now0.Add(time.Second))
		if first.verdict != keep || f.pending != 0 {
			t.Errorf("first packet: verdict %d, %d pending", first.verdict, f.pending)
		}
		f.setTarget(node, now0.Add(2*time.Second)) // closed
		if v := verdictOf(f, answer, now0.Add(3*time.Second)); v != keep {
			t.Errorf("its last packet: verdict %d", v)
		}
		if v := verdictOf(f, syn, now0.Add(4*time.Second)); v != undecided {
			t.Errorf("the same ports opened anew: verdict %d", v)
		}
	})
	t.Run("another program's", func(t *testing.T) {
		t.Parallel()
		f := newFilter(node, locals, now0)
		p, _ := decode(syn.link, syn.bytes())
		first := f.classify(p, now0)
		f.expire(now0.Add(undecidedFor - 1))
		if first.verdict != undecided {
			t.Fatalf("verdict %d too early", first.verdict)
		}
		f.expire(now0.Add(undecidedFor))
		if first.verdict != drop || f.pending != 0 {
			t.Errorf("verdict %d, %d pending", first.verdict, f.pending)
		}
		if v := verdictOf(f, answer, now0.Add(undecidedFor)); v != drop {
			t.Errorf("later packet: verdict %d", v)
		}
		if v := verdictOf(f, syn, now0.Add(undecidedFor)); v != undecided {
			t.Errorf("opened anew: verdict %d", v)
		}
		f.expire(now0.Add(time.Hour)) // decides the new one
		f.expire(now0.Add(2 * time.Hour))
		if len(f.flows) != 0 || f.pending != 0 {
			t.Errorf("%d flows, %d pending remembered", len(f.flows), f.pending)
		}
	})
	t.Run("memory is bounded", func(t *testing.T) {
		t.Parallel()
		f := newFilter(node, locals, now0)
		for port := range uint16(maxFlows + 100) {
			w := syn
			w.src = netip.AddrPortFrom(w.src.Addr(), 10000+port)
			verdictOf(f, w, now0)
		}
		if len(f.flows) > maxFlows || f.pending > maxFlows {
			t.Errorf("%d flows, %d pending", len(f.flows), f.pending)
		}
	})
}

func TestFilterFragments(t *testing.T) {
	t.Parallel()
	for _, version := range [][2]string{{"192.0.2.9:47700", "192.0.2.1:47700"}, {"[fe80::9]:47700", "[fe80::1]:47700"}} {
		f := newFilter(Target{UDP: AnyAddr(47700)}.clean(), locals, now0)
		first := udp(version[0], version[1], "the beginning...")
		first.id, first.more = 7, true
		rest := udp(version[0], version[1], "the end")
		rest.id, rest.offset = 7, 24
		foreign := rest
		foreign.id = 8
		if v := verdictOf(f, rest, now0); v != drop {
			t.Errorf("%s: a rest of nothing: verdict %d", version[0], v)
		}
		for what, w := range map[string]wire{"first": first, "rest": rest} {
			if what == "rest" {
				verdictOf(f, first, now0)
			}
			if v := verdictOf(f, w, now0); v != keep {
				t.Errorf("%s: %s: verdict %d", version[0], what, v)
			}
		}
		if v := verdictOf(f, foreign, now0); v != drop {
			t.Errorf("%s: a foreign rest: verdict %d", version[0], v)
		}
		f.expire(now0.Add(rememberFor))
		if v := verdictOf(f, rest, now0); v != drop || len(f.fragments) != 0 {
			t.Errorf("%s: long after: verdict %d", version[0], v)
		}
	}
}

func TestTargetClean(t *testing.T) {
	t.Parallel()
	got := Target{
		TCP:  []netip.AddrPort{addrPort("[::ffff:192.0.2.1]:1"), addrPort("[fe80::1%eth0]:2")},
		With: []netip.Addr{netip.MustParseAddr("fe80::1%eth0")},
		Names: map[netip.Addr]string{
			netip.MustParseAddr("::ffff:192.0.2.1"): "al\x00ice\xff",
			netip.MustParseAddr("192.0.2.2"):        "",
			{}:                                      "nobody",
		},
	}.clean()
	if want := []netip.AddrPort{addrPort("192.0.2.1:1"), addrPort("[fe80::1]:2")}; !slices.Equal(got.TCP, want) {
		t.Errorf("TCP %v, want %v", got.TCP, want)
	}
	if want := netip.MustParseAddr("fe80::1"); got.With[0] != want {
		t.Errorf("With %v, want %v", got.With[0], want)
	}
	if len(got.Names) != 1 || got.Names[netip.MustParseAddr("192.0.2.1")] != "alice\uFFFD" {
		t.Errorf("names %q", got.Names)
	}
}
