package p2phost

import (
	"context"
	"crypto/rand"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	ma "github.com/multiformats/go-multiaddr"
)

func testKey(t *testing.T) crypto.PrivKey {
	t.Helper()
	k, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newHost(t *testing.T, cfg Config) *Host {
	t.Helper()
	if cfg.Key == nil {
		cfg.Key = testKey(t)
	}
	cfg.Version = "test"
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func addrs(t *testing.T, s ...string) []ma.Multiaddr {
	t.Helper()
	var out []ma.Multiaddr
	for _, a := range s {
		m, err := ma.NewMultiaddr(a)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

func TestAnnounce(t *testing.T) {
	t.Parallel()
	ip := netip.MustParseAddr
	tests := []struct {
		name   string
		listen []string
		local  []netip.Addr
		want   []string
	}{
		{
			"unspecified becomes the interfaces' addresses",
			[]string{"/ip4/0.0.0.0/tcp/7", "/ip6/::/udp/7/quic-v1"},
			[]netip.Addr{ip("127.0.0.1"), ip("10.0.0.2"), ip("169.254.7.7"), ip("fd00::2"), ip("fe80::2")},
			[]string{"/ip4/10.0.0.2/tcp/7", "/ip4/169.254.7.7/tcp/7", "/ip6/fd00::2/udp/7/quic-v1"},
		},
		{
			"loopback when there is nothing else",
			[]string{"/ip4/0.0.0.0/tcp/7", "/ip6/::/tcp/7"},
			[]netip.Addr{ip("fe80::2")},
			[]string{"/ip4/127.0.0.1/tcp/7"},
		},
		{
			"no loopback beside a real address",
			[]string{"/ip4/127.0.0.1/tcp/8", "/ip4/10.0.0.2/tcp/7"},
			nil,
			[]string{"/ip4/10.0.0.2/tcp/7"},
		},
		{"given loopback", []string{"/ip4/127.0.0.1/udp/8/quic-v1"}, []netip.Addr{ip("10.0.0.2")}, []string{"/ip4/127.0.0.1/udp/8/quic-v1"}},
		{"nothing", nil, []netip.Addr{ip("10.0.0.2")}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, a := range announce(addrs(t, tt.listen...), tt.local) {
				got = append(got, a.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("announce(%v, %v) = %v, want %v", tt.listen, tt.local, got, tt.want)
			}
		})
	}
}

// The announced addresses follow the interfaces at once, not after the minute
// for which go-libp2p caches them.
func TestAddrsAreFresh(t *testing.T) {
	t.Parallel()
	var local atomic.Pointer[[]netip.Addr]
	local.Store(&[]netip.Addr{netip.MustParseAddr("10.1.1.1")})
	h := newHost(t, Config{
		Listen:     addrs(t, "/ip4/0.0.0.0/tcp/0"),
		LocalAddrs: func() []netip.Addr { return *local.Load() },
	})
	has := func(want string) bool {
		return len(h.Addrs()) == 1 && strings.HasPrefix(h.Addrs()[0].String(), want)
	}
	if !has("/ip4/10.1.1.1/tcp/") {
		t.Fatalf("announced %v", h.Addrs())
	}
	local.Store(&[]netip.Addr{netip.MustParseAddr("10.2.2.2")})
	if !has("/ip4/10.2.2.2/tcp/") {
		t.Fatalf("after the change announced %v", h.Addrs())
	}
}

func TestTransports(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, listen, transport, other string
	}{
		{"tcp only", "/ip4/127.0.0.1/tcp/0", TCP, "/ip4/127.0.0.1/udp/9/quic-v1"},
		{"quic only", "/ip4/127.0.0.1/udp/0/quic-v1", QUIC, "/ip4/127.0.0.1/tcp/9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newHost(t, Config{Listen: addrs(t, tt.listen)})
			b := newHost(t, Config{Listen: addrs(t, tt.listen)})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := a.Connect(ctx, peer.AddrInfo{ID: b.ID(), Addrs: b.Addrs()}); err != nil {
				t.Fatal(err)
			}
			conns := a.Conns()
			if len(conns) != 1 || conns[0].Transport != tt.transport || conns[0].Incoming || conns[0].Peer != b.ID() {
				t.Errorf("connections of the dialler: %+v", conns)
			}
			c := a.Network().ConnsToPeer(b.ID())[0].ConnState()
			if tt.transport == TCP && c.Security != libp2ptls.ID {
				t.Errorf("security %s, want TLS", c.Security)
			}
			if len(a.Ports(tt.transport)) != 1 || len(a.Ports(TCP))+len(a.Ports(QUIC)) != 1 {
				t.Errorf("ports: tcp %v, udp %v", a.Ports(TCP), a.Ports(QUIC))
			}
			agent, err := a.Peerstore().Get(b.ID(), "AgentVersion")
			if err != nil || agent != "p2pchat/test" {
				t.Errorf("user agent %v (%v)", agent, err)
			}
			// Only the transport that was named is there to dial with.
			if a.swarm.CanDial(b.ID(), ma.StringCast(tt.other)) {
				t.Errorf("can dial %s", tt.other)
			}
			// The dialler's port is its listening port, so a capture filter by
			// local port holds the whole of our traffic.
			remote := b.Network().ConnsToPeer(a.ID())[0].RemoteMultiaddr()
			if !slices.Equal(portsOf([]ma.Multiaddr{remote}, tt.transport), a.Ports(tt.transport)) {
				t.Errorf("connection comes from %v, listening on %v", remote, a.Ports(tt.transport))
			}
		})
	}
}

// TestDialOnly: such a host has no address, and reaches others with both transports.
func TestDialOnly(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"} {
		there, h := newHost(t, Config{Listen: addrs(t, to)}), newHost(t, Config{DialOnly: true})
		if got := h.Network().ListenAddresses(); len(got) > 0 {
			t.Errorf("listens on %v", got)
		}
		if err := h.Connect(t.Context(), peer.AddrInfo{ID: there.ID(), Addrs: there.Addrs()}); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
	if err := (Config{Key: testKey(t), DialOnly: true, Listen: addrs(t, "/ip4/127.0.0.1/tcp/0")}).Validate(); err == nil {
		t.Error("it listens nowhere, and somewhere")
	}
}

// A failed redial a second must never exhaust a budget of our own.
func TestRedialsAreNotRefused(t *testing.T) {
	t.Parallel()
	rm, err := newResourceManager(64)
	if err != nil {
		t.Fatal(err)
	}
	defer rm.Close()
	for _, target := range []string{"/ip4/192.0.2.1/tcp/9", "/ip6/fd00::1/udp/9/quic-v1"} {
		for i := range 100 {
			c, err := rm.OpenConnection(network.DirOutbound, true, ma.StringCast(target))
			if err != nil {
				t.Fatalf("attempt %d on %s: %v", i, target, err)
			}
			c.Done()
		}
	}
}

// Everyone on an IPv6 LAN shares a prefix.
func TestManyPeersOfOneIPv6Prefix(t *testing.T) {
	t.Parallel()
	rm, err := newResourceManager(64)
	if err != nil {
		t.Fatal(err)
	}
	defer rm.Close()
	ip := netip.MustParseAddr("fd00::1")
	for i := range 60 {
		if _, err := rm.OpenConnection(network.DirInbound, false, withIP(ma.StringCast("/ip6/::/udp/9/quic-v1"), ip)); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		ip = ip.Next()
	}
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	// A TCP listener with SO_REUSEPORT, as another node of this user has it,
	// on a port that UDP finds free.
	first := newHost(t, Config{Listen: addrs(t, "/ip4/0.0.0.0/tcp/0")})
	port := first.Ports(TCP)[0]
	if portFree(port) {
		t.Fatalf("port %d counts as free while a node listens on it", port)
	}
	h := newHost(t, Config{Listen: addrs(t, "/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0")})
	h.swarm.ListenClose(h.swarm.ListenAddresses()...)
	if err := listenDefault(h.swarm, port); err != nil {
		t.Fatal(err)
	}
	if got := h.Ports(TCP); len(got) != 1 || got[0] == port || !slices.Equal(got, h.Ports(QUIC)) {
		t.Errorf("port %d is taken; listening on tcp %v, udp %v", port, got, h.Ports(QUIC))
	}
	_, err := New(Config{Key: testKey(t), Listen: first.Network().ListenAddresses()})
	if !taken(err) {
		t.Errorf("second node on a given port that is taken: %v", err)
	}
}

func TestDefaultPorts(t *testing.T) {
	t.Parallel()
	// Two nodes on one machine: at most one has the default port, both work,
	// and each has one number for TCP and UDP.
	a, b := newHost(t, Config{}), newHost(t, Config{})
	for _, h := range []*Host{a, b} {
		tcp, udp := h.Ports(TCP), h.Ports(QUIC)
		if len(tcp) != 1 || !slices.Equal(tcp, udp) {
			t.Errorf("ports: tcp %v, udp %v", tcp, udp)
		}
	}
	if slices.Equal(a.Ports(TCP), b.Ports(TCP)) {
		t.Errorf("both nodes on port %v", a.Ports(TCP))
	}
	if port, moved := b.Moved(); !moved || port == DefaultPort {
		t.Errorf("second node: Moved() = %d, %v", port, moved)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	target := withIP(unspecified(QUIC, false, b.Ports(QUIC)[0]), netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	if err := a.Connect(ctx, peer.AddrInfo{ID: b.ID(), Addrs: []ma.Multiaddr{target}}); err != nil {
		t.Fatal(err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	key := testKey(t)
	for _, bad := range []string{"/ip4/0.0.0.0/udp/7", "/dns4/host/tcp/7", "/ip4/0.0.0.0/tcp/7/ws", "/ip4/0.0.0.0/udp/7/quic-v1/webtransport"} {
		err := Config{Key: key, Listen: addrs(t, bad)}.Validate()
		if err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if (Config{}).Validate() == nil {
		t.Error("no key: no error")
	}
	if _, err := New(Config{Key: key, Listen: addrs(t, "/ip4/192.0.2.1/tcp/0")}); err == nil {
		t.Error("listening on an address that is not ours: no error")
	}
}

func TestRankDials(t *testing.T) {
	t.Parallel()
	got := rankDials(addrs(t, "/ip6/fd00::1/tcp/7", "/ip4/10.0.0.1/tcp/7", "/ip6/fd00::1/udp/7/quic-v1", "/ip4/10.0.0.1/udp/7/quic-v1"))
	want := []string{"/ip4/10.0.0.1/udp/7/quic-v1", "/ip6/fd00::1/udp/7/quic-v1", "/ip4/10.0.0.1/tcp/7", "/ip6/fd00::1/tcp/7"}
	last := time.Duration(-1)
	for i, d := range got {
		if d.Addr.String() != want[i] || d.Delay <= last {
			t.Errorf("place %d: %s after %v, want %s", i, d.Addr, d.Delay, want[i])
		}
		last = d.Delay
	}
	if got := rankDials(addrs(t, "/ip4/10.0.0.1/tcp/7")); got[0].Delay != 0 {
		t.Errorf("TCP alone waits %v", got[0].Delay)
	}
}
