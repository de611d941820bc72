package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"p2pchat/protocol/event"
)

// Stored is an event with what the database knows of it.
type Stored struct {
	*event.Event
	Received time.Time // when it was stored here
	// Forked: the author signed another event for the same place of his log.
	Forked bool
}

const storedColumns = `e.id, e.received, e.header, e.signature, e.body,
	EXISTS (SELECT 1 FROM event o WHERE o.log = e.log AND o.seq = e.seq AND o.n <> e.n)`

func scanStored(scan func(...any) error) (Stored, error) {
	var s Stored
	var id, header, signature, body []byte
	var received int64
	if err := scan(&id, &received, &header, &signature, &body, &s.Forked); err != nil {
		return s, err
	}
	e, err := event.Decode(header, signature, body)
	if err != nil {
		return s, fmt.Errorf("%w: event %x: %w", ErrDamaged, id, err)
	}
	if want, _ := idOut(id); e.ID != want {
		return s, fmt.Errorf("%w: event %x has become %s", ErrDamaged, id, e.ID)
	}
	s.Event, s.Received = e, time.UnixMilli(received).UTC()
	return s, nil
}

// HasEvent tells whether the event is here.
func (r *Reader) HasEvent(id event.ID) (bool, error) {
	var n int
	err := r.row(`SELECT count(*) FROM event WHERE id = ?`, []any{id[:]}, &n)
	return n > 0, err
}

// HasEvent tells whether the event is here.
func (s *Store) HasEvent(ctx context.Context, id event.ID) (bool, error) {
	return read(ctx, s, "look for an event", func(r *Reader) (bool, error) { return r.HasEvent(id) })
}

// EventByID gives an event. Errors: ErrNotFound, ErrDamaged.
func (r *Reader) EventByID(id event.ID) (Stored, error) {
	var out Stored
	found := false
	err := r.rows(`SELECT `+storedColumns+` FROM event e WHERE e.id = ?`, []any{id[:]}, func(scan func(...any) error) (bool, error) {
		var err error
		out, err = scanStored(scan)
		found = err == nil
		return true, err
	})
	if err == nil && !found {
		err = fmt.Errorf("event %s: %w", id, ErrNotFound)
	}
	return out, err
}

// EventByID gives an event. Errors: ErrNotFound, ErrDamaged.
func (s *Store) EventByID(ctx context.Context, id event.ID) (Stored, error) {
	return read(ctx, s, "read an event", func(r *Reader) (Stored, error) { return r.EventByID(id) })
}

// Range gives what is held of a piece of a log, by seq, then ID: both events
// where it has forked. It stops before the first seq that would take it over
// limitBytes, but gives one seq at least.
func (r *Reader) Range(conv event.Conversation, rg event.Range, limitBytes int) ([]*event.Event, error) {
	l, err := r.logRow(conv, rg.LogKey)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []*event.Event
	size, place := 0, 0 // place: where the last seq begins in out
	from, to := int64(min(rg.From, maxSeq)), int64(min(rg.To, maxSeq))
	err = r.rows(`SELECT `+storedColumns+` FROM event e WHERE e.log = ? AND e.seq BETWEEN ? AND ? ORDER BY e.seq, e.id`,
		[]any{l.n, from, to}, func(scan func(...any) error) (bool, error) {
			s, err := scanStored(scan)
			if err != nil {
				return false, err
			}
			if len(out) > 0 && s.Seq != out[place].Seq {
				place = len(out)
			}
			out = append(out, s.Event)
			size += s.Size()
			if size > limitBytes && place > 0 {
				out = out[:place]
				return false, nil
			}
			return true, nil
		})
	return out, err
}

// Range gives what is held of a piece of a log, by seq, then ID: both events
// where it has forked. It stops before the first seq that would take it over
// limitBytes, but gives one seq at least. The events are not to be changed.
func (s *Store) Range(ctx context.Context, conv event.Conversation, rg event.Range, limitBytes int) ([]*event.Event, error) {
	if s.recent != nil {
		if out, ok := s.recent.span(conv, rg, limitBytes); ok {
			return out, nil
		}
	}
	return read(ctx, s, "read a range", func(r *Reader) ([]*event.Event, error) { return r.Range(conv, rg, limitBytes) })
}

// LogQuery says which messages of a conversation are wanted.
type LogQuery struct {
	Conv   event.Conversation
	Last   int       // that many at most, the newest; 0: all
	Since  time.Time // not older, by the author's clock; zero: any
	Before *event.ID // only what comes before this one in the order; nil: any
}

// Log gives messages in the order of display and logs (time, author, log, seq,
// ID), oldest first. Error: ErrNotFound if there is no event Before.
func (r *Reader) Log(q LogQuery) ([]Stored, error) {
	var query strings.Builder
	// CROSS JOIN keeps event_order outermost: only events of one and the same
	// reading of the clock are left to be sorted.
	query.WriteString(`SELECT ` + storedColumns + ` FROM event e CROSS JOIN peer p ON p.n = e.author CROSS JOIN log l ON l.n = e.log
		WHERE e.conv = (SELECT n FROM conversation WHERE id = ?) AND e.lane = 1`)
	args := []any{q.Conv[:]}
	if !q.Since.IsZero() {
		query.WriteString(` AND e.time >= ?`)
		args = append(args, clockIn(event.At(q.Since)))
	}
	if q.Before != nil {
		b, err := r.EventByID(*q.Before)
		if err != nil {
			return nil, err
		}
		t := clockIn(b.Time)
		query.WriteString(` AND e.time <= ? AND (e.time, p.id, l.log, e.seq, e.id) < (?, ?, ?, ?, ?)`)
		args = append(args, t, t, []byte(b.Author), b.Log[:], int64(b.Seq), b.ID[:])
	}
	query.WriteString(` ORDER BY e.time DESC, p.id DESC, l.log DESC, e.seq DESC, e.id DESC`)
	if q.Last > 0 {
		query.WriteString(` LIMIT ?`)
		args = append(args, q.Last)
	}
	var out []Stored
	err := r.rows(query.String(), args, func(scan func(...any) error) (bool, error) {
		s, err := scanStored(scan)
		out = append(out, s)
		return true, err
	})
	slices.Reverse(out)
	return out, err
}

// Log gives messages in the order of display and logs (time, author, log, seq,
// ID), oldest first. Error: ErrNotFound if there is no event Before.
func (s *Store) Log(ctx context.Context, q LogQuery) ([]Stored, error) {
	return read(ctx, s, "read messages", func(r *Reader) ([]Stored, error) { return r.Log(q) })
}
