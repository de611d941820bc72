package discovery

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Of those who are not admitted nothing is known, however they come.
func TestOnlyTheAdmittedExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.only = []peer.ID{testID(2)}
	for n := 2; n <= 3; n++ {
		w.heardFrom(w.now, announcement{Peer: testID(n), Addrs: []ma.Multiaddr{onLan(n)}}, "eth0")
		w.addStatic(w.now, peer.AddrInfo{ID: testID(n), Addrs: []ma.Multiaddr{onLan(n)}})
		w.exchanged(w.now, peer.AddrInfo{ID: testID(n), Addrs: []ma.Multiaddr{onLan(n)}})
	}
	dialled := 0
	for _, c := range w.run() {
		if d, ok := c.(dialCmd); ok {
			dialled++
			if d.peer != testID(2) {
				t.Errorf("dials %s", d.peer)
			}
		}
	}
	if dialled != 1 || len(w.peers) != 1 {
		t.Errorf("%d dials, %d peers; want one of each", dialled, len(w.peers))
	}
}

// On loopback a node is announced where it listens, which may be an address
// that the interface does not list, and on other interfaces not at all.
func TestAnnouncedOnLoopback(t *testing.T) {
	t.Parallel()
	lo := Interface{Name: "lo", Index: 1, Kind: Loopback, Used: true, Addrs: []netip.Prefix{
		netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128"),
	}}
	for _, tt := range []struct {
		iface  Interface
		listen []string
		want   []string
		source string
	}{
		{lo, []string{"/ip4/127.0.0.2/tcp/7"}, []string{"/ip4/127.0.0.2/tcp/7"}, "127.0.0.2"},
		{
			lo,
			[]string{"/ip4/127.0.0.2/tcp/7", "/ip4/0.0.0.0/tcp/8", "/ip6/::/tcp/9"},
			[]string{"/ip4/127.0.0.2/tcp/7", "/ip4/127.0.0.1/tcp/8", "/ip6/::1/tcp/9"},
			"127.0.0.2",
		},
		{lo, []string{"/ip4/10.0.0.1/tcp/7"}, nil, "invalid IP"},
		{lanNet.ifaces[0], []string{"/ip4/127.0.0.2/tcp/7"}, nil, "invalid IP"},
		{lanNet.ifaces[0], []string{"/ip4/10.0.0.1/tcp/7"}, []string{"/ip4/10.0.0.1/tcp/7"}, "invalid IP"},
	} {
		var listen []ma.Multiaddr
		for _, l := range tt.listen {
			listen = append(listen, ma.StringCast(l))
		}
		addrs, ips, _ := addrsOn(tt.iface, listen)
		var got []string
		for _, a := range addrs {
			got = append(got, a.String())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s, listening on %v: announces %v, want %v", tt.iface.Name, tt.listen, got, tt.want)
		}
		if got := sourceOn(tt.iface, ips).String(); got != tt.source {
			t.Errorf("%s, listening on %v: leaves from %s, want %s", tt.iface.Name, tt.listen, got, tt.source)
		}
	}
	loopback := networkOf([]Interface{lo})
	for addr, want := range map[string]bool{"127.0.0.2": true, "127.1.2.3": true, "10.0.0.1": false} {
		if got := loopback.onLink(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s on loopback: %v, want %v", addr, got, want)
		}
		if got := lanNet.onLink(netip.MustParseAddr(addr)); got == want {
			t.Errorf("%s on the LAN: %v, want %v", addr, got, !want)
		}
	}
}
