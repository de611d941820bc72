package rooms

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestWayOfAnEvent: what one says is committed by him, published, committed by
// the others, told to their faces, and acknowledged; each once.
func TestWayOfAnEvent(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c := w.person(), w.person(), w.person()
		id := w.found(nil, a, b, c)
		a.keep.forget()
		b.keep.forget()
		e := a.says(id, "hello")
		if a.disk.verdict(e) == 0 {
			t.Error("said before it is on disk")
		}
		synctest.Wait()
		for _, p := range []*person{a, b, c} {
			equal(t, "on disk", p.disk.texts(id), []string{"hello"})
		}
		equal(t, "his faces", a.keep.shown(), []string{"nick0: hello"})
		equal(t, "others' faces", b.keep.shown(), []string{"nick0: hello"})
		equal(t, "receipts", b.keep.receiptsTo(a.id()), []event.Head{{Seq: e.Seq, ID: e.ID}})

		a.room(id).Committed(t.Context(), b.id(), event.Frontier{e.Key(): {Seq: e.Seq, ID: e.ID}})
		a.room(id).Committed(t.Context(), c.id(), event.Frontier{e.Key(): {Seq: e.Seq, ID: e.ID}})
		if n, others, err := a.room(id).Acked(t.Context(), e); n != 2 || others != 2 || err != nil {
			t.Errorf("%d of %d have it: %v", n, others, err)
		}
		equal(t, "delivered", a.keep.delivered, []event.Head{{Seq: e.Seq, ID: e.ID}})

		// Again, by sync: nothing is told twice.
		w.sync(id, a, b)
		equal(t, "others' faces", b.keep.shown(), []string{"nick0: hello"})
	})
}

// TestBatchesShareACommit: what comes while a commit is under way is the next.
func TestBatchesShareACommit(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.found(nil, a, b)
		before := len(b.disk.batches(id))
		b.disk.slow = time.Second
		for range 100 {
			body, err := event.EncodeText("x")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.room(id).Say(t.Context(), event.KindText, body); err != nil {
				t.Fatal(err)
			}
			time.Sleep(coalesce)
		}
		time.Sleep(3 * time.Second)
		if n := len(b.disk.texts(id)); n != 100 {
			t.Errorf("%d of 100 arrived", n)
		}
		if n := len(b.disk.batches(id)) - before; n > 3 {
			t.Errorf("%d commits for what waited together", n)
		}
	})
}

// TestFailedCommit: nothing that is not on disk is shown or acknowledged, and it
// is taken in when it comes again.
func TestFailedCommit(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.found(nil, a, b)
		b.keep.forget()
		full := errors.New("disk full")
		b.disk.fail("Commit", full)
		a.says(id, "lost")
		synctest.Wait()
		if len(b.keep.shown())+len(b.keep.receiptsTo(a.id())) > 0 {
			t.Error("shown or acknowledged what is not stored")
		}
		if len(b.keep.failed) == 0 || !errors.Is(b.keep.failed[0], full) {
			t.Errorf("faces hear %v", b.keep.failed)
		}
		b.disk.fail("Commit", nil)
		time.Sleep(time.Minute)
		w.sync(id, a, b)
		equal(t, "shown", b.keep.shown(), []string{"nick0: lost"})
		equal(t, "stored", b.disk.texts(id), []string{"lost"})
	})
}

// TestRulesMend: while the room cannot be read again after a failed commit
// nothing more is handed to the rules, which hold what is not stored.
func TestRulesMend(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.found(nil, a, b)
		b.keep.forget()
		broken := errors.New("disk broken")
		b.disk.fail("Commit", broken)
		b.disk.fail("Controls", broken)
		a.says(id, "one")
		time.Sleep(time.Second)
		b.disk.fail("Commit", nil)
		a.says(id, "two") // follows one, which the rules hold and the disk does not
		time.Sleep(time.Second)
		if len(b.keep.shown()) > 0 {
			t.Errorf("shown: %q", b.keep.shown())
		}
		b.disk.fail("Controls", nil)
		w.sync(id, a, b)
		equal(t, "stored", b.disk.texts(id), []string{"one", "two"})
		equal(t, "shown", b.keep.shown(), []string{"nick0: one", "nick0: two"})
	})
}

// TestRefusedInMidLog: what the rules refuse keeps its place, so that what follows
// in the same log is held and acknowledged; a log that begins with it is none.
func TestRefusedInMidLog(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.found(nil, a, b)
		w.lose(true)
		hush := func(k event.Kind) *event.Event {
			a.does(id, room.Op{Kind: k, Target: b.id()})
			return a.lastAct(id)
		}
		devoiced := hush(room.KindDevoice)
		voiced := hush(room.KindVoice)
		sign := func(log event.LogID, before event.Head, ctl event.ID, text string) *event.Event {
			body, err := event.EncodeText(text)
			if err != nil {
				t.Fatal(err)
			}
			e, err := event.Sign(b.disk.key, event.Header{
				Conversation: id, Lane: event.LaneMessage, Kind: event.KindText, Log: log, Seq: before.Seq + 1, Prev: before.ID,
				Ctl: []event.ID{ctl}, Time: event.At(time.Now()),
			}, body)
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		own := b.disk.of(id).own
		f, err := a.disk.Frontier(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		no := sign(own.Log, f[own], devoiced.ID, "without voice")
		yes := sign(own.Log, event.Head{Seq: no.Seq, ID: no.ID}, voiced.ID, "with voice")
		other := sign(event.LogID{77}, event.Head{}, devoiced.ID, "in a fresh log")
		a.keep.forget()
		if _, err := a.room(id).Ingest(t.Context(), b.id(), []*event.Event{no, yes, other}); err != nil {
			t.Fatal(err)
		}
		if v := a.disk.verdict(no); v != Refused {
			t.Errorf("refused in mid-log: %v", v)
		}
		if v := a.disk.verdict(yes); v != room.Visible {
			t.Errorf("what follows: %v", v)
		}
		if v := a.disk.verdict(other); v != 0 {
			t.Errorf("a log that begins with it: %v", v)
		}
		equal(t, "receipts", a.keep.receiptsTo(b.id()), []event.Head{{Seq: yes.Seq, ID: yes.ID}})
		equal(t, "shown", a.keep.shown(), []string{"nick1: with voice"})
		a.restart()
		equal(t, "after a restart", a.disk.texts(id), []string{"with voice"})
	})
}

// TestPartnersDoNotWait: whom to sync with is told while the room is busy, those
// with a standing first, then who joined first.
func TestPartnersDoNotWait(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c, d := w.person(), w.person(), w.person(), w.person()
		id := w.found(nil, a, b, c, d)
		a.does(id, grantTo(d, room.Moderator))
		time.Sleep(time.Second)
		free := make(chan struct{})
		go func() { _ = b.room(id).do(context.Background(), func() { <-free }) }()
		synctest.Wait()
		equal(t, "partners", b.room(id).Partners(), []peer.ID{a.id(), d.id(), c.id()})
		close(free)
	})
}
