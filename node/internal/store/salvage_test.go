package store

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"p2pchat/protocol/event"
)

const testPage = 4096

// spreadOut is a closed database of which some messages take several pages, and for
// each event the pages where its bytes lie.
func spreadOut(t *testing.T) (l lived, file []byte, all []*event.Event, pages map[event.ID]map[int]bool) {
	t.Helper()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	l = writeLived(t, s)
	random := rand.NewChaCha8([32]byte{1})
	var prev event.ID
	for i := range 60 {
		noise := make([]byte, 100+i*50)
		random.Read(noise)
		what := hex.EncodeToString(noise)
		e := text(t, testKey(t, frozenPeople[1]), event.Header{Conversation: l.direct, Log: event.LogID{40}, Seq: uint64(i + 1), Prev: prev}, what)
		l.texts[e.ID], prev = what, e.ID
		insert(t, s, e)
	}
	for _, conv := range []event.Conversation{l.direct, l.room} {
		log, err := s.Log(t.Context(), LogQuery{Conv: conv, All: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range log {
			all = append(all, e.Event)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file = readFile(t, filepath.Join(dir, FileName))
	pages = map[event.ID]map[int]bool{}
	several := 0
	for _, e := range all {
		pages[e.ID] = map[int]bool{bytes.Index(file, e.Signature) / testPage: true}
		for b := e.Body; len(b) > 400; b = b[20:] { // what is shorter lies beside the signature
			if at := bytes.Index(file, b[:20]); at >= 0 {
				pages[e.ID][at/testPage] = true
			}
		}
		if len(pages[e.ID]) > 1 {
			several++
		}
	}
	if len(all) != len(l.texts)+len(l.control) || several < 20 {
		t.Fatalf("%d events, of which %d take several pages", len(all), several)
	}
	return l, file, all, pages
}

// spoil overwrites pages, which are counted from 0.
func spoil(file []byte, random *rand.Rand, pages ...int) []byte {
	out := bytes.Clone(file)
	for _, n := range pages {
		with := func() byte { return byte(random.Uint32()) }
		switch random.IntN(4) {
		case 0:
			with = func() byte { return 0 }
		case 1:
			with = func() byte { return 0xff }
		}
		for i := range testPage {
			out[n*testPage+i] = with()
		}
	}
	return out
}

// TestRepairSavesAllThatIsWhole: whichever pages are damaged, every event is saved
// of which no byte is in them, if so is what it builds on.
func TestRepairSavesAllThatIsWhole(t *testing.T) {
	t.Parallel()
	l, file, all, pages := spreadOut(t)
	byID := map[event.ID]*event.Event{}
	for _, e := range all {
		byID[e.ID] = e
	}
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 11))
		spoilt := random.Perm(len(file) / testPage)[:1+random.IntN(12)]
		name := fmt.Sprintf("seed %d, pages %v", seed, spoilt)
		var whole func(*event.Event) bool
		whole = func(e *event.Event) bool {
			for _, n := range spoilt {
				if pages[e.ID][n] {
					return false
				}
			}
			for _, id := range e.Ctl {
				if !whole(byID[id]) {
					return false
				}
			}
			return true
		}
		dir := t.TempDir()
		placeFiles(t, dir, spoil(file, random, spoilt...), nil)
		r, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "me", Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Sound {
			continue // they were not in use
		}
		l.checkRepaired(t, name, dir, r)
		s := openStore(t, dir, Options{ReadOnly: true})
		lost := 0
		for _, e := range all {
			saved, err := s.HasEvent(t.Context(), e.ID)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !saved {
				lost++
			}
			if !saved && whole(e) {
				t.Errorf("%s: event %s in pages %v is not saved", name, e.ID, pages[e.ID])
			}
		}
		if r.Events != len(all)-lost || lost > 0 && r.Unread+r.Dropped == 0 {
			t.Errorf("%s: %d events lost of %d, and told is %+v", name, lost, len(all), r)
		}
	}
}

// TestRepairWithoutTheWayThere: of a file whose first page and whose pages that only
// lead to others are all damaged, all is saved that those others hold.
func TestRepairWithoutTheWayThere(t *testing.T) {
	t.Parallel()
	l, file, all, _ := spreadOut(t)
	path := placeFiles(t, t.TempDir(), file, nil)
	inner := []int{0}
	s := openStore(t, filepath.Dir(path), Options{ReadOnly: true})
	err := s.readers.with(t.Context(), func(c *conn) error {
		return c.rows(t.Context(), `SELECT pageno FROM dbstat WHERE pagetype = 'internal'`, nil, func(scan func(...any) error) (bool, error) {
			var n int
			err := scan(&n)
			inner = append(inner, n-1)
			return true, err
		})
	})
	if err != nil || len(inner) < 4 {
		t.Fatalf("inner pages %v, %v", inner, err)
	}
	for _, spoilt := range [][]int{{0}, inner[1:], inner} {
		name := fmt.Sprintf("pages %v", spoilt)
		dir := t.TempDir()
		placeFiles(t, dir, spoil(file, rand.New(rand.NewPCG(1, 1)), spoilt...), nil)
		r, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "", Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		l.checkRepaired(t, name, dir, r)
		if r.Events != len(all) || r.Contacts != 1 || r.Rooms != 1 || r.RoomsLost != 0 || r.Unread == 0 || r.Dropped != 0 {
			t.Errorf("%s: %+v, want %d events", name, r, len(all))
		}
		s := openStore(t, dir, Options{ReadOnly: true})
		if keys, err := s.Epochs(t.Context(), l.room); err != nil || keys[l.control[0].ID] != [32]byte{1} {
			t.Errorf("%s: epochs %v, %v", name, keys, err)
		}
		if a := must(t, s.Account); a != frozenAccount(t) {
			t.Errorf("%s: account %+v", name, a)
		}
	}
}

// TestRepairOlder: of a file of an older version, also without its first page, all is
// saved.
func TestRepairOlder(t *testing.T) {
	t.Parallel()
	l := writeLived(t, openStore(t, t.TempDir(), Options{}))
	for _, version := range []int{2, 5, 6, 7} {
		b := unpacked(t, version)
		letter := bytes.Clone(b)
		letter[bytes.Index(b, []byte("line 77 of log 2"))] = 'L'
		for name, b := range map[string][]byte{"a letter": letter, "the first page": spoil(b, rand.New(rand.NewPCG(1, 1)), 0)} {
			name := fmt.Sprintf("version %d, %s", version, name)
			dir := t.TempDir()
			placeFiles(t, dir, b, nil)
			r, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "", Options{})
			if err != nil || r.Events != len(l.texts)+len(l.control)-r.Dropped || r.Dropped > 1 || r.Contacts != 1 || r.Rooms != 1 {
				t.Errorf("%s: %+v, %v", name, r, err)
				continue
			}
			if n := l.checkRepaired(t, name, dir, r); n != len(l.texts)-r.Dropped {
				t.Errorf("%s: %d messages, want %d", name, n, len(l.texts)-r.Dropped)
			}
		}
	}
}

