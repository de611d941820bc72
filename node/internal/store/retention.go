package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// Retention limits what of the history is kept. The zero value keeps all.
type Retention struct {
	Age  time.Duration // see saidAt, to the millisecond; 0: any
	Size int64         // of the file in use, in bytes; 0: any
}

// Retention is what SetRetention kept last.
func (s *Store) Retention(ctx context.Context) (Retention, error) {
	return read(ctx, s, "read the limits", func(r *Reader) (Retention, error) {
		var age, size int64
		err := r.row(`SELECT age, size FROM retention`, nil, &age, &size)
		if errors.Is(err, ErrNotFound) {
			return Retention{}, nil
		}
		return Retention{time.Duration(age) * time.Millisecond, size}, err
	})
}

// SetRetention keeps how much of the history is wanted; nothing is removed here.
func (tx *Tx) SetRetention(r Retention) error {
	_, err := tx.exec(`INSERT INTO retention (one, age, size) VALUES (1, ?, ?)
		ON CONFLICT (one) DO UPDATE SET age = excluded.age, size = excluded.size`, r.Age.Milliseconds(), r.Size)
	return err
}

// Usage is what is held of a conversation.
type Usage struct {
	Conv   event.Conversation
	Events int
	Bytes  int64      // of the events as they were signed
	Oldest event.Time // of the oldest message that is listed; 0: none is
}

// Usages tells what each conversation takes. It reads all events.
func (s *Store) Usages(ctx context.Context) ([]Usage, error) {
	return read(ctx, s, "measure what is stored", func(r *Reader) ([]Usage, error) {
		var out []Usage
		err := r.rows(`SELECT c.id, count(*), sum(length(e.header) + length(e.signature) + ifnull(length(e.body), 0)),
				(SELECT time FROM event o WHERE o.conv = c.n AND o.lane = 1 AND o.verdict IN (0, 2, 4) AND o.quiet = 0 ORDER BY time LIMIT 1)
			FROM event e JOIN conversation c ON c.n = e.conv GROUP BY c.n`, nil, func(scan func(...any) error) (bool, error) {
			var u Usage
			var id []byte
			var oldest *int64
			err := scan(&id, &u.Events, &u.Bytes, &oldest)
			copy(u.Conv[:], id)
			if oldest != nil {
				u.Oldest = clockOut(*oldest)
			}
			out = append(out, u)
			return true, err
		})
		return out, err
	})
}

// Used is how many bytes of the database file hold something.
func (s *Store) Used(ctx context.Context) (int64, error) {
	return read(ctx, s, "measure the database", func(r *Reader) (int64, error) {
		var pages, free, size int64
		err := errors.Join(r.row(`PRAGMA page_count`, nil, &pages), r.row(`PRAGMA freelist_count`, nil, &free), r.row(`PRAGMA page_size`, nil, &size))
		return (pages - free) * size, err
	})
}

// Cut names the beginning of a log that may go: what is below Low.
type Cut struct {
	Conv event.Conversation
	Kind ConvKind
	Log  event.LogKey
	Low  uint64
}

// cutSize is how many events a cut takes at most, so that a commit is short: taking one
// out of the index takes about a millisecond.
const cutSize = 32

// saidAt is when event e counts as said: by the author's clock, but not later than
// it came, or whoever dates ahead would have all others' messages removed and keep his
// own. What seems to have come before there was an account did so by a clock of ours
// that was behind, which says nothing; nor does one that was ahead.
const saidAt = `CASE WHEN e.received < (SELECT created FROM account) THEN e.time ELSE min(e.time, (e.received << 16) | (1 << 63)) END`

// OldestCut finds the log that begins with the oldest message, and how much of it
// may go: what was said before a moment (zero: ever), as far as it is older than what any other
// log begins with, but some at least. ok is false if there is nothing.
//
// The last event held without a gap stays, and of our own logs what nobody else
// is known to hold.
func (s *Store) OldestCut(ctx context.Context, before time.Time) (c Cut, ok bool, err error) {
	until := int64(math.MaxInt64)
	if !before.IsZero() {
		until = clockIn(event.At(before))
	}
	err = s.View(ctx, func(r *Reader) error {
		c, ok, err = r.oldestCut(until)
		return err
	})
	if err != nil {
		return c, false, fmt.Errorf("look for what may go: %w", err)
	}
	return c, ok, nil
}

