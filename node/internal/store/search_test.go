package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"p2pchat/protocol/event"
)

// finds gives the texts that a query finds.
func finds(t testing.TB, s *Store, q SearchQuery) []string {
	t.Helper()
	rows, err := s.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, r := range rows {
		text, err := event.DecodeText(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, text)
	}
	return out
}

func wantFinds(t testing.TB, s *Store, word string, want ...string) {
	t.Helper()
	if got := finds(t, s, SearchQuery{Terms: []Term{{Text: word}}}); !slices.Equal(got, want) {
		t.Errorf("%q finds %q, want %q", word, got, want)
	}
}

// said makes a log of texts, a second apart.
func said(t testing.TB, k key, log byte, texts ...string) []*event.Event {
	t.Helper()
	var out []*event.Event
	var prev event.ID
	for i, s := range texts {
		e := text(t, k, event.Header{Log: event.LogID{log}, Seq: uint64(i + 1), Prev: prev}, s)
		out, prev = append(out, e), e.ID
	}
	return out
}

func indexed(t testing.TB, s *Store) (n, last int64) {
	t.Helper()
	err := s.View(t.Context(), func(r *Reader) (err error) {
		n, last, err = r.indexedTo()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n, last
}

// TestSearchOrder: the newest are those said last, whenever they came.
func TestSearchOrder(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	var texts []string
	for i := range 3 * indexSlice {
		texts = append(texts, fmt.Sprint("word ", i))
	}
	all := said(t, testKey(t, 2), 1, texts...)
	late := slices.Clone(all)
	slices.Reverse(late)
	insert(t, s, late...)
	q := SearchQuery{Terms: []Term{{Text: "word"}}}
	if got := finds(t, s, q); !slices.Equal(got, texts) {
		t.Errorf("%d found, from %q to %q", len(got), got[0], got[len(got)-1])
	}
	q.Last = 3
	if got := finds(t, s, q); !slices.Equal(got, texts[len(texts)-3:]) {
		t.Errorf("the last three are %q", got)
	}
	q.Before = all[100].Time.Wall()
	if got := finds(t, s, q); !slices.Equal(got, texts[97:100]) {
		t.Errorf("before the 100th are %q", got)
	}
	q.Since, q.Last = all[98].Time.Wall(), 0
	if got := finds(t, s, q); !slices.Equal(got, texts[98:100]) {
		t.Errorf("between the 98th and the 100th are %q", got)
	}
}

// TestSearchLastWithinASecond: the newest are those said last, also of many in one
// second whose newest came first.
func TestSearchLastWithinASecond(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	const each = 50
	var all []*event.Event
	var texts []string
	for i := range 2 * each {
		at := event.At(start.Add(time.Duration(i/each)*time.Second + time.Duration(i%each)*time.Millisecond))
		all = append(all, text(t, testKey(t, byte(2+i)), event.Header{Log: event.LogID{1}, Seq: 1, Time: at}, fmt.Sprint("word ", i)))
		texts = append(texts, fmt.Sprint("word ", i))
	}
	slices.Reverse(all)
	insert(t, s, all...)
	for _, n := range []int{1, 2, each - 1, each, each + 1, 2 * each, 3 * each} {
		want := texts[max(0, len(texts)-n):]
		if got := finds(t, s, SearchQuery{Terms: []Term{{Text: "word"}}, Last: n}); !slices.Equal(got, want) {
			t.Errorf("the last %d are %q", n, got)
		}
	}
	q := SearchQuery{Terms: []Term{{Text: "word"}}, Last: 2, Before: start.Add(10 * time.Millisecond)}
	if got := finds(t, s, q); !slices.Equal(got, texts[8:10]) {
		t.Errorf("the last two before the tenth are %q", got)
	}
}

// TestSearchBeforeTheFirstSecond: nothing was said before time begins.
func TestSearchBeforeTheFirstSecond(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	insert(t, s, text(t, testKey(t, 2), event.Header{Log: event.LogID{1}, Seq: 1, Time: event.At(time.UnixMilli(1))}, "word"))
	q := SearchQuery{Terms: []Term{{Text: "word"}}}
	if got := finds(t, s, q); len(got) != 1 {
		t.Fatalf("found are %q", got)
	}
	q.Before = time.Unix(-1, 0)
	if got := finds(t, s, q); len(got) > 0 {
		t.Errorf("before are %q", got)
	}
}

// TestSearchWithinASecond: bounds are exact though the index has only seconds.
func TestSearchWithinASecond(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	var texts []string
	for i := range 4 {
		at := event.At(start.Add(time.Duration(i) * 100 * time.Millisecond))
		e := text(t, testKey(t, 2), event.Header{Log: event.LogID{byte(i + 1)}, Seq: 1, Time: at}, fmt.Sprint("word ", i))
		insert(t, s, e)
		texts = append(texts, fmt.Sprint("word ", i))
	}
	q := SearchQuery{Terms: []Term{{Text: "word"}}, Since: start.Add(100 * time.Millisecond), Before: start.Add(300 * time.Millisecond)}
	if got := finds(t, s, q); !slices.Equal(got, texts[1:3]) {
		t.Errorf("found %q", got)
	}
	// Clocks that claim what they like.
	for i, at := range []event.Time{1, event.Time(1<<64 - 1), event.At(time.Unix(1<<32+5, 0)), event.At(time.Unix(1<<32+9, 0))} {
		insert(t, s, text(t, testKey(t, 3), event.Header{Log: event.LogID{byte(i + 1)}, Seq: 1, Time: at}, fmt.Sprint("odd ", i)))
	}
	wantFinds(t, s, "odd", "odd 0", "odd 2", "odd 3", "odd 1")
	q = SearchQuery{Terms: []Term{{Text: "odd"}}, Since: time.Unix(1<<32+6, 0)}
	if got := finds(t, s, q); !slices.Equal(got, []string{"odd 3", "odd 1"}) {
		t.Errorf("found %q", got)
	}
}

// TestSearchOfWhatIsGone: what was deleted is not found, and a number that is
// given again is.
func TestSearchOfWhatIsGone(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	a := said(t, testKey(t, 2), 1, "first word", "second word")
	insertRoom(t, s, a...)
	wantFinds(t, s, "word", "first word", "second word")
	update(t, s, func(tx *Tx) error { return tx.DropEvent(a[1].ID) })
	wantFinds(t, s, "word", "first word")
	b := said(t, testKey(t, 3), 1, "third word", "fourth word")
	insertRoom(t, s, b[0]) // has the number of the second
	wantFinds(t, s, "word", "first word", "third word")
	wantFinds(t, s, "second")
	update(t, s, func(tx *Tx) error { return tx.SetVerdict(b[0].ID, VerdictHidden) })
	wantFinds(t, s, "word", "first word")
	update(t, s, func(tx *Tx) error { return tx.SetVerdict(b[0].ID, VerdictRetracted) })
	wantFinds(t, s, "word", "first word")
	update(t, s, func(tx *Tx) error { return tx.SetVerdict(b[0].ID, VerdictVisible) })
	wantFinds(t, s, "word", "first word", "third word")

	// What is not kept any longer.
	insertRoom(t, s, b[1])
	wantFinds(t, s, "word", "first word", "third word", "fourth word")
	update(t, s, func(tx *Tx) error { return tx.Prune(conv1, b[0].Key(), 2) })
	wantFinds(t, s, "word", "first word", "fourth word")
	if err := s.View(t.Context(), func(r *Reader) error {
		var n int
		err := r.row(`SELECT count(*) FROM search`, nil, &n)
		if n != 2 {
			t.Errorf("%d rows are in the index, want 2", n)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}

	// An eviction, and a body that comes later.
	s = openStore(t, t.TempDir(), Options{})
	f := forks(t, testKey(t, 2), 1, 1, 3)
	insert(t, s, f[2], f[1])
	if got := finds(t, s, SearchQuery{Terms: []Term{{Text: "claim"}}}); len(got) != 2 {
		t.Errorf("of two claims %q are found", got)
	}
	insert(t, s, f[0])
	got, err := s.Search(t.Context(), SearchQuery{Terms: []Term{{Text: "claim"}}})
	if err != nil || len(got) != 2 || slices.ContainsFunc(got, func(r Stored) bool { return r.ID == f[2].ID }) {
		t.Errorf("found %v, %v", got, err)
	}
	bare, err := event.Decode(b[0].Raw, b[0].Signature, nil)
	if err != nil {
		t.Fatal(err)
	}
	insert(t, s, bare)
	wantFinds(t, s, "third")
	insert(t, s, b[0])
	wantFinds(t, s, "third", "third word")
	if wrong, err := s.Check(t.Context(), true); err != nil || len(wrong) > 0 {
		t.Errorf("the database: %v, %v", wrong, err)
	}
}

// TestSearchReadingOnly: a reader finds what the index does not have yet, and
// leaves nothing behind.
func TestSearchReadingOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	a := said(t, testKey(t, 2), 1, "first word", "second word", "third word", "fourth word")
	insert(t, s, a[0], a[2])
	wantFinds(t, s, "word", "first word", "third word") // they are in the index now
	insert(t, s, a[1], a[3])
	if n, last := indexed(t, s); n == last {
		t.Fatal("all is in the index: nothing is tested")
	}
	r := openStore(t, dir, Options{ReadOnly: true})
	for range 2 {
		wantFinds(t, r, "word", "first word", "second word", "third word", "fourth word")
		wantFinds(t, r, "second", "second word")
		if got := finds(t, r, SearchQuery{Terms: []Term{{Text: "word"}}, Last: 2}); !slices.Equal(got, []string{"third word", "fourth word"}) {
			t.Errorf("the last two are %q", got)
		}
		if got := finds(t, r, SearchQuery{Terms: []Term{{Text: "word"}}, Author: testKey(t, 3).ID()}); len(got) != 0 {
			t.Errorf("of somebody else %q", got)
		}
	}
	if n, last := indexed(t, s); n == last {
		t.Error("a reader wrote to the index")
	}
}

// TestIndexBehind: the index follows by itself.
func TestIndexBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := openStore(t, dir, Options{})
		all := chain(t, testKey(t, 2), 1, 3*indexSlice)
		insert(t, s, all[:2*indexSlice+1]...)
		if n, _ := indexed(t, s); n != 0 {
			t.Errorf("%d are in the index at once", n)
		}
		time.Sleep(indexAfter + time.Second)
		synctest.Wait()
		if n, last := indexed(t, s); n != last || n == 0 {
			t.Errorf("%d of %d are in the index", n, last)
		}
		insert(t, s, all[2*indexSlice+1:]...)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, dir, Options{}) // what the last process left
		time.Sleep(indexAfter + time.Second)
		synctest.Wait()
		if n, last := indexed(t, s); n != last || n < int64(len(all)) {
			t.Errorf("%d of %d are in the index", n, last)
		}
	})
}

