package antientropy

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
)

// TestKicks: kicks that wait are one, kicks during a run cause one more.
func TestKicks(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	a, b := newNode(t, 1, c.room, genesis), newNode(t, 2, c.room, genesis)
	entered, leave := make(chan struct{}), make(chan struct{})
	a.setBefore(func(string) error {
		entered <- struct{}{}
		<-leave
		return nil
	})
	a.connect(t, b)
	a.Kick(c.room, b.id())
	<-entered // the first run is under way
	for range 100 {
		a.Kick(c.room, b.id())
	}
	leave <- struct{}{}
	<-entered // the one more
	leave <- struct{}{}
	a.setBefore(nil)
	a.until(t, "two runs", func() bool { return len(a.synced[b.id()]) == 2 })
	a.sync(t, c.room, b) // whatever else was asked for would come before
	a.until(t, "a third", func() bool { return len(a.synced[b.id()]) >= 3 })
	if n := len(a.synced[b.id()]); n != 3 {
		t.Errorf("%d runs", n)
	}
}

// TestBothAtOnce: runs that both sides open at once all come to an end.
func TestBothAtOnce(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	a, b := newNode(t, 1, c.room, genesis), newNode(t, 2, c.room, genesis)
	a.connect(t, b)
	for round := range 10 {
		a.put(c.say(1, 20)...)
		b.put(c.other(byte(40+round)).say(byte(40+round), 20)...)
		var wg sync.WaitGroup
		wg.Go(func() { a.sync(t, c.room, b) })
		wg.Go(func() { b.sync(t, c.room, a) })
		wg.Wait()
		a.sync(t, c.room, b)
		same(t, a, b)
	}
	if n := len(a.contents()); n != 1+10*40 {
		t.Errorf("%d events", n)
	}
}

// TestTieBreak: while a run of its own is under way, a node turns down one that
// a peer with a higher ID opens, and serves that of a lower one once its own has
// ended.
func TestTieBreak(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	for num := range byte(6) {
		n := newNode(t, 1, c.room, genesis)
		o := newOutsider(t, 70+num, n)
		asked, answer := make(chan struct{}), make(chan pb.SyncAnswer)
		o.h.SetStreamHandler(Protocol, func(st network.Stream) {
			l := newLink(st)
			if _, err := l.read(time.Minute); err != nil {
				return // the node has stopped
			}
			select {
			case asked <- struct{}{}:
				_ = l.write(&pb.SyncFrame{Answer: <-answer})
			case <-t.Context().Done(): // another try
			}
		})
		n.Kick(c.room, o.h.ID())
		<-asked
		l := o.stream()
		if err := l.write(&pb.SyncFrame{Open: &pb.SyncOpen{Room: c.room[:], Digest: make([]byte, 32)}}); err != nil {
			t.Fatal(err)
		}
		want := pb.SyncAnswer_SYNC_ANSWER_BUSY
		if o.h.ID() < n.id() {
			want = pb.SyncAnswer_SYNC_ANSWER_DIFFERENT
			answer <- pb.SyncAnswer_SYNC_ANSWER_BUSY
		}
		if f, err := l.read(time.Minute); err != nil || f.Answer != want {
			t.Errorf("%v, %v; not %v", f, err, want)
		}
		if want == pb.SyncAnswer_SYNC_ANSWER_BUSY {
			answer <- pb.SyncAnswer_SYNC_ANSWER_EQUAL
		}
		n.stop()
	}
}

// TestTriedAgain: what fails for a while is tried again without a kick.
func TestTriedAgain(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	a, b := newNode(t, 1, c.room, genesis), newNode(t, 2, c.room, append([]*event.Event{genesis}, c.say(1, 10)...)...)
	var mu sync.Mutex
	failures := 3
	a.setBefore(func(what string) error {
		mu.Lock()
		defer mu.Unlock()
		if what == "ingest" && failures > 0 {
			failures--
			return errTest
		}
		return nil
	})
	a.connect(t, b)
	a.Kick(c.room, b.id())
	a.until(t, "the events", func() bool { return a.ingested == 10 })
}

// TestPeriodic: the rooms that are followed are synced with the first of the
// partners and some others, and no longer after Forget.
func TestPeriodic(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	a := newNode(t, 1, c.room, genesis)
	for num := byte(2); num < 8; num++ {
		b := newNode(t, num, c.room, genesis)
		a.connect(t, b)
		a.rooms.partners = append(a.rooms.partners, b.id())
	}
	first := a.rooms.partners[0]
	s := New(Config{Host: newHost(t, testKey(t, 60)), Rooms: a.rooms, Logger: a.log, Interval: time.Millisecond})
	for _, p := range a.rooms.partners {
		info := a.cfg.Host.Peerstore().PeerInfo(p)
		if err := s.cfg.Host.Connect(t.Context(), info); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1) // Run's one result
	go func() { done <- s.Run(ctx) }()
	s.Follow(c.room)
	a.until(t, "everybody's turn", func() bool {
		for _, p := range a.rooms.partners {
			if len(a.synced[p]) == 0 {
				return false
			}
		}
		return len(a.synced[first]) >= 3
	})
	s.Forget(c.room)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(s.followed) > 0 {
		t.Error("the room is followed still")
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	all := []peer.ID{"a", "b", "c", "d", "e", "f"}
	seen := map[peer.ID]bool{}
	for range 200 {
		got := choose(all, 3)
		if len(got) != 3 || got[0] != "a" {
			t.Fatalf("chose %v", got)
		}
		for _, p := range got {
			seen[p] = true
		}
	}
	if len(seen) != len(all) {
		t.Errorf("only %v are ever chosen", seen)
	}
	if got := choose(all[:2], 3); len(got) != 2 {
		t.Errorf("of two %v", got)
	}
	if !slices.Equal(all, []peer.ID{"a", "b", "c", "d", "e", "f"}) {
		t.Error("the list was changed")
	}
}

// TestNobody: without a connection, or after Run, there is no run and nobody
// waits.
func TestNobody(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	a, b := newNode(t, 1, c.room, genesis), newNode(t, 2, c.room, genesis)
	if err := a.Sync(t.Context(), c.room, b.id()); !errors.Is(err, network.ErrNoConn) {
		t.Errorf("sync: %v", err)
	}
	a.stop()
	if err := a.Sync(t.Context(), c.room, b.id()); !errors.Is(err, errStopped) {
		t.Errorf("sync: %v", err)
	}
}

// TestPassedOn: what a run brings reaches those whom only the middle of three is
// connected to, without anybody asking for it, whoever opened the run.
func TestPassedOn(t *testing.T) {
	t.Parallel()
	for _, opens := range []string{"the middle", "the end"} {
		c, genesis := newRoom(t, 9)
		a, b, far := newNode(t, 1, c.room, genesis), newNode(t, 2, c.room, genesis), newNode(t, 3, c.room, genesis)
		b.rooms.partners = []peer.ID{a.id(), far.id()}
		a.connect(t, b)
		b.connect(t, far)
		a.put(c.say(1, 20)...)
		if opens == "the middle" {
			b.sync(t, c.room, a)
		} else {
			a.sync(t, c.room, b)
		}
		far.until(t, opens+" opened a run, and the other end has everything", func() bool { return far.ingested >= 20 })
		if all := a.contents(); !maps.Equal(all, far.contents()) {
			t.Errorf("%s opened: the ends differ", opens)
		}
	}
}
