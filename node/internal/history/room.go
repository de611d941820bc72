package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// Draft is an event of ours to be signed, as the room's rules drafted it.
type Draft struct {
	Lane event.Lane
	Kind event.Kind
	// Ctl is what the event cites. A chained one cites instead the control event
	// made of the draft before it, which cites the rest.
	Ctl     []event.ID
	Chained bool
	Body    []byte
	Counts  bool // as unread on another installation of ours: something was said
}

// RoomBatch is what a room's rules decided of events that came from elsewhere.
type RoomBatch struct {
	Control  []*event.Event // each after those it cites
	Messages []*event.Event
	// Verdicts holds the status of each of Messages, and of messages held before
	// whose status changed. The numbers are those of room.Status.
	Verdicts map[event.ID]uint8
	Dropped  []event.ID // superseded, held before or not
	// Quiet tells the kinds of messages that are never unread; nil: none is.
	Quiet func(event.Kind) bool
}

// Committed is what came of a RoomBatch.
type Committed struct {
	At     time.Time
	Spoken map[event.ID]bool // see Tx
}

// OwnLog is the log our events of the room go to, made if there is none. The
// rules are asked about it before anything is drafted.
func (l *Ledger) OwnLog(ctx context.Context, room event.Conversation) (event.LogKey, error) {
	k := event.LogKey{Author: l.self}
	err := l.cfg.Store.Update(ctx, func(tx Tx) (err error) {
		k.Log, err = l.ownLog(tx, room)
		return err
	})
	if err != nil {
		return event.LogKey{}, fmt.Errorf("our log of room %s: %w", room, err)
	}
	return k, nil
}

// Found signs the genesis of a room and commits it, registers the room, whose ID
// is the genesis', and has also keep what belongs to it: all or nothing.
func (l *Ledger) Found(ctx context.Context, kind event.Kind, body []byte, also func(RoomTx, *event.Event) error) (*event.Event, error) {
	var e *event.Event
	err := l.cfg.Store.Update(ctx, func(tx Tx) error {
		now := l.cfg.Now()
		clock, err := tx.Clock()
		if err != nil {
			return err
		}
		h := event.Header{Lane: event.LaneControl, Kind: kind, Time: clock.Next(now)}
		if e, err = event.Sign(l.cfg.Key, h, body); err != nil {
			return err
		}
		id := event.Conversation(e.ID)
		if err := tx.RegisterRoom(id); err != nil {
			return err
		}
		if _, err := tx.InsertControl(id, e, now); err != nil {
			return err
		}
		if also != nil {
			if err := also(tx, e); err != nil {
				return err
			}
		}
		return tx.SetClock(h.Time)
	})
	if err != nil {
		return nil, fmt.Errorf("commit a new room: %w", err)
	}
	return e, nil
}

// AppendRoom signs drafts as our next events of the room and commits them, all
// or none: those of the message lane in our log, visible. It does not call
// Stored: the room tells its faces.
func (l *Ledger) AppendRoom(ctx context.Context, id event.Conversation, drafts ...Draft) ([]*event.Event, error) {
	var out []*event.Event
	err := l.cfg.Store.Update(ctx, func(tx Tx) error {
		now := l.cfg.Now()
		clock, err := tx.Clock()
		if err != nil {
			return err
		}
		var before *event.Event
		for _, d := range drafts {
			clock = clock.Next(now)
			h := event.Header{Conversation: id, Lane: d.Lane, Kind: d.Kind, Ctl: d.Ctl, Time: clock}
			if d.Chained {
				if before == nil || before.Lane != event.LaneControl {
					return errors.New("a chained draft needs a control event before it")
				}
				h.Ctl = []event.ID{before.ID}
			}
			if before, err = l.append(tx, h, d, now); err != nil {
				return err
			}
			out = append(out, before)
		}
		return tx.SetClock(clock)
	})
	if err != nil {
		return nil, fmt.Errorf("commit to room %s: %w", id, err)
	}
	return out, nil
}

func (l *Ledger) append(tx Tx, h event.Header, d Draft, now time.Time) (*event.Event, error) {
	if h.Lane == event.LaneMessage {
		if err := l.place(tx, &h); err != nil {
			return nil, err
		}
	}
	e, err := event.Sign(l.cfg.Key, h, d.Body)
	if err != nil {
		return nil, err
	}
	if h.Lane == event.LaneMessage {
		_, err = tx.InsertRoom(e, now, uint8(room.Visible), !d.Counts)
	} else {
		_, err = tx.InsertControl(h.Conversation, e, now)
	}
	return e, err
}

// CommitRoom commits what the rules decided, all or none. The caller has verified the events' signatures and checked their
// bodies. Our log is retired if an event of it that we lack is among them.
// Stored is not called: the room tells its faces.
func (l *Ledger) CommitRoom(ctx context.Context, id event.Conversation, b RoomBatch) (Committed, error) {
	var at time.Time
	spoken := map[event.ID]bool{}
	err := l.cfg.Store.Update(ctx, func(tx Tx) error {
		at = l.cfg.Now()
		clock, err := tx.Clock()
		if err != nil {
			return err
		}
		merged := clock
		for _, e := range b.Control {
			fresh, err := tx.InsertControl(id, e, at)
			if err != nil {
				return err
			}
			if fresh {
				merged = l.merge(merged, e, at)
			}
		}
		settled, err := l.commitMessages(tx, id, b, at, &merged)
		if err != nil {
			return err
		}
		for _, e := range b.Messages {
			if tx.Spoken(e.ID) {
				spoken[e.ID] = true
			}
		}
		for v, status := range b.Verdicts {
			if settled[v] {
				continue
			}
			if err := tx.SetVerdict(v, status); err != nil {
				return err
			}
		}
		for _, d := range b.Dropped {
			if err := tx.DropEvent(d); err != nil {
				return err
			}
		}
		if merged == clock {
			return nil
		}
		return tx.SetClock(merged)
	})
	if err != nil {
		return Committed{}, fmt.Errorf("commit events of room %s: %w", id, err)
	}
	return Committed{at, spoken}, nil
}

// commitMessages inserts the batch's messages, but for those that it drops, and
// returns which need nothing done to their verdict any more.
func (l *Ledger) commitMessages(tx Tx, id event.Conversation, b RoomBatch, at time.Time, clock *event.Time) (map[event.ID]bool, error) {
	settled := make(map[event.ID]bool, len(b.Messages)+len(b.Dropped))
	for _, d := range b.Dropped {
		settled[d] = true
	}
	for _, e := range b.Messages {
		if settled[e.ID] {
			continue
		}
		if e.Conversation != id {
			return nil, fmt.Errorf("event %s is of another conversation", e.ID)
		}
		if e.Author == l.self {
			if err := l.retire(tx, e); err != nil {
				return nil, err
			}
		}
		fresh, err := tx.InsertRoom(e, at, b.Verdicts[e.ID], b.Quiet != nil && b.Quiet(e.Kind))
		if err != nil {
			return nil, err
		}
		if fresh {
			settled[e.ID] = true
			*clock = l.merge(*clock, e, at)
		}
	}
	return settled, nil
}
