package rooms

import (
	"testing"
	"testing/synctest"
	"time"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// TestPresence: of two presences the newer counts, one too far ahead does not,
// and who is silent and not connected is gone after a while.
func TestPresence(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.found(nil, a, b)
		w.part(a, b, true)
		now := time.Now()
		say := func(at time.Duration, away, left bool) {
			a.inside(id, func(r *Room) {
				r.heard(envelope.Presence{Room: id, Peer: b.id(), Away: away, Left: left, Time: now.Add(at)}, time.Now())
			})
		}
		is := func(what string, present, away bool) {
			t.Helper()
			a.inside(id, func(r *Room) {
				if m := r.member(r.shown[b.id()].Occupant); m.Present != present || present && m.Away != away {
					t.Errorf("%s: present %v, away %v", what, m.Present, m.Away)
				}
			})
		}
		is("not connected", false, false)
		say(10*time.Second, false, false)
		is("heard of", true, false)
		say(20*time.Second, true, false)
		is("away", true, true)
		say(15*time.Second, false, false)
		is("an older one", true, true)
		say(time.Hour, false, false)
		is("an hour ahead", true, true)
		say(30*time.Second, false, true)
		is("goodbye", false, false)
		say(31*time.Second, false, false)
		is("back", true, false)
		time.Sleep(presenceStale + tickEvery)
		synctest.Wait()
		is("silent", false, false)
		if n := len(a.keep.members); n == 0 || a.keep.members[n-1].Present {
			t.Error("faces are not told that he fell silent")
		}
	})
}

// TestAwayIsTold: who comes takes us for available, so he is told.
func TestAwayIsTold(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		a.keep.away = true
		id := w.found(nil, a, b)
		b.inside(id, func(r *Room) {
			if m := r.member(r.shown[a.id()].Occupant); !m.Present || !m.Away {
				t.Errorf("he is shown as present %v, away %v", m.Present, m.Away)
			}
		})
	})
}

// TestFloods: only who is connected to everybody present says that nobody need
// forward.
func TestFloods(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c := w.person(), w.person(), w.person()
		id := w.found(nil, a, b, c)
		flooded := func() bool {
			a.says(id, "x")
			time.Sleep(time.Second)
			all := w.payloads(id)
			env, err := envelope.Decode(all[len(all)-1])
			if err != nil {
				t.Fatal(err)
			}
			return env.Flooded
		}
		if !flooded() {
			t.Error("connected to all, and it is forwarded")
		}
		a.inside(id, func(r *Room) { // heard through others
			d := keyOf(t, 50).ID()
			r.shown[d] = Member{Occupant: room.Occupant{Peer: d}}
			r.heard(envelope.Presence{Room: id, Peer: d, Time: time.Now()}, time.Now())
		})
		if flooded() {
			t.Error("somebody present is not connected, and nobody forwards")
		}
		w.part(a, c, true)
		a.inside(id, func(r *Room) { delete(r.shown, keyOf(t, 50).ID()) })
		if flooded() {
			t.Error("too few to flood")
		}
	})
}

// TestCoalescing: what is said at once goes out together; what is said now and
// then goes out at once.
func TestCoalescing(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.found(nil, a, b)
		before := len(w.payloads(id))
		for range 20 {
			a.says(id, "x")
		}
		time.Sleep(time.Second)
		if n := len(w.payloads(id)) - before; n != 2 {
			t.Errorf("%d payloads for twenty texts at once: the first, and the rest", n)
		}
		start := time.Now()
		a.says(id, "y")
		if synctest.Wait(); !time.Now().Equal(start) || len(b.disk.texts(id)) != 21 {
			t.Error("a single text waited")
		}
	})
}

// TestFarewell: a room that was left is followed until somebody has heard it.
func TestFarewell(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.found(nil, a, b)
		a.halt()
		if err := b.room(id).Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if b.room(id).topic.Load() == nil || !b.keep.followed[id] {
			t.Fatal("nobody has heard it, and nobody will")
		}
		a.start()
		w.sync(id, b, a)
		if a.counts(id, b) {
			t.Error("who left is still in")
		}
		var bye event.LogKey
		var head event.Head
		b.inside(id, func(r *Room) {
			last, _ := r.rules.LastWord(b.id())
			bye, head = last.LogKey, last.Head
		})
		b.room(id).Committed(t.Context(), a.id(), event.Frontier{bye: head})
		synctest.Wait()
		if b.room(id).topic.Load() != nil || b.keep.followed[id] {
			t.Error("it was heard, and the room is still followed")
		}
	})
}
