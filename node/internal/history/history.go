// Package history owns what enters the committed history: it signs our own
// events into our log, and verifies and commits those of others. What enters a
// room was judged by its rules before (room.go).
//
// Our log of a conversation is made on first use. An event of it that arrives
// from elsewhere and that we lack means that another copy of this account went
// on from an older state (a restored snapshot): the log is retired at once and
// the next event of ours starts a new one.
//
// The package has no goroutines and no state of its own; the store's writer
// serializes it.
package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

// ErrInvalid marks events that only a faulty or hostile peer sends.
var ErrInvalid = errors.New("invalid events")

// Tx is the store within one atomic change.
type Tx interface {
	Clock() (event.Time, error)
	SetClock(event.Time) error
	// OwnLog is the log our events of conv go to; SetOwnLog retires the one
	// before.
	OwnLog(event.Conversation) (event.LogID, bool, error)
	SetOwnLog(event.Conversation, event.LogID) error
	Frontier(event.Conversation) (event.Frontier, error)
	HasEvent(event.ID) (bool, error)
	// Insert keeps an event; false says it was held already.
	Insert(*event.Event, time.Time) (bool, error)
	// InsertRoom keeps a message of a room with what the rules say of it,
	// InsertControl an event of its control lane; false says it was held
	// already. A quiet message is never unread.
	InsertRoom(e *event.Event, at time.Time, verdict uint8, quiet bool) (bool, error)
	InsertControl(room event.Conversation, e *event.Event, at time.Time) (bool, error)
	// Spoken tells of a text stored in this change whether an edit, a retraction or
	// a reaction that is about it came before it, or it itself without its body.
	Spoken(id event.ID) bool
	// SetVerdict changes the verdict on a message held, DropEvent removes one.
	SetVerdict(id event.ID, verdict uint8) error
	DropEvent(id event.ID) error
	// RegisterRoom has the room listed among the conversations.
	RegisterRoom(event.Conversation) error
	RoomTx
	// OnCommit runs f, in the order of commits, once everything is on disk.
	OnCommit(f func())
}

// RoomTx keeps what belongs to a room beside its events.
type RoomTx interface {
	// PutRoom keeps whether we are in the room, and our nick there.
	PutRoom(room event.Conversation, joined bool, nick string) error
	// PutEpoch keeps the key of the epoch that event id announces.
	PutEpoch(room event.Conversation, id event.ID, key [32]byte) error
}

// Store commits changes, each as a whole or not at all.
type Store interface {
	Update(ctx context.Context, f func(Tx) error) error
}

// Config configures a [Ledger]. All fields but Now are needed.
type Config struct {
	Store Store
	Key   identity.Key
	Rand  io.Reader // for log IDs
	// Now tells the time of day; nil: time.Now.
	Now func() time.Time
	// Stored is told of every event that entered the history, in the order of
	// commits, and of the moment it did. spoken: something that is about it came
	// before it, so that it is not to be shown as it is.
	Stored func(e *event.Event, at time.Time, spoken bool)
}

// Ledger is the way into the history.
type Ledger struct {
	cfg  Config
	self peer.ID
}

// New makes a ledger.
func New(cfg Config) *Ledger {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Ledger{cfg: cfg, self: cfg.Key.ID()}
}

