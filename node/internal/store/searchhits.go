package store

import (
	"bytes"
	"cmp"
	"errors"
	"math"
	"slices"

	"p2pchat/protocol/event"
)

// hit is something that was found. There may be very many of them, as anybody may
// send what he likes, so it has no body: that is read of those that are given.
type hit struct {
	row   int64
	at    event.Time // when it was said
	id    event.ID
	about bool     // something is about it
	edit  bool     // it is an edit, of target
	of    event.ID // the text that is edited
}

func (h hit) compare(o hit) int { return cmp.Or(cmp.Compare(h.at, o.at), h.id.Compare(o.id)) }

// text is the message that is given for h.
func (h hit) text() event.ID {
	if h.edit {
		return h.of
	}
	return h.id
}

// finder is a search.
type finder struct {
	*Reader
	q        SearchQuery
	standing map[event.ID]standing
}

// standing is what is shown of a text.
type standing struct {
	shown bool
	edit  event.ID // whose words; zero: its own
}

const (
	// maxHits is how many are read at once, doubling up to there, for as long as
	// those that were read are not shown.
	maxHits = 1 << 16
	// maxStanding bounds what is remembered of texts.
	maxStanding = 1 << 16
)

// matches gives what index, of two the name of one, has for expr: the newest q.Last
// of it, in any order, and perhaps older ones.
func (f *finder) matches(index, expr string) ([]hit, error) {
	from, to := int64(0), int64(math.MaxInt64)
	first, last := int64(math.MinInt64), int64(math.MaxInt64)
	if !f.q.Since.IsZero() {
		t := event.At(f.q.Since)
		from, first = firstRow(t), clockIn(t)
	}
	if !f.q.Before.IsZero() {
		t := event.At(f.q.Before)
		if t == 0 {
			return nil, nil // there is no time before
		}
		to, last = lastRow(t), clockIn(t)-1
	}
	query := `SELECT s.rowid, e.time, e.id, EXISTS (SELECT 1 FROM event o WHERE o.target = e.id), e.kind, e.target
		FROM ` + index + ` s CROSS JOIN event e ON e.n = s.rowid & 0x7fffffff
		WHERE s.` + index + ` MATCH ? AND s.rowid BETWEEN ? AND ? AND e.time BETWEEN ? AND ? AND e.body IS NOT NULL
		AND e.lane = 1 AND e.verdict IN (0, 2) AND (e.quiet = 0 OR e.kind = 2)`
	if f.q.Unblocked {
		query += ` AND NOT EXISTS (SELECT 1 FROM contact b WHERE b.peer = e.author AND b.blocked <> 0)`
	}
	limit := f.q.Last
	if limit == 0 {
		hits, err := f.hits(query, expr, from, to, first, last)
		if err != nil {
			return nil, err
		}
		return f.shown(nil, hits)
	}
	var out []hit
	for {
		hits, err := f.hits(query+` ORDER BY s.rowid DESC LIMIT ?`, expr, from, to, first, last, limit)
		if err != nil {
			return nil, err
		}
		if len(hits) < limit {
			return f.shown(out, hits)
		}
		// Rows of one second are in the order of their arrival: the oldest second is
		// read by itself, in that of what was said.
		oldest := hits[len(hits)-1].at
		hits = hits[:slices.IndexFunc(hits, func(h hit) bool { return h.row <= lastRow(oldest) })]
		if out, err = f.shown(out, hits); err != nil {
			return nil, err
		}
		begin, end := max(from, firstRow(oldest)), min(to, lastRow(oldest))
		under, id := int64(math.MaxInt64), bytes.Repeat([]byte{0xff}, len(event.ID{})+1)
		for len(out) < f.q.Last {
			hits, err = f.hits(query+` AND (e.time, e.id) < (?, ?) ORDER BY e.time DESC, e.id DESC LIMIT ?`, expr, begin, end, first, last, under, id, limit)
			if err != nil {
				return nil, err
			}
			if out, err = f.shown(out, hits); err != nil {
				return nil, err
			}
			if len(hits) < limit {
				break
			}
			under, id = clockIn(hits[limit-1].at), hits[limit-1].id[:]
			limit = min(2*limit, max(maxHits, f.q.Last))
		}
		if to = begin - 1; len(out) >= f.q.Last || from > to {
			return out, nil
		}
		limit = min(2*limit, max(maxHits, f.q.Last))
	}
}

func (f *finder) hits(query string, args ...any) (out []hit, err error) {
	err = f.rows(query, args, func(scan func(...any) error) (bool, error) {
		var h hit
		var at, kind int64
		var id, of []byte
		if err := scan(&h.row, &at, &id, &h.about, &kind, &of); err != nil {
			return false, err
		}
		h.at, h.edit = clockOut(at), event.Kind(kind) == event.KindEdit
		copy(h.id[:], id)
		copy(h.of[:], of)
		out = append(out, h)
		return true, nil
	})
	return out, err
}

// shown adds those of hits to out whose words are shown: not texts that were edited
// or taken back, nor edits that are not the last.
func (f *finder) shown(out, hits []hit) ([]hit, error) {
	for _, h := range hits {
		is := standing{shown: true}
		if h.about || h.edit {
			var err error
			if is, err = f.stands(h.text()); err != nil {
				return nil, err
			}
		}
		whose := event.ID{}
		if h.edit {
			whose = h.id
		}
		if is.shown && is.edit == whose {
			out = append(out, h)
		}
	}
	return out, nil
}

// stands tells what is shown of a text. A text may have very many edits, each of which
// is found: it is looked at once.
func (f *finder) stands(text event.ID) (standing, error) {
	if is, ok := f.standing[text]; ok {
		return is, nil
	}
	var is standing
	s, err := f.Shown(text, f.q.Unblocked)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return is, err
	default:
		_, is.shown = s.Text()
		is.shown = is.shown && s.Verdict.listed()
		if s.Amended.Edit != nil {
			is.edit = s.Amended.Edit.ID
		}
	}
	if len(f.standing) >= maxStanding {
		clear(f.standing)
	}
	f.standing[text] = is
	return is, nil
}

// load reads the messages that are given for hits.
func (f *finder) load(hits []hit) ([]Stored, error) {
	out := make([]Stored, len(hits))
	for i, h := range hits {
		var err error
		if h.about || h.edit {
			out[i], err = f.Shown(h.text(), f.q.Unblocked)
		} else {
			out[i], err = f.EventByID(h.id)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
