package store

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

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

	from    *found
	mixed   bool // a log is read with it, which may be another's
	clock   event.Time
	authors map[int64]peer.ID           // by the rows of what they said
	lane    []saved                     // control events, as they arrived
	control map[event.ID]bool           // those carried over
	rooms   map[event.Conversation]bool // those there were and that are not carried over
	own     map[ownedLog]bool           // logs this installation wrote
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
	n, conv, author int64 // rows
	received        int64
	verdict         Verdict
	quiet, mention  bool
	event           *event.Event
}

func newSalvage(self peer.ID, to *Store) *salvage {
	return &salvage{
		self: self, to: to, authors: map[int64]peer.ID{}, control: map[event.ID]bool{}, own: map[ownedLog]bool{}, people: map[peer.ID]bool{},
		direct: map[event.Conversation]bool{}, rooms: map[event.Conversation]bool{},
	}
}

// all carries everything over from the database file at path, "" for nothing.
// Error: OthersError.
func (s *salvage) all(ctx context.Context, path string) error {
	var file *pageFile
	if path != "" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // it only read
		info, err := f.Stat()
		if err != nil {
			return err
		}
		file = newPageFile(f, info.Size())
	}
	var err error
	if s.from, err = sift(ctx, file, s.to.dir); err != nil {
		return err
	}
	defer func() { _ = s.from.close() }()
	for _, step := range []func(context.Context) error{
		s.events, s.owner, s.contacts, s.controls, s.messages, s.conversations, s.memberships, s.logs, s.marks, s.limits,
	} {
		if err := errors.Join(step(ctx), ctx.Err()); err != nil {
			return err
		}
	}
	s.out.Unread, s.out.RoomsLost = len(s.from.lost), len(s.rooms)
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

// each calls fn for each row of what was found besides events. A row that cannot be
// scanned is passed over; another error of fn ends it.
func (s *salvage) each(ctx context.Context, query string, fn func(scan func(...any) error) error) error {
	return s.from.c.rows(ctx, query, nil, func(scan func(...any) error) (bool, error) {
		readable := true
		err := fn(func(dest ...any) error {
			err := scan(dest...)
			readable = err == nil
			return err
		})
		if !readable || errors.Is(err, ErrDamaged) {
			return true, nil
		}
		return err == nil, err
	})
}

// carry is each within one change of the new database, for a table of which a
// part is good enough.
func (s *salvage) carry(ctx context.Context, query string, fn func(tx *Tx, scan func(...any) error) error) error {
	return s.to.Update(ctx, func(tx *Tx) error {
		return s.each(ctx, query, func(scan func(...any) error) error { return fn(tx, scan) })
	})
}

// events looks at every event once. Which peer and which conversation a number
// stands for is learned from them as well, should the table be damaged.
func (s *salvage) events(ctx context.Context) error {
	convs := map[int64]bool{}
	return s.from.eachEvent(ctx, func(r saved) error {
		e := r.event
		if e == nil {
			s.out.Dropped++
			return nil
		}
		conv := e.Conversation
		if conv == (event.Conversation{}) {
			conv = event.Conversation(e.ID)
			r.n = 0 // before all others, whose rows begin with 1
		}
		if s.authors[r.author] == "" {
			s.authors[r.author] = e.Author
			s.from.insert(ctx, `INSERT OR IGNORE INTO peer (n, id) VALUES (?, ?)`, r.author, []byte(e.Author))
		}
		if !convs[r.conv] {
			convs[r.conv] = true
			s.from.insert(ctx, `INSERT OR IGNORE INTO conversation (n, id) VALUES (?, ?)`, r.conv, conv[:])
		}
		if e.Lane == event.LaneControl || r.verdict != VerdictNone {
			s.rooms[conv] = true
		}
		if e.Lane == event.LaneControl {
			s.lane = append(s.lane, r)
		}
		return s.from.err
	})
}

// controls carries over control events whose ancestors are, the genesis first,
// the others as they arrived.
func (s *salvage) controls(ctx context.Context) error {
	slices.SortStableFunc(s.lane, func(a, b saved) int { return cmp.Compare(a.n, b.n) })
	return s.to.Update(ctx, func(tx *Tx) error {
		for _, r := range s.lane {
			e := r.event
			room := e.Conversation
			if r.n == 0 {
				room = event.Conversation(e.ID)
			}
			if !s.signed(e) || !s.based(e) {
				continue
			}
			fresh, err := tx.InsertControl(room, e, time.UnixMilli(r.received))
			if err != nil {
				return err
			}
			s.control[e.ID] = true
			if fresh {
				s.out.Events++
			}
		}
		return nil
	})
}

// signed tells whether its author signed e; else e is left out.
func (s *salvage) signed(e *event.Event) bool {
	if e.Verify() != nil {
		s.out.Dropped++
		return false
	}
	return true
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
	err := s.from.eachEvent(ctx, func(r saved) error {
		e := r.event
		if e == nil || e.Lane != event.LaneMessage || !s.signed(e) {
			return nil
		}
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
	kept := 0
	err := s.to.Update(ctx, func(tx *Tx) error {
		for _, r := range s.batch {
			at := time.UnixMilli(r.received)
			var fresh bool
			var err error
			if r.verdict == VerdictNone {
				fresh, err = tx.Insert(r.event, at)
			} else {
				fresh, err = tx.InsertRoom(r.event, at, r.verdict, r.quiet)
			}
			if err != nil {
				return err
			}
			if fresh {
				kept++
			}
			if fresh && r.mention {
				if err := tx.SetMention(r.event.ID); err != nil {
					return err
				}
			}
		}
		return nil
	})
	s.out.Events += kept
	s.batch = s.batch[:0]
	return err
}
