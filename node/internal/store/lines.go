package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// Line stands for all messages of a log from one seq to another: each names the
// one before, no place is claimed twice, and the room's rules judged them alike.
type Line struct {
	event.LogKey
	First, Last uint64
	Prev        event.ID   // before the first
	ID          event.ID   // of the last
	Time        event.Time // of the last
	Kind        event.Kind // of one of them
	Ctl         []event.ID // cited by all
	Verdict     Verdict
	Cause       event.ID // of the verdict
}

// PutLines keeps the lines of a room in place of those that were kept. What they
// stand for is stored. A line is forgotten once anything in it changes.
func (tx *Tx) PutLines(room event.Conversation, lines []Line) error {
	_, err := tx.exec(`DELETE FROM line WHERE log IN (SELECT n FROM log WHERE conv = (SELECT n FROM conversation WHERE id = ?))`, room[:])
	if err != nil {
		return err
	}
	for _, l := range lines {
		log, err := tx.logRow(room, l.LogKey)
		if err != nil {
			return err
		}
		ctl := make([]byte, 0, len(event.ID{})*len(l.Ctl))
		for _, id := range l.Ctl {
			ctl = append(ctl, id[:]...)
		}
		_, err = tx.exec(`INSERT INTO line (log, first, last, prev, id, time, kind, ctl, verdict, cause) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			log.n, int64(l.First), int64(l.Last), l.Prev[:], l.ID[:], clockIn(l.Time), int64(l.Kind), ctl, int(l.Verdict), l.Cause[:])
		if err != nil {
			return err
		}
	}
	return nil
}

// breakLineOf is breakLine for a log that is inserted into.
func (tx *Tx) breakLineOf(l *logRow, seq int64) error {
	if l.lines == nil {
		var some bool
		if err := tx.row(`SELECT EXISTS (SELECT 1 FROM line WHERE log = ?)`, []any{l.n}, &some); err != nil {
			return err
		}
		l.lines = &some
	}
	if !*l.lines {
		return nil
	}
	return tx.breakLine(l.n, seq)
}

// breakLine forgets the line of log n that seq is in: something changes there.
func (tx *Tx) breakLine(n, seq int64) error {
	_, err := tx.exec(`DELETE FROM line WHERE log = ?1 AND first <= ?2 AND last >= ?2`, n, seq)
	return err
}

// EachPiece calls fn for every message of room, whatever its verdict, but where a
// line is kept once for that: log by log, in each by seq, then ID. It holds one
// message at a time. fn must not take long, see [Store.View]; its error ends the
// walk.
func (s *Store) EachPiece(ctx context.Context, room event.Conversation, fn func(*Line, *event.Event, Verdict) error) error {
	if err := s.View(ctx, func(r *Reader) error { return r.eachPiece(room, fn) }); err != nil {
		return fmt.Errorf("read the messages of a room: %w", err)
	}
	return nil
}

func (r *Reader) eachPiece(room event.Conversation, fn func(*Line, *event.Event, Verdict) error) error {
	logs, err := r.logsOf(room)
	for _, l := range logs {
		if err != nil {
			return err
		}
		err = r.piecesOf(l.n, l.key, fn)
	}
	return err
}

// namedLog is a log and its number in the database.
type namedLog struct {
	n   int64
	key event.LogKey
}

func (r *Reader) logsOf(room event.Conversation) ([]namedLog, error) {
	var logs []namedLog
	err := r.rows(`SELECT l.n, p.id, l.log FROM log l JOIN peer p ON p.n = l.author
		WHERE l.conv = (SELECT n FROM conversation WHERE id = ?)`, []any{room[:]},
		func(scan func(...any) error) (bool, error) {
			var l namedLog
			var author, log []byte
			err := scan(&l.n, &author, &log)
			l.key.Author = peer.ID(author)
			copy(l.key.Log[:], log)
			logs = append(logs, l)
			return true, err
		})
	return logs, err
}

func (r *Reader) piecesOf(n int64, key event.LogKey, fn func(*Line, *event.Event, Verdict) error) error {
	lines, err := r.linesOf(n, key)
	if err != nil {
		return err
	}
	from := int64(0)
	for i := range lines {
		l := &lines[i]
		if err := r.messagesOf(n, from, int64(l.First)-1, fn); err != nil {
			return err
		}
		if err := fn(l, nil, l.Verdict); err != nil {
			return err
		}
		from = int64(l.Last) + 1
	}
	return r.messagesOf(n, from, maxSeq, fn)
}

func (r *Reader) messagesOf(n, from, to int64, fn func(*Line, *event.Event, Verdict) error) error {
	return r.rows(`SELECT e.id, e.header, e.signature, e.body, e.verdict FROM event e
		WHERE e.log = ? AND e.seq BETWEEN ? AND ? ORDER BY e.seq, e.id`, []any{n, from, to},
		func(scan func(...any) error) (bool, error) {
			var v Verdict
			e, err := scanEvent(scan, nil, &v)
			if err != nil {
				return false, err
			}
			return true, fn(nil, e, v)
		})
}

// linesOf lists the lines of a log for which all messages are there.
func (r *Reader) linesOf(n int64, key event.LogKey) ([]Line, error) {
	var out []Line
	err := r.rows(`SELECT first, last, prev, id, time, kind, ctl, verdict, cause FROM line
		WHERE log = ?1 AND (SELECT count(DISTINCT seq) FROM event WHERE log = ?1 AND seq BETWEEN first AND last) = last - first + 1
		ORDER BY first`, []any{n},
		func(scan func(...any) error) (bool, error) {
			l := Line{LogKey: key}
			var first, last, time, kind int64
			var prev, id, ctl, cause []byte
			if err := scan(&first, &last, &prev, &id, &time, &kind, &ctl, &l.Verdict, &cause); err != nil {
				return false, err
			}
			l.First, l.Last, l.Time, l.Kind = uint64(first), uint64(last), clockOut(time), event.Kind(kind)
			for b := ctl; len(b) >= len(event.ID{}); b = b[len(event.ID{}):] {
				l.Ctl = append(l.Ctl, event.ID(b[:len(event.ID{})]))
			}
			var errs []error
			for b, to := range map[*[]byte]*event.ID{&prev: &l.Prev, &id: &l.ID, &cause: &l.Cause} {
				var ok bool
				if *to, ok = idOut(*b); !ok {
					errs = append(errs, fmt.Errorf("%w: an ID of %d bytes", ErrDamaged, len(*b)))
				}
			}
			out = append(out, l)
			return true, errors.Join(errs...)
		})
	return out, err
}
