package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	sqlite3 "modernc.org/sqlite/lib"

	"p2pchat/protocol/event"
)

// salvageBatch is how many events are put into the new database at once.
const salvageBatch = 256

// salvage carries what can be read of a damaged database into a new one.
type salvage struct {
	self    peer.ID
	to      *Store
	out     Repaired
	account Account // without a name if none could be read

	from    *conn // nil if nothing can be read
	mixed   bool  // a log is read with it, which may be another's
	rooms   bool  // its schema knows rooms
	clock   event.Time
	control map[event.ID]bool // control events carried over
	own     map[ownedLog]bool // logs this installation wrote
	people  map[peer.ID]bool
	direct  map[event.Conversation]bool // of two people
	batch   []saved
}

type ownedLog struct {
	conv event.Conversation
	log  event.LogID
}

// saved is an event with what the database knew of it.
type saved struct {
	n, received int64
	verdict     Verdict
	quiet       bool
	event       *event.Event
}

func newSalvage(self peer.ID, to *Store) *salvage {
	return &salvage{
		self: self, to: to, control: map[event.ID]bool{}, own: map[ownedLog]bool{}, people: map[peer.ID]bool{}, direct: map[event.Conversation]bool{},
	}
}

// all carries everything over from path, "" for nothing, opened with uri. Error:
// OthersError.
func (s *salvage) all(ctx context.Context, path, uri string) error {
	if path != "" {
		db, err := openReaders(path, uri)
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }() // it only read
		db.SetMaxIdleConns(-1)
		if s.from, err = openConn(ctx, db, s.to.dir); err != nil && !unreadable(err) {
			return err
		}
		if s.from != nil {
			defer func() { _ = s.from.close() }()
		}
		var version int
		if _, err := s.each(ctx, `PRAGMA user_version`, func(scan func(...any) error) error { return scan(&version) }); err != nil {
			return err
		}
		s.rooms = version >= 2
	}
	for _, step := range []func(context.Context) error{
		s.owner, s.contacts, s.controls, s.messages, s.conversations, s.memberships, s.logs, s.marks, s.limits,
	} {
		if err := errors.Join(step(ctx), ctx.Err()); err != nil {
			return err
		}
	}
	return s.to.Update(ctx, func(tx *Tx) error {
		for l := range s.own {
			c, err := tx.convRow(l.conv)
			if err != nil {
				return err
			}
			if _, err := tx.exec(`INSERT INTO own_log (conv, log, retired) VALUES (?, ?, 1)`, c, l.log[:]); err != nil {
				return err
			}
		}
		return tx.SetClock(s.clock)
	})
}

// unreadable tells an error that damage is the reason of.
func unreadable(err error) bool {
	switch primaryCode(err) {
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_NOMEM:
		return !errors.Is(err, ErrDiskFull)
	}
	return errors.Is(err, ErrDamaged) || interrupted(err)
}

// each calls fn for each row that can be read. A row that cannot be scanned is
// passed over; another error of fn ends it. whole is false if SQLite found damage,
// which ends it too.
func (s *salvage) each(ctx context.Context, query string, fn func(scan func(...any) error) error) (whole bool, err error) {
	if s.from == nil {
		return true, nil
	}
	var stopped error
	err = s.from.rows(ctx, query, nil, func(scan func(...any) error) (bool, error) {
		readable := true
		stopped = fn(func(dest ...any) error {
			err := scan(dest...)
			readable = err == nil
			return err
		})
		if !readable || errors.Is(stopped, ErrDamaged) {
			stopped = nil
		}
		return stopped == nil, nil
	})
	if err != nil && unreadable(err) {
		return false, stopped
	}
	return true, errors.Join(err, stopped)
}

// carry is each within one change of the new database, for a table of which a
// part is good enough.
func (s *salvage) carry(ctx context.Context, query string, fn func(tx *Tx, scan func(...any) error) error) error {
	return s.to.Update(ctx, func(tx *Tx) error {
		_, err := s.each(ctx, query, func(scan func(...any) error) error { return fn(tx, scan) })
		return err
	})
}

