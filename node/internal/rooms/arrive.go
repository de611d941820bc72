package rooms

import (
	"context"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// arrival is a number of events that came from elsewhere.
type arrival struct {
	from   peer.ID
	events []*event.Event
	size   int
	done   chan taken // 1: the one result; nil for what gossip brought
	stands bool       // a member says so of what others said below our low marks
}

// taken is what became of an arrival.
type taken struct {
	fresh int // events that are kept and were not here
	err   error
}

func newArrival(from peer.ID, events []*event.Event, done chan taken) arrival {
	a := arrival{from: from, events: events, done: done}
	for _, e := range events {
		a.size += e.Size()
	}
	return a
}

// arrive queues what gossip brought, unless too much is waiting: sync repairs.
func (r *Room) arrive(a arrival) {
	r.queue.Lock()
	full := r.queue.bytes+a.size > maxQueue
	if !full {
		r.queue.arrivals = append(r.queue.arrivals, a)
		r.queue.bytes += a.size
	}
	r.queue.Unlock()
	if full {
		r.svc.cfg.Sync.Kick(r.id, a.from)
		return
	}
	r.signal()
}

// Ingest verifies, judges and commits events that from handed over, and returns
// when they are on disk, with the number of those that were not here and are kept.
// An error that wraps [ErrRefused] is from's fault.
func (r *Room) Ingest(ctx context.Context, from peer.ID, events []*event.Event) (fresh int, err error) {
	return r.take(ctx, newArrival(from, events, make(chan taken, 1)))
}

func (r *Room) take(ctx context.Context, a arrival) (fresh int, err error) {
	if err := r.check(a.events); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	r.queue.Lock()
	r.queue.arrivals = append(r.queue.arrivals, a)
	r.queue.bytes += a.size
	r.queue.Unlock()
	r.signal()
	select {
	case t := <-a.done:
		return t.fresh, t.err
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-r.ended:
		return 0, ErrClosed
	}
}

// check refuses what no honest peer passes on: events of another conversation,
// false signatures, malformed bodies.
func (r *Room) check(events []*event.Event) error {
	for _, e := range events {
		if err := check(r.id, e); err != nil {
			return err
		}
	}
	return event.VerifyRange(events)
}

// check refuses an event that is none of the room's, or malformed; the signature
// is not looked at.
func check(id event.Conversation, e *event.Event) error {
	if e.Conversation != id && event.Conversation(e.ID) != id {
		return fmt.Errorf("event %s is of another conversation", e.ID)
	}
	if err := room.CheckBody(e); err != nil {
		return fmt.Errorf("event %s: %w", e.ID, err)
	}
	return nil
}