func (r *Reader) oldestCut(before int64) (c Cut, ok bool, err error) {
	var n, end int64
	until := before
	found := 0
	err = r.rows(`SELECT n, id, kind, author, log, stop, time FROM (
			SELECT l.n, c.id, c.kind, p.id AS author, l.log,
				min(l.head, CASE WHEN l.author IS NOT (SELECT peer FROM account) THEN l.head WHEN c.kind = 1 THEN l.acked
					ELSE ifnull((SELECT max(m.seq) FROM mark m WHERE m.conv = l.conv AND m.what = 1 AND m.author = l.author AND m.log = l.log
						AND m.holder <> l.author), 0) END) AS stop,
				(SELECT `+saidAt+` FROM event e WHERE e.log = l.n AND e.seq >= l.low ORDER BY e.seq LIMIT 1) AS time, l.low
			FROM log l JOIN conversation c ON c.n = l.conv JOIN peer p ON p.n = l.author)
		WHERE low < stop AND time < ? ORDER BY time, n LIMIT 2`, []any{before}, func(scan func(...any) error) (bool, error) {
		var conv, author, log []byte
		var kind, row, stop, time int64
		if err := scan(&row, &conv, &kind, &author, &log, &stop, &time); err != nil {
			return false, err
		}
		if found++; found > 1 {
			until = time + 1
			return true, nil
		}
		n, end, c.Kind = row, stop, ConvKind(kind)
		copy(c.Conv[:], conv)
		c.Log.Author = peer.ID(author)
		copy(c.Log.Log[:], log)
		return true, nil
	})
	if err != nil || found == 0 {
		return c, false, err
	}
	err = r.rows(`SELECT e.seq, `+saidAt+` FROM event e JOIN log l ON l.n = e.log WHERE e.log = ? AND e.seq >= l.low AND e.seq < ? ORDER BY e.seq LIMIT ?`,
		[]any{n, end, cutSize}, func(scan func(...any) error) (bool, error) {
			var seq, time int64
			if err := scan(&seq, &time); err != nil || time >= min(until, before) && c.Low > 0 {
				return false, err
			}
			c.Low = uint64(seq) + 1
			return true, nil
		})
	return c, c.Low > 0, err
}

// Prune removes what is below low of a log, and has it not come back. What a
// room's rules go on needing stays (who joined, who left), as do invitations, and
// retractions of texts that are here.
// low is at most the log's head, see [Store.OldestCut].
func (tx *Tx) Prune(conv event.Conversation, k event.LogKey, low uint64) error {
	l, err := tx.logRow(conv, k)
	if err != nil || int64(low) <= l.low {
		return err
	}
	if low > uint64(l.head) {
		return fmt.Errorf("prune log %s below %d, its head is %d", k.Log, low, l.head)
	}
	below, err := tx.idAt(&l, int64(low)-1)
	if err != nil {
		return err
	}
	if below == nil {
		below = &event.ID{}
	}
	// Quiet with a target are edits, retractions and reactions: they go, but not
	// what takes back a text that is in another log and stays.
	const gone = ` FROM event WHERE log = ?1 AND seq < ?2 AND (quiet = 0 OR target IS NOT NULL) AND kind NOT IN (24, 25)
		AND NOT (kind = 3 AND EXISTS (SELECT 1 FROM event t WHERE t.id = event.target AND (t.log <> ?1 OR t.seq >= ?2)))`
	var unread int64
	if err := tx.row(`SELECT count(*)`+gone+` AND seq > ?3 AND verdict IN (0, 2) AND quiet = 0`, []any{l.n, int64(low), l.seen}, &unread); err != nil {
		return err
	}
	var rows []int64
	err = tx.rows(`SELECT n`+gone, []any{l.n, int64(low)}, func(scan func(...any) error) (bool, error) {
		var n int64
		err := scan(&n)
		rows = append(rows, n)
		return true, err
	})
	if err != nil {
		return err
	}
	for _, n := range rows {
		if err := tx.deleteEvent(n); err != nil {
			return err
		}
	}
	if _, err := tx.exec(`DELETE FROM line WHERE log = ?1 AND first < ?2`, l.n, int64(low)); err != nil {
		return err
	}
	if _, err := tx.exec(`UPDATE log SET unread = unread - ? WHERE n = ?`, unread, l.n); err != nil {
		return err
	}
	for seq := uint64(l.low); seq < low; seq++ {
		tx.news.spoilt = append(tx.news.spoilt, place{conv, k, seq})
	}
	return tx.SetLowAt(conv, k, low, *below)
}

// vacuumPages is how many pages are given back in one commit.
const vacuumPages = 256

// Shrink gives free pages back to the file system, some in each commit.
func (s *Store) Shrink(ctx context.Context) error {
	for free, before := int64(0), int64(math.MaxInt64); ; before = free {
		err := s.Update(ctx, func(tx *Tx) error {
			if _, err := tx.exec(fmt.Sprintf(`PRAGMA incremental_vacuum(%d)`, vacuumPages)); err != nil {
				return err
			}
			return tx.row(`PRAGMA freelist_count`, nil, &free)
		})
		if err != nil {
			return fmt.Errorf("give space back: %w", err)
		}
		// An older file keeps its free pages and uses them again.
		if free == 0 || free >= before {
			return nil
		}
	}
}
