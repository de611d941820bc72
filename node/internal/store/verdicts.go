package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// Verdict is what a room's rules say of one of its messages. The numbers stand
// in the file; the first five are those of room.Status.
type Verdict uint8

// The verdicts.
const (
	VerdictNone      Verdict = 0 // no rules apply: a conversation of two people
	VerdictWaiting   Verdict = 1
	VerdictVisible   Verdict = 2
	VerdictHidden    Verdict = 3
	VerdictRetracted Verdict = 4
	// VerdictRefused is for what is no message of the room and only keeps its
	// place, so that the log goes on.
	VerdictRefused Verdict = 5
)

// listed tells whether a message is to be seen: verdict IN (0, 2, 4).
func (v Verdict) listed() bool {
	return v == VerdictNone || v == VerdictVisible || v == VerdictRetracted
}

// counts tells whether a message may be unread: verdict IN (0, 2) AND quiet = 0.
func (v Verdict) counts(quiet bool) bool {
	return !quiet && (v == VerdictNone || v == VerdictVisible)
}

func (v Verdict) check() error {
	if v < VerdictWaiting || v > VerdictRefused {
		return fmt.Errorf("%d is no verdict on a message of a room", v)
	}
	return nil
}

// InsertRoom stores a verified message of a room and tells whether it is new.
// It differs from Insert in that the room's rules decide what stays: nothing is
// evicted, however many claim one place, and what lies below the log's low is
// stored. A quiet message (a join, say) is never unread nor the conversation's
// latest.
//
// Errors: ErrTooManyLogs; a seq beyond 2^63-1 or another lane is refused.
func (tx *Tx) InsertRoom(e *event.Event, received time.Time, v Verdict, quiet bool) (bool, error) {
	if err := checkMessage(e); err != nil {
		return false, err
	}
	if err := v.check(); err != nil {
		return false, err
	}
	defer tx.putOff()()
	l, err := tx.log(e.Conversation, e.Key())
	if err != nil {
		return false, err
	}
	if e, err = tx.arriving(e); err != nil {
		return false, err
	}
	above := int64(e.Seq) > l.top
	fresh, err := tx.put(l, e, received, v, quiet)
	switch {
	case err != nil:
	case above && fresh:
		tx.news.added = append(tx.news.added, e)
	default:
		tx.news.spoilt = append(tx.news.spoilt, place{e.Conversation, e.Key(), e.Seq})
		if fresh {
			err = tx.breakLineOf(l, int64(e.Seq))
		} else {
			_, err = tx.known(e)
		}
	}
	return fresh && err == nil, err
}

