package store

import (
	"context"
	"errors"
	"fmt"

	"p2pchat/protocol/event"
)

// checkSample is how many of the latest events Check looks at if it is not to
// look at all.
const checkSample = 1000

// Check looks for damage and returns what is wrong, nothing if all is well. It
// has SQLite look at the structure of the file, of which it reads all; events are
// to be as they were signed, and heads where the logs have no gap. full also has
// every index compared with its table, every reference followed and every event
// read, not only the latest.
func (s *Store) Check(ctx context.Context, full bool) ([]string, error) {
	pragma, limit := `PRAGMA quick_check`, checkSample
	if full {
		pragma, limit = `PRAGMA integrity_check`, -1 // SQLite: no limit
	}
	var out []string
	var err error
	for _, look := range []func(c *conn) ([]string, error){
		func(*conn) ([]string, error) { return nil, wasCut(s.dir) },
		func(c *conn) ([]string, error) { return c.check(ctx, pragma) },
		func(c *conn) ([]string, error) {
			if !full {
				return nil, nil
			}
			return c.checkReferences(ctx)
		},
		func(c *conn) ([]string, error) { return c.checkEvents(ctx, limit) },
		func(c *conn) ([]string, error) { return c.checkHeads(ctx) },
	} {
		err = s.readers.with(ctx, func(c *conn) error {
			wrong, err := look(c)
			out = append(out, wrong...)
			return err
		})
		if errors.Is(err, ErrDamaged) {
			out, err = append(out, err.Error()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("check the database: %w", err)
		}
		if len(out) > 0 {
			s.damaged(fmt.Errorf("%w: %s", ErrDamaged, out[0]))
			break
		}
	}
	return out, nil
}

// check runs one of SQLite's two checks and returns what it found wrong.
func (c *conn) check(ctx context.Context, pragma string) ([]string, error) {
	var out []string
	err := c.rows(ctx, pragma, nil, func(scan func(...any) error) (bool, error) {
		var line string
		if err := scan(&line); err != nil {
			return false, err
		}
		if line != "ok" {
			out = append(out, line)
		}
		return true, nil
	})
	return out, err
}

// checkReferences looks for rows that refer to one that is not there, of which
// nothing would be shown. What one table lacks of another is told once.
func (c *conn) checkReferences(ctx context.Context) ([]string, error) {
	var out []string
	err := c.rows(ctx, `SELECT DISTINCT "table", parent FROM pragma_foreign_key_check`, nil, func(scan func(...any) error) (bool, error) {
		var table, parent string
		if err := scan(&table, &parent); err != nil {
			return false, err
		}
		out = append(out, fmt.Sprintf("a row of %s refers to a row of %s that is not there", table, parent))
		return true, nil
	})
	return out, err
}

// checkEvents reads the latest events: bytes are those that were signed, columns
// what they say.
func (c *conn) checkEvents(ctx context.Context, limit int) ([]string, error) {
	var out []string
	err := c.rows(ctx, `SELECT e.id, e.header, e.signature, e.body, e.lane, e.time, e.kind, ifnull(e.seq, 0), p.id, c.id
		FROM event e CROSS JOIN peer p ON p.n = e.author CROSS JOIN conversation c ON c.n = e.conv ORDER BY e.n DESC LIMIT ?`, []any{limit},
		func(scan func(...any) error) (bool, error) {
			var lane, time, kind, seq int64
			var author, conv []byte
			e, err := scanEvent(scan, nil, &lane, &time, &kind, &seq, &author, &conv)
			if err != nil {
				return false, err
			}
			room := e.Conversation
			if room == (event.Conversation{}) {
				room = event.Conversation(e.ID)
			}
			if event.Lane(lane) != e.Lane || clockOut(time) != e.Time || kind != int64(e.Kind) || seq != int64(e.Seq) ||
				string(author) != string(e.Author) || event.Conversation(conv) != room {
				out = append(out, fmt.Sprintf("event %s is filed as another", e.ID))
			}
			return true, nil
		})
	return out, err
}

// checkHeads counts what is held of each log up to its head.
func (c *conn) checkHeads(ctx context.Context) ([]string, error) {
	var out []string
	err := c.rows(ctx, `SELECT l.n, l.head - max(l.low - 1, 0), (SELECT count(DISTINCT seq) FROM event e WHERE e.log = l.n AND e.seq BETWEEN l.low AND l.head),
			l.top, ifnull((SELECT max(seq) FROM event e WHERE e.log = l.n), 0)
		FROM log l`, nil, func(scan func(...any) error) (bool, error) {
		var n, want, got, top, highest int64
		if err := scan(&n, &want, &got, &top, &highest); err != nil {
			return false, err
		}
		if want != got || top != highest {
			out = append(out, fmt.Sprintf("log %d is not held as it says: %d of %d events up to its head, and the last is %d, not %d", n, got, want, highest, top))
		}
		return true, nil
	})
	return out, err
}
