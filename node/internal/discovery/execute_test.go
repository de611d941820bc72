package discovery

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	libp2p "github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	lnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	pingproto "github.com/libp2p/go-libp2p/p2p/protocol/ping"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// patience is when a test gives up on what should come at once.
const patience = 30 * time.Second

func testHost(t *testing.T) host.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay(), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func connect(t *testing.T, a, b host.Host, addr ma.Multiaddr) lnet.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a.Peerstore().AddAddr(b.ID(), addr, time.Hour)
	c, err := a.Network().DialPeer(ctx, b.ID())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wire is a TCP relay that can be cut without either end noticing.
type wire struct {
	addr ma.Multiaddr
	mu   sync.Mutex // held: nothing passes
}

func newWire(t *testing.T, to ma.Multiaddr) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	addr, err := manet.FromNetAddr(l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: addr}
	network, target, err := manet.DialArgs(to)
	if err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the listener
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial(network, target)
			if err != nil {
				in.Close()
				continue
			}
			t.Cleanup(func() { in.Close(); out.Close() })
			go w.copy(in, out) // end with the test
			go w.copy(out, in)
		}
	}()
	return w
}

func (w *wire) copy(to io.Writer, from io.Reader) {
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		w.mu.Lock()
		_, err = to.Write(buf[:n])
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	a, b := testHost(t), testHost(t)
	w := newWire(t, b.Addrs()[0])
	c := connect(t, a, b, w.addr)
	ping := func(limit time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		return pingConn(ctx, c)
	}
	if err := ping(patience); err != nil {
		t.Errorf("alive: %v", err)
	}
	b.RemoveStreamHandler(pingproto.ID)
	if err := ping(patience); err != nil {
		t.Errorf("alive, without ping: %v", err)
	}
	b.SetStreamHandler(pingproto.ID, func(s lnet.Stream) { s.Reset() })
	if err := ping(patience); err != nil {
		t.Errorf("alive, refusing: %v", err)
	}
	w.mu.Lock() // the wire is cut
	began := time.Now()
	if err := ping(200 * time.Millisecond); err == nil {
		t.Error("a cut wire answers")
	} else if time.Since(began) > patience {
		t.Errorf("noticed after %v", time.Since(began))
	}
	w.mu.Unlock()
	c.Close()
	if err := ping(patience); err == nil {
		t.Error("a closed connection answers")
	}
}

// watcher collects events.
type watcher struct {
	events chan Event // room for all of a test
}

func (w *watcher) await(t *testing.T, kind EventKind, id peer.ID) Event {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case e := <-w.events:
			if e.Kind == kind && e.Peer == id {
				return e
			}
		case <-timeout:
			t.Fatalf("no %s of %s", kind, id)
		}
	}
}

// memoryBook is an address book in memory.
type memoryBook struct {
	mu sync.Mutex
	m  map[peer.ID]Remembered
}

func (b *memoryBook) Load() (out []Remembered, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.m {
		out = append(out, r)
	}
	return out, nil
}

func (b *memoryBook) Save(r Remembered) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.m[r.Peer] = r
	return nil
}

func (b *memoryBook) Remove(id peer.ID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.m, id)
	return nil
}

func (b *memoryBook) get(id peer.ID) (Remembered, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.m[id]
	return r, ok
}

// serve runs discovery on a host until the test ends or stop is called.
func serve(t *testing.T, cfg Config) (s *Service, w *watcher, stop func()) {
	t.Helper()
	w = &watcher{events: make(chan Event, 1000)}
	cfg.OnEvent = func(e Event) { w.events <- e }
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1) // Run's only word
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return s, w, stop
}

func full(h host.Host, addr ma.Multiaddr) ma.Multiaddr {
	return addr.Encapsulate(ma.StringCast("/p2p/" + h.ID().String()))
}

