package store

import (
	"bytes"
	"fmt"
	"time"

	"p2pchat/protocol/event"
)

// Insert stores a verified event of the message lane and tells whether it is
// new. Conversation and log need not be known before.
//
// An event that arrives before its predecessors is kept, and the log's head
// moves on when the gap is closed. Of several events with one author, log and
// seq the two with the lowest IDs are kept, in whatever order they come. An
// event that is here without its body takes the body of e, and is not new. What
// lies below the log's low is not stored, and not new.
//
// Errors: ErrTooManyLogs; a seq beyond 2^63-1 or another lane is refused.
func (tx *Tx) Insert(e *event.Event, received time.Time) (bool, error) {
	if err := checkMessage(e); err != nil {
		return false, err
	}
	defer tx.putOff()()
	l, err := tx.log(e.Conversation, e.Key())
	if err != nil || int64(e.Seq) < l.low {
		return false, err
	}
	if e, err = tx.arriving(e); err != nil {
		return false, err
	}
	if int64(e.Seq) > l.top {
		tx.news.added = append(tx.news.added, e)
	} else {
		tx.news.spoilt = append(tx.news.spoilt, place{e.Conversation, e.Key(), e.Seq})
		if known, err := tx.makeRoom(l, e); err != nil || known {
			return false, err
		}
	}
	return tx.put(l, e, received, VerdictNone, e.Kind.Amends())
}

func checkMessage(e *event.Event) error {
	if e.Lane != event.LaneMessage {
		return fmt.Errorf("event %s is not of the message lane", e.ID)
	}
	if e.Seq > maxSeq {
		return fmt.Errorf("event %s has seq %d, at most %d", e.ID, e.Seq, int64(maxSeq))
	}
	return nil
}

// put writes the row of an event of the message lane, and has its log follow. It
// tells whether the event was not here.
func (tx *Tx) put(l *logRow, e *event.Event, received time.Time, v Verdict, quiet bool) (bool, error) {
	target := about(e)
	res, err := tx.exec(`INSERT INTO event (id, conv, author, lane, log, seq, time, kind, received, header, signature, body, verdict, quiet, target)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		e.ID[:], l.conv, l.author, int(e.Lane), l.n, int64(e.Seq), clockIn(e.Time), int64(e.Kind), received.UnixMilli(),
		e.Raw, e.Signature, blob(e.Body), int(v), quiet, idIn(target))
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	if target != nil {
		n, err := res.LastInsertId()
		if err != nil {
			return false, err
		}
		if err := tx.amends(n, e.Kind, *target, v); err != nil {
			return false, err
		}
	}
	tx.bytes += e.Size()
	if int64(e.Seq) > l.seen && v.counts(quiet) {
		l.unread++
	}
	l.advance(e)
	return true, nil
}

// twice has what is here already stored again, see the tag nodedup.
var twice bool

// makeRoom looks at what is held at e's place, and has one go that e outbids if the
// place is full. known: e is there, or has no claim to the place.
func (tx *Tx) makeRoom(l *logRow, e *event.Event) (known bool, err error) {
	type held struct {
		n           int64
		id          []byte
		body, quiet bool
	}
	var here []held
	err = tx.rows(`SELECT n, id, body IS NOT NULL, quiet FROM event WHERE log = ? AND seq = ?`, []any{l.n, int64(e.Seq)},
		func(scan func(...any) error) (bool, error) {
			var h held
			err := scan(&h.n, &h.id, &h.body, &h.quiet)
			here = append(here, h)
			return true, err
		})
	if err != nil {
		return false, err
	}
	worst := -1
	for i, h := range here {
		if bytes.Equal(h.id, e.ID[:]) && !twice {
			if h.body || e.Body == nil {
				return true, nil
			}
			return true, tx.embody(h.n, e)
		}
		if worst < 0 || bytes.Compare(h.id, here[worst].id) > 0 {
			worst = i
		}
	}
	if len(here) < 2 {
		return false, nil
	}
	if bytes.Compare(e.ID[:], here[worst].id) > 0 {
		return true, nil
	}
	if int64(e.Seq) > l.seen && !here[worst].quiet {
		l.unread, l.moved = l.unread-1, true
	}
	return false, tx.deleteEvent(here[worst].n)
}

func (tx *Tx) deleteEvent(n int64) error {
	tx.dropped = true
	if err := tx.unindex(n); err != nil {
		return err
	}
	if _, err := tx.exec(`DELETE FROM event WHERE n = ?`, n); err != nil {
		return err
	}
	return tx.unnumbered()
}

// embody gives the event in row n, which is here without it, its body.
func (tx *Tx) embody(n int64, e *event.Event) error {
	if tx.embodied == nil {
		tx.embodied = map[event.ID]bool{}
	}
	tx.embodied[e.ID] = true
	target := about(e)
	if _, err := tx.exec(`UPDATE event SET body = ?, target = ? WHERE n = ?`, e.Body, idIn(target), n); err != nil {
		return err
	}
	if err := tx.reindex(n); err != nil || target == nil {
		return err
	}
	var v Verdict
	if err := tx.row(`SELECT verdict FROM event WHERE n = ?`, []any{n}, &v); err != nil {
		return err
	}
	return tx.amends(n, e.Kind, *target, v)
}
