package antientropy

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	libp2p "github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

// testRooms are the rooms of one node.
type testRooms struct {
	mu       sync.Mutex
	replicas map[event.Conversation]*memory
	banned   map[peer.ID]bool
	partners []peer.ID
	asked    int // how often for partners
}

func (r *testRooms) Replica(room event.Conversation, p peer.ID, _ bool) (Replica, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.replicas[room]
	return m, ok && !r.banned[p]
}

func (r *testRooms) Partners(event.Conversation) []peer.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	return slices.Clone(r.partners)
}

func (r *testRooms) NotServed(event.Conversation, peer.ID) {}

// counter counts the bytes on sync streams, as seen by one host.
type counter struct {
	metrics.Reporter
	sent, received atomic.Int64
}

func (c *counter) LogSentMessage(int64) {}
func (c *counter) LogRecvMessage(int64) {}
func (c *counter) LogSentMessageStream(n int64, p protocol.ID, _ peer.ID) {
	if p == Protocol {
		c.sent.Add(n)
	}
}

func (c *counter) LogRecvMessageStream(n int64, p protocol.ID, _ peer.ID) {
	if p == Protocol {
		c.received.Add(n)
	}
}

func testKey(t testing.TB, n byte) identity.Key {
	t.Helper()
	key, err := identity.KeyFromSeed(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newHost(t testing.TB, key identity.Key, opts ...libp2p.Option) host.Host {
	t.Helper()
	h, err := libp2p.New(append(opts, libp2p.Identity(key.Libp2p()), libp2p.ListenAddrStrings("/ip4/127.0.0.1/udp/0/quic-v1"),
		libp2p.DisableRelay(), libp2p.DisableMetrics())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// node is one member.
type node struct {
	*Service
	*memory // of the one room
	rooms   *testRooms
	key     identity.Key
	bytes   *counter
	stop    func()
}

func (n *node) id() peer.ID { return n.key.ID() }

// newNode starts the member number num of a room, holding events.
func newNode(t testing.TB, num byte, room event.Conversation, events ...*event.Event) *node {
	t.Helper()
	n := &node{memory: newMemory(events...), key: testKey(t, num), bytes: &counter{}}
	n.rooms = &testRooms{replicas: map[event.Conversation]*memory{room: n.memory}, banned: map[peer.ID]bool{}}
	h := newHost(t, n.key, libp2p.BandwidthReporter(n.bytes))
	n.Service = New(Config{Host: h, Rooms: n.rooms, Logger: slog.New(slog.DiscardHandler)})
	n.run(t)
	return n
}

// run has the service run, and returns when it does.
func (n *node) run(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1) // Run's one result
	go func() { done <- n.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(n.stop)
	until(t, "sync serves", func() bool { return slices.Contains(n.cfg.Host.Mux().Protocols(), Protocol) })
}

// until waits for something that comes without being told.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for !ok() {
		select {
		case <-t.Context().Done():
			t.Fatalf("never happened: %s", what)
		default:
			runtime.Gosched()
		}
	}
}

func (n *node) connect(t testing.TB, to *node) {
	t.Helper()
	h := to.cfg.Host
	if err := n.cfg.Host.Connect(t.Context(), peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}); err != nil {
		t.Fatal(err)
	}
	// How a protocol is negotiated, and what that costs, depends on whether it is
	// known. Identify tells of it a moment after it is served, and not at all where
	// the machine is so busy that it gives up.
	if err := n.cfg.Host.Peerstore().AddProtocols(h.ID(), Protocol); err != nil {
		t.Fatal(err)
	}
}

// sync has one run of n's and expects that both sides were heard.
func (n *node) sync(t testing.TB, room event.Conversation, with *node) {
	t.Helper()
	if err := n.Sync(t.Context(), room, with.id()); err != nil {
		t.Fatalf("sync: %v", err)
	}
}

// same expects a and b to hold the same and to have been told so by the last run.
func same(t *testing.T, a, b *node) {
	t.Helper()
	if ca, cb := a.contents(), b.contents(); !maps.Equal(ca, cb) {
		t.Fatalf("%d and %d events, not the same", len(ca), len(cb))
	}
	if equal, _ := a.lastSynced(b.id()); !equal {
		t.Error("the opener was not told that they are equal")
	}
	b.until(t, "the other side is told that they are equal", func() bool {
		all := b.synced[a.id()]
		return len(all) > 0 && all[len(all)-1]
	})
	frontier, err := a.Summary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, side := range []struct{ n, of *node }{{a, b}, {b, a}} {
		side.n.memory.mu.Lock()
		if got := side.n.committed[side.of.id()]; !maps.Equal(got, frontier.Frontier) && len(frontier.Frontier) > 0 {
			t.Errorf("receipts for %d of %d logs", len(got), len(frontier.Frontier))
		}
		side.n.memory.mu.Unlock()
	}
}

// author makes events.
type author struct {
	t    testing.TB
	key  identity.Key
	room event.Conversation
	time event.Time
	logs map[byte][]*event.Event
}

func (a *author) sign(h event.Header, body string) *event.Event {
	a.t.Helper()
	a.time++
	h.Time = a.time
	e, err := event.Sign(a.key, h, []byte(body))
	if err != nil {
		a.t.Fatal(err)
	}
	return e
}

// newRoom gives the author who made a room, and its genesis.
func newRoom(t testing.TB, num byte) (*author, *event.Event) {
	t.Helper()
	a := &author{t: t, key: testKey(t, num), logs: map[byte][]*event.Event{}}
	g := a.sign(event.Header{Lane: event.LaneControl, Kind: 16}, "genesis")
	a.room = event.Conversation(g.ID)
	return a, g
}

func (a *author) other(num byte) *author {
	return &author{t: a.t, key: testKey(a.t, num), room: a.room, logs: map[byte][]*event.Event{}}
}

// govern makes n control events, each citing the one before, the first cite.
func (a *author) govern(n int, cite *event.Event) []*event.Event {
	a.t.Helper()
	var out []*event.Event
	for range n {
		cite = a.sign(event.Header{Conversation: a.room, Lane: event.LaneControl, Kind: 17, Ctl: []event.ID{cite.ID}}, "act")
		out = append(out, cite)
	}
	return out
}

// say appends n messages to a log of the author's and gives them.
func (a *author) say(log byte, n int, ctl ...event.ID) []*event.Event {
	a.t.Helper()
	from := len(a.logs[log])
	for range n {
		h := event.Header{Conversation: a.room, Lane: event.LaneMessage, Log: event.LogID{log}, Seq: uint64(len(a.logs[log]) + 1), Kind: event.KindText, Ctl: ctl}
		if h.Seq > 1 {
			h.Prev = a.logs[log][h.Seq-2].ID
		}
		body, err := event.EncodeText(fmt.Sprintf("line %d", h.Seq))
		if err != nil {
			a.t.Fatal(err)
		}
		a.logs[log] = append(a.logs[log], a.sign(h, string(body)))
	}
	return a.logs[log][from:]
}

// fork gives another author with the same key and log, as far as seq keep.
func (a *author) fork(log byte, keep int) *author {
	f := &author{t: a.t, key: a.key, room: a.room, time: a.time + 1<<20, logs: map[byte][]*event.Event{}}
	f.logs[log] = slices.Clone(a.logs[log][:keep])
	return f
}
