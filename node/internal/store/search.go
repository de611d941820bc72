package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// Term is a word, or words in a row, to be found in any writing of case and
// accents.
type Term struct {
	Text string
	// Prefix: of the last word this is only the beginning.
	Prefix bool
}

// SearchQuery says which messages are to be found: those with all Terms that may
// be shown, never what waits, is hidden, was retracted or has lost its body. An
// edited message has the words of its last edit, and is as old as that.
type SearchQuery struct {
	Terms  []Term
	Conv   event.Conversation // zero: any
	Author peer.ID            // "": any
	Since  time.Time          // not older, by the author's clock; zero: any
	Before time.Time          // older; zero: any
	Last   int                // that many at most, the newest; 0: all
	// Unblocked leaves out the messages of contacts who are blocked.
	Unblocked bool
}

// Search gives messages in the order of Log. All that was committed before is
// found: what is not in the index yet is put there first or, where nothing can be
// kept or the store reads only, into an index of the moment.
func (s *Store) Search(ctx context.Context, q SearchQuery) ([]Stored, error) {
	if s.writer != nil {
		if err := s.catchUp(ctx); err != nil && hinders(err) == nil {
			return nil, fmt.Errorf("bring the index up to date: %w", err)
		}
	}
	var out []Stored
	err := s.View(ctx, func(r *Reader) error {
		expr, err := r.expression(q)
		if errors.Is(err, ErrNotFound) {
			return nil // nothing is held of that conversation or author
		}
		if err != nil {
			return err
		}
		f := &finder{Reader: r, q: q, standing: map[event.ID]standing{}}
		found, err := f.matches("search", expr)
		if err == nil {
			var late []hit
			late, err = f.late(expr)
			found = append(found, late...)
		}
		if err != nil {
			return err
		}
		slices.SortFunc(found, hit.compare)
		if n := len(found) - q.Last; q.Last > 0 && n > 0 {
			found = found[n:]
		}
		out, err = f.load(found)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	slices.SortFunc(out, func(a, b Stored) int {
		if a.Before(b.Event) {
			return -1
		}
		return 1
	})
	return out, nil
}

// expression is q as FTS5 has it. Error: ErrNotFound.
func (r *Reader) expression(q SearchQuery) (string, error) {
	var all []string
	var n int64
	if q.Conv != (event.Conversation{}) {
		if err := r.row(`SELECT n FROM conversation WHERE id = ?`, []any{q.Conv[:]}, &n); err != nil {
			return "", err
		}
		all = append(all, `"`+convTag(n)+`"`)
	}
	if q.Author != "" {
		if err := r.row(`SELECT n FROM peer WHERE id = ?`, []any{[]byte(q.Author)}, &n); err != nil {
			return "", err
		}
		all = append(all, `"`+authorTag(n)+`"`)
	}
	for _, t := range q.Terms {
		// Between quotes nothing has a meaning but a quote, and words leaves none.
		phrase := `"` + strings.TrimRight(words(t.Text), " ") + `"`
		if t.Prefix {
			phrase += `*`
		}
		all = append(all, phrase)
	}
	return strings.Join(all, ` AND `), nil
}

// late is matches for what is not in the index yet. Its index goes with the
// transaction of the View.
func (f *finder) late(expr string) ([]hit, error) {
	from, last, err := f.indexedTo()
	if err != nil || from == last {
		return nil, err
	}
	err = f.make(`CREATE VIRTUAL TABLE temp.late USING fts5 (text, content = '', tokenize = 'unicode61 remove_diacritics 2')`)
	for from < last && err == nil {
		var docs []document
		docs, from, err = f.documents(from, indexSlice)
		for _, d := range docs {
			err = errors.Join(err, f.make(`INSERT INTO late (rowid, text) VALUES (?, ?)`, d.row, d.text))
		}
	}
	if err != nil {
		return nil, err
	}
	return f.matches("late", expr)
}

// make changes what is only this connection's and only for the moment.
func (r *Reader) make(query string, args ...any) error {
	_, err := r.c.exec(r.ctx, query, args...)
	return r.keep(err)
}
