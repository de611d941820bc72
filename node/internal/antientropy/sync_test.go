package antientropy

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"p2pchat/protocol/event"
)

// TestEqual: with nothing new a run is one round trip of a few hundred bytes,
// whatever the history.
func TestEqual(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	all := slices.Concat([]*event.Event{genesis}, c.govern(20, genesis), c.say(1, 300), c.other(8).say(1, 300))
	a, b := newNode(t, 1, c.room, all...), newNode(t, 2, c.room, all...)
	a.connect(t, b)
	a.sync(t, c.room, b) // also lets identify finish
	same(t, a, b)
	sent, received := a.bytes.sent.Load(), a.bytes.received.Load()
	a.sync(t, c.room, b)
	sent, received = a.bytes.sent.Load()-sent, a.bytes.received.Load()-received
	t.Logf("%d bytes sent, %d received", sent, received)
	if sent+received >= 500 || sent == 0 || received == 0 {
		t.Errorf("an equal run takes %d bytes", sent+received)
	}
	if b.ingested+a.ingested > 0 {
		t.Error("events were sent")
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	base := slices.Concat([]*event.Event{genesis}, c.govern(5, genesis), c.say(1, 50))
	fork := base[5]
	for name, test := range map[string]struct{ a, b []*event.Event }{
		"nothing at one side":        {},
		"control at the opener":      {a: c.other(1).govern(40, fork)},
		"control at the other side":  {b: c.other(2).govern(40, fork)},
		"control at both":            {a: c.other(1).govern(30, fork), b: c.other(2).govern(40, fork)},
		"messages at the opener":     {a: c.say(1, 20)},
		"messages at the other side": {b: c.other(3).say(7, 20)},
		"messages at both":           {a: c.other(4).say(1, 33), b: c.other(5).say(2, 44)},
		"everything": {
			a: slices.Concat(c.other(6).govern(10, fork), c.other(6).say(1, 10)),
			b: slices.Concat(c.other(7).govern(10, fork), c.other(7).say(1, 10), c.other(7).say(2, 10)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := newNode(t, 21, c.room, base...), newNode(t, 22, c.room, base...)
			a.put(test.a...)
			b.put(test.b...)
			a.connect(t, b)
			a.sync(t, c.room, b)
			same(t, a, b)
			if n := len(a.contents()); n != len(base)+len(test.a)+len(test.b) {
				t.Errorf("%d events at the end", n)
			}
			if a.ingested != len(test.b) || b.ingested != len(test.a) {
				t.Errorf("%d and %d events were sent to close a difference of %d and %d", a.ingested, b.ingested, len(test.b), len(test.a))
			}
		})
	}
}

// TestMessagesCite: messages whose rules the other side lacks come after those.
func TestMessagesCite(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	acts := c.govern(300, genesis)
	a := newNode(t, 1, c.room, append([]*event.Event{genesis}, append(acts, c.say(1, 20, acts[299].ID)...)...)...)
	b := newNode(t, 2, c.room, genesis)
	b.connect(t, a)
	b.sync(t, c.room, a)
	same(t, b, a)
	if len(b.parked) > 0 {
		t.Errorf("%d events wait", len(b.parked))
	}
}

// TestWanted: control events the root is not over are fetched by name, a chain
// of them too.
func TestWanted(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	acts := c.govern(5, genesis)
	said := c.say(1, 3, acts[4].ID)
	for _, opens := range []bool{true, false} {
		a, b := newNode(t, 1, c.room, append([]*event.Event{genesis}, said...)...), newNode(t, 2, c.room, slices.Concat([]*event.Event{genesis}, acts, said)...)
		for _, n := range []*node{a, b} {
			for _, e := range acts {
				n.hidden[e.ID] = true
			}
		}
		if opens {
			a.connect(t, b)
			a.sync(t, c.room, b)
			same(t, a, b)
		} else {
			b.connect(t, a)
			b.sync(t, c.room, a)
			same(t, b, a)
		}
		a.stop()
		b.stop()
	}
}

// TestLongHistory: ten thousand events to one who has none, in frames of which
// each is committed before the next is read.
func TestLongHistory(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	all := append([]*event.Event{genesis}, c.govern(500, genesis)...)
	for num := byte(1); num <= 19; num++ {
		all = append(all, c.other(30+num).say(num, 500)...)
	}
	a, b := newNode(t, 1, c.room, all...), newNode(t, 2, c.room)
	b.connect(t, a)
	b.sync(t, c.room, a)
	same(t, b, a)
	if b.ingested != len(all) || b.batches < 5 {
		t.Errorf("%d events in %d frames", b.ingested, b.batches)
	}
}

// TestNewestFirst: whoever lacks much gets the newest messages first, and those
// only once.
func TestNewestFirst(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	all := []*event.Event{genesis}
	for num := byte(1); num <= 4; num++ {
		all = append(all, c.other(30+num).say(num, 1000)...)
	}
	for name, opens := range map[string]bool{"opener": true, "served": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := newNode(t, 1, c.room, all...), newNode(t, 2, c.room)
			newest, _ := a.Newest(t.Context(), newestFirst)
			has := make(chan int, len(all)) // of the newest, before each batch
			b.setBefore(func(what string) error {
				if what == "ingest" {
					here, n := b.contents(), 0
					for _, e := range newest {
						if here[e.ID] {
							n++
						}
					}
					has <- n
				}
				return nil
			})
			b.connect(t, a)
			if opens {
				b.sync(t, c.room, a)
			} else {
				a.sync(t, c.room, b)
			}
			same(t, b, a)
			if b.ingested != len(all) {
				t.Errorf("%d events came, of %d", b.ingested, len(all))
			}
			close(has)
			at := 0
			for n := range has {
				if n == newestFirst {
					break
				}
				at++
			}
			if most := 1 + newestFirst*512/frameFill + 1; at > most {
				t.Errorf("the newest are here after %d frames, not %d", at, most)
			}
			if came, due := b.Progress(c.room); came != 0 || due != 0 {
				t.Errorf("still fetching %d of %d", came, due)
			}
		})
	}
}

