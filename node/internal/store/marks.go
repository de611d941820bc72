package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// What a mark says. The numbers stand in the file.
const (
	markCommitted = 1
	markRead      = 2
)

// maxSeq is the highest seq the database can hold.
const maxSeq = math.MaxInt64

// SetAck keeps what by says he has committed of conv. A position only ever
// rises; at one seq the lower ID counts, as in a forked log. Logs that we don't
// hold count too, up to event.MaxLogs per author; the rest is left out.
func (tx *Tx) SetAck(conv event.Conversation, by peer.ID, f event.Frontier) error {
	for _, k := range f.Keys() {
		before, after, err := tx.setMark(conv, by, markCommitted, k, f[k])
		if err != nil {
			return err
		}
		if after <= before {
			continue
		}
		_, err = tx.exec(`UPDATE log SET acked = ?1 WHERE conv = (SELECT n FROM conversation WHERE id = ?2 AND other = (SELECT n FROM peer WHERE id = ?3))
			AND author = (SELECT n FROM peer WHERE id = ?4) AND log = ?5`, after, conv[:], []byte(by), []byte(k.Author), k.Log[:])
		if err != nil {
			return err
		}
	}
	return nil
}

// Ack is what by has said he has committed of conv.
func (r *Reader) Ack(conv event.Conversation, by peer.ID) (event.Frontier, error) {
	return r.marks(conv, by, markCommitted)
}

// Ack is what by has said he has committed of conv.
func (s *Store) Ack(ctx context.Context, conv event.Conversation, by peer.ID) (event.Frontier, error) {
	return read(ctx, s, "read receipts", func(r *Reader) (event.Frontier, error) { return r.Ack(conv, by) })
}

// Acks is what everybody has said he has committed of conv.
func (r *Reader) Acks(conv event.Conversation) (map[peer.ID]event.Frontier, error) {
	out := map[peer.ID]event.Frontier{}
	err := r.rows(`SELECT h.id, p.id, m.log, m.seq, m.id FROM mark m JOIN peer h ON h.n = m.holder JOIN peer p ON p.n = m.author
		WHERE m.conv = (SELECT n FROM conversation WHERE id = ?) AND m.what = ?`, []any{conv[:], markCommitted},
		func(scan func(...any) error) (bool, error) {
			var holder []byte
			k, h, err := scanHead(func(dest ...any) error { return scan(slices.Concat([]any{&holder}, dest)...) })
			by := peer.ID(holder)
			if out[by] == nil {
				out[by] = event.Frontier{}
			}
			out[by][k] = h
			return true, err
		})
	return out, err
}

// Acks is what everybody has said he has committed of conv.
func (s *Store) Acks(ctx context.Context, conv event.Conversation) (map[peer.ID]event.Frontier, error) {
	return read(ctx, s, "read receipts", func(r *Reader) (map[peer.ID]event.Frontier, error) { return r.Acks(conv) })
}

// SetRead keeps how far by, who may be ourselves, has read a log. The rules are
// those of SetAck.
func (tx *Tx) SetRead(conv event.Conversation, by peer.ID, k event.LogKey, h event.Head) error {
	old, seq, err := tx.setMark(conv, by, markRead, k, h)
	if err != nil || seq <= old {
		return err
	}
	if a, err := tx.Account(); errors.Is(err, ErrNotFound) || err == nil && a.Peer != by {
		return nil
	} else if err != nil {
		return err
	}
	l, err := tx.logRow(conv, k)
	if errors.Is(err, ErrNotFound) {
		return nil // ensureLog will ask the mark
	}
	if err != nil {
		return err
	}
	_, err = tx.exec(`UPDATE log SET seen = ?1, unread = unread -
		(SELECT count(*) FROM event WHERE log = ?2 AND seq > seen AND seq <= ?1 AND verdict IN (0, 2) AND quiet = 0) WHERE n = ?2`, seq, l.n)
	return err
}

// Read is how far by, who may be ourselves, has read the logs of conv.
func (r *Reader) Read(conv event.Conversation, by peer.ID) (event.Frontier, error) {
	return r.marks(conv, by, markRead)
}

// Read is how far by, who may be ourselves, has read the logs of conv.
func (s *Store) Read(ctx context.Context, conv event.Conversation, by peer.ID) (event.Frontier, error) {
	return read(ctx, s, "read markers", func(r *Reader) (event.Frontier, error) { return r.Read(conv, by) })
}

