package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"p2pchat/protocol/event"
)

// amendment signs one in conv1, or in the room of a ctl; its time runs with seq.
func amendment(t testing.TB, author, log byte, seq uint64, kind event.Kind, a event.Amendment) *event.Event {
	t.Helper()
	body, err := event.EncodeAmendment(kind, a)
	if err != nil {
		t.Fatal(err)
	}
	h := event.Header{
		Conversation: conv1, Lane: event.LaneMessage, Kind: kind, Log: event.LogID{log}, Seq: seq,
		Time: event.At(start.Add(time.Duration(seq) * time.Second)),
	}
	if seq > 1 {
		h.Prev[0] = 1
	}
	e, err := event.Sign(testKey(t, author), h, body)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// amended is two texts and what two people say of them, honest or not, and what is
// shown when all of it is here. gone is what must be nowhere then.
func amended(t testing.TB) (all []*event.Event, gone []byte, want map[event.ID]Amended) {
	typo := text(t, testKey(t, 2), event.Header{Log: event.LogID{2}, Seq: 1}, "helo")
	secret := text(t, testKey(t, 2), event.Header{Log: event.LogID{2}, Seq: 2}, "SECRET one")
	edit := amendment(t, 2, 2, 4, event.KindEdit, event.Amendment{Target: typo.ID, Text: "hello"})
	thumb := amendment(t, 3, 3, 3, event.KindReact, event.Amendment{Target: typo.ID, Text: "👍"})
	all = []*event.Event{
		typo, secret, edit, thumb,
		amendment(t, 2, 2, 3, event.KindEdit, event.Amendment{Target: typo.ID, Text: "hallo"}),
		amendment(t, 2, 2, 5, event.KindEdit, event.Amendment{Target: secret.ID, Text: "SECRET two"}),
		amendment(t, 2, 2, 6, event.KindRetract, event.Amendment{Target: secret.ID}),
		amendment(t, 2, 2, 7, event.KindEdit, event.Amendment{Target: secret.ID, Text: "SECRET three"}),
		amendment(t, 3, 3, 1, event.KindEdit, event.Amendment{Target: typo.ID, Text: "forged"}),
		amendment(t, 3, 3, 2, event.KindRetract, event.Amendment{Target: typo.ID}),
		amendment(t, 3, 3, 4, event.KindReact, event.Amendment{Target: secret.ID, Text: "❤"}),
	}
	return all, []byte("SECRET"), map[event.ID]Amended{
		typo.ID:   event.Amend(typo, all),
		secret.ID: {Retracted: true},
	}
}

// TestAmendedInAnyOrder: whatever comes first, and with or without its body where
// somebody has dropped it, the log shows the same, and what was taken back is gone.
func TestAmendedInAnyOrder(t *testing.T) {
	t.Parallel()
	all, gone, want := amended(t)
	for _, inRoom := range []bool{false, true} {
		rapid.Check(t, func(rt *rapid.T) {
			s, err := Open(t.Context(), t.TempDir(), Options{})
			if err != nil {
				rt.Fatal(err)
			}
			defer s.Close()
			arrivals := rapid.Permutation(slices.Concat(all, all[:4])).Draw(rt, "order") // some come twice
			for _, e := range arrivals {
				if bytes.Contains(e.Body, gone) && rapid.Bool().Draw(rt, "dropped before") {
					e = bare(e)
				}
				err := s.Update(t.Context(), func(tx *Tx) (err error) {
					if inRoom {
						return insertJudged(rt, tx, e)
					}
					_, err = tx.Insert(e, start)
					return err
				})
				if err != nil {
					rt.Fatal(err)
				}
				rg := event.Range{LogKey: e.Key(), From: e.Seq, To: e.Seq}
				if _, err := s.Range(t.Context(), conv1, rg, 1); err != nil { // which may be from memory
					rt.Fatal(err)
				}
			}
			if inRoom {
				if err := s.Update(t.Context(), func(tx *Tx) error {
					for _, e := range all {
						if err := tx.SetVerdict(e.ID, VerdictVisible); err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					rt.Fatal(err)
				}
			}
			rows, err := s.Log(t.Context(), LogQuery{Conv: conv1, Skip: []event.Kind{event.KindEdit, event.KindRetract, event.KindReact}})
			if err != nil || len(rows) != 2 {
				rt.Fatalf("%d rows, %v", len(rows), err)
			}
			for _, row := range rows {
				now := want[row.ID]
				if !same(row.Amended, now) {
					rt.Fatalf("%s became %+v, want %+v", row.ID, row.Amended, now)
				}
				if shown, err := s.Shown(t.Context(), row.ID, false); err != nil || !same(shown.Amended, now) {
					rt.Fatalf("alone it became %+v, %v", shown.Amended, err)
				}
				if said, ok := row.Text(); ok == now.Retracted || said != now.Text {
					rt.Fatalf("it says %q, %t", said, ok)
				}
			}
			if lack, err := s.Bodiless(t.Context(), conv1, event.ID{}, 9); err != nil || len(lack) > 0 {
				rt.Fatalf("of %v the body is missing, %v", lack, err)
			}
			for _, e := range all {
				rg := event.Range{LogKey: e.Key(), From: e.Seq, To: e.Seq}
				held, err := s.Range(t.Context(), conv1, rg, 1)
				if err != nil || len(held) != 1 || bytes.Contains(held[0].Body, gone) {
					rt.Fatalf("seq %d of %s: %+v, %v", e.Seq, e.Log, held, err)
				}
			}
		})
	}
}

// insertJudged stores e as the rules of a room may judge it at first.
func insertJudged(rt *rapid.T, tx *Tx, e *event.Event) error {
	v := rapid.SampledFrom([]Verdict{VerdictWaiting, VerdictVisible, VerdictHidden}).Draw(rt, "verdict")
	if e.Kind == event.KindRetract {
		v = VerdictVisible // it does not take back what it did
	}
	_, err := tx.InsertRoom(e, start, v, e.Kind.Amends())
	return err
}

// TestBodiless: a text that is here without its body is missing it until it comes,
// or for as long as what its author said to take it back counts.
func TestBodiless(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	said := func(seq uint64, kind event.Kind) *event.Event {
		e, err := event.Sign(testKey(t, 2), event.Header{
			Conversation: conv1, Lane: event.LaneMessage, Kind: kind, Log: event.LogID{2}, Seq: seq, Prev: event.ID{byte(min(seq-1, 1))},
		}, []byte("a body"))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	texts := []*event.Event{said(1, event.KindText), said(2, event.KindPrivate), said(3, event.KindText)}
	put := func(v Verdict, events ...*event.Event) {
		t.Helper()
		update(t, s, func(tx *Tx) error {
			for _, e := range events {
				if _, err := tx.InsertRoom(e, start, v, e.Kind.Amends()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	lack := func(what string, want ...*event.Event) {
		t.Helper()
		slices.SortFunc(want, func(a, b *event.Event) int { return a.ID.Compare(b.ID) })
		var ids []event.ID
		for _, e := range want {
			ids = append(ids, e.ID)
		}
		if got, err := s.Bodiless(t.Context(), conv1, event.ID{}, 9); err != nil || !slices.Equal(got, ids) {
			t.Errorf("%s: %v, want %v, %v", what, got, ids, err)
		}
		if got, err := s.Bodiless(t.Context(), conv1, event.ID{}, 1); err != nil || !slices.Equal(got, ids[:min(1, len(ids))]) {
			t.Errorf("%s: the first is %v, %v", what, got, err)
		}
		if got, err := s.Bodiless(t.Context(), event.Conversation{9}, event.ID{}, 9); err != nil || len(got) > 0 {
			t.Errorf("%s: elsewhere %v, %v", what, got, err)
		}
	}
	put(VerdictVisible, bare(texts[0]), bare(texts[1]), bare(said(4, event.KindEdit)), bare(said(5, 999)), said(6, event.KindText))
	put(VerdictHidden, bare(texts[2]))
	put(VerdictRefused, bare(said(7, event.KindText)))
	lack("at first", texts...)
	put(VerdictVisible, amendment(t, 3, 3, 1, event.KindRetract, event.Amendment{Target: texts[0].ID}))
	lack("somebody else's word", texts...)
	own := amendment(t, 2, 2, 8, event.KindRetract, event.Amendment{Target: texts[0].ID})
	put(VerdictVisible, own)
	lack("its author's", texts[1], texts[2])
	update(t, s, func(tx *Tx) error { return tx.SetVerdict(own.ID, VerdictHidden) })
	lack("which is hidden", texts...)
	for i, e := range texts {
		update(t, s, func(tx *Tx) error {
			fresh, err := tx.InsertRoom(e, start, VerdictVisible, false)
			if fresh || !tx.Embodied(e.ID) || !tx.Spoken(e.ID) {
				t.Errorf("new: %t, given its body: %t, spoken: %t", fresh, tx.Embodied(e.ID), tx.Spoken(e.ID))
			}
			return err
		})
		lack("once it came", texts[i+1:]...)
	}

	// What takes it back stays as long as the text, though its log begins later.
	gone := bare(said(9, event.KindText))
	own = amendment(t, 2, 5, 1, event.KindRetract, event.Amendment{Target: gone.ID})
	put(VerdictVisible, gone, own, amendment(t, 2, 5, 2, event.KindReact, event.Amendment{Target: gone.ID, Text: "x"}))
	prune := func(k event.LogKey, low uint64) {
		t.Helper()
		update(t, s, func(tx *Tx) error { return tx.Prune(conv1, k, low) })
	}
	prune(own.Key(), 2)
	lack("and is old")
	put(VerdictVisible, said(8, event.KindText), said(10, event.KindText), amendment(t, 2, 5, 3, event.KindReact, event.Amendment{Target: gone.ID, Text: "x"}))
	prune(gone.Key(), 10)
	prune(own.Key(), 3)
	if here, err := s.HasEvent(t.Context(), own.ID); err != nil || here {
		t.Errorf("it is here without the text: %v", err)
	}
}

func bare(e *event.Event) *event.Event {
	b := *e
	b.Body = nil
	return &b
}

// same compares what two nodes show; the events may be copies.
func same(a, b Amended) bool {
	if a.Edit != nil && b.Edit != nil && a.Edit.ID == b.Edit.ID {
		a.Edit, b.Edit = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

// TestAmendedByVerdict: what the rules do not let be shown counts for nothing, and
// counts again when they do.
func TestAmendedByVerdict(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	all, _, want := amended(t)
	typo, edit, thumb := all[0], all[2], all[3]
	secret, taken := all[1], all[6]
	set := func(v Verdict, events ...*event.Event) {
		update(t, s, func(tx *Tx) error {
			for _, e := range events {
				if err := tx.SetVerdict(e.ID, v); err != nil {
					return err
				}
			}
			return nil
		})
	}
	shown := func(e *event.Event) Stored {
		t.Helper()
		row, err := s.Shown(t.Context(), e.ID, false)
		if err != nil {
			t.Fatal(err)
		}
		return row
	}
	update(t, s, func(tx *Tx) error {
		for _, e := range all {
			v := VerdictVisible
			if e == taken {
				v = VerdictHidden
			}
			if _, err := tx.InsertRoom(e, start, v, e.Kind.Amends()); err != nil {
				return err
			}
		}
		return nil
	})
	if row := shown(typo); !same(row.Amended, want[typo.ID]) {
		t.Errorf("at first %+v", row.Amended)
	}
	set(VerdictHidden, edit)
	if said, _ := shown(typo).Text(); said != "hallo" {
		t.Errorf("without the last edit: %q", said)
	}
	set(VerdictRetracted, thumb)
	if row := shown(typo); len(row.Amended.Reactions) != 0 {
		t.Errorf("a reaction that a moderator took back: %+v", row.Amended)
	}
	set(VerdictVisible, edit, thumb)
	if row := shown(typo); !same(row.Amended, want[typo.ID]) {
		t.Errorf("in the end %+v", row.Amended)
	}
	if said, _ := shown(secret).Text(); said != "SECRET three" {
		t.Errorf("a retraction counts that is hidden: %q", said)
	}
	set(VerdictVisible, taken)
	if row := shown(secret); !row.Amended.Retracted || row.Body != nil {
		t.Errorf("taken back: %+v", row)
	}
	set(VerdictHidden, taken)
	if row := shown(secret); row.Body != nil || row.Amended.Retracted {
		t.Errorf("the retraction is hidden again: %+v", row)
	}
	set(VerdictHidden, typo)
	if shown(typo).Listed() {
		t.Error("a hidden text is to be seen")
	}
	if _, err := s.Shown(t.Context(), event.ID{9}, false); !errors.Is(err, ErrNotFound) {
		t.Errorf("what is not here: %v", err)
	}
}

// TestQuietAmendments: nothing of it is unread, or the latest of a conversation.
func TestQuietAmendments(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	all, _, _ := amended(t)
	update(t, s, func(tx *Tx) error { return tx.PutConversation(conv1, KindDirect, testKey(t, 2).ID()) })
	insert(t, s, all...)
	c := must(t, s.Conversations)
	if len(c) != 1 || c[0].Unread != 2 || c[0].Last != all[1].Time {
		t.Errorf("%+v", c)
	}
	// One place, three claims: the one that is put out was not unread.
	forks := []*event.Event{}
	for _, with := range []string{"a", "b", "c"} {
		forks = append(forks, amendment(t, 2, 9, 1, event.KindReact, event.Amendment{Target: all[0].ID, Text: with}))
	}
	slices.SortFunc(forks, func(a, b *event.Event) int { return b.ID.Compare(a.ID) })
	insert(t, s, forks...)
	if c := must(t, s.Conversations); c[0].Unread != 2 {
		t.Errorf("%+v", c)
	}
}

// TestTakenBackIsNotInTheFile: not only the row is without it.
func TestTakenBackIsNotInTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	long := text(t, testKey(t, 2), event.Header{Log: event.LogID{2}, Seq: 1}, strings.Repeat("SECRET ", 2000)) // more than a page
	insert(t, s, long)
	insert(t, s, text(t, testKey(t, 2), event.Header{Log: event.LogID{2}, Seq: 2}, "SECRET"))
	insert(t, s, amendment(t, 2, 2, 3, event.KindRetract, event.Amendment{Target: long.ID}))
	e, err := s.Log(t.Context(), LogQuery{Conv: conv1, Last: 2})
	if err != nil {
		t.Fatal(err)
	}
	insert(t, s, amendment(t, 2, 2, 4, event.KindRetract, event.Amendment{Target: e[0].ID}))
	if err := s.Close(); err != nil { // which moves the log into the file
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil || bytes.Contains(file, []byte("SECRET")) {
		t.Errorf("the file holds it, or %v", err)
	}
}

// TestMatching finds messages by the beginning of their IDs.
func TestMatching(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	all, _, _ := amended(t)
	insert(t, s, all...)
	last := event.ID(bytes.Repeat([]byte{0xff}, 32))
	if ids, err := s.Matching(t.Context(), conv1, event.ID{}, last, 9); err != nil || len(ids) != 2 {
		t.Errorf("%v, %v", ids, err)
	}
	if ids, err := s.Matching(t.Context(), conv1, all[0].ID, all[0].ID, 9); err != nil || !slices.Equal(ids, []event.ID{all[0].ID}) {
		t.Errorf("%v, %v", ids, err)
	}
	if ids, err := s.Matching(t.Context(), event.Conversation{9}, event.ID{}, last, 9); err != nil || len(ids) != 0 {
		t.Errorf("of another conversation: %v, %v", ids, err)
	}
}

// TestRetractedIsGone: a text that was taken back is in none of the files once it
// is quiet, and at the latest when a reader is gone who stood in the way.
func TestRetractedIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := openStore(t, dir, Options{})
		held := func(what string) bool {
			for _, suffix := range []string{"", "-wal"} {
				if bytes.Contains(readFile(t, filepath.Join(dir, FileName+suffix)), []byte(what)) {
					return true
				}
			}
			return false
		}
		quiet := func() {
			time.Sleep(wipeAfter + time.Second)
			synctest.Wait()
		}
		quiet() // and what is taken out later starts the clock again
		for i, what := range []string{"regretted", "regretted too"} {
			e := text(t, testKey(t, 2), event.Header{Log: event.LogID{byte(i + 1)}, Seq: 1}, what)
			insert(t, s, e)
			if !held(what) {
				t.Fatalf("%q is not in the files as it is", what)
			}
			retract := func() { insert(t, s, amendment(t, 2, byte(i+1), 2, event.KindRetract, event.Amendment{Target: e.ID})) }
			if i == 0 {
				quiet() // it is in the index
				retract()
			} else if err := s.View(t.Context(), func(r *Reader) error {
				_, err := r.Clock() // it sees what was before from here on
				retract()
				quiet()
				insert(t, s, text(t, testKey(t, 2), event.Header{Log: event.LogID{9}, Seq: 1}, "said meanwhile"))
				return err
			}); err != nil {
				t.Fatal(err)
			}
			quiet()
			if held(what) {
				t.Errorf("%q is still on the disk", what)
			}
		}
	})
}

// TestRetractedBehindTheIndex: a retraction that is committed with a slice of the
// index is wiped like any other. Whether it is, is chance, hence the tries.
func TestRetractedBehindTheIndex(t *testing.T) {
	t.Parallel()
	for range 12 {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir, Options{})
			time.Sleep(wipeAfter + time.Second) // of the bubble, as all here: what came with the start is done
			synctest.Wait()
			e := text(t, testKey(t, 2), event.Header{Log: event.LogID{1}, Seq: 1}, "regretted")
			insert(t, s, e)
			// The writer is busy when the index is due, and the retraction waits.
			s.writer.queue <- &job{done: make(chan error, 1), fn: func(tx *Tx) error {
				tx.OnCommit(func() { time.Sleep(2 * indexAfter) })
				return nil
			}}
			time.Sleep(indexAfter / 2)
			insert(t, s, amendment(t, 2, 1, 2, event.KindRetract, event.Amendment{Target: e.ID}))
			time.Sleep(2 * wipeAfter)
			synctest.Wait()
			for _, suffix := range []string{"", "-wal"} {
				if bytes.Contains(readFile(t, filepath.Join(dir, FileName+suffix)), []byte("regretted")) {
					t.Errorf("the text is still in %s", FileName+suffix)
				}
			}
		})
	}
}