// TestFetchedOnce: what one run brings no other has to.
func TestFetchedOnce(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	all := []*event.Event{genesis}
	for num := byte(1); num <= 4; num++ {
		all = append(all, c.other(30+num).say(num, 1000)...)
	}
	a, b, n := newNode(t, 1, c.room, all...), newNode(t, 2, c.room, all...), newNode(t, 3, c.room)
	n.connect(t, a)
	n.connect(t, b)
	half := make(chan bool)  // closed when the first run has brought something
	both := make(chan bool)  // closed when the second has ended
	var once sync.Once       // closes half
	var batches atomic.Int64 // of the first run
	n.setBefore(func(what string) error {
		if what == "ingest" && batches.Add(1) == 5 {
			once.Do(func() { close(half) })
			<-both
		}
		return nil
	})
	go func() {
		<-half
		if came, due := n.Progress(c.room); came == 0 || due != 4000 {
			t.Errorf("fetched %d of %d in the middle", came, due)
		}
		if err := n.Sync(t.Context(), c.room, b.id()); err != nil {
			t.Error(err)
		}
		close(both)
	}()
	n.sync(t, c.room, a)
	<-both
	same(t, n, a)
	if extra := n.ingested - len(all); extra > 0 {
		t.Errorf("%d events came twice", extra)
	}
}

// TestMakesWay: while people talk, what is fetched comes in small pieces.
func TestMakesWay(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	all := append([]*event.Event{genesis}, c.other(31).say(1, 1000)...)
	a, b := newNode(t, 1, c.room, all...), newNode(t, 2, c.room)
	b.cfg.Talking = func() bool { return true }
	b.connect(t, a)
	b.sync(t, c.room, a)
	same(t, b, a)
	if least := len(all) / pieceEvents; b.batches < least {
		t.Errorf("%d events in %d batches, not %d", len(all), b.batches, least)
	}
}

// TestForks: two branches of a log get to both sides, wherever each stands.
func TestForks(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	c.say(1, 3)
	other := c.fork(1, 3)
	c.say(1, 10)
	other.say(1, 10)
	for name, far := range map[string][2]int{"level": {13, 13}, "opener ahead": {13, 7}, "opener behind": {7, 13}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newNode(t, 1, c.room, append([]*event.Event{genesis}, c.logs[1][:far[0]]...)...)
			b := newNode(t, 2, c.room, append([]*event.Event{genesis}, other.logs[1][:far[1]]...)...)
			a.connect(t, b)
			a.sync(t, c.room, b)
			same(t, a, b)
			if n, want := len(a.contents()), 1+far[0]+far[1]-3; n != want {
				t.Errorf("%d events, not %d", n, want)
			}
			// Both stand at the same head, so that is all there is to say.
			before := a.ingested + b.ingested
			a.sync(t, c.room, b)
			same(t, a, b)
			if a.ingested+b.ingested != before {
				t.Error("the branches are sent again and again")
			}
		})
	}
}