func TestStaticPeerIsKept(t *testing.T) {
	t.Parallel()
	a, b := testHost(t), testHost(t)
	book := &memoryBook{m: map[peer.ID]Remembered{}}
	sa, wa, stop := serve(t, Config{Host: a, Book: book})
	_, wb, _ := serve(t, Config{Host: b})
	if err := sa.AddPeer(full(b, b.Addrs()[0])); err != nil {
		t.Fatal(err)
	}
	if e := wa.await(t, Connected, b.ID()); e.Via != Static {
		t.Errorf("via %s", e.Via)
	}
	if e := wb.await(t, Connected, a.ID()); e.Via != Incoming {
		t.Errorf("at the other side via %s", e.Via)
	}
	// It comes back by itself.
	a.Network().ClosePeer(b.ID())
	wa.await(t, Disconnected, b.ID())
	wa.await(t, Connected, b.ID())
	stop()
	r, ok := book.get(b.ID())
	if !ok || !r.Static || r.Via != Static || r.LastSeen.IsZero() || len(r.Addrs) != 1 || !r.Addrs[0].Equal(b.Addrs()[0]) {
		t.Errorf("in the book: %+v", r)
	}
	if d := sa.Diagnose(t.Context()); d.Trouble == "" {
		t.Errorf("diagnosis of a service that has ended: %+v", d)
	}

	// And after a restart, from the book alone.
	a.Network().ClosePeer(b.ID())
	sa, wa, stop = serve(t, Config{Host: a, Book: book})
	wa.await(t, Connected, b.ID())
	sa.RemovePeer(b.ID())
	stop()
	if r, ok := book.get(b.ID()); ok {
		t.Errorf("removed, still in the book: %+v", r)
	}
}

// A connection that neither end sees broken is found out and replaced.
func TestCutWireIsReplaced(t *testing.T) {
	t.Parallel()
	a, b := testHost(t), testHost(t)
	w := newWire(t, b.Addrs()[0])
	c := connect(t, a, b, w.addr)
	s, wa, _ := serve(t, Config{Host: a, Static: []ma.Multiaddr{full(b, b.Addrs()[0])}})
	wa.await(t, Connected, b.ID())
	w.mu.Lock()
	t.Cleanup(w.mu.Unlock)
	s.Check(b.ID())
	wa.await(t, Disconnected, b.ID())
	wa.await(t, Connected, b.ID())
	if !c.IsClosed() {
		t.Error("the dead connection is open")
	}
	for _, c := range a.Network().ConnsToPeer(b.ID()) {
		if !c.RemoteMultiaddr().Equal(b.Addrs()[0]) {
			t.Errorf("connected to %s", c.RemoteMultiaddr())
		}
	}
}

func TestParsePeers(t *testing.T) {
	t.Parallel()
	a := testHost(t)
	for _, bad := range []string{"/ip4/10.0.0.1/tcp/1", "/p2p/" + a.ID().String()} {
		_, err := ParsePeers([]ma.Multiaddr{ma.StringCast(bad)})
		if err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	s, err := New(Config{Host: a})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddPeer(full(a, a.Addrs()[0])); err == nil {
		t.Error("a node can be its own peer")
	}
	if _, err := New(Config{}); err == nil {
		t.Error("no host, no error")
	}
}

// TestTwinIsAnswered: a node with our identity hears of us at once, and not again and
// again.
func TestTwinIsAnswered(t *testing.T) {
	t.Parallel()
	s, err := New(Config{Host: testHost(t)})
	if err != nil {
		t.Fatal(err)
	}
	i := Interface{Name: "e0", Index: 1}
	s.policy.net.ifaces = []Interface{i}
	hears := func(now time.Time, boot string) (answers bool) {
		s.received(now, message{Announced: []announcement{{Peer: s.cfg.Host.ID(), Boot: boot}}}, i.Index, netip.Addr{})
		out, _ := s.announcer.tick(now.Add(time.Second))
		return len(out) > 0
	}
	start := time.Unix(1_750_000_000, 0)
	for _, x := range []struct {
		what, boot string
		at         time.Duration
		want       bool
	}{
		{"our own packet", s.boot, 0, false},
		{"a twin's", "twin", time.Second, true},
		{"what it answers", "twin", 2 * time.Second, false},
		{"what it says later", "twin", time.Minute, true},
	} {
		if got := hears(start.Add(x.at), x.boot); got != x.want {
			t.Errorf("%s is answered: %v", x.what, got)
		}
	}
}
