package store

import (
	"context"
	"errors"
	"fmt"
	"math"
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
// found: what is not in the index yet is put there first or, by a store that
// reads only, into an index of the moment.
func (s *Store) Search(ctx context.Context, q SearchQuery) ([]Stored, error) {
	if s.writer != nil {
		if err := s.catchUp(ctx); err != nil {
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
		if out, err = r.matches(q, "search", expr); err != nil || s.writer != nil {
			return err
		}
		late, err := r.late(q, expr)
		out = append(out, late...)
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
	if n := len(out) - q.Last; q.Last > 0 && n > 0 {
		out = out[n:]
	}
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

// matches gives what index, of two the name of one, has for expr.
func (r *Reader) matches(q SearchQuery, index, expr string) ([]Stored, error) {
	from, to := int64(0), int64(math.MaxInt64)
	first, last := int64(math.MinInt64), int64(math.MaxInt64)
	if !q.Since.IsZero() {
		t := event.At(q.Since)
		from, first = seconds(t)<<rowBits, clockIn(t)
	}
	if !q.Before.IsZero() {
		t := event.At(q.Before)
		to, last = (seconds(t)+1)<<rowBits-1, clockIn(t)-1
	}
	query := `SELECT ` + storedColumns + `, s.rowid, EXISTS (SELECT 1 FROM event o WHERE o.target = e.id)
		FROM ` + index + ` s CROSS JOIN event e ON e.n = s.rowid & 0x7fffffff
		WHERE s.` + index + ` MATCH ? AND s.rowid BETWEEN ? AND ? AND e.time BETWEEN ? AND ? AND e.body IS NOT NULL
		AND e.lane = 1 AND e.verdict IN (0, 2) AND (e.quiet = 0 OR e.kind = 2)`
	if q.Unblocked {
		query += ` AND NOT EXISTS (SELECT 1 FROM contact b WHERE b.peer = e.author AND b.blocked <> 0)`
	}
	query += ` ORDER BY s.rowid DESC LIMIT ?`
	type hit struct {
		Stored
		row   int64
		about bool // something is about it
	}
	var out []Stored
	page := q.Last
	if page == 0 {
		page = -1 // SQLite: no limit
	}
	for {
		var hits []hit
		err := r.rows(query, []any{expr, from, to, first, last, page}, func(scan func(...any) error) (more bool, err error) {
			var h hit
			h.Stored, err = scanStored(scan, &h.row, &h.about)
			hits = append(hits, h)
			return true, err
		})
		if err != nil {
			return nil, err
		}
		for _, h := range hits {
			shown := true
			if h.about || h.Kind == event.KindEdit {
				if shown, err = r.stands(&h.Stored, q.Unblocked); err != nil {
					return nil, err
				}
			}
			if shown {
				out = append(out, h.Stored)
			}
			if len(out) == q.Last && q.Last > 0 {
				return out, nil
			}
		}
		if len(hits) < page || page < 0 {
			return out, nil
		}
		to = hits[len(hits)-1].row - 1
	}
}

// stands tells whether the words of s are those that are shown: not of a text that
// was edited or taken back, nor of an edit that is not the last. In the place of an
// edit it puts what was edited.
func (r *Reader) stands(s *Stored, unblocked bool) (bool, error) {
	if s.Kind != event.KindEdit {
		err := r.becomes(s, unblocked)
		_, shown := s.Text()
		return shown && s.Amended.Edit == nil, err
	}
	edit := s.ID
	a, ok := s.Amendment()
	if !ok {
		return false, nil
	}
	text, err := r.Shown(a.Target, unblocked)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	*s = text
	_, shown := s.Text()
	return shown && s.Verdict.listed() && s.Amended.Edit != nil && s.Amended.Edit.ID == edit, err
}

// late is matches for what is not in the index yet. Its index goes with the
// transaction of the View.
func (r *Reader) late(q SearchQuery, expr string) ([]Stored, error) {
	from, last, err := r.indexedTo()
	if err != nil || from == last {
		return nil, err
	}
	err = r.make(`CREATE VIRTUAL TABLE temp.late USING fts5 (text, content = '', tokenize = 'unicode61 remove_diacritics 2')`)
	for from < last && err == nil {
		var docs []document
		docs, from, err = r.documents(from, indexSlice)
		for _, d := range docs {
			err = errors.Join(err, r.make(`INSERT INTO late (rowid, text) VALUES (?, ?)`, d.row, d.text))
		}
	}
	if err != nil {
		return nil, err
	}
	return r.matches(q, "late", expr)
}

// make changes what is only this connection's and only for the moment.
func (r *Reader) make(query string, args ...any) error {
	_, err := r.c.exec(r.ctx, query, args...)
	return r.keep(err)
}
