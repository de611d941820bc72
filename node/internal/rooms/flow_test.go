package rooms

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"p2pchat/protocol/event"
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
