package hello

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	libp2p "github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
)

// heard is a handler that keeps what it is told.
type heard struct {
	mu    sync.Mutex
	here  map[peer.ID]bool
	rooms map[event.Conversation]event.Frontier
	calls int
	news  chan struct{}
}

func (h *heard) tell(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	close(h.news)
	h.news = make(chan struct{})
}

func (h *heard) PeerUp(p Peer)                { h.tell(func() { h.here[p.Profile.Peer] = true }) }
func (h *heard) PeerChanged(Peer)             {}
func (h *heard) PeerDown(p peer.ID, bye bool) { h.tell(func() { h.here[p] = false }) }

func (h *heard) PeerAhead(peer.ID, time.Duration) {}

func (h *heard) PeerReceipts(_ peer.ID, room event.Conversation, f event.Frontier) {
	h.tell(func() {
		h.calls++
		if h.rooms[room] == nil {
			h.rooms[room] = event.Frontier{}
		}
		maps.Copy(h.rooms[room], f)
	})
}

// until waits for ok, which is called with the lock held.
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
			t.Fatalf("never: %s", what)
		}
	}
}

type side struct {
	*Service
	*heard
	host host.Host
}

func newSide(t *testing.T, num byte) *side {
	t.Helper()
	key, err := identity.KeyFromSeed(bytes.Repeat([]byte{num}, 32))
	if err != nil {
		t.Fatal(err)
	}
	h, err := libp2p.New(libp2p.Identity(key.Libp2p()), libp2p.ListenAddrStrings("/ip4/127.0.0.1/udp/0/quic-v1"),
		libp2p.DisableRelay(), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	signed, err := identity.SignProfile(key, identity.Profile{Peer: key.ID(), Name: "somebody", Version: 1, Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	s := &side{host: h, heard: &heard{here: map[peer.ID]bool{}, rooms: map[event.Conversation]event.Frontier{}, news: make(chan struct{})}}
	s.Service = New(Config{Host: h, Self: func() (Self, error) { return Self{Signed: signed}, nil }, Handler: s.heard, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1) // Run's one result
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		_ = h.Close()
	})
	return s
}

// meet connects two sides and waits until both know each other.
func meet(t *testing.T) (a, b *side) {
	t.Helper()
	a, b = newSide(t, 1), newSide(t, 2)
	if err := a.host.Connect(t.Context(), peer.AddrInfo{ID: b.host.ID(), Addrs: b.host.Addrs()}); err != nil {
		t.Fatal(err)
	}
	a.until(t, "b is here", func() bool { return a.here[b.host.ID()] })
	b.until(t, "a is here", func() bool { return b.here[a.host.ID()] })
	return a, b
}

func at(seq uint64) event.Head {
	return event.Head{Seq: seq, ID: event.ID{byte(seq), byte(seq >> 8), 1}}
}

// TestReceipts: what is told within a moment travels together, the newest of
// each log.
func TestReceipts(t *testing.T) {
	t.Parallel()
	a, b := meet(t)
	room, other := event.Conversation{1}, event.Conversation{2}
	k := event.LogKey{Author: b.host.ID(), Log: event.LogID{1}}
	k2 := event.LogKey{Author: b.host.ID(), Log: event.LogID{2}}
	for seq := uint64(1); seq <= 1000; seq++ {
		a.Receipt(b.host.ID(), room, k, at(seq))
	}
	a.Receipt(b.host.ID(), room, k, at(7)) // late
	a.Receipt(b.host.ID(), room, k2, at(3))
	a.Receipt(b.host.ID(), other, k, at(4))
	a.Receipt(b.host.ID(), room, event.LogKey{Author: a.host.ID(), Log: event.LogID{1}}, at(5)) // not his
	b.until(t, "all receipts", func() bool {
		return maps.Equal(b.rooms[room], event.Frontier{k: at(1000), k2: at(3)}) && maps.Equal(b.rooms[other], event.Frontier{k: at(4)})
	})
	if b.calls > 20 {
		t.Errorf("%d calls", b.calls)
	}
	a.Receipt(b.host.ID(), room, k, at(1001))
	b.until(t, "one more", func() bool { return b.rooms[room][k] == at(1001) })
	// To nobody, and many at once.
	a.Receipt(a.host.ID(), room, event.LogKey{Author: a.host.ID()}, at(1))
	for i := range 300 {
		a.Receipt(b.host.ID(), event.Conversation{3, byte(i), byte(i >> 8)}, k, at(1))
	}
	b.until(t, "receipts for 300 rooms", func() bool { return len(b.rooms) == 302 })
}

func TestReceiptFrames(t *testing.T) {
	t.Parallel()
	due := receipts{}
	author := peer.ID(bytes.Repeat([]byte{1}, 38))
	for i := range 2 * maxDue {
		due.put(receiptKey{event.Conversation{byte(i % 3)}, event.LogKey{Author: author, Log: event.LogID{byte(i), byte(i >> 8)}}}, at(1<<40))
	}
	if len(due) != maxDue {
		t.Errorf("%d wait", len(due))
	}
	total := 0
	for f := due.take(); f != nil; f = due.take() {
		n := 0
		for _, r := range f.Receipts {
			n += len(r.Heads)
		}
		if size := proto.Size(f); size > maxFrame || n > maxReceipts || (len(due) > 0 && n < 30) {
			t.Errorf("a frame of %d bytes with %d receipts", size, n)
		}
		total += n
	}
	if total != maxDue {
		t.Errorf("%d were sent", total)
	}
}

// TestFalseReceipts: receipts that can only be false end the session.
func TestFalseReceipts(t *testing.T) {
	t.Parallel()
	room := bytes.Repeat([]byte{1}, 32)
	for name, receipts := range map[string]func(a, b *side) []*pb.RoomReceipt{
		"for another's log": func(a, _ *side) []*pb.RoomReceipt {
			k := event.LogKey{Author: a.host.ID(), Log: event.LogID{1}}
			return []*pb.RoomReceipt{{Room: room, Heads: []*pb.LogHead{k.Wire(at(1))}}}
		},
		"for no room": func(_, b *side) []*pb.RoomReceipt {
			k := event.LogKey{Author: b.host.ID(), Log: event.LogID{1}}
			return []*pb.RoomReceipt{{Room: room[1:], Heads: []*pb.LogHead{k.Wire(at(1))}}}
		},
		"without a position": func(*side, *side) []*pb.RoomReceipt {
			return []*pb.RoomReceipt{{Room: room, Heads: []*pb.LogHead{{}}}}
		},
		"too many": func(_, b *side) []*pb.RoomReceipt {
			r := &pb.RoomReceipt{Room: room}
			for i := range byte(maxReceipts + 1) {
				k := event.LogKey{Author: b.host.ID(), Log: event.LogID{1, i}}
				r.Heads = append(r.Heads, k.Wire(at(1)))
			}
			return []*pb.RoomReceipt{r}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := meet(t)
			a.Service.mu.Lock()
			ses := a.sessionLocked(b.host.ID())
			a.Service.mu.Unlock()
			if err := ses.write(&pb.HelloFrame{Receipts: receipts(a, b)}); err != nil {
				t.Fatal(err)
			}
			b.until(t, "the session ends", func() bool { return !b.here[a.host.ID()] })
			if b.calls > 0 {
				t.Error("it was told")
			}
		})
	}
}
