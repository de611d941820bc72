package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// OwnLog is the log that this installation writes in conv; ok is false if it
// has none.
func (r *Reader) OwnLog(conv event.Conversation) (log event.LogID, ok bool, err error) {
	var b []byte
	err = r.row(`SELECT log FROM own_log WHERE conv = (SELECT n FROM conversation WHERE id = ?) AND retired = 0`, []any{conv[:]}, &b)
	if errors.Is(err, ErrNotFound) {
		return log, false, nil
	}
	copy(log[:], b)
	return log, err == nil, err
}

// IsOwnLog tells whether this installation writes or wrote log in conv.
func (r *Reader) IsOwnLog(conv event.Conversation, log event.LogID) (bool, error) {
	var n int
	err := r.row(`SELECT count(*) FROM own_log WHERE conv = (SELECT n FROM conversation WHERE id = ?) AND log = ?`,
		[]any{conv[:], log[:]}, &n)
	return n > 0, err
}

// SetOwnLog makes log the one that this installation writes in conv. The one
// before is retired and cannot come back.
func (tx *Tx) SetOwnLog(conv event.Conversation, log event.LogID) error {
	current, ok, err := tx.OwnLog(conv)
	if err != nil || ok && current == log {
		return err
	}
	if known, err := tx.IsOwnLog(conv, log); err != nil {
		return err
	} else if known {
		return fmt.Errorf("log %s of conversation %s is retired", log, conv)
	}
	c, err := tx.convRow(conv)
	if err != nil {
		return err
	}
	if _, err := tx.exec(`UPDATE own_log SET retired = 1 WHERE conv = ? AND retired = 0`, c); err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO own_log (conv, log) VALUES (?, ?)`, c, log[:])
	return err
}

// Head is how far a log is held without a gap; ok is false if nothing is.
func (r *Reader) Head(conv event.Conversation, k event.LogKey) (h event.Head, ok bool, err error) {
	l, err := r.logRow(conv, k)
	if errors.Is(err, ErrNotFound) {
		return h, false, nil
	}
	if err != nil || l.headID == nil {
		return h, false, err
	}
	return event.Head{Seq: uint64(l.head), ID: *l.headID}, true, nil
}

// Frontier is how far each log of conv is held without a gap.
func (r *Reader) Frontier(conv event.Conversation) (event.Frontier, error) {
	f := event.Frontier{}
	err := r.rows(`SELECT p.id, l.log, l.head, l.head_id FROM log l JOIN peer p ON p.n = l.author
		WHERE l.conv = (SELECT n FROM conversation WHERE id = ?) AND l.head_id IS NOT NULL`, []any{conv[:]},
		func(scan func(...any) error) (bool, error) {
			k, h, err := scanHead(scan)
			f[k] = h
			return true, err
		})
	return f, err
}

// Frontier is how far each log of conv is held without a gap.
func (s *Store) Frontier(ctx context.Context, conv event.Conversation) (event.Frontier, error) {
	fresh := func() (event.Frontier, error) {
		return read(ctx, s, "read a frontier", func(r *Reader) (event.Frontier, error) { return r.Frontier(conv) })
	}
	if s.recent == nil {
		return fresh()
	}
	return s.recent.frontier(conv, fresh)
}

// scanHead reads author, log, seq and ID.
func scanHead(scan func(...any) error) (event.LogKey, event.Head, error) {
	var author, log, id []byte
	var seq int64
	if err := scan(&author, &log, &seq, &id); err != nil {
		return event.LogKey{}, event.Head{}, err
	}
	k := event.LogKey{Author: peer.ID(author)}
	copy(k.Log[:], log)
	headID, _ := idOut(id)
	return k, event.Head{Seq: uint64(seq), ID: headID}, nil
}

// logRow is a row of the table log.
type logRow struct {
	n, conv, author      int64
	low, head, top, seen int64
	unread               int64
	headID               *event.ID // nil if nothing is held at head
}

func (r *Reader) logRow(conv event.Conversation, k event.LogKey) (logRow, error) {
	var l logRow
	var id []byte
	err := r.row(`SELECT n, conv, author, low, head, head_id, top, seen, unread FROM log
		WHERE conv = (SELECT n FROM conversation WHERE id = ?) AND author = (SELECT n FROM peer WHERE id = ?) AND log = ?`,
		[]any{conv[:], []byte(k.Author), k.Log[:]}, &l.n, &l.conv, &l.author, &l.low, &l.head, &id, &l.top, &l.seen, &l.unread)
	if headID, ok := idOut(id); ok {
		l.headID = &headID
	}
	return l, err
}

// ensureLog gives the row of a log and makes it if it is new. Error:
// ErrTooManyLogs.
func (tx *Tx) ensureLog(conv event.Conversation, k event.LogKey) (logRow, error) {
	l, err := tx.logRow(conv, k)
	if !errors.Is(err, ErrNotFound) {
		return l, err
	}
	c, err := tx.convRow(conv)
	if err != nil {
		return l, err
	}
	a, err := tx.peerRow(k.Author)
	if err != nil {
		return l, err
	}
	var n int
	if err := tx.row(`SELECT count(*) FROM log WHERE conv = ? AND author = ?`, []any{c, a}, &n); err != nil {
		return l, err
	}
	if n >= event.MaxLogs {
		return l, fmt.Errorf("%w: at most %d", ErrTooManyLogs, event.MaxLogs)
	}
	// Marks may name a log before it is here: it was written or read on
	// another installation.
	_, err = tx.exec(`INSERT INTO log (conv, author, log, seen, acked) VALUES (?1, ?2, ?3,
		ifnull((SELECT seq FROM mark WHERE conv = ?1 AND holder = (SELECT peer FROM account) AND what = ?4 AND author = ?2 AND log = ?3), 0),
		ifnull((SELECT seq FROM mark WHERE conv = ?1 AND holder = (SELECT other FROM conversation WHERE n = ?1) AND what = ?5
			AND author = ?2 AND log = ?3), 0))`,
		c, a, k.Log[:], markRead, markCommitted)
	if err != nil {
		return l, err
	}
	return tx.logRow(conv, k)
}

func (tx *Tx) saveLog(l *logRow) error {
	var id []byte
	if l.headID != nil {
		id = l.headID[:]
	}
	_, err := tx.exec(`UPDATE log SET low = ?, head = ?, head_id = ?, top = ?, unread = ? WHERE n = ?`,
		l.low, l.head, blob(id), l.top, l.unread, l.n)
	return err
}

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
	if e.Lane != event.LaneMessage {
		return false, fmt.Errorf("event %s is not of the message lane", e.ID)
	}
	if e.Seq > maxSeq {
		return false, fmt.Errorf("event %s has seq %d, at most %d", e.ID, e.Seq, int64(maxSeq))
	}
	l, err := tx.ensureLog(e.Conversation, e.Key())
	if err != nil || int64(e.Seq) < l.low {
		return false, err
	}
	replaces := false
	if int64(e.Seq) > l.top {
		tx.news.added = append(tx.news.added, e)
	} else {
		tx.news.spoilt = append(tx.news.spoilt, place{e.Conversation, e.Key(), e.Seq})
		known, evicts, err := tx.makeRoom(&l, e)
		if err != nil || known {
			return false, err
		}
		replaces = evicts
	}
	_, err = tx.exec(`INSERT INTO event (id, conv, author, lane, log, seq, time, kind, received, header, signature, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.ID[:], l.conv, l.author, int(e.Lane), l.n, int64(e.Seq), clockIn(e.Time), int64(e.Kind), received.UnixMilli(),
		e.Raw, e.Signature, blob(e.Body))
	if err != nil {
		return false, err
	}
	tx.bytes += e.Size()
	if int64(e.Seq) > l.seen && !replaces {
		l.unread++
	}
	if err := tx.advance(&l, e); err != nil {
		return false, err
	}
	if err := tx.saveLog(&l); err != nil {
		return false, err
	}
	tx.headMoved(e.Conversation, e.Key(), &l)
	_, err = tx.exec(`UPDATE conversation SET last = max(ifnull(last, ?1), ?1), active = max(ifnull(active, ?2), ?2) WHERE n = ?3`,
		clockIn(e.Time), received.UnixMilli(), l.conv)
	if err == nil && replaces {
		// What is gone may have been the latest.
		_, err = tx.exec(`UPDATE conversation SET last = (SELECT max(time) FROM event WHERE conv = ?1 AND lane = 1) WHERE n = ?1`, l.conv)
	}
	return err == nil, err
}

