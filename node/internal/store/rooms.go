package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"p2pchat/protocol/event"
)

// RoomRow is our own part in a room.
type RoomRow struct {
	Conv   event.Conversation
	Joined bool   // we are in it; false: we left, or were never let in
	Nick   string // ours, also after leaving
	// Present is when somebody was last known to be in the room; zero if that
	// was never noted. PutRoom leaves it alone.
	Present time.Time
}

// PutRoom stores our part in a room in place of what was there, and registers
// the room as a conversation.
func (tx *Tx) PutRoom(r RoomRow) error {
	if err := tx.PutConversation(r.Conv, KindRoom, ""); err != nil {
		return err
	}
	c, err := tx.convRow(r.Conv)
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO room (conv, joined, nick) VALUES (?, ?, ?)
		ON CONFLICT (conv) DO UPDATE SET joined = excluded.joined, nick = excluded.nick`, c, r.Joined, r.Nick)
	return err
}

// Nick is ours in a room, "" if conv is none that we have a part in.
func (r *Reader) Nick(conv event.Conversation) (string, error) {
	var nick string
	err := r.row(`SELECT nick FROM room WHERE conv = (SELECT n FROM conversation WHERE id = ?)`, []any{conv[:]}, &nick)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return nick, err
}

// Nick is ours in a room, "" if conv is none that we have a part in.
func (tx *Tx) Nick(conv event.Conversation) (string, error) {
	if nick, known := tx.memo.nicks[conv]; known {
		return nick, nil
	}
	defer tx.putOff()()
	nick, err := tx.Reader.Nick(conv)
	if err == nil {
		if len(tx.memo.nicks) >= maxMemo {
			clear(tx.memo.nicks)
		}
		tx.memo.nicks[conv] = nick
	}
	return nick, err
}

// SetRoomPresent notes when somebody was in the room.
func (tx *Tx) SetRoomPresent(room event.Conversation, at time.Time) error {
	_, err := tx.exec(`UPDATE room SET present = ? WHERE conv = (SELECT n FROM conversation WHERE id = ?)`, at.UnixMilli(), room[:])
	return err
}

// Rooms lists our part in every room that we have one in, by ascending ID.
func (r *Reader) Rooms() ([]RoomRow, error) {
	var out []RoomRow
	err := r.rows(`SELECT c.id, r.joined, r.nick, r.present FROM room r CROSS JOIN conversation c ON c.n = r.conv ORDER BY c.id`, nil,
		func(scan func(...any) error) (bool, error) {
			var row RoomRow
			var id []byte
			var present int64
			err := scan(&id, &row.Joined, &row.Nick, &present)
			copy(row.Conv[:], id)
			if present > 0 {
				row.Present = time.UnixMilli(present).UTC()
			}
			out = append(out, row)
			return true, err
		})
	return out, err
}

// Rooms lists our part in every room that we have one in, by ascending ID.
func (s *Store) Rooms(ctx context.Context) ([]RoomRow, error) {
	return read(ctx, s, "list rooms", (*Reader).Rooms)
}

// PutEpoch keeps the key of the epoch that event id of room announces.
func (tx *Tx) PutEpoch(room event.Conversation, id event.ID, key [32]byte) error {
	c, err := tx.convRow(room)
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO epoch (conv, id, key) VALUES (?, ?, ?) ON CONFLICT (conv, id) DO UPDATE SET key = excluded.key`,
		c, id[:], key[:])
	return err
}

// Epochs gives the epoch keys of room that are held, by the event announcing
// each.
func (r *Reader) Epochs(room event.Conversation) (map[event.ID][32]byte, error) {
	out := map[event.ID][32]byte{}
	err := r.rows(`SELECT id, key FROM epoch WHERE conv = (SELECT n FROM conversation WHERE id = ?)`, []any{room[:]},
		func(scan func(...any) error) (bool, error) {
			var b, key []byte
			if err := scan(&b, &key); err != nil {
				return false, err
			}
			id, ok := idOut(b)
			if !ok || len(key) != 32 {
				return false, fmt.Errorf("%w: an epoch key of %d bytes", ErrDamaged, len(key))
			}
			out[id] = [32]byte(key)
			return true, nil
		})
	return out, err
}

// Epochs gives the epoch keys of room that are held, by the event announcing
// each.
func (s *Store) Epochs(ctx context.Context, room event.Conversation) (map[event.ID][32]byte, error) {
	return read(ctx, s, "read epoch keys", func(r *Reader) (map[event.ID][32]byte, error) { return r.Epochs(room) })
}

// Controls gives the control lane of room: the genesis, then the others in the
// order of their arrival, so that each comes after those it cites.
func (r *Reader) Controls(room event.Conversation) ([]*event.Event, error) {
	type arrived struct {
		n int64
		e *event.Event
	}
	var all []arrived
	err := r.rows(`SELECT e.n, e.id, e.header, e.signature, e.body FROM event e
		WHERE e.conv = (SELECT n FROM conversation WHERE id = ?) AND e.lane = 2`, []any{room[:]},
		func(scan func(...any) error) (bool, error) {
			var a arrived
			var err error
			a.e, err = scanEvent(scan, []any{&a.n})
			if err == nil && event.Conversation(a.e.ID) == room {
				a.n = 0 // rows begin with 1
			}
			all = append(all, a)
			return true, err
		})
	slices.SortFunc(all, func(a, b arrived) int { return cmp.Compare(a.n, b.n) })
	out := make([]*event.Event, len(all))
	for i, a := range all {
		out[i] = a.e
	}
	return out, err
}

