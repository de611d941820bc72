package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	sqlite3 "modernc.org/sqlite/lib"

	"p2pchat/protocol/event"
)

// sieved is a table of which rows are saved.
type sieved struct {
	name string
	// types has a letter for each column: n the row's number, else integer, text or
	// blob, a capital if it may be null. What is behind the bar later versions added,
	// and older rows lack.
	types string
	// alike: rows of another table or index look the same, so that they are known by
	// the table that their page belongs to only.
	alike bool
}

// sieve has them all. Of those that are not alike, no other table or index has rows
// of such types, in any version, but peer: see [found.put]. What is not here is made
// anew.
var sieve = []sieved{
	{name: "account", types: "nittii"},
	{name: "peer", types: "nb"},
	{name: "conversation", types: "nbiI"},
	{name: "clock", types: "ni", alike: true},
	{name: "contact", types: "nttiBIttiIIiit"},
	{name: "static_addr", types: "t"},
	{name: "log", types: "niibiiBiiii|BI"},
	{name: "own_log", types: "ibi", alike: true},
	{name: "mark", types: "iiiibib"},
	{name: "room", types: "niti"},
	{name: "epoch", types: "ibb"},
	{name: "admitted", types: "ii", alike: true},
	{name: "secret", types: "nib"},
	{name: "retention", types: "nii"},
	{name: "event", types: "nbiiiIIiiibbB|iiBi"},
}

var eventTable = &sieve[len(sieve)-1]

func (t *sieved) keyed() bool { return t.types[0] == 'n' }

// fits tells whether r can be a row of t. older admits columns that t does not have
// any more.
func (t *sieved) fits(r *record, older bool) bool {
	first, later, _ := strings.Cut(t.types, "|")
	all := first + later
	if len(r.types) < len(first) || len(r.types) > len(all) && !older {
		return false
	}
	for i, is := range r.types[:min(len(r.types), len(all))] {
		var ok bool
		switch c := all[i]; {
		case is == typeNull:
			ok = c == 'n' || c < 'a'
		case is < typeBlob:
			ok = c|0x20 == 'i'
		case is%2 == 0:
			ok = c|0x20 == 'b'
		default:
			ok = c == 't'
		}
		if !ok {
			return false
		}
	}
	return true
}

// found is what could be read of a damaged database. All but the events is in one in
// memory; events are read from their pages when they are wanted.
type found struct {
	db     *sql.DB
	c      *conn
	file   *pageFile // nil if there is none
	events []eventPage
	lost   map[uint32]bool // pages that could not be read, or not all of them
	err    error           // of the database in memory
}

// eventPage is a page with rows of events, of which the first has number n.
type eventPage struct {
	n  int64
	no uint32
}

// sift reads the file page by page. Tables are followed from where the schema says
// that they begin. Below a page that is damaged this leads nowhere; so all pages to
// which it did not lead are looked at for rows that can be of one table only.
func sift(ctx context.Context, file *pageFile, dir string) (*found, error) {
	f := &found{file: file, lost: map[uint32]bool{}}
	var err error
	if f.db, err = openDB("/found", "mode=memory"); err != nil {
		return nil, err
	}
	f.db.SetMaxIdleConns(-1)
	if f.c, err = openConn(ctx, f.db, dir); err != nil {
		return nil, errors.Join(err, f.db.Close())
	}
	for i, m := range migrations {
		if err := apply(ctx, f.c, i+1, m); err != nil {
			return nil, errors.Join(err, f.close())
		}
	}
	if file != nil {
		f.sift(ctx)
	}
	if f.err != nil {
		return nil, errors.Join(f.err, f.close())
	}
	return f, nil
}

func (f *found) close() error { return errors.Join(f.c.close(), f.db.Close()) }

func (f *found) sift(ctx context.Context) {
	done := f.file.free()
	roots := map[string]uint32{}
	f.walk(1, true, func(p *page) {
		done[p.no] = true
		p.records(func(r *record) {
			v, ok := r.values()
			if !ok || len(v) < 4 || v[0] != "table" {
				return
			}
			name, _ := v[1].(string)
			root, _ := v[3].(int64)
			roots[name] = uint32(root)
		})
	})
	for i := range sieve {
		t := &sieve[i]
		if roots[t.name] == 0 {
			continue // older versions have less, or it is not known
		}
		f.walk(roots[t.name], t.keyed(), func(p *page) {
			some, whole := f.take(ctx, p, true, t)
			done[p.no] = done[p.no] || some
			if !whole {
				f.lost[p.no] = true
			}
		})
	}
	var distinct []*sieved
	for i := range sieve {
		if t := &sieve[i]; !t.alike {
			distinct = append(distinct, t)
		}
	}
	for no := uint32(1); no <= f.file.n && f.err == nil; no++ {
		if p, ok := f.file.page(no); ok && !done[no] {
			f.take(ctx, p, false, distinct...)
		}
	}
	slices.SortStableFunc(f.events, func(a, b eventPage) int { return cmp.Compare(a.n, b.n) })
}

