package direct

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	libp2p "github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

// memory is a ledger without a disk.
type memory struct {
	mu     sync.Mutex
	events map[event.LogKey][]*event.Event
	err    error // of Ingest
	news   chan struct{}
}

func newMemory() *memory {
	return &memory{events: map[event.LogKey][]*event.Event{}, news: make(chan struct{})}
}

func (m *memory) changedLocked() {
	close(m.news)
	m.news = make(chan struct{})
}

func (m *memory) Frontier(context.Context, event.Conversation) (event.Frontier, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := event.Frontier{}
	for k, log := range m.events {
		last := log[len(log)-1]
		f[k] = event.Head{Seq: last.Seq, ID: last.ID}
	}
	return f, nil
}

func (m *memory) Range(_ context.Context, _ event.Conversation, r event.Range, _ int) ([]*event.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	log := m.events[r.LogKey][r.From-1 : r.To]
	return slices.Clone(log[:min(len(log), 3)]), nil // small batches
}

func (m *memory) Forked(_ context.Context, _ event.Conversation, k event.LogKey, h event.Head) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	log := m.events[k]
	return int(h.Seq) <= len(log) && log[h.Seq-1].ID != h.ID, nil
}

func (m *memory) Ingest(_ context.Context, _ peer.ID, events []*event.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.changedLocked()
	if m.err != nil {
		return m.err
	}
	for _, e := range events {
		if log := m.events[e.Key()]; int(e.Seq) == len(log)+1 {
			m.events[e.Key()] = append(log, e)
		}
	}
	return nil
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// holds waits until the ledger has n events of k.
func (m *memory) holds(t *testing.T, k event.LogKey, n int) {
	t.Helper()
	for deadline := time.After(time.Minute); ; {
		m.mu.Lock()
		have, news := len(m.events[k]), m.news
		m.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-news:
		case <-deadline:
			t.Fatalf("%d of %d events arrived", have, n)
		}
	}
}

// heard is a handler that keeps what it is told.
type heard struct {
	mu     sync.Mutex
	acked  event.Frontier
	typing int
	read   event.Frontier
	news   chan struct{}
}

func newHeard() *heard {
	return &heard{acked: event.Frontier{}, read: event.Frontier{}, news: make(chan struct{})}
}

func (h *heard) tell(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	close(h.news)
	h.news = make(chan struct{})
}

func (h *heard) Opened(peer.ID)               {}
func (h *heard) Sent(peer.ID, event.Frontier) {}
func (h *heard) Acked(_ peer.ID, f event.Frontier) {
	h.tell(func() {
		for k, p := range f {
			h.acked[k] = p
		}
	})
}

func (h *heard) Read(_ peer.ID, k event.LogKey, p event.Head) { h.tell(func() { h.read[k] = p }) }
func (h *heard) Typing(peer.ID)                               { h.tell(func() { h.typing++ }) }

func (h *heard) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.After(time.Minute); ; {
		h.mu.Lock()
		done, news := ok(), h.news
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-news:
		case <-deadline:
			t.Fatalf("never heard: %s", what)
		}
	}
}

// side is one of two people.
type side struct {
	*Service
	*heard
	ledger *memory
	barred *barred
	key    identity.Key
	log    event.LogKey
	host   host.Host
}

// barred is a set of those with whom there are to be no streams.
type barred struct{ sync.Map }

func (b *barred) has(p peer.ID) bool { _, ok := b.Load(p); return ok }