// TestForkBelowTheHead: who holds both branches stands at the same head as who
// holds the one that leads to it, and hands him the other.
func TestForkBelowTheHead(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	c.say(1, 3)
	other := c.fork(1, 3)
	c.say(1, 10)
	other.say(1, 4)
	a := newNode(t, 1, c.room, append([]*event.Event{genesis}, c.logs[1]...)...)
	b := newNode(t, 2, c.room, append(append([]*event.Event{genesis}, c.logs[1]...), other.logs[1][3:]...)...)
	for _, turned := range []bool{false, true} {
		from, to := a, b
		if turned {
			from, to = b, a
		}
		from.connect(t, to)
		from.sync(t, c.room, to)
		same(t, a, b)
	}
	if n, want := len(a.contents()), 1+13+4; n != want {
		t.Errorf("%d events, not %d", n, want)
	}
}

// TestForkBelowTheLowMark: where somebody never gets a branch, the two differ for
// ever, and the log is sent once for it while he is here.
func TestForkBelowTheLowMark(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	c.say(1, 3)
	other := c.fork(1, 3)
	log := c.say(1, 40)
	other.say(1, 1)
	a := newNode(t, 1, c.room, append(append([]*event.Event{genesis}, c.logs[1]...), other.logs[1][3:]...)...)
	b := newNode(t, 2, c.room, genesis)
	b.low[log[0].Key()] = 20
	b.put(c.logs[1][19:]...)
	a.connect(t, b)
	a.sync(t, c.room, b)
	before, runs := b.ingested, len(b.synced[a.id()])
	for range 3 {
		a.sync(t, c.room, b)
		b.sync(t, c.room, a)
	}
	if n := b.ingested - before; n > 0 {
		t.Errorf("%d events are sent again", n)
	}
	if n := len(b.synced[a.id()]) - runs; n < 6 {
		t.Errorf("%d runs of 6", n)
	}
	a.Gone(b.id())
	a.sync(t, c.room, b)
	if b.ingested == before {
		t.Error("who was away is not sent it again")
	}
}

// TestGapForEver: what is above a gap that nobody can fill is brought, once, also
// where nothing is below it.
func TestGapForEver(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	log := c.say(1, 30)
	for name, below := range map[string]int{"some below": 5, "nothing below": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := append([]*event.Event{genesis}, log[:below]...)
			a := newNode(t, 1, c.room, append(slices.Clone(base), slices.Concat(log[8:12], log[20:])...)...)
			b := newNode(t, 2, c.room, append(slices.Clone(base), log[25])...)
			a.connect(t, b)
			b.sync(t, c.room, a)
			same(t, b, a)
			if n, want := len(b.contents()), 1+below+14; n != want {
				t.Errorf("%d events, want %d", n, want)
			}
			before := a.ingested + b.ingested
			b.sync(t, c.room, a)
			if equal, _ := b.lastSynced(a.id()); !equal || a.ingested+b.ingested != before {
				t.Error("they are not found equal")
			}
			b.put(log[12:20]...) // in the gap, not all of it
			b.sync(t, c.room, a)
			same(t, b, a)
		})
	}
}

// TestGaps: what fills a gap comes, and what was beyond it goes on.
func TestGaps(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	log := c.say(1, 30)
	a := newNode(t, 1, c.room, append([]*event.Event{genesis}, slices.Concat(log[:5], log[10:])...)...)
	b := newNode(t, 2, c.room, append([]*event.Event{genesis}, log[:12]...)...)
	a.connect(t, b)
	a.sync(t, c.room, b)
	same(t, a, b)
	// And where the other side has the gap.
	more := c.say(1, 10)
	b.put(more[5:]...)
	a.put(more[:7]...)
	a.sync(t, c.room, b)
	same(t, a, b)
	if len(a.contents()) != 41 {
		t.Errorf("%d events", len(a.contents()))
	}
}

// TestLow: nothing below the low mark is sent.
func TestLow(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	log := c.say(1, 200)
	for _, opens := range []bool{true, false} {
		a, b := newNode(t, 1, c.room, append([]*event.Event{genesis}, log...)...), newNode(t, 2, c.room, genesis)
		b.low[log[0].Key()] = 191
		if opens {
			b.connect(t, a)
			b.sync(t, c.room, a)
		} else {
			a.connect(t, b)
			a.sync(t, c.room, b)
		}
		if b.ingested != 10 {
			t.Errorf("%d events came", b.ingested)
		}
		if equal, _ := b.lastSynced(a.id()); !equal {
			t.Error("the mark makes a difference")
		}
		a.stop()
		b.stop()
	}
}