// TestRepairTellsOfALostRoom: the room whose genesis is gone is told of.
func TestRepairTellsOfALostRoom(t *testing.T) {
	t.Parallel()
	l, file, _, pages := spreadOut(t)
	for n := range pages[l.control[0].ID] {
		dir := t.TempDir()
		placeFiles(t, dir, spoil(file, rand.New(rand.NewPCG(1, 1)), n), nil)
		r, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "", Options{})
		if err != nil || r.Rooms != 0 || r.RoomsLost != 1 || r.Unread != 1 {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

// TestRepairLeavesWhatWasDeleted: what is in pages that are not in use any more does
// not come back.
func TestRepairLeavesWhatWasDeleted(t *testing.T) {
	t.Parallel()
	l, closed, _, _ := livedFiles(t)
	dir := t.TempDir()
	path := placeFiles(t, dir, closed, nil)
	rawDB(t, path, `DELETE FROM event`) // which wipes nothing
	if !bytes.Contains(readFile(t, path), []byte("line 77 of log 2")) {
		t.Fatal("it was wiped")
	}
	r, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "", Options{})
	if err != nil || r.Sound || r.Events != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if n := l.checkRepaired(t, "deleted", dir, r); n != 0 {
		t.Errorf("%d messages are back", n)
	}
}

// TestSieve: rows are taken for those of a table by what its columns are, which is
// told here and in the schema.
func TestSieve(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	for _, table := range sieve {
		var types strings.Builder
		err := s.readers.with(t.Context(), func(c *conn) error {
			return c.rows(t.Context(), `SELECT type, "notnull" OR pk > 0, pk > 0 AND (SELECT wr FROM pragma_table_list WHERE name = ?1) = 0 FROM pragma_table_info(?1)`, []any{table.name},
				func(scan func(...any) error) (bool, error) {
					var kind string
					var needed, number bool
					err := scan(&kind, &needed, &number)
					kind = strings.ToUpper(kind[:1])
					if needed {
						kind = strings.ToLower(kind)
					}
					if number {
						kind = "n"
					}
					types.WriteString(kind)
					return true, err
				})
		})
		if want := strings.ReplaceAll(table.types, "|", ""); err != nil || types.String() != want {
			t.Errorf("%s has columns %s, %v, and is looked for as %s", table.name, types.String(), err, want)
		}
	}
}

// TestHostilePages: whatever stands in a page, reading it ends and nothing panics.
func TestHostilePages(t *testing.T) {
	t.Parallel()
	seeds := [][]byte{
		// A row whose pages go round, a page that is its own child, and a list of free
		// pages without an end.
		slices.Concat([]byte{leafTable, 0, 0, 0, 1, 0, 0, 0, 0, 10, 0x90, 0, 1, 4, 0, 0xa0, 0}, make([]byte, testPage-17)),
		slices.Concat(make([]byte, headerSize), []byte{interiorTable, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, testPage-headerSize-12)),
		slices.Concat(make([]byte, headerFree), []byte{0, 0, 0, 1}, make([]byte, testPage-headerFree-4)),
	}
	frozen := readFile(t, frozenFile(8))
	for n := 0; n+testPage <= len(frozen); n += testPage {
		seeds = append(seeds, frozen[n:][:testPage])
	}
	random := rand.New(rand.NewPCG(3, 3))
	for i := range 20_000 {
		b := bytes.Clone(seeds[i%len(seeds)])
		for range i / len(seeds) % 8 { // most of it at the beginning, where the pointers are
			b[random.IntN(len(b)>>random.IntN(8))] = byte(random.Uint32() >> random.IntN(8))
		}
		file := newPageFile(bytes.NewReader(b), int64(len(b)))
		file.free()
		(&found{file: file, lost: map[uint32]bool{}}).walk(1, true, func(*page) {})
		for no := range file.n + 2 {
			p, ok := file.page(no)
			if !ok {
				continue
			}
			p.records(func(r *record) {
				for i := range sieve {
					sieve[i].fits(r, true)
				}
				if v, ok := r.values(); ok && len(v) != len(r.types) {
					t.Errorf("%d values of %d", len(v), len(r.types))
				}
				if eventTable.fits(r, true) {
					savedOf(r)
				}
			})
		}
	}
}

// TestRepairKeepsMentions: what names us does so after a repair.
func TestRepairKeepsMentions(t *testing.T) {
	t.Parallel()
	l, file, _, _ := spreadOut(t)
	dir := t.TempDir()
	path := placeFiles(t, dir, file, nil)
	var names event.ID
	for id := range l.texts {
		names = id
		break
	}
	rawDB(t, path, fmt.Sprintf(`UPDATE event SET mention = 1 WHERE id = x'%x'`, names[:]))
	placeFiles(t, dir, spoil(readFile(t, path), rand.New(rand.NewPCG(1, 1)), 0), nil)
	if r, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "", Options{}); err != nil || r.Sound {
		t.Fatalf("%+v, %v", r, err)
	}
	s := openStore(t, dir, Options{})
	var got []byte
	err := s.View(t.Context(), func(r *Reader) error { return r.row(`SELECT id FROM event WHERE mention = 1`, nil, &got) })
	if err != nil || event.ID(got) != names {
		t.Errorf("%x names us, not %s; %v", got, names, err)
	}
}