func newSide(t *testing.T, n byte) *side {
	t.Helper()
	key, err := identity.KeyFromSeed(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	h, err := libp2p.New(libp2p.Identity(key.Libp2p()), libp2p.ListenAddrStrings("/ip4/127.0.0.1/udp/0/quic-v1"),
		libp2p.DisableRelay(), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	s := &side{heard: newHeard(), ledger: newMemory(), barred: &barred{}, key: key, host: h, log: event.LogKey{Author: key.ID(), Log: event.LogID{n}}}
	s.Service = New(Config{Host: h, Ledger: s.ledger, Handler: s.heard, Barred: s.barred.has, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1) // Run's one result
	ready := make(chan struct{})
	go func() { close(ready); done <- s.Run(ctx) }()
	<-ready
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		_ = h.Close()
	})
	return s
}

// say appends n texts to the side's own log.
func (s *side) say(t *testing.T, to *side, n int) {
	t.Helper()
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	for range n {
		log := s.ledger.events[s.log]
		h := event.Header{
			Conversation: event.Direct(s.key.ID(), to.key.ID()), Lane: event.LaneMessage, Log: s.log.Log,
			Seq: uint64(len(log) + 1), Time: event.Time(len(log) + 1), Kind: event.KindText,
		}
		if len(log) > 0 {
			h.Prev = log[len(log)-1].ID
		}
		body, err := event.EncodeText(fmt.Sprintf("line %d", h.Seq))
		if err != nil {
			t.Fatal(err)
		}
		e, err := event.Sign(s.key, h, body)
		if err != nil {
			t.Fatal(err)
		}
		s.ledger.events[s.log] = append(log, e)
	}
	s.ledger.changedLocked()
}

func (s *side) connect(t *testing.T, to *side) {
	t.Helper()
	err := s.host.Connect(t.Context(), peer.AddrInfo{ID: to.host.ID(), Addrs: to.host.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBothAtOnce(t *testing.T) {
	t.Parallel()
	a, b := newSide(t, 1), newSide(t, 2)
	a.say(t, b, 50)
	b.say(t, a, 40)
	a.connect(t, b)
	for range 20 { // streams opened from both sides at once
		a.Wake(b.key.ID())
		b.Wake(a.key.ID())
	}
	a.ledger.holds(t, b.log, 40)
	b.ledger.holds(t, a.log, 50)
	a.until(t, "ack of 50", func() bool { return a.acked[a.log].Seq == 50 })
	b.until(t, "ack of 40", func() bool { return b.acked[b.log].Seq == 40 })
	a.say(t, b, 1)
	a.Wake(b.key.ID())
	a.until(t, "ack of 51", func() bool { return a.acked[a.log].Seq == 51 })
}

// TestBarred: with who is barred there is no stream, whoever opens it, and there
// is one again as soon as he is not.
func TestBarred(t *testing.T) {
	t.Parallel()
	a, b := newSide(t, 1), newSide(t, 2)
	a.connect(t, b)
	a.say(t, b, 1)
	a.Wake(b.key.ID())
	a.until(t, "ack of 1", func() bool { return a.acked[a.log].Seq == 1 })

	b.barred.Store(a.key.ID(), true)
	b.Part(a.key.ID())
	b.Part(a.key.ID()) // there is nothing any more
	a.say(t, b, 1)
	b.say(t, a, 1)
	for range 10 {
		a.Wake(b.key.ID())
		b.Wake(a.key.ID())
		a.Service.Typing(b.key.ID())
		time.Sleep(20 * time.Millisecond) // for each a chance to open what must not open
	}
	a.heard.mu.Lock()
	if got := a.acked[a.log].Seq; got != 1 {
		t.Errorf("%d are acknowledged", got)
	}
	a.heard.mu.Unlock()
	a.ledger.mu.Lock()
	if got := len(a.ledger.events[b.log]); got != 0 {
		t.Errorf("%d came from who barred us", got)
	}
	a.ledger.mu.Unlock()
	b.heard.mu.Lock()
	if b.heard.typing != 0 {
		t.Error("typing was heard")
	}
	b.heard.mu.Unlock()

	b.barred.Delete(a.key.ID())
	b.Wake(a.key.ID())
	a.until(t, "ack of 2", func() bool { return a.acked[a.log].Seq == 2 })
	a.ledger.holds(t, b.log, 1)
}

// TestNothingUncommittedIsAcked: a ledger that cannot write ends the stream,
// which is opened again until it can.
func TestNothingUncommittedIsAcked(t *testing.T) {
	t.Parallel()
	a, b := newSide(t, 1), newSide(t, 2)
	b.ledger.fail(errors.New("disk full"))
	a.connect(t, b)
	a.say(t, b, 5)
	a.Wake(b.key.ID())
	for range 3 { // tried, and tried again
		b.ledger.mu.Lock()
		news := b.ledger.news
		b.ledger.mu.Unlock()
		select {
		case <-news:
		case <-time.After(time.Minute):
			t.Fatal("not tried again")
		}
	}
	a.heard.mu.Lock()
	if len(a.acked) > 0 {
		t.Errorf("acknowledged %v, which is on no disk", a.acked)
	}
	a.heard.mu.Unlock()
	b.ledger.fail(nil)
	a.until(t, "ack of 5", func() bool { return a.acked[a.log].Seq == 5 })
}

// TestConnectionReplaced: what was not acknowledged goes out again over the
// next connection, and what is not kept is said once there is a stream.
func TestConnectionReplaced(t *testing.T) {
	t.Parallel()
	a, b := newSide(t, 1), newSide(t, 2)
	a.connect(t, b)
	a.say(t, b, 1)
	a.Wake(b.key.ID())
	a.until(t, "ack of 1", func() bool { return a.acked[a.log].Seq == 1 })
	for round := range 5 {
		if err := a.host.Network().ClosePeer(b.key.ID()); err != nil {
			t.Fatal(err)
		}
		a.say(t, b, 10)
		a.connect(t, b)
		a.Wake(b.key.ID())
		want := uint64(1 + 10*(round+1))
		a.until(t, "ack", func() bool { return a.acked[a.log].Seq == want })
	}
	if a.host.Network().Connectedness(b.key.ID()) != network.Connected {
		t.Fatal("not connected")
	}
	b.Service.Typing(a.key.ID())
	a.until(t, "typing", func() bool { return a.heard.typing > 0 })
	b.MarkRead(a.key.ID(), a.log, event.Head{Seq: 7, ID: event.ID{1}})
	a.until(t, "read", func() bool { return a.heard.read[a.log].Seq == 7 })
}
