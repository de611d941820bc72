package rooms

import (
	"context"
	"slices"

	"p2pchat/protocol/event"
)

// Whoever passes a message on can leave its body out, as if its author had taken
// it back. What is held so, and was not taken back, is wanting: sync asks for it
// until somebody gives it, and a body that comes otherwise is taken.

// maxBodiless is how many such messages are known of and asked for, the first by
// ID. Others follow once these are whole.
const maxBodiless = 256

// lacks tells whether e brings what its message is held without.
func (r *Room) lacks(e *event.Event) bool {
	if len(r.bodiless) == 0 || e.Body == nil {
		return false
	}
	_, ok := slices.BinarySearchFunc(r.bodiless, e.ID, event.ID.Compare)
	return ok
}

// noteBodies looks which messages lack their body after b was committed, if that
// can have changed.
func (r *Room) noteBodies(ctx context.Context, in *intake, b Batch) {
	some := len(r.bodiless) > 0
	changed := some && len(b.Dropped) > 0
	for _, e := range b.Messages {
		bare := e.Kind.Amendable() && !e.HasBody()
		changed = changed || bare || r.lacks(e) || some && e.Kind == event.KindRetract
	}
	for id := range b.Verdicts {
		changed = changed || in.fresh[id] == nil // a retraction may count no more
	}
	if !changed {
		return
	}
	if err := r.readBodiless(ctx); err != nil {
		r.log.Warn("look for messages without a body", "err", err)
	}
}

func (r *Room) readBodiless(ctx context.Context) (err error) {
	r.bodiless, err = r.svc.cfg.Store.Bodiless(ctx, r.id, maxBodiless)
	return err
}

// Bodies gives the messages among ids that are held with a body which could be
// missing, in the order of ids.
func (r *Room) Bodies(ctx context.Context, ids []event.ID) ([]*event.Event, error) {
	var out []*event.Event
	for len(ids) > 0 {
		events, err := r.svc.cfg.Store.EventsByID(ctx, ids, maxBatch)
		if err != nil || len(events) == 0 {
			return out, err
		}
		for _, e := range events {
			if e.Conversation == r.id && e.Lane == event.LaneMessage && e.Kind.Amendable() && e.Body != nil {
				out = append(out, e)
			}
		}
		ids = ids[1+slices.Index(ids, events[len(events)-1].ID):]
	}
	return out, nil
}
