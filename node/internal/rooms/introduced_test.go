package rooms

import (
	"testing"
	"testing/synctest"
	"time"

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