// errReached ends the way down where the way up had come to.
var errReached = errors.New("all read")

// events calls fn for every event of a lane that can be read and is as it was
// signed: from the first on and, if that way is blocked by damage, from the last
// one down to it.
func (s *salvage) events(ctx context.Context, lane event.Lane, fn func(saved) error) error {
	columns := `0, 0`
	if s.rooms {
		columns = `e.verdict, e.quiet`
	}
	query := fmt.Sprintf(`SELECT e.n, e.id, e.header, e.signature, e.body, e.received, %s FROM event e NOT INDEXED
		WHERE e.lane = %d ORDER BY e.n`, columns, lane)
	var last int64
	down := false
	take := func(scan func(...any) error) error {
		var r saved
		var id, header, signature, body []byte
		if err := scan(&r.n, &id, &header, &signature, &body, &r.received, &r.verdict, &r.quiet); err != nil {
			s.out.Dropped++
			return err
		}
		if down && r.n <= last {
			return errReached
		}
		if !down {
			last = r.n
		}
		e, err := event.Decode(header, signature, body)
		if err != nil || !bytes.Equal(e.ID[:], id) || e.Lane != lane {
			s.out.Dropped++
			return nil
		}
		r.event = e
		return fn(r)
	}
	whole, err := s.each(ctx, query, take)
	if whole || err != nil {
		return err
	}
	down = true
	if _, err = s.each(ctx, query+` DESC`, take); errors.Is(err, errReached) {
		return nil
	}
	return err
}

// controls carries over control events whose ancestors are, the genesis first,
// the others as they arrived.
func (s *salvage) controls(ctx context.Context) error {
	var all []saved
	err := s.events(ctx, event.LaneControl, func(r saved) error {
		if r.event.Conversation == (event.Conversation{}) {
			r.n = 0 // rows begin with 1
		}
		all = append(all, r)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b saved) int { return cmp.Compare(a.n, b.n) })
	return s.to.Update(ctx, func(tx *Tx) error {
		for _, r := range all {
			e := r.event
			room := e.Conversation
			if r.n == 0 {
				room = event.Conversation(e.ID)
			}
			if !s.based(e) {
				continue
			}
			if _, err := tx.InsertControl(room, e, time.UnixMilli(r.received)); err != nil {
				return err
			}
			s.control[e.ID] = true
			s.out.Events++
		}
		return nil
	})
}

// based tells whether what e cites is here; else e is left out.
func (s *salvage) based(e *event.Event) bool {
	for _, id := range e.Ctl {
		if !s.control[id] {
			s.out.Dropped++
			return false
		}
	}
	return true
}

func (s *salvage) messages(ctx context.Context) error {
	err := s.events(ctx, event.LaneMessage, func(r saved) error {
		e := r.event
		if r.verdict == VerdictNone && e.Author != s.self && e.Conversation != event.Direct(s.self, e.Author) {
			s.out.Dropped++ // said between others
			return nil
		}
		s.people[e.Author] = true
		if e.Author == s.self {
			s.own[ownedLog{e.Conversation, e.Log}] = true
			s.clock = max(s.clock, e.Time)
		}
		if r.verdict == VerdictNone {
			s.direct[e.Conversation] = true
		} else if !s.based(e) {
			return nil
		}
		if s.batch = append(s.batch, r); len(s.batch) < salvageBatch {
			return nil
		}
		return s.flush(ctx)
	})
	return errors.Join(err, s.flush(ctx))
}

// flush puts the batch into the new database.
func (s *salvage) flush(ctx context.Context) error {
	err := s.to.Update(ctx, func(tx *Tx) error {
		for _, r := range s.batch {
			at := time.UnixMilli(r.received)
			var err error
			if r.verdict == VerdictNone {
				_, err = tx.Insert(r.event, at)
			} else {
				_, err = tx.InsertRoom(r.event, at, r.verdict, r.quiet)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	s.out.Events += len(s.batch)
	s.batch = s.batch[:0]
	return err
}