// Controls gives the control lane of room: the genesis, then the others in the
// order of their arrival, so that each comes after those it cites.
func (s *Store) Controls(ctx context.Context, room event.Conversation) ([]*event.Event, error) {
	return read(ctx, s, "read the control lane", func(r *Reader) ([]*event.Event, error) { return r.Controls(room) })
}

// EachRoomMessage calls fn for every message of room, whatever its verdict: log
// by log, in each by seq, then ID. It holds one of them at a time. fn must not
// take long, see [Store.View]; its error ends the walk.
func (s *Store) EachRoomMessage(ctx context.Context, room event.Conversation, fn func(*event.Event, Verdict) error) error {
	if err := s.View(ctx, func(r *Reader) error { return r.eachRoomMessage(room, fn) }); err != nil {
		return fmt.Errorf("read the messages of a room: %w", err)
	}
	return nil
}

func (r *Reader) eachRoomMessage(room event.Conversation, fn func(*event.Event, Verdict) error) error {
	logs, err := r.logsOf(room)
	for _, l := range logs {
		if err != nil {
			return err
		}
		err = r.messagesOf(l.n, 0, maxSeq, func(_ *Line, e *event.Event, v Verdict) error { return fn(e, v) })
	}
	return err
}

// Line gives all messages in a piece of a log of room that the rules do not
// refuse, by seq, then ID.
func (s *Store) Line(ctx context.Context, room event.Conversation, rg event.Range) ([]*event.Event, error) {
	return read(ctx, s, "read a line", func(r *Reader) (out []*event.Event, err error) {
		err = r.rows(`SELECT e.id, e.header, e.signature, e.body FROM event e WHERE e.log = (
				SELECT l.n FROM log l JOIN conversation c ON c.n = l.conv JOIN peer p ON p.n = l.author
				WHERE c.id = ? AND p.id = ? AND l.log = ?
			) AND e.seq BETWEEN ? AND ? AND e.verdict <> 5 ORDER BY e.seq, e.id`,
			[]any{room[:], []byte(rg.Author), rg.Log[:], int64(min(rg.From, maxSeq)), int64(min(rg.To, maxSeq))},
			func(scan func(...any) error) (bool, error) {
				e, err := scanEvent(scan, nil)
				out = append(out, e)
				return true, err
			})
		return out, err
	})
}

// Message gives a message of room that the rules do not refuse, nil if there is
// none.
func (s *Store) Message(ctx context.Context, room event.Conversation, id event.ID) (*event.Event, error) {
	return read(ctx, s, "read a message", func(r *Reader) (*event.Event, error) {
		e, err := r.EventByID(id)
		switch {
		case errors.Is(err, ErrNotFound):
			return nil, nil
		case err != nil:
			return nil, err
		case e.Lane != event.LaneMessage || e.Conversation != room || e.Verdict == VerdictRefused:
			return nil, nil
		}
		return e.Event, nil
	})
}

// Newest gives, for each log of room, the position up to which somebody needs
// nothing who is to see the newest messages, last of them or, if that is 0, all
// since since by the authors' clocks; with neither he needs nothing at all. Logs
// of which he needs everything are left out, as are those of which it is not
// known what stands there. Quiet messages are not counted.
func (s *Store) Newest(ctx context.Context, room event.Conversation, last int, since time.Time) (out event.Frontier, err error) {
	err = s.View(ctx, func(r *Reader) error {
		out, err = r.newest(room, last, since)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find the newest messages: %w", err)
	}
	return out, nil
}

func (r *Reader) newest(room event.Conversation, last int, since time.Time) (event.Frontier, error) {
	first, err := r.firstNeeded(room, last, since)
	if err != nil {
		return nil, err
	}
	out, err := r.Frontier(room)
	if err != nil {
		return nil, err
	}
	for k := range out {
		l, err := r.logRow(room, k)
		if err != nil {
			return nil, err
		}
		seq, needed := first[l.n]
		if !needed || seq > l.head {
			continue
		}
		seq = max(seq, l.low) - 1
		id, err := r.idAt(&l, seq)
		if err != nil {
			return nil, err
		}
		delete(out, k)
		if id != nil {
			out[k] = event.Head{Seq: uint64(seq), ID: *id}
		}
	}
	return out, nil
}

// firstNeeded is the lowest seq of each log among the newest messages.
func (r *Reader) firstNeeded(room event.Conversation, last int, since time.Time) (map[int64]int64, error) {
	first := map[int64]int64{}
	if last <= 0 && since.IsZero() {
		return first, nil
	}
	from, limit := int64(math.MinInt64), int64(-1) // SQLite: no limit
	if last > 0 {
		limit = int64(last)
	} else {
		from = clockIn(event.At(since))
	}
	err := r.rows(`SELECT e.log, e.seq `+messageLane.from+` AND e.quiet = 0 AND e.time >= ? ORDER BY `+messageLane.order+` LIMIT ?`,
		[]any{room[:], from, limit}, func(scan func(...any) error) (bool, error) {
			var log, seq int64
			err := scan(&log, &seq)
			if old, ok := first[log]; !ok || seq < old {
				first[log] = seq
			}
			return true, err
		})
	return first, err
}