// TestSearchEnds: a search stops with its context, and one that failed spoils
// nothing for the next.
func TestSearchEnds(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	insert(t, s, chain(t, testKey(t, 2), 1, 10)...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Search(ctx, SearchQuery{Terms: []Term{{Text: "line"}}}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is over: %v", err)
	}
	if got := finds(t, s, SearchQuery{Terms: []Term{{Text: "line"}}}); len(got) != 10 {
		t.Errorf("then it finds %q", got)
	}
}

// FuzzSearch: whatever is typed is no error of SQLite, and no tag.
func FuzzSearch(f *testing.F) {
	for _, words := range []string{`"`, `a"b`, "a*", "*", "NEAR(a, b)", "a OR b", "x\x00y", "\ue000c1", "日本", "-a", "{text}:a", "e\u0301", "ﾌﾟ"} {
		f.Add(words, false)
		f.Add(words, true)
	}
	s := openStore(f, f.TempDir(), Options{})
	insert(f, s, said(f, testKey(f, 2), 1, "some words", "日本語です", "c1 a1")...)
	f.Fuzz(func(t *testing.T, words string, prefix bool) {
		rows, err := s.Search(t.Context(), SearchQuery{Terms: []Term{{Text: words, Prefix: prefix}}})
		if err != nil {
			t.Errorf("%q: %v", words, err)
		}
		if len(rows) == 3 {
			t.Errorf("%q finds everything", words)
		}
	})
}

// TestSearchAmongEdits: what was said before is found however often one text was
// edited since, all in one second, and that text is looked at once.
func TestSearchAmongEdits(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	sign := func(author byte, h event.Header, body []byte) *event.Event {
		h.Conversation, h.Lane, h.Log, h.Time = conv1, event.LaneMessage, event.LogID{author}, event.At(start.Add(time.Duration(h.Seq)*time.Millisecond))
		e, err := event.Sign(testKey(t, author), h, body)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	var all []*event.Event
	var prev event.ID
	for i := range 300 {
		h, text := event.Header{Kind: event.KindText, Seq: uint64(i + 1), Prev: prev}, fmt.Sprint("word ", i)
		body, err := event.EncodeText(text)
		if i > 2 {
			h.Kind = event.KindEdit
			body, err = event.EncodeAmendment(event.KindEdit, event.Amendment{Target: all[1].ID, Text: text})
		}
		if err != nil {
			t.Fatal(err)
		}
		e := sign(2, h, body)
		all, prev = append(all, e), e.ID
	}
	insert(t, s, all...)
	for n, want := range map[int][]event.ID{1: {all[1].ID}, 2: {all[1].ID, all[2].ID}, 3: {all[0].ID, all[1].ID, all[2].ID}, 0: {all[0].ID, all[1].ID, all[2].ID}} {
		rows, err := s.Search(t.Context(), SearchQuery{Terms: []Term{{Text: "word"}}, Last: n})
		if err != nil {
			t.Fatal(err)
		}
		var got []event.ID
		for _, r := range rows {
			got = append(got, r.ID)
			if shown, _ := r.Text(); r.ID == all[1].ID && shown != "word 299" {
				t.Errorf("the edited text is %q", shown)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("of the last %d these are found: %v, want %v", n, got, want)
		}
	}
	err := s.View(t.Context(), func(r *Reader) error {
		f := &finder{Reader: r, q: SearchQuery{Last: 3}, standing: map[event.ID]standing{}}
		_, err := f.matches("search", `"word"`)
		if len(f.standing) != 1 {
			t.Errorf("%d texts are looked at", len(f.standing))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
