package rooms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

var membersOnly = room.Setting{Field: room.FieldAccess, Number: 1}

// club has the first make a room for members only, and the others be some.
func (w *town) club(all ...*person) event.Conversation {
	w.t.Helper()
	r, err := all[0].Create(context.Background(), "nick0", []room.Setting{membersOnly}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, p := range all[1:] {
		all[0].does(r.id, grantTo(p, room.Admin))
		p.joins(r.id, fmt.Sprintf("nick%d", i+1), all[0])
	}
	time.Sleep(2 * time.Second)
	synctest.Wait()
	return r.id
}

// epochsOf are those that payloads were sealed under, of the n last.
func (w *town) epochsOf(id event.Conversation, n int) []event.ID {
	w.t.Helper()
	all := w.payloads(id)
	var out []event.ID
	for _, b := range all[len(all)-n:] {
		env, err := envelope.Decode(b)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, env.Epoch)
	}
	return out
}

func (p *person) holds(id event.Conversation, epoch event.ID) bool {
	_, ok := (*p.room(id).keys.Load())[epoch]
	return ok
}

// removal is the last control event on p's disk.
func (p *person) lastAct(id event.Conversation) *event.Event {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	all := p.disk.of(id).control
	return all[len(all)-1]
}

// TestRotation: whoever removes somebody announces an epoch at once, which those
// who stay have the key of and the removed does not.
func TestRotation(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c := w.person(), w.person(), w.person()
		id := w.club(a, b, c)
		a.does(id, ban(c))
		a.says(id, "after")
		time.Sleep(time.Second)
		equal(t, "b", b.disk.texts(id), []string{"after"})
		equal(t, "c", c.disk.texts(id), nil)
		epoch := w.epochsOf(id, 1)[0]
		for who, p := range map[string]*person{"a": a, "b": b, "c": c} {
			want := []event.ID{event.ID(id), epoch}
			if p == c {
				want = want[:1]
			}
			if got := p.keep.keyedEpochs(); !slices.Equal(got, want) {
				t.Errorf("%s was told of the keys of %v, want %v", who, got, want)
			}
		}
		if epoch == event.ID(id) || !b.holds(id, epoch) || c.holds(id, epoch) {
			t.Errorf("epoch %s: b holds it %v, c %v", epoch, b.holds(id, epoch), c.holds(id, epoch))
		}
		if i := info(t, c, id); i.Joined {
			t.Error("the removed does not know it")
		}
	})
}

// TestRotationByOthers: where the remover announces nothing somebody else does,
// not before five seconds; what is said meanwhile waits.
func TestRotationByOthers(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c, d := w.person(), w.person(), w.person(), w.person()
		id := w.club(a, b, c, d)
		for _, p := range []*person{b, c, d} {
			w.part(a, p, true)
		}
		a.does(id, ban(c))
		removal := a.lastAct(id)
		for _, p := range []*person{b, d} {
			if _, err := p.room(id).Ingest(t.Context(), a.id(), []*event.Event{removal}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		before := len(w.payloads(id))
		b.says(id, "waits")
		time.Sleep(rotateAfter - time.Millisecond)
		synctest.Wait()
		for _, env := range w.epochsOf(id, len(w.payloads(id))-before) {
			t.Errorf("published under %s, which c holds", env)
		}
		time.Sleep(rotateSpread + time.Second)
		synctest.Wait()
		equal(t, "d", d.disk.texts(id), []string{"waits"})
		if slices.ContainsFunc(w.epochsOf(id, len(w.payloads(id))-before), func(e event.ID) bool { return c.holds(id, e) }) {
			t.Error("published under a key that the removed holds")
		}
	})
}

// TestEpochWithoutKey: a crash between an announcement and its key leaves an epoch
// that nobody can use. Another is made.
func TestEpochWithoutKey(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c := w.person(), w.person(), w.person()
		id := w.club(a, b, c)
		w.part(a, b, true)
		w.part(b, c, true)
		a.disk.fail("PutKeys", errors.New("power cut"))
		a.does(id, ban(c))
		a.disk.fail("PutKeys", nil)
		a.restart()
		a.says(id, "after the crash")
		time.Sleep(time.Minute)
		w.part(a, b, false)
		w.sync(id, b, a)
		a.says(id, "under a key")
		time.Sleep(time.Second)
		if epoch := w.epochsOf(id, 1)[0]; !a.holds(id, epoch) || !b.holds(id, epoch) || c.holds(id, epoch) {
			t.Errorf("a, b, c hold the epoch: %v, %v, %v", a.holds(id, epoch), b.holds(id, epoch), c.holds(id, epoch))
		}
		equal(t, "b", b.disk.texts(id), []string{"after the crash", "under a key"})
	})
}

// TestStash: what is sealed under an epoch nobody here has heard of waits; when
// its announcement comes the key is fetched, and what waited is shown.
func TestStash(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c := w.person(), w.person(), w.person()
		id := w.club(a, b, c)
		w.part(a, b, true)
		w.part(b, c, true)
		a.does(id, ban(c))
		w.part(a, b, false)
		a.says(id, "sealed anew")
		synctest.Wait()
		equal(t, "without the key", b.disk.texts(id), nil)
		if !b.keep.kicked(a.id()) {
			t.Error("nobody is asked what it is")
		}
		a.disk.mu.Lock()
		r := a.disk.of(id)
		acts, announcement := slices.Clone(r.control), r.messages[len(r.messages)-2]
		a.disk.mu.Unlock()
		if _, err := b.room(id).Ingest(t.Context(), a.id(), append(acts, announcement)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		equal(t, "with it", b.disk.texts(id), []string{"sealed anew"})
	})
}

// TestOutboxIsBounded: what cannot be sealed does not pile up.
func TestOutboxIsBounded(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c := w.person(), w.person(), w.person()
		id := w.club(a, b, c)
		a.disk.fail("PutKeys", errors.New("disk full"))
		a.does(id, ban(c))
		for range maxOutbox + 10 {
			a.says(id, "x")
		}
		a.inside(id, func(r *Room) {
			if n := len(r.outbox); n == 0 || n > maxOutbox {
				t.Errorf("%d events wait", n)
			}
		})
	})
}

// TestGrantHasWhatIsSentUnder: of more keys than a grant takes the newcomer gets
// the one in use.
func TestGrantHasWhatIsSentUnder(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a := w.person()
		id := w.club(a)
		for i := range 2 * maxKeys {
			a.does(id, room.Op{Kind: room.KindSet, Target: keyOf(t, byte(100+i)).ID(), Standing: room.Outcast})
		}
		a.inside(id, func(r *Room) {
			use, _, ok := r.epoch()
			g := r.grantAll()
			if got := keysFrom(r.epochs(), g.Keys); !ok || len(got) != maxKeys || got[use] == (envelope.Key{}) {
				t.Errorf("%d keys, that in use among them: %v", len(got), got[use] != (envelope.Key{}))
			}
		})
	})
}
