package rooms

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"p2pchat/protocol/event"
)

// A text that came without its body is known as such, also after a restart, until
// the whole one comes; where nothing is missing nothing is looked for.
func TestBodyComesLater(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.found(nil, a, b)
		a.says(id, "heard")
		synctest.Wait()
		looked := b.disk.called("Bodiless")
		a.says(id, "heard too")
		synctest.Wait()
		if n := b.disk.called("Bodiless"); n != looked {
			t.Errorf("a whole text has the store asked %d times", n-looked)
		}
		w.lose(true)
		var whole []*event.Event
		var lacks []event.ID
		for _, text := range []string{"one", "two", "three", "four", "five", "six"} { // some of them in a line that the rules gave up
			e := a.says(id, text)
			whole, lacks = append(whole, e), append(lacks, e.ID)
			bare := *e
			bare.Body = nil
			b.arrives(a, id, &bare)
		}
		slices.SortFunc(lacks, event.ID.Compare)
		missing := func(want []event.ID) {
			t.Helper()
			got, err := b.room(id).Bodiless(context.Background(), event.ID{}, 9)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("of %d the body is missing, want %d, %v", len(got), len(want), err)
			}
		}
		missing(lacks)
		b.halt()
		b.start()
		missing(lacks)
		b.keep.forget()
		if n, err := b.room(id).Ingest(context.Background(), a.id(), whole[:1]); n != 1 || err != nil {
			t.Errorf("%d are fresh, %v", n, err)
		}
		b.arrives(a, id, whole...)
		b.arrives(a, id, whole...) // and nothing comes twice
		missing(nil)
		if got := b.keep.shown(); !slices.Equal(got, []string{"nick0: one", "nick0: two", "nick0: three", "nick0: four", "nick0: five", "nick0: six"}) {
			t.Errorf("told %q", got)
		}
		if got, err := a.room(id).Bodies(context.Background(), append(lacks, event.ID{1})); err != nil || len(got) != len(lacks) {
			t.Errorf("%d bodies, %v", len(got), err)
		}
	})
}