// InsertControl stores a verified event of a room's control lane and tells
// whether it is new. The genesis, whose ID is the room's, names no conversation
// itself. What it cites comes first.
func (tx *Tx) InsertControl(room event.Conversation, e *event.Event, received time.Time) (bool, error) {
	if e.Lane != event.LaneControl {
		return false, fmt.Errorf("event %s is not of the control lane", e.ID)
	}
	if genesis := e.Conversation == (event.Conversation{}) && event.Conversation(e.ID) == room; e.Conversation != room && !genesis {
		return false, fmt.Errorf("event %s is not of room %s", e.ID, room)
	}
	if known, err := tx.known(e); err != nil || known {
		return false, err
	}
	c, err := tx.convRow(room)
	if err != nil {
		return false, err
	}
	a, err := tx.peerRow(e.Author)
	if err != nil {
		return false, err
	}
	_, err = tx.exec(`INSERT INTO event (id, conv, author, lane, time, kind, received, header, signature, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.ID[:], c, a, int(e.Lane), clockIn(e.Time), int64(e.Kind), received.UnixMilli(), e.Raw, e.Signature, blob(e.Body))
	tx.bytes += e.Size()
	return err == nil, err
}

// known tells whether e is here. If it is without its body it takes that of e.
func (tx *Tx) known(e *event.Event) (bool, error) {
	var n int64
	var body bool
	err := tx.row(`SELECT n, body IS NOT NULL FROM event WHERE id = ?`, []any{e.ID[:]}, &n, &body)
	if errors.Is(err, ErrNotFound) || err == nil && twice {
		return false, nil
	}
	if err == nil && !body && e.Body != nil {
		err = tx.embody(n, e)
	}
	return true, err
}

// heldMessage is what changes with a message that is in the database.
type heldMessage struct {
	n, seq  int64
	verdict Verdict
	quiet   bool
	kind    event.Kind
	target  *event.ID // of what it is about, nil if of nothing
	conv    event.Conversation
	log     event.LogKey
}

func (tx *Tx) heldMessage(id event.ID) (heldMessage, error) {
	var m heldMessage
	var conv, author, log, target []byte
	err := tx.row(`SELECT e.n, e.seq, e.verdict, e.quiet, e.kind, e.target, c.id, p.id, l.log
		FROM event e JOIN log l ON l.n = e.log JOIN conversation c ON c.n = e.conv JOIN peer p ON p.n = e.author WHERE e.id = ?`,
		[]any{id[:]}, &m.n, &m.seq, &m.verdict, &m.quiet, &m.kind, &target, &conv, &author, &log)
	m.target = idOrNil(target)
	copy(m.conv[:], conv)
	m.log.Author = peer.ID(author)
	copy(m.log.Log[:], log)
	return m, err
}

// SetVerdict changes what the rules say of a message of a room that is held;
// what is unread follows. Error: ErrNotFound.
func (tx *Tx) SetVerdict(id event.ID, v Verdict) error {
	if err := v.check(); err != nil {
		return err
	}
	m, err := tx.heldMessage(id)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("message %s: %w", id, err)
	}
	if err != nil || m.verdict == v {
		return err
	}
	if m.verdict == VerdictNone {
		return fmt.Errorf("message %s is not of a room", id)
	}
	if _, err := tx.exec(`UPDATE event SET verdict = ? WHERE n = ?`, int(v), m.n); err != nil {
		return err
	}
	if m.target != nil {
		if err := tx.amends(m.n, m.kind, *m.target, v); err != nil {
			return err
		}
	}
	l, err := tx.logRow(m.conv, m.log)
	if err == nil {
		err = tx.breakLine(l.n, m.seq)
	}
	if err != nil {
		return err
	}
	if was, is := m.verdict.counts(m.quiet), v.counts(m.quiet); was != is && m.seq > l.seen {
		if is {
			l.unread++
		} else {
			l.unread--
		}
		return tx.saveLog(&l)
	}
	return nil
}

// DropEvent removes a message of a room that others with its place and lower
// IDs have superseded. Log, unread and summary follow; a log with nothing left
// at that place has a gap. It does nothing if there is no such message.
func (tx *Tx) DropEvent(id event.ID) error {
	m, err := tx.heldMessage(id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := tx.deleteEvent(m.n); err != nil {
		return err
	}
	l, err := tx.logRow(m.conv, m.log)
	if err == nil {
		err = tx.breakLine(l.n, m.seq)
	}
	if err != nil {
		return err
	}
	if m.seq > l.seen && m.verdict.counts(m.quiet) {
		l.unread--
	}
	if err := tx.withdraw(&l, m.seq); err != nil {
		return err
	}
	if err := tx.saveLog(&l); err != nil {
		return err
	}
	tx.headMoved(m.conv, m.log, &l)
	tx.news.spoilt = append(tx.news.spoilt, place{m.conv, m.log, uint64(m.seq)})
	return nil
}

// withdraw moves head and top of l to where they are without an event at seq
// that was deleted.
func (tx *Tx) withdraw(l *logRow, seq int64) error {
	if seq == l.top {
		if err := tx.row(`SELECT ifnull(max(seq), 0) FROM event WHERE log = ?`, []any{l.n}, &l.top); err != nil {
			return err
		}
	}
	if seq > l.head || seq < l.low-1 {
		return nil
	}
	left, err := tx.idAt(l, seq)
	switch {
	case err != nil:
		return err
	case left == nil && seq >= l.low:
		// Nothing else is at its place: what follows waits again.
		l.head = seq - 1
		l.headID, err = tx.idAt(l, l.head)
		return err
	case seq == l.head:
		l.headID = left
	}
	return nil
}
