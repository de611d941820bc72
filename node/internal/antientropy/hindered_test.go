package antientropy

import (
	"sync/atomic"
	"testing"

	"p2pchat/protocol/event"
)

// TestHindered: who can keep nothing just now begins no run, is brought nothing in
// those of others, and serves them all the same. When that is over all comes by the
// run that waited.
func TestHindered(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	governed, past := c.govern(20, genesis), c.say(1, 2000)
	all := append([]*event.Event{genesis}, append(governed, past...)...)
	mine := c.other(40).say(2, 30)
	var hindered atomic.Bool
	hindered.Store(true)
	a := newNode(t, 1, c.room, append([]*event.Event{genesis}, mine...)...)
	b := newNode(t, 2, c.room, all...)
	a.stop()
	a.Service = New(Config{Host: a.cfg.Host, Rooms: a.rooms, Logger: a.log, Hindered: hindered.Load})
	a.run(t)
	a.connect(t, b)

	for range 3 {
		for range 100 {
			a.Kick(c.room, b.id())
		}
		b.sync(t, c.room, a)
	}
	a.until(t, "the end of these runs", func() bool { return len(a.synced[b.id()]) >= 3 })
	a.memory.mu.Lock()
	if a.ingested > 0 {
		t.Errorf("%d events came that cannot be kept", a.ingested)
	}
	if n := len(a.synced[b.id()]); n != 3 {
		t.Errorf("%d runs, 3 of them begun by the other side", n)
	}
	if b.ingested != len(mine) {
		t.Errorf("%d of %d events were served", b.ingested, len(mine))
	}
	if got := a.bytes.received.Load(); got > 64<<10 {
		t.Errorf("%d bytes were received", got)
	}
	a.memory.mu.Unlock()
	hindered.Store(false)
	a.until(t, "the rest", func() bool { return a.sizeLocked() == len(all)+len(mine) })
}
