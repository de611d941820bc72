package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"p2pchat/protocol/event"
)

// LogQuery says which messages of a conversation are wanted. Of a room's, those
// that wait or are hidden are never given.
type LogQuery struct {
	Conv   event.Conversation
	Last   int          // that many at most, the newest; 0: all
	Since  time.Time    // not older, by the author's clock; zero: any
	Before *event.ID    // only what comes before this one in the order; nil: any
	After  *event.ID    // only what comes after this one, of which Last are the oldest; nil: any
	Skip   []event.Kind // messages to leave out; a short list, always the same
	All    bool         // nothing is left out, and the control lane is given too
	// Unblocked leaves out the messages, also quiet ones, of contacts who are
	// blocked; what they did in the control lane is given, since it holds.
	Unblocked bool
}

// Log gives messages in the order of display and logs (time, author, log, seq,
// ID), oldest first. Error: ErrNotFound if there is no event Before or After.
func (r *Reader) Log(q LogQuery) ([]Stored, error) {
	out, err := r.lane(q, &messageLane)
	if err != nil {
		return nil, err
	}
	if q.All {
		control, err := r.lane(q, &controlLane)
		if err != nil {
			return nil, err
		}
		out = append(out, control...)
		slices.SortFunc(out, func(a, b Stored) int {
			if a.Before(b.Event) {
				return -1
			}
			return 1
		})
		if n := len(out) - q.Last; q.Last > 0 && n > 0 {
			if q.After != nil {
				out = out[:q.Last]
			} else {
				out = out[n:]
			}
		}
	}
	return out, nil
}

// laneSQL is how a lane is read. An event's place in the order of display is
// (time, author, log, seq, ID).
type laneSQL struct{ from, place, order string }

// CROSS JOIN keeps the index by time outermost: only events of one and the same
// reading of the clock are left to be sorted.
var (
	messageLane = laneSQL{
		from: `FROM event e CROSS JOIN peer p ON p.n = e.author CROSS JOIN log l ON l.n = e.log
			WHERE e.conv = (SELECT n FROM conversation WHERE id = ?) AND e.lane = 1 AND e.verdict IN (0, 2, 4)`,
		place: `(e.time, p.id, l.log, e.seq, e.id)`,
		order: `e.time DESC, p.id DESC, l.log DESC, e.seq DESC, e.id DESC`,
	}
	controlLane = laneSQL{
		from: `FROM event e CROSS JOIN peer p ON p.n = e.author
			WHERE e.conv = (SELECT n FROM conversation WHERE id = ?) AND e.lane = 2`,
		place: `(e.time, p.id, x'0000000000000000', 0, e.id)`,
		order: `e.time DESC, p.id DESC, e.id DESC`,
	}
)

// lane gives what q wants of one lane, oldest first.
func (r *Reader) lane(q LogQuery, lane *laneSQL) ([]Stored, error) {
	var query strings.Builder
	query.WriteString(`SELECT ` + storedColumns + `, EXISTS (SELECT 1 FROM event a WHERE a.target = e.id) ` + lane.from)
	args := []any{q.Conv[:]}
	if !q.Since.IsZero() {
		query.WriteString(` AND e.time >= ?`)
		args = append(args, clockIn(event.At(q.Since)))
	}
	for _, bound := range []struct {
		id *event.ID
		op string
	}{{q.Before, `<`}, {q.After, `>`}} {
		if bound.id == nil {
			continue
		}
		b, err := r.EventByID(*bound.id)
		if err != nil {
			return nil, err
		}
		t := clockIn(b.Time)
		query.WriteString(` AND e.time ` + bound.op + `= ? AND ` + lane.place + ` ` + bound.op + ` (?, ?, ?, ?, ?)`)
		args = append(args, t, t, []byte(b.Author), b.Log[:], int64(b.Seq), b.ID[:])
	}
	if len(q.Skip) > 0 && !q.All {
		query.WriteString(` AND e.kind NOT IN (?` + strings.Repeat(`, ?`, len(q.Skip)-1) + `)`)
		for _, k := range q.Skip {
			args = append(args, int64(k))
		}
	}
	if q.Unblocked && lane == &messageLane {
		query.WriteString(` AND NOT EXISTS (SELECT 1 FROM contact b WHERE b.peer = e.author AND b.blocked <> 0)`)
	}
	order := lane.order
	if q.After != nil {
		order = strings.ReplaceAll(order, `DESC`, `ASC`)
	}
	query.WriteString(` ORDER BY ` + order)
	if q.Last > 0 {
		query.WriteString(` LIMIT ?`)
		args = append(args, q.Last)
	}
	var out []Stored
	var spoken []int // those of out that something is about
	err := r.rows(query.String(), args, func(scan func(...any) error) (bool, error) {
		var about bool
		s, err := scanStored(scan, &about)
		if about {
			spoken = append(spoken, len(out))
		}
		out = append(out, s)
		return true, err
	})
	if err != nil {
		return nil, err
	}
	for _, i := range spoken {
		if err := r.becomes(&out[i], q.Unblocked); err != nil {
			return nil, err
		}
	}
	if q.After == nil {
		slices.Reverse(out)
	}
	return out, nil
}

// Log gives messages in the order of display and logs (time, author, log, seq,
// ID), oldest first. Error: ErrNotFound if there is no event Before or After.
func (s *Store) Log(ctx context.Context, q LogQuery) ([]Stored, error) {
	return read(ctx, s, "read messages", func(r *Reader) ([]Stored, error) { return r.Log(q) })
}
