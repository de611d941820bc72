package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// ConvKind tells what a conversation is. The numbers stand in the file.
type ConvKind int

// The kinds.
const (
	KindDirect ConvKind = 1 // of two people
	KindRoom   ConvKind = 2
)

// ConvSummary is what a list of conversations shows.
type ConvSummary struct {
	Conv   event.Conversation
	Kind   ConvKind
	Other  peer.ID    // of two people: the other one
	Last   event.Time // latest of its messages by their authors' clocks; 0: none yet
	Unread int        // messages of others beyond our read marker; in a room not of those who are blocked
	// Mentions are those of them that name us.
	Mentions int
}

// PutConversation registers conv, so that it is listed. Doing so again changes
// nothing.
func (tx *Tx) PutConversation(conv event.Conversation, kind ConvKind, other peer.ID) error {
	c, err := tx.convRow(conv)
	if err != nil {
		return err
	}
	var p any
	if kind == KindDirect {
		if p, err = tx.peerRow(other); err != nil {
			return err
		}
	}
	res, err := tx.exec(`UPDATE conversation SET kind = ?, other = ? WHERE n = ? AND kind = 0`, int(kind), p, c)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	// Only now is it known whose receipts count for what came before.
	_, err = tx.exec(`UPDATE log SET acked = ifnull((SELECT m.seq FROM mark m WHERE m.conv = log.conv AND m.holder = ? AND m.what = ?
		AND m.author = log.author AND m.log = log.log), 0) WHERE conv = ?`, p, markCommitted, c)
	return err
}

// latestTime is the SQL for the time of the latest message of conversation c that is
// not quiet. If the newest 1024 all are, that of the last of them has to do.
const latestTime = `ifnull((SELECT time FROM (SELECT e.time, e.quiet FROM event e WHERE e.conv = c.n AND e.lane = 1 AND e.verdict IN (0, 2, 4)
		ORDER BY e.time DESC LIMIT 1024) WHERE quiet = 0 LIMIT 1),
	(SELECT e.time FROM event e WHERE e.conv = c.n AND e.lane = 1 AND e.verdict IN (0, 2, 4) ORDER BY e.time DESC LIMIT 1 OFFSET 1023))`

const summaryQuery = `SELECT c.id, c.kind, p.id, ` + latestTime + ` AS last,
	(SELECT total(l.unread) FROM log l WHERE l.conv = c.n AND l.author IS NOT (SELECT peer FROM account)
		AND NOT (c.kind = 2 AND EXISTS (SELECT 1 FROM contact b WHERE b.peer = l.author AND b.blocked <> 0))),
	(SELECT count(*) FROM log l CROSS JOIN event e ON e.log = l.n AND e.seq > l.seen AND e.mention = 1 AND e.verdict IN (0, 2) AND e.quiet = 0
		WHERE l.conv = c.n AND l.unread > 0 AND l.author IS NOT (SELECT peer FROM account)
		AND NOT (c.kind = 2 AND EXISTS (SELECT 1 FROM contact b WHERE b.peer = l.author AND b.blocked <> 0)))
	FROM conversation c LEFT JOIN peer p ON p.n = c.other WHERE c.kind <> 0`

func scanSummary(scan func(...any) error) (ConvSummary, error) {
	var s ConvSummary
	var id, other []byte
	var last sql.NullInt64
	var unread float64 // total gives no null, and a real
	if err := scan(&id, &s.Kind, &other, &last, &unread, &s.Mentions); err != nil {
		return s, err
	}
	copy(s.Conv[:], id)
	if last.Valid {
		s.Last = clockOut(last.Int64)
	}
	s.Other, s.Unread = peer.ID(other), int(unread)
	return s, nil
}

// Conversations lists those registered, the latest message first.
func (r *Reader) Conversations() ([]ConvSummary, error) {
	var out []ConvSummary
	err := r.rows(summaryQuery+` ORDER BY last DESC, c.id`, nil, func(scan func(...any) error) (bool, error) {
		s, err := scanSummary(scan)
		out = append(out, s)
		return true, err
	})
	return out, err
}

// Conversations lists those registered, the latest message first.
func (s *Store) Conversations(ctx context.Context) ([]ConvSummary, error) {
	return read(ctx, s, "list conversations", (*Reader).Conversations)
}

// Conversation gives one that is registered. Error: ErrNotFound.
func (r *Reader) Conversation(conv event.Conversation) (ConvSummary, error) {
	var out ConvSummary
	found := false
	err := r.rows(summaryQuery+` AND c.id = ?`, []any{conv[:]}, func(scan func(...any) error) (bool, error) {
		var err error
		out, err = scanSummary(scan)
		found = err == nil
		return true, err
	})
	if err == nil && !found {
		err = fmt.Errorf("conversation %s: %w", conv, ErrNotFound)
	}
	return out, err
}

// Conversation gives one that is registered. Error: ErrNotFound.
func (s *Store) Conversation(ctx context.Context, conv event.Conversation) (ConvSummary, error) {
	return read(ctx, s, "read a conversation", func(r *Reader) (ConvSummary, error) { return r.Conversation(conv) })
}

// QueuedCount is how many events of our own no receipt of the other person
// covers yet, over all conversations of two.
func (r *Reader) QueuedCount() (int, error) {
	var n sql.NullInt64
	err := r.row(`SELECT sum((SELECT count(*) FROM event e WHERE e.log = l.n AND e.seq > l.acked))
		FROM log l JOIN conversation c ON c.n = l.conv
		WHERE l.author = (SELECT peer FROM account) AND l.top > l.acked AND c.kind = 1`, nil, &n)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	return int(n.Int64), err
}

// QueuedCount is how many events of our own no receipt of the other person
// covers yet, over all conversations of two.
func (s *Store) QueuedCount(ctx context.Context) (int, error) {
	return read(ctx, s, "count what is queued", (*Reader).QueuedCount)
}

// QueuedIn is how many messages of our own in a room no receipt of anybody
// covers yet, quiet ones left aside.
func (r *Reader) QueuedIn(room event.Conversation) (int, error) {
	var n int
	err := r.row(`SELECT count(*) FROM log l CROSS JOIN event e ON e.log = l.n AND e.verdict IN (0, 2, 4) AND e.quiet = 0
			AND e.seq > ifnull((SELECT max(m.seq) FROM mark m
				WHERE m.conv = l.conv AND m.what = ? AND m.author = l.author AND m.log = l.log AND m.holder <> l.author), 0)
		WHERE l.conv = (SELECT n FROM conversation WHERE id = ?) AND l.author = (SELECT peer FROM account)`,
		[]any{markCommitted, room[:]}, &n)
	return n, err
}

// QueuedIn is how many messages of our own in a room no receipt of anybody
// covers yet, quiet ones left aside.
func (s *Store) QueuedIn(ctx context.Context, room event.Conversation) (int, error) {
	return read(ctx, s, "count what is queued", func(r *Reader) (int, error) { return r.QueuedIn(room) })
}