// Append signs a body as the next event of our log and commits it.
func (l *Ledger) Append(ctx context.Context, conv event.Conversation, kind event.Kind, body []byte) (*event.Event, error) {
	var e *event.Event
	err := l.cfg.Store.Update(ctx, func(tx Tx) error {
		now := l.cfg.Now()
		clock, err := tx.Clock()
		if err != nil {
			return err
		}
		h := event.Header{Conversation: conv, Lane: event.LaneMessage, Kind: kind, Time: clock.Next(now)}
		if err := l.place(tx, &h); err != nil {
			return err
		}
		if e, err = event.Sign(l.cfg.Key, h, body); err != nil {
			return err
		}
		if _, err := tx.Insert(e, now); err != nil {
			return err
		}
		if err := tx.SetClock(h.Time); err != nil {
			return err
		}
		tx.OnCommit(func() { l.cfg.Stored(e, now, false) })
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("commit message: %w", err)
	}
	return e, nil
}

// place fills in log, seq, prev and heads: the latest events seen of the other
// logs. They are advisory, so a conversation with more logs than fit names any
// of them.
func (l *Ledger) place(tx Tx, h *event.Header) error {
	h.Author = l.self
	var err error
	if h.Log, err = l.ownLog(tx, h.Conversation); err != nil {
		return err
	}
	f, err := tx.Frontier(h.Conversation)
	if err != nil {
		return err
	}
	head := f[h.Key()]
	h.Seq, h.Prev = head.Seq+1, head.ID
	delete(f, h.Key())
	h.Heads = f.IDs(event.MaxHeads)
	return nil
}

// ownLog is the log our events of conv go to, made if there is none.
func (l *Ledger) ownLog(tx Tx, conv event.Conversation) (event.LogID, error) {
	log, ok, err := tx.OwnLog(conv)
	if err != nil || ok {
		return log, err
	}
	return l.newLog(tx, conv)
}

func (l *Ledger) newLog(tx Tx, conv event.Conversation) (event.LogID, error) {
	var log event.LogID
	for log == (event.LogID{}) {
		if _, err := io.ReadFull(l.cfg.Rand, log[:]); err != nil {
			return event.LogID{}, fmt.Errorf("make a log ID: %w", err)
		}
	}
	return log, tx.SetOwnLog(conv, log)
}

// Ingest verifies and commits events of conv that arrived from elsewhere, all
// or none. Those already held are passed over. An error that wraps ErrInvalid
// is the sender's fault.
func (l *Ledger) Ingest(ctx context.Context, conv event.Conversation, events []*event.Event) error {
	if err := event.VerifyRange(events); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for _, e := range events {
		if e.Conversation != conv {
			return fmt.Errorf("%w: event %s is of another conversation", ErrInvalid, e.ID)
		}
		if err := e.CheckBody(); err != nil {
			return fmt.Errorf("%w: event %s: %w", ErrInvalid, e.ID, err)
		}
	}
	err := l.cfg.Store.Update(ctx, func(tx Tx) error {
		now := l.cfg.Now()
		clock, err := tx.Clock()
		if err != nil {
			return err
		}
		merged := clock
		for _, e := range events {
			fresh, err := l.insert(tx, e, now)
			if err != nil {
				return err
			}
			if fresh {
				merged = l.merge(merged, e, now)
			}
		}
		if merged == clock {
			return nil
		}
		return tx.SetClock(merged)
	})
	if err != nil {
		return fmt.Errorf("commit events: %w", err)
	}
	return nil
}

func (l *Ledger) insert(tx Tx, e *event.Event, now time.Time) (bool, error) {
	if e.Author == l.self {
		if err := l.retire(tx, e); err != nil {
			return false, err
		}
	}
	fresh, err := tx.Insert(e, now)
	if err != nil || !fresh {
		return false, err
	}
	spoken := tx.Spoken(e.ID)
	tx.OnCommit(func() { l.cfg.Stored(e, now, spoken) })
	return true, nil
}

// retire gives up our log if e is an event of it that we do not hold.
func (l *Ledger) retire(tx Tx, e *event.Event) error {
	log, ok, err := tx.OwnLog(e.Conversation)
	if err != nil || !ok || log != e.Log {
		return err
	}
	held, err := tx.HasEvent(e.ID)
	if err != nil || held {
		return err
	}
	_, err = l.newLog(tx, e.Conversation)
	return err
}

// Retire gives up log, if it is the one our events of conv go to: somebody
// holds an event of it that we lack.
func (l *Ledger) Retire(ctx context.Context, conv event.Conversation, log event.LogID) error {
	err := l.cfg.Store.Update(ctx, func(tx Tx) error {
		own, ok, err := tx.OwnLog(conv)
		if err != nil || !ok || own != log {
			return err
		}
		_, err = l.newLog(tx, conv)
		return err
	})
	if err != nil {
		return fmt.Errorf("retire our log: %w", err)
	}
	return nil
}

// merge is our clock after e. What we said ourselves, in a log that was lost or on
// another machine, is believed whatever its date: what we say next has to come after
// it, or a join would not count beside a leave that was dated ahead.
func (l *Ledger) merge(clock event.Time, e *event.Event, now time.Time) event.Time {
	if e.Author == l.self {
		return max(clock, e.Time)
	}
	return clock.Merge(e.Time, now)
}
