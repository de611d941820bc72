package rooms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// What cannot be read again is not decided on: the room is read anew, and takes
// it the next time.
func TestArchiveFails(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		alice, bob := w.person(), w.person()
		id := w.found(nil, alice, bob)
		broken := errors.New("no such page")
		first := bob.says(id, "first")
		for i := range 40 {
			bob.says(id, fmt.Sprint(i))
		}
		w.sync(id, alice, bob)
		want := alice.disk.texts(id)
		alice.disk.fail("Line", broken)
		if _, err := alice.room(id).Ingest(context.Background(), bob.id(), []*event.Event{first}); !errors.Is(err, broken) {
			t.Errorf("ingest with a broken archive: %v", err)
		}
		alice.disk.fail("Line", nil)
		time.Sleep(time.Second) // of virtual time, for which a room rests after a failure
		w.sync(id, alice, bob)
		bob.says(id, "last")
		synctest.Wait()
		if got := alice.disk.texts(id); !slices.Equal(got, append(want, "last")) {
			t.Errorf("afterwards %v", got)
		}
	})
}

// Rules that gave up most of what was said decide as before on what concerns it.
func TestGivenUp(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		alice, bob, carol := w.person(), w.person(), w.person()
		id := w.found(nil, alice, bob, carol)
		var said []*event.Event
		for i := range 40 {
			said = append(said, bob.says(id, fmt.Sprint(i)))
		}
		w.sync(id, alice, bob)
		want := alice.disk.texts(id)
		w.sync(id, bob, alice) // all of it again
		if alice.disk.called("Line") == 0 {
			t.Error("nothing was given up")
		}
		if got := alice.disk.texts(id); !slices.Equal(got, want) {
			t.Errorf("after hearing all twice %v", got)
		}

		alice.does(id, room.Op{Kind: room.KindRetract, Target: bob.id(), Message: said[20].ID})
		w.part(alice, bob, true)
		w.part(carol, bob, true)
		alice.does(id, ban(bob))
		for i := range 20 {
			bob.says(id, fmt.Sprint("unheard ", i))
		}
		w.part(alice, bob, false)
		w.part(carol, bob, false)
		want = slices.Delete(slices.Clone(want), 20, 21)
		for _, p := range []*person{alice, carol} {
			w.sync(id, alice, p)
			w.sync(id, bob, p)
			if got := p.disk.texts(id); !slices.Equal(got, want) {
				t.Errorf("after retraction and ban %v", got)
			}
			p.halt()
			p.start()
			if got := p.disk.texts(id); !slices.Equal(got, want) {
				t.Errorf("after a restart %v", got)
			}
		}
	})
}
