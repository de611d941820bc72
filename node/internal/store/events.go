package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"p2pchat/protocol/event"
)

// Stored is an event with what the database knows of it.
type Stored struct {
	*event.Event
	Received time.Time // when it was stored here
	// Forked: the author signed another event for the same place of his log.
	Forked  bool
	Verdict Verdict // of a message of a room
	// Amended is what became of it; only of what [Reader.Log] and [Reader.Shown] give.
	Amended Amended
}

const storedColumns = `e.id, e.header, e.signature, e.body, e.received, e.verdict,
	EXISTS (SELECT 1 FROM event o WHERE o.log = e.log AND o.seq = e.seq AND o.n <> e.n)`

// scanStored reads storedColumns, with more columns after them.
func scanStored(scan func(...any) error, after ...any) (Stored, error) {
	var s Stored
	var received int64
	e, err := scanEvent(scan, nil, append([]any{&received, &s.Verdict, &s.Forked}, after...)...)
	s.Event, s.Received = e, time.UnixMilli(received).UTC()
	return s, err
}

// scanEvent reads ID, header, signature and body, with more columns on both
// sides of them.
func scanEvent(scan func(...any) error, before []any, after ...any) (*event.Event, error) {
	var id, header, signature, body []byte
	if err := scan(slices.Concat(before, []any{&id, &header, &signature, &body}, after)...); err != nil {
		return nil, err
	}
	e, err := event.Decode(header, signature, body)
	if err != nil {
		return nil, fmt.Errorf("%w: event %x: %w", ErrDamaged, id, err)
	}
	if want, _ := idOut(id); e.ID != want {
		return nil, fmt.Errorf("%w: event %x has become %s", ErrDamaged, id, e.ID)
	}
	return e, nil
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

// EventsByID gives those of the events named that are held, in the order given.
// It stops before the first that would take it over limitBytes, but gives one at
// least. They may be of any conversation and lane.
func (s *Store) EventsByID(ctx context.Context, ids []event.ID, limitBytes int) ([]*event.Event, error) {
	var out []*event.Event
	err := s.View(ctx, func(r *Reader) error {
		size := 0
		for _, id := range ids {
			e, err := r.EventByID(id)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if size += e.Size(); size > limitBytes && len(out) > 0 {
				return nil
			}
			out = append(out, e.Event)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return out, nil
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
