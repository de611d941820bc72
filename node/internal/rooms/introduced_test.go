package rooms

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// TestIntroduced: nobody is told the ID of a hidden room for being in its topic. Who
// joined unheard shows with his presence that he knows it, and is synced with.
func TestIntroduced(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c, d := w.person(), w.person(), w.person(), w.person()
		hidden := w.found([]room.Setting{{Field: room.FieldVisible}}, a, b)
		visible := w.found(nil, d)
		if !a.room(hidden).Entitled(b.id(), false) || !d.room(visible).Entitled(a.id(), false) {
			t.Error("a member of a hidden room, or anybody of a visible one, is not synced with")
		}
		w.lose(true)
		c.joins(hidden, "nick2", b)
		switch {
		case a.counts(hidden, c):
			t.Fatal("his join was heard; this test shows nothing")
		case a.room(hidden).Entitled(c.id(), false):
			t.Error("somebody unknown is told the ID")
		case !a.room(hidden).Entitled(c.id(), true):
			t.Error("somebody who named it is not served")
		}
		a.keep.forget()
		w.lose(false)
		time.Sleep(2 * presenceEvery) // of virtual time
		synctest.Wait()
		if !a.room(hidden).Entitled(c.id(), false) || !a.keep.kicked(c.id()) {
			t.Error("he is not synced with although he shows that he is in the room")
		}
	})
}

// TestKeyAskedOfAMember: the key of an epoch is not asked of whoever passes on what was
// said under it, unless he may know which room it is of.
func TestKeyAskedOfAMember(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, m := w.person(), w.person(), w.person()
		id := w.found([]room.Setting{{Field: room.FieldVisible}}, a, b)
		var asked atomic.Int64
		m.host.SetStreamHandler(JoinProtocol, func(st network.Stream) {
			asked.Add(1)
			_ = st.Reset()
		})
		for _, p := range []*person{m, a} {
			b.inside(id, func(r *Room) { r.wantKey(event.ID{byte(len(r.sought) + 1)}, p.id()) })
			time.Sleep(time.Minute)
		}
		if n := asked.Load(); n > 0 {
			t.Errorf("a stranger was asked %d times", n)
		}
	})
}
