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
	l, err := tx.ensureLog(e.Conversation, e.Key())
	if err != nil || int64(e.Seq) < l.low {
		return false, err
	}
	if e, err = tx.arriving(e); err != nil {
		return false, err
	}
	evicts := false
	if int64(e.Seq) > l.top {
		tx.news.added = append(tx.news.added, e)
	} else {
		tx.news.spoilt = append(tx.news.spoilt, place{e.Conversation, e.Key(), e.Seq})
		var known bool
		known, evicts, err = tx.makeRoom(&l, e)
		if err != nil || known {
			return false, err
		}
	}
	if err := tx.put(&l, e, received, VerdictNone, e.Kind.Amends()); err != nil {
		return false, err
	}
	if evicts {
		err = tx.went(l.conv)
	}
	return err == nil, err
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

// put writes the row of an event of the message lane that is new, and has log
// and conversation follow.
func (tx *Tx) put(l *logRow, e *event.Event, received time.Time, v Verdict, quiet bool) error {
	target := about(e)
	res, err := tx.exec(`INSERT INTO event (id, conv, author, lane, log, seq, time, kind, received, header, signature, body, verdict, quiet, target)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.ID[:], l.conv, l.author, int(e.Lane), l.n, int64(e.Seq), clockIn(e.Time), int64(e.Kind), received.UnixMilli(),
		e.Raw, e.Signature, blob(e.Body), int(v), quiet, idIn(target))
	if err != nil {
		return err
	}
	if target != nil {
		n, err := res.LastInsertId()
		if err != nil {
			return err
		}
		if err := tx.amends(n, e.Kind, *target, v); err != nil {
			return err
		}
	}
	tx.bytes += e.Size()
	if int64(e.Seq) > l.seen && v.counts(quiet) {
		l.unread++
	}
	if err := tx.advance(l, e); err != nil {
		return err
	}
	if err := tx.saveLog(l); err != nil {
		return err
	}
	tx.headMoved(e.Conversation, e.Key(), l)
	if !v.listed(quiet) {
		return nil
	}
	return tx.came(l.conv, clockIn(e.Time), received.UnixMilli())
}

// came has the summary of a conversation follow a message that is to be seen.
func (tx *Tx) came(conv, t, received int64) error {
	_, err := tx.exec(`UPDATE conversation SET last = max(ifnull(last, ?1), ?1), active = max(ifnull(active, ?2), ?2) WHERE n = ?3`,
		t, received, conv)
	return err
}

// went is for one that was to be seen and no longer is: it may have been the
// latest.
func (tx *Tx) went(conv int64) error {
	_, err := tx.exec(`UPDATE conversation SET last = (SELECT time FROM event WHERE conv = ?1 AND lane = 1 AND verdict IN (0, 2, 4)
		AND quiet = 0 ORDER BY time DESC LIMIT 1) WHERE n = ?1`, conv)
	return err
}

// twice has what is here already stored again, see the tag nodedup.
var twice bool

// makeRoom looks at what is held at e's place. known: e is, or has no claim to
// the place. evicts: the place was full and one that e outbids is gone.
func (tx *Tx) makeRoom(l *logRow, e *event.Event) (known, evicts bool, err error) {
	type held struct {
		n, time     int64
		id          []byte
		body, quiet bool
	}
	var here []held
	err = tx.rows(`SELECT n, time, id, body IS NOT NULL, quiet FROM event WHERE log = ? AND seq = ?`, []any{l.n, int64(e.Seq)},
		func(scan func(...any) error) (bool, error) {
			var h held
			err := scan(&h.n, &h.time, &h.id, &h.body, &h.quiet)
			here = append(here, h)
			return true, err
		})
	if err != nil {
		return false, false, err
	}
	worst := -1
	for i, h := range here {
		if bytes.Equal(h.id, e.ID[:]) && !twice {
			if h.body || e.Body == nil {
				return true, false, nil
			}
			return true, false, tx.embody(h.n, e)
		}
		if worst < 0 || bytes.Compare(h.id, here[worst].id) > 0 {
			worst = i
		}
	}
	if len(here) < 2 {
		return false, false, nil
	}
	if bytes.Compare(e.ID[:], here[worst].id) > 0 {
		return true, false, nil
	}
	if int64(e.Seq) > l.seen && !here[worst].quiet {
		l.unread--
	}
	return false, true, tx.deleteEvent(here[worst].n, here[worst].time)
}

// deleteEvent deletes event n, whose time is as in the file.
func (tx *Tx) deleteEvent(n, time int64) error {
	if _, err := tx.exec(`DELETE FROM event WHERE n = ?`, n); err != nil {
		return err
	}
	return tx.unindex(n, time)
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

// advance moves the head over e, just inserted, and what had waited for it.
func (tx *Tx) advance(l *logRow, e *event.Event) error {
	seq := int64(e.Seq)
	waiting := l.top > seq
	l.top = max(l.top, seq)
	switch {
	case seq == l.head && (l.headID == nil || e.ID.Compare(*l.headID) < 0): // a fork at the head
		l.headID = &e.ID
		return nil
	case seq != l.head+1:
		return nil
	}
	l.head, l.headID = seq, &e.ID
	if !waiting {
		return nil
	}
	return tx.walk(l)
}