func (r *Reader) marks(conv event.Conversation, by peer.ID, what int) (event.Frontier, error) {
	f := event.Frontier{}
	err := r.rows(`SELECT p.id, m.log, m.seq, m.id FROM mark m JOIN peer p ON p.n = m.author
		WHERE m.conv = (SELECT n FROM conversation WHERE id = ?) AND m.holder = (SELECT n FROM peer WHERE id = ?) AND m.what = ?`,
		[]any{conv[:], []byte(by), what}, func(scan func(...any) error) (bool, error) {
			k, h, err := scanHead(scan)
			f[k] = h
			return true, err
		})
	return f, err
}

// setMark raises a mark and returns its seq before and after.
func (tx *Tx) setMark(conv event.Conversation, by peer.ID, what int, k event.LogKey, h event.Head) (before, after int64, err error) {
	if h.Seq == 0 || h.Seq > maxSeq {
		return 0, 0, fmt.Errorf("mark at seq %d of log %s", h.Seq, k.Log)
	}
	c, err := tx.convRow(conv)
	if err != nil {
		return 0, 0, err
	}
	holder, err := tx.peerRow(by)
	if err != nil {
		return 0, 0, err
	}
	author, err := tx.peerRow(k.Author)
	if err != nil {
		return 0, 0, err
	}
	var id []byte
	err = tx.row(`SELECT seq, id FROM mark WHERE conv = ? AND holder = ? AND what = ? AND author = ? AND log = ?`,
		[]any{c, holder, what, author, k.Log[:]}, &before, &id)
	if errors.Is(err, ErrNotFound) {
		var n int
		err = tx.row(`SELECT count(*) FROM mark WHERE conv = ? AND holder = ? AND what = ? AND author = ?`,
			[]any{c, holder, what, author}, &n)
		if n >= event.MaxLogs {
			return 0, 0, nil
		}
	}
	if err != nil {
		return 0, 0, err
	}
	seq := int64(h.Seq)
	old, known := idOut(id)
	if known && (seq < before || seq == before && old.Compare(h.ID) <= 0) {
		return before, before, nil
	}
	_, err = tx.exec(`INSERT INTO mark (conv, holder, what, author, log, seq, id) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET seq = excluded.seq, id = excluded.id`,
		c, holder, what, author, k.Log[:], seq, h.ID[:])
	return before, seq, err
}

// SetMention notes that a message names us.
func (tx *Tx) SetMention(id event.ID) error {
	defer tx.putOff()()
	_, err := tx.exec(`UPDATE event SET mention = 1 WHERE id = ?`, id[:])
	return err
}

// Unread gives, for each log of others in which something is unread, the last of
// its messages that stands no later than message id in the order of display.
// Error: ErrNotFound if there is no such message.
func (r *Reader) Unread(conv event.Conversation, id event.ID) (event.Frontier, error) {
	e, err := r.EventByID(id)
	if err != nil {
		return nil, err
	}
	f := event.Frontier{}
	err = r.rows(`SELECT p.id, l.log, e.seq, e.id FROM log l CROSS JOIN peer p ON p.n = l.author
		CROSS JOIN event e ON e.n = (SELECT x.n FROM event x WHERE x.log = l.n AND x.seq > l.seen AND x.verdict IN (0, 2, 4)
			AND (x.time, p.id, l.log, x.seq, x.id) <= (?, ?, ?, ?, ?) ORDER BY x.seq DESC, x.id LIMIT 1)
		WHERE l.conv = (SELECT n FROM conversation WHERE id = ?) AND l.unread > 0 AND l.author IS NOT (SELECT peer FROM account)`,
		[]any{clockIn(e.Time), []byte(e.Author), e.Log[:], int64(e.Seq), e.ID[:], conv[:]}, func(scan func(...any) error) (bool, error) {
			k, h, err := scanHead(scan)
			f[k] = h
			return true, err
		})
	return f, err
}

// Unread gives, for each log of others in which something is unread, the last of
// its messages that stands no later than message id in the order of display.
// Error: ErrNotFound if there is no such message.
func (s *Store) Unread(ctx context.Context, conv event.Conversation, id event.ID) (event.Frontier, error) {
	return read(ctx, s, "read what is unread", func(r *Reader) (event.Frontier, error) { return r.Unread(conv, id) })
}
