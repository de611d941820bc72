package store

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"p2pchat/protocol/event"
)

// lists are the queries for which a table is wanted whole, or has one row.
var lists = []string{
	"FROM account a", "FROM clock", "FROM static_addr", "FROM contact c CROSS JOIN peer", "FROM conversation c LEFT JOIN", "FROM sqlite_schema",
	"FROM room r CROSS JOIN conversation", "FROM indexed i", "UPDATE indexed", "FROM log l JOIN conversation",
}

// TestNothingScans looks at how SQLite would run every statement that the tests
// of this file make it prepare: a search in an index, never a walk over all
// events, logs or marks, nor a sort of them.
func TestNothingScans(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	writeFrozen(t, s)
	writeFrozenRoom(t, s)
	forked := forks(t, testKey(t, 2), 9, 1, 3)
	insert(t, s, forked[2], forked[1], forked[0]) // evicts
	whole := chain(t, testKey(t, 2), 8, 3)
	dropped, err := event.Decode(whole[2].Raw, whole[2].Signature, nil)
	if err != nil {
		t.Fatal(err)
	}
	insert(t, s, dropped, whole[2], whole[0], whole[1]) // completes a body, closes a gap
	taken := amendment(t, 2, 8, 4, event.KindRetract, event.Amendment{Target: whole[1].ID})
	bareTaken, err := event.Decode(taken.Raw, taken.Signature, nil)
	if err != nil {
		t.Fatal(err)
	}
	insert(t, s, bareTaken, taken)
	update(t, s, func(tx *Tx) error {
		if err := tx.SetLow(conv1, whole[0].Key(), 3); err != nil {
			return err
		}
		if err := tx.RemoveStaticAddr("/ip4/10.0.0.9/tcp/1"); err != nil {
			return err
		}
		return tx.DeleteContact(frozenContact(t).Peer)
	})
	_, _, messages, _, _ := frozenRoom(t)
	update(t, s, func(tx *Tx) error {
		var errs []error
		for e, v := range messages {
			_, err := tx.InsertRoom(e, start, v, false) // again
			errs = append(errs, err, tx.SetVerdict(e.ID, VerdictHidden), tx.SetVerdict(e.ID, VerdictVisible), tx.DropEvent(e.ID))
		}
		return errors.Join(errs...)
	})
	update(t, s, func(tx *Tx) error { _, _, err := tx.index(); return err })
	checked := 0
	check := func(c *conn) error {
		for _, query := range slices.Sorted(maps.Keys(c.stmts)) {
			if word, _, _ := strings.Cut(query, " "); !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE"}, word) {
				continue
			}
			checked++
			// The driver wants a value for every parameter.
			rows, err := c.c.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
			if err != nil {
				return fmt.Errorf("%s: %w", query, err)
			}
			for rows.Next() {
				var id, parent, unused int
				var detail string
				if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
					return err
				}
				name, _, _ := strings.Cut(strings.TrimPrefix(detail, "SCAN "), " ")
				list := slices.ContainsFunc(lists, func(l string) bool { return strings.Contains(query, l) }) && name != "p" && name != "e" &&
					(name != "l" || strings.Contains(query, "FROM log l JOIN conversation"))
				// The last terms of the display order are sorted among equals only.
				// FTS5 is asked for one row, or for those that match, in their order.
				found := strings.HasPrefix(detail, "SCAN search VIRTUAL TABLE INDEX 0:=") || strings.HasPrefix(detail, "SCAN s VIRTUAL TABLE INDEX") && strings.Contains(detail, ":M")
				slow := strings.HasPrefix(detail, "SCAN") && detail != "SCAN CONSTANT ROW" && detail != "SCAN account" && !found ||
					strings.Contains(detail, "TEMP B-TREE FOR ORDER BY") || strings.Contains(detail, "AUTOMATIC")
				// What is found of one second is sorted, as much of it as is wanted.
				second := strings.Contains(query, "FROM search s") && strings.HasSuffix(query, "ORDER BY e.time DESC, e.id DESC LIMIT ?") && strings.Contains(detail, "TEMP B-TREE")
				if slow && !list && !second {
					t.Errorf("%s\nin: %s", detail, query)
				}
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				return err
			}
		}
		return nil
	}
	update(t, s, func(tx *Tx) error { return check(tx.c) })

	before := whole[2].ID
	err = s.View(t.Context(), func(r *Reader) error {
		for _, q := range []LogQuery{
			{Conv: conv1},
			{Conv: conv1, Last: 5},
			{Conv: conv1, Since: start},
			{Conv: conv1, Before: &before, Last: 5, Since: start},
			{Conv: conv1, Skip: []event.Kind{1, 2}, Last: 5},
			{Conv: conv1, All: true},
			{Conv: conv1, Unblocked: true, Skip: []event.Kind{1, 2}, Last: 5},
			{Conv: conv1, All: true, Before: &before, Last: 5, Since: start},
			{Conv: conv1, All: true, After: &before, Last: 5},
		} {
			if _, err := r.Log(q); err != nil {
				return err
			}
		}
		rg := event.Range{LogKey: whole[0].Key(), From: 1, To: 9}
		for _, read := range []func() error{
			func() error { _, err := r.Account(); return err },
			func() error { _, err := r.Clock(); return err },
			func() error { _, err := r.Range(conv1, rg, 1); return err },
			func() error { _, err := r.Frontier(conv1); return err },
			func() error { _, err := r.HasEvent(before); return err },
			func() error { _, err := r.Ack(conv1, whole[0].Author); return err },
			func() error { _, err := r.Conversations(); return err },
			func() error { _, err := r.Conversation(conv1); return err },
			func() error { _, err := r.QueuedCount(); return err },
			func() error { _, err := r.Contacts(); return err },
			func() error { _, err := r.StaticAddrs(); return err },
			func() error { _, _, err := r.OwnLog(conv1); return err },
			func() error { _, err := r.QueuedIn(conv1); return err },
			func() error { _, err := r.Acks(conv1); return err },
			func() error { _, err := r.TakesLog(conv1, whole[0].Key()); return err },
			func() error { _, err := r.Lows(conv1); return err },
			func() error { _, err := r.Rooms(); return err },
			func() error { _, err := r.Epochs(conv1); return err },
			func() error { _, err := r.Controls(conv1); return err },
			func() error { _, err := r.newest(conv1, 5, start); return err },
			func() error { return r.eachRoomMessage(conv1, func(*event.Event, Verdict) error { return nil }) },
			func() error { _, err := r.Shown(before, true); return err },
			func() error { _, err := r.Shown(before, false); return err },
			func() error { _, err := r.matching(conv1, event.ID{}, before, 2); return err },
			func() error { _, err := r.bodiless(conv1, before, 2); return err },
			func() error { _, err := r.IsOwnLog(conv1, event.LogID{1}); return err },
			func() error { _, _, err := r.oldestCut(math.MaxInt64); return err },
			func() error { _, _, err := r.indexedTo(); return err },
			func() error {
				q := SearchQuery{Terms: []Term{{Text: "line"}}, Conv: conv1, Author: whole[0].Author, Unblocked: true, Last: 1}
				expr, err := r.expression(q)
				if err != nil {
					return err
				}
				f := &finder{Reader: r, q: q, standing: map[event.ID]standing{}}
				_, err = f.matches("search", expr)
				return err
			},
		} {
			if err := read(); err != nil {
				return err
			}
		}
		return check(r.c)
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 60 {
		t.Errorf("only %d statements were looked at", checked)
	}
}

// TestPragmas: what the promises of the package rest on.
func TestPragmas(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	update(t, s, func(tx *Tx) error {
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "application_id": "1882353763",
		} {
			var got string
			if err := tx.c.c.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil {
				return err
			}
			if got != want {
				t.Errorf("%s is %s, want %s", pragma, got, want)
			}
		}
		return nil
	})
}