// TestRepairMistrustsMarks: a low mark above all that was said does not keep what is
// said later out.
func TestRepairMistrustsMarks(t *testing.T) {
	t.Parallel()
	l, file, _, _ := spreadOut(t)
	author := testKey(t, frozenPeople[1])
	k := event.LogKey{Author: author.ID(), Log: event.LogID{40}}
	for low, want := range map[int64]uint64{30: 30, 1_000_000: 0, -1: 0} {
		t.Run(fmt.Sprint(low), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := placeFiles(t, dir, file, nil)
			rawDB(t, path, fmt.Sprintf(`UPDATE log SET low = %d WHERE log = x'%x'`, low, k.Log[:]))
			placeFiles(t, dir, spoil(readFile(t, path), rand.New(rand.NewPCG(1, 1)), 0), nil)
			if r, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "", Options{}); err != nil || r.Sound {
				t.Fatalf("%+v, %v", r, err)
			}
			s := openStore(t, dir, Options{})
			lows, err := s.Lows(t.Context(), l.direct)
			if err != nil || lows[k] != want {
				t.Errorf("low %d, want %d; %v", lows[k], want, err)
			}
			front, err := s.Frontier(t.Context(), l.direct)
			if err != nil || front[k].Seq != 60 {
				t.Errorf("held up to %d; %v", front[k].Seq, err)
			}
			next := text(t, author, event.Header{Conversation: l.direct, Log: k.Log, Seq: 61, Prev: front[k].ID}, "next")
			insert(t, s, next)
			if front, err = s.Frontier(t.Context(), l.direct); err != nil || front[k].ID != next.ID {
				t.Errorf("what is said next is not taken in: %+v, %v", front[k], err)
			}
		})
	}
}