// TestRefused: a room that is not known and one that is not for the asker look
// alike, and the asker learns nothing else.
func TestRefused(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	a, b := newNode(t, 1, c.room, genesis), newNode(t, 2, c.room, append([]*event.Event{genesis}, c.say(1, 3)...)...)
	unknown := event.Conversation{1, 2, 3}
	a.rooms.replicas[unknown] = newMemory()
	b.rooms.banned[a.id()] = true
	a.connect(t, b)
	var cost [2]int64
	for i, room := range []event.Conversation{unknown, c.room} {
		before := a.bytes.received.Load()
		if err := a.Sync(t.Context(), room, b.id()); !errors.Is(err, ErrNotServed) {
			t.Errorf("sync: %v", err)
		}
		cost[i] = a.bytes.received.Load() - before
	}
	if cost[0] != cost[1] {
		t.Errorf("answers of %d and %d bytes", cost[0], cost[1])
	}
	// We don't tell those we don't serve what we have.
	if err := b.Sync(t.Context(), c.room, a.id()); !errors.Is(err, ErrNotServed) {
		t.Errorf("sync: %v", err)
	}
	if len(a.contents()) != 1 || b.synced[a.id()] != nil {
		t.Error("a run took place")
	}
}

// TestBannedMeanwhile: who is no longer entitled gets nothing more.
func TestBannedMeanwhile(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	a, b := newNode(t, 1, c.room, genesis), newNode(t, 2, c.room, append([]*event.Event{genesis}, c.say(1, 4000)...)...)
	b.setBefore(func(what string) error {
		if what == "range" {
			b.rooms.mu.Lock()
			defer b.rooms.mu.Unlock()
			b.rooms.banned[a.id()] = true
		}
		return nil
	})
	a.connect(t, b)
	if err := a.Sync(t.Context(), c.room, b.id()); err == nil {
		t.Error("the run went on to its end")
	}
	if a.ingested >= 4000 {
		t.Error("everything came")
	}
}

// TestLively: a room in which people go on talking lets a run end.
func TestLively(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	mine, theirs := c.other(50), c.other(51)
	a, b := newNode(t, 1, c.room, genesis), newNode(t, 2, c.room, genesis)
	a.setBefore(func(string) error { a.put(mine.say(1, 3)...); return nil })
	b.setBefore(func(string) error { b.put(theirs.say(1, 3)...); return nil })
	a.connect(t, b)
	a.sync(t, c.room, b)
	a.setBefore(nil)
	b.setBefore(nil)
	a.sync(t, c.room, b)
	same(t, a, b)
}

// TestLost: a run that a lost connection ended is taken up where it was.
func TestLost(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	a, b := newNode(t, 1, c.room, genesis), newNode(t, 2, c.room, append([]*event.Event{genesis}, c.say(1, 6000)...)...)
	var once sync.Once
	a.setBefore(func(what string) error {
		a.memory.mu.Lock()
		batches := a.batches
		a.memory.mu.Unlock()
		if what == "ingest" && batches == 2 {
			once.Do(func() { _ = a.cfg.Host.Network().ClosePeer(b.id()) })
		}
		return nil
	})
	a.connect(t, b)
	if err := a.Sync(t.Context(), c.room, b.id()); err == nil {
		t.Fatal("a run over a lost connection went well")
	}
	had := len(a.contents())
	if had == 1 || had == 6001 {
		t.Fatalf("%d events after a lost connection", had)
	}
	a.connect(t, b)
	a.sync(t, c.room, b)
	same(t, a, b)
	if again := a.ingested - 6000; again > newestFirst {
		t.Errorf("%d events were sent again, more than the newest", again)
	}
}

// TestManyLogs: in a large room a run costs by what differs.
func TestManyLogs(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	all := []*event.Event{genesis}
	for num := range byte(12) {
		author := c.other(100 + num)
		for log := range byte(250) {
			all = append(all, author.say(log+1, 1)...)
		}
	}
	a, b := newNode(t, 1, c.room, all...), newNode(t, 2, c.room)
	b.connect(t, a)
	b.sync(t, c.room, a) // a frontier over several frames
	same(t, b, a)
	a.put(c.say(1, 1)...)
	b.put(c.say(2, 1)...)
	before := b.bytes.sent.Load() + b.bytes.received.Load()
	b.sync(t, c.room, a)
	same(t, b, a)
	cost := b.bytes.sent.Load() + b.bytes.received.Load() - before
	t.Logf("%d bytes for two messages in %d logs", cost, len(all))
	if cost > 20<<10 {
		t.Errorf("a run takes %d bytes for two messages in %d logs", cost, len(all))
	}
}