// SetLow says that nothing of a log below low is wanted: it counts as held and
// is not stored any more. It only ever rises. What is stored already stays.
// Error: ErrTooManyLogs.
func (tx *Tx) SetLow(conv event.Conversation, k event.LogKey, low uint64) error {
	if low > maxSeq {
		return fmt.Errorf("low %d of log %s, at most %d", low, k.Log, int64(maxSeq))
	}
	l, err := tx.ensureLog(conv, k)
	if err != nil || int64(low) <= l.low {
		return err
	}
	l.low = int64(low)
	if l.head < l.low-1 {
		l.head, l.headID = l.low-1, nil
		var b []byte
		err := tx.row(`SELECT min(id) FROM event WHERE log = ? AND seq = ?`, []any{l.n, l.head}, &b)
		if err != nil {
			return err
		}
		if id, ok := idOut(b); ok {
			l.headID = &id
		}
		if err := tx.walk(&l); err != nil {
			return err
		}
	}
	tx.headMoved(conv, k, &l)
	return tx.saveLog(&l)
}

// headMoved has what is remembered follow the log, once this is committed.
func (tx *Tx) headMoved(conv event.Conversation, k event.LogKey, l *logRow) {
	n := headNews{conv: conv, log: k, head: event.Head{Seq: uint64(l.head)}}
	if l.headID != nil {
		n.head.ID, n.held = *l.headID, true
	}
	tx.news.heads = append(tx.news.heads, n)
}

