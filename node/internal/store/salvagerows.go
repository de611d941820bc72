package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// What a salvage carries over besides events.

// owner carries over whose the database is, if that is us.
func (s *salvage) owner(ctx context.Context) error {
	err := s.each(ctx, `SELECT p.n, p.id FROM account a JOIN peer p ON p.n = a.peer`, func(scan func(...any) error) error {
		var n int64
		var id []byte
		if err := scan(&n, &id); err != nil {
			return err
		}
		// If what the owner said was signed by us, the row that says who that is was damaged.
		if p := peer.ID(id); p != s.self && (s.mixed || s.authors[n] != s.self) {
			return OthersError{p, s.self}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.account = Account{Peer: s.self, Created: time.Now()}
	err = s.each(ctx, `SELECT name, status, away, created FROM account`, func(scan func(...any) error) error {
		a := Account{Peer: s.self}
		var created sql.NullInt64
		err := scan(&a.Name, &a.Status, &a.Away, &created)
		if err == nil && a.Name != "" {
			a.Created = wallOut(created)
			s.account = a
		}
		return err
	})
	if err != nil {
		return err
	}
	err = s.each(ctx, `SELECT time FROM clock UNION ALL SELECT clock FROM log WHERE clock IS NOT NULL`, func(scan func(...any) error) error {
		var v int64
		err := scan(&v)
		if err == nil {
			s.clock = max(s.clock, clockOut(v))
		}
		return err
	})
	return errors.Join(err, s.to.Update(ctx, func(tx *Tx) error { return tx.SetAccount(s.account) }))
}

func (s *salvage) contacts(ctx context.Context) error {
	err := s.carry(ctx, `SELECT `+contactColumns+` FROM contact c CROSS JOIN peer p ON p.n = c.peer`, func(tx *Tx, scan func(...any) error) error {
		c, err := scanContact(scan)
		if err != nil {
			return err
		}
		s.out.Contacts++
		s.people[c.Peer] = true
		return tx.PutContact(c)
	})
	return errors.Join(err, s.carry(ctx, `SELECT addr FROM static_addr`, func(tx *Tx, scan func(...any) error) error {
		var a string
		if err := scan(&a); err != nil {
			return err
		}
		return tx.AddStaticAddr(a)
	}))
}

// limits carries over how much of the history is kept; by an older schema all was.
func (s *salvage) limits(ctx context.Context) error {
	return s.carry(ctx, `SELECT age, size FROM retention`, func(tx *Tx, scan func(...any) error) error {
		var age, size int64
		if err := scan(&age, &size); err != nil {
			return err
		}
		return tx.SetRetention(Retention{time.Duration(age) * time.Millisecond, size})
	})
}

// conversations registers those of two people whose other one is known.
func (s *salvage) conversations(ctx context.Context) error {
	return s.to.Update(ctx, func(tx *Tx) error {
		for p := range s.people {
			if conv := event.Direct(s.self, p); s.direct[conv] {
				if err := tx.PutConversation(conv, KindDirect, p); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// memberships carries over our part in rooms whose genesis is here, and what
// opens their traffic.
func (s *salvage) memberships(ctx context.Context) error {
	err := s.each(ctx, `SELECT id FROM conversation WHERE kind = 2`, func(scan func(...any) error) error {
		var id []byte
		err := scan(&id)
		if room, ok := idOut(id); ok {
			s.rooms[event.Conversation(room)] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	var mine RoomRow
	var present int64
	var epoch, key, admitted []byte
	var sealed secret
	return errors.Join(
		s.inRooms(ctx, `SELECT c.id, r.joined, r.nick, r.present FROM room r JOIN conversation c ON c.n = r.conv`,
			[]any{&mine.Joined, &mine.Nick, &present}, func(tx *Tx, room event.Conversation) error {
				mine.Conv = room
				s.out.Rooms++
				delete(s.rooms, room)
				return errors.Join(tx.PutRoom(mine), tx.SetRoomPresent(room, time.UnixMilli(present)))
			}),
		s.inRooms(ctx, `SELECT c.id, e.id, e.key FROM epoch e JOIN conversation c ON c.n = e.conv`,
			[]any{&epoch, &key}, func(tx *Tx, room event.Conversation) error {
				id, ok := idOut(epoch)
				if !ok || len(key) != 32 {
					return nil
				}
				return tx.PutEpoch(room, id, [32]byte(key))
			}),
		s.inRooms(ctx, `SELECT c.id, p.id FROM admitted a JOIN conversation c ON c.n = a.conv JOIN peer p ON p.n = a.peer`,
			[]any{&admitted}, func(tx *Tx, room event.Conversation) error { return tx.PutAdmitted(room, peer.ID(admitted)) }),
		s.inRooms(ctx, `SELECT c.id, s.generation, s.sealed FROM secret s JOIN conversation c ON c.n = s.conv`,
			[]any{&sealed.generation, &sealed.sealed}, func(tx *Tx, room event.Conversation) error {
				return tx.PutSecret(room, sealed.generation, sealed.sealed)
			}),
	)
}

// inRooms carries over rows that begin with a room's ID, if its genesis is here.
func (s *salvage) inRooms(ctx context.Context, query string, dest []any, put func(*Tx, event.Conversation) error) error {
	var id []byte
	return s.carry(ctx, query, func(tx *Tx, scan func(...any) error) error {
		if err := scan(slices.Concat([]any{&id}, dest)...); err != nil {
			return err
		}
		room, ok := idOut(id)
		if !ok || !s.control[room] {
			return nil
		}
		return put(tx, event.Conversation(room))
	})
}

// logs carries over which logs are ours, and what of others is not wanted.
func (s *salvage) logs(ctx context.Context) error {
	err := s.each(ctx, `SELECT c.id, o.log FROM own_log o JOIN conversation c ON c.n = o.conv`, func(scan func(...any) error) error {
		var conv, log []byte
		if err := scan(&conv, &log); err != nil {
			return err
		}
		var l ownedLog
		if copy(l.conv[:], conv) == len(l.conv) && copy(l.log[:], log) == len(l.log) {
			s.own[l] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.carry(ctx, `SELECT c.id, p.id, l.log, l.low, l.below FROM log l JOIN conversation c ON c.n = l.conv JOIN peer p ON p.n = l.author
		WHERE l.low > 1`, func(tx *Tx, scan func(...any) error) error {
		var conv, below []byte
		k, h, err := scanHead(func(dest ...any) error { return scan(&conv, dest[0], dest[1], dest[2], &below) })
		if err != nil {
			return err
		}
		id, ok := idOut(conv)
		if !ok {
			return nil
		}
		h.ID, _ = idOut(below)
		// A mark above all that is known to have been said would keep what the author
		// says from now on out of here; without one the others bring more than is
		// wanted.
		said, err := tx.lastSaid(event.Conversation(id), k)
		if err != nil || h.Seq > maxSeq || 0 < said && said < h.Seq {
			return err
		}
		return tx.SetLowAt(event.Conversation(id), k, h.Seq, h.ID)
	})
}

// lastSaid is the seq of the newest event of a log that is not quiet, which those are
// that stay below a low mark; 0 if there is none.
func (tx *Tx) lastSaid(conv event.Conversation, k event.LogKey) (seq uint64, err error) {
	err = tx.row(`SELECT ifnull(max(e.seq), 0) FROM event e WHERE e.quiet = 0 AND e.log =
		(SELECT n FROM log WHERE conv = (SELECT n FROM conversation WHERE id = ?) AND author = (SELECT n FROM peer WHERE id = ?) AND log = ?)`,
		[]any{conv[:], []byte(k.Author), k.Log[:]}, &seq)
	return seq, err
}

// marks carries over what others have of ours, and what was read.
func (s *salvage) marks(ctx context.Context) error {
	return s.carry(ctx, `SELECT c.id, h.id, m.what, p.id, m.log, m.seq, m.id FROM mark m JOIN conversation c ON c.n = m.conv
		JOIN peer h ON h.n = m.holder JOIN peer p ON p.n = m.author`, func(tx *Tx, scan func(...any) error) error {
		var conv, holder []byte
		var what int
		k, head, err := scanHead(func(dest ...any) error { return scan(slices.Concat([]any{&conv, &holder, &what}, dest)...) })
		id, ok := idOut(conv)
		switch {
		case err != nil:
			return err
		case !ok || head.Seq == 0 || head.Seq > maxSeq:
			return nil
		case what == markRead:
			return tx.SetRead(event.Conversation(id), peer.ID(holder), k, head)
		}
		return tx.SetAck(event.Conversation(id), peer.ID(holder), event.Frontier{k: head})
	})
}
