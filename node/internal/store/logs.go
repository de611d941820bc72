package store

import (
	"context"
	"errors"
	"fmt"

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

// Head is how far a log is held without a gap; ok is false if nothing is, and
// nobody told what is below its low.
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

// Frontier is how far each log of conv is held without a gap. What is below a
// log's low counts as held if it is known what that is, see SetLowAt.
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

// Frontier is how far each log of conv is held without a gap. What is below a
// log's low counts as held if it is known what that is, see SetLowAt.
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
	headID               *event.ID   // nil if no ID at head is known
	below                *event.ID   // at low-1, as told; nil if nobody did
	clock                *event.Time // ours, if it is to be written with the row
	moved                bool        // something of it is to be written
	closed               bool        // a gap was: the head may be further on than it says
	lines                *bool       // whether it has any, see Line; nil: nobody looked
}

func (r *Reader) logRow(conv event.Conversation, k event.LogKey) (logRow, error) {
	var l logRow
	var id, below []byte
	err := r.row(`SELECT n, conv, author, low, head, head_id, top, seen, unread, below FROM log
		WHERE conv = (SELECT n FROM conversation WHERE id = ?) AND author = (SELECT n FROM peer WHERE id = ?) AND log = ?`,
		[]any{conv[:], []byte(k.Author), k.Log[:]}, &l.n, &l.conv, &l.author, &l.low, &l.head, &id, &l.top, &l.seen, &l.unread, &below)
	l.headID, l.below = idOrNil(id), idOrNil(below)
	return l, err
}

// TakesLog tells whether events of log k can be stored: it is known, or its
// author has fewer than event.MaxLogs logs in conv.
func (r *Reader) TakesLog(conv event.Conversation, k event.LogKey) (bool, error) {
	var c, a int64
	err := r.row(`SELECT c.n, p.n FROM conversation c CROSS JOIN peer p WHERE c.id = ? AND p.id = ?`, []any{conv[:], []byte(k.Author)}, &c, &a)
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	full, err := r.fullOfLogs(c, a)
	if err != nil || !full {
		return err == nil, err
	}
	if _, err = r.logRow(conv, k); errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// TakesLog tells whether events of log k can be stored: it is known, or its
// author has fewer than event.MaxLogs logs in conv.
func (s *Store) TakesLog(ctx context.Context, conv event.Conversation, k event.LogKey) (bool, error) {
	return read(ctx, s, "count logs", func(r *Reader) (bool, error) { return r.TakesLog(conv, k) })
}

func (r *Reader) fullOfLogs(conv, author int64) (bool, error) {
	var n int
	err := r.row(`SELECT count(*) FROM log WHERE conv = ? AND author = ?`, []any{conv, author}, &n)
	return n >= event.MaxLogs, err
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
	if full, err := tx.fullOfLogs(c, a); err != nil {
		return l, err
	} else if full {
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
	var clock any // null leaves it
	if l.clock != nil {
		clock = clockIn(*l.clock)
	}
	_, err := tx.exec(`UPDATE log SET low = ?, head = ?, head_id = ?, top = ?, unread = ?, below = ?, clock = ifnull(?, clock) WHERE n = ?`,
		l.low, l.head, idIn(l.headID), l.top, l.unread, idIn(l.below), clock, l.n)
	return err
}

// SetLow says that nothing of a log below low is wanted: it counts as held and
// Insert does not store it any more. It only ever rises. What is stored already
// stays. Error: ErrTooManyLogs.
func (tx *Tx) SetLow(conv event.Conversation, k event.LogKey, low uint64) error {
	return tx.SetLowAt(conv, k, low, event.ID{})
}

// SetLowAt is SetLow, and tells the ID of the event at low-1, which need not be
// held, so that the log can stand in our frontier as in that of those who hold
// it; a zero ID: nobody told it. At the same low the last that was told counts.
// Error: ErrTooManyLogs.
func (tx *Tx) SetLowAt(conv event.Conversation, k event.LogKey, low uint64, below event.ID) error {
	if low > maxSeq {
		return fmt.Errorf("low %d of log %s, at most %d", low, k.Log, int64(maxSeq))
	}
	l, err := tx.ensureLog(conv, k)
	if err != nil || low <= 1 || int64(low) < l.low || int64(low) == l.low && below.IsZero() {
		return err
	}
	l.low, l.below = int64(low), nil
	if !below.IsZero() {
		l.below = &below
	}
	if l.head < l.low {
		if err := tx.headFrom(&l, l.low-1); err != nil {
			return err
		}
	}
	tx.headMoved(conv, k, &l)
	return tx.saveLog(&l)
}

// Lows gives the logs of conv of which something is not wanted, and the first
// seq that is.
func (r *Reader) Lows(conv event.Conversation) (map[event.LogKey]uint64, error) {
	out := map[event.LogKey]uint64{}
	err := r.rows(`SELECT p.id, l.log, l.low FROM log l JOIN peer p ON p.n = l.author
		WHERE l.conv = (SELECT n FROM conversation WHERE id = ?) AND l.low > 1`, []any{conv[:]},
		func(scan func(...any) error) (bool, error) {
			var author, log []byte
			var low int64
			err := scan(&author, &log, &low)
			k := event.LogKey{Author: peer.ID(author)}
			copy(k.Log[:], log)
			out[k] = uint64(low)
			return true, err
		})
	return out, err
}

// Lows gives the logs of conv of which something is not wanted, and the first
// seq that is.
func (s *Store) Lows(ctx context.Context, conv event.Conversation) (map[event.LogKey]uint64, error) {
	return read(ctx, s, "read what is left out", func(r *Reader) (map[event.LogKey]uint64, error) { return r.Lows(conv) })
}

// headFrom puts the head of l at seq, and on over all that is held right above.
func (tx *Tx) headFrom(l *logRow, seq int64) (err error) {
	l.head = seq
	if l.headID, err = tx.idAt(l, seq); err != nil {
		return err
	}
	return tx.walk(l)
}

// idAt is the lowest ID known at a place of l, nil if there is none.
func (r *Reader) idAt(l *logRow, seq int64) (*event.ID, error) {
	var b []byte
	if err := r.row(`SELECT min(id) FROM event WHERE log = ? AND seq = ?`, []any{l.n, seq}, &b); err != nil {
		return nil, err
	}
	id := idOrNil(b)
	if seq == l.low-1 && l.below != nil && (id == nil || l.below.Compare(*id) < 0) {
		id = l.below
	}
	return id, nil
}

// headMoved has what is remembered follow the log, once this is committed.
func (tx *Tx) headMoved(conv event.Conversation, k event.LogKey, l *logRow) {
	n := headNews{conv: conv, log: k, head: event.Head{Seq: uint64(l.head)}}
	if l.headID != nil {
		n.head.ID, n.held = *l.headID, true
	}
	tx.news.heads = append(tx.news.heads, n)
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