// makeRoom looks at what is held at e's place. known: e is, or has no claim to
// the place. evicts: the place was full and one that e outbids is gone.
func (tx *Tx) makeRoom(l *logRow, e *event.Event) (known, evicts bool, err error) {
	type held struct {
		n    int64
		id   []byte
		body bool
	}
	var here []held
	err = tx.rows(`SELECT n, id, body IS NOT NULL FROM event WHERE log = ? AND seq = ?`, []any{l.n, int64(e.Seq)},
		func(scan func(...any) error) (bool, error) {
			var h held
			err := scan(&h.n, &h.id, &h.body)
			here = append(here, h)
			return true, err
		})
	if err != nil {
		return false, false, err
	}
	worst := -1
	for i, h := range here {
		if bytes.Equal(h.id, e.ID[:]) {
			if h.body || e.Body == nil {
				return true, false, nil
			}
			_, err := tx.exec(`UPDATE event SET body = ? WHERE n = ?`, e.Body, h.n)
			return true, false, err
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
	_, err = tx.exec(`DELETE FROM event WHERE n = ?`, here[worst].n)
	return false, true, err
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

// walk moves the head over all that is held right above it.
func (tx *Tx) walk(l *logRow) error {
	return tx.rows(`SELECT seq, id FROM event WHERE log = ? AND seq > ? ORDER BY seq`, []any{l.n, l.head},
		func(scan func(...any) error) (bool, error) {
			var seq int64
			var b []byte
			if err := scan(&seq, &b); err != nil {
				return false, err
			}
			id, _ := idOut(b)
			switch {
			case seq == l.head+1:
				l.head, l.headID = seq, &id
			case seq == l.head && id.Compare(*l.headID) < 0:
				l.headID = &id
			}
			return seq <= l.head, nil
		})
}