// walk calls fn for every page of a table's b-tree that can be read.
func (f *found) walk(root uint32, keyed bool, fn func(*page)) {
	seen := map[uint32]bool{root: true}
	for todo := []uint32{root}; len(todo) > 0; {
		no := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		p, ok := f.file.page(no)
		if !ok || keyed != p.keyed() {
			f.lost[no] = true
			continue
		}
		fn(p)
		for _, no := range p.children() {
			if !seen[no] {
				seen[no] = true
				todo = append(todo, no)
			}
		}
	}
}

// take keeps the rows in p that fit one of tables, or notes the page if they are
// events. whole: that were all.
func (f *found) take(ctx context.Context, p *page, older bool, tables ...*sieved) (some, whole bool) {
	fit := true
	whole = p.records(func(r *record) {
		i := slices.IndexFunc(tables, func(t *sieved) bool { return t.keyed() == p.keyed() && t.fits(r, older) })
		switch {
		case i < 0:
			fit = false
			return
		case tables[i] != eventTable:
			f.put(ctx, tables[i], r)
		case !some:
			f.events = append(f.events, eventPage{r.rowid, p.no})
		}
		some = true
	})
	return some, whole && fit
}

// put keeps a row of t. What came first stays.
func (f *found) put(ctx context.Context, t *sieved, r *record) {
	v, ok := r.values()
	if !ok || f.err != nil {
		return
	}
	if t.keyed() {
		v[0] = r.rowid
	}
	if t.name == "peer" {
		b, _ := v[1].([]byte)
		if _, err := peer.ID(b).ExtractPublicKey(); err != nil {
			return // the search index has blobs by number, too
		}
	}
	n := len(strings.ReplaceAll(t.types, "|", ""))
	v = slices.Concat(v, make([]any, n))[:n]
	f.insert(ctx, `INSERT OR IGNORE INTO `+t.name+` VALUES (?`+strings.Repeat(`, ?`, n-1)+`)`, v...)
}

func (f *found) insert(ctx context.Context, query string, args ...any) {
	if _, err := f.c.exec(ctx, query, args...); primaryCode(err) != sqlite3.SQLITE_CONSTRAINT {
		f.err = errors.Join(f.err, err)
	}
}

// eachEvent calls fn for every row of an event, by their numbers. An event that is
// not as it was stored is nil.
func (f *found) eachEvent(ctx context.Context, fn func(saved) error) (err error) {
	for _, at := range f.events {
		p, ok := f.file.page(at.no)
		if !ok {
			continue
		}
		p.records(func(r *record) {
			if err == nil && eventTable.fits(r, true) {
				err = fn(savedOf(r))
			}
		})
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
	}
	return nil
}

// savedOf reads the row of an event.
func savedOf(r *record) saved {
	out := saved{n: r.rowid}
	v, ok := r.values()
	if !ok {
		return out
	}
	v = slices.Concat(v, make([]any, 4)) // older versions know no verdicts, targets and mentions
	id, _ := v[1].([]byte)
	out.conv, _ = v[2].(int64)
	out.author, _ = v[3].(int64)
	lane, _ := v[4].(int64)
	out.received, _ = v[9].(int64)
	header, _ := v[10].([]byte)
	signature, _ := v[11].([]byte)
	body, _ := v[12].([]byte)
	verdict, _ := v[13].(int64)
	quiet, _ := v[14].(int64)
	mention, _ := v[16].(int64)
	e, err := event.Decode(header, signature, body)
	if err == nil && bytes.Equal(e.ID[:], id) && int64(e.Lane) == lane && verdict >= 0 && verdict <= int64(VerdictRefused) {
		out.event, out.verdict, out.quiet, out.mention = e, Verdict(verdict), quiet != 0, mention != 0
	}
	return out
}
