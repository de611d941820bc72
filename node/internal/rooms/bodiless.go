package rooms

import (
	"context"
	"slices"

	"p2pchat/protocol/event"
)

// Whoever passes a message on can leave its body out, as if its author had taken
// it back. What is held so, and was not taken back, is wanting: sync asks for it
// until somebody gives it, and a body that comes otherwise is taken.

// lacks tells whether e brings what its message is held without.
func (r *Room) lacks(e *event.Event) bool {
	if !r.bare || e.Body == nil || !e.Kind.Amendable() {
		return false
	}
	lacks, err := r.svc.cfg.Store.LacksBody(r.svc.ctx, e.ID)
	return lacks || err != nil // an error comes again at the commit
}

// noteBodies notes whether b, which was committed, can have brought messages that
// lack their body.
func (r *Room) noteBodies(in *intake, b Batch) {
	for _, e := range b.Messages {
		r.bare = r.bare || e.Kind.Amendable() && !e.HasBody()
	}
	for id := range b.Verdicts {
		r.bare = r.bare || in.fresh[id] == nil // a retraction may count no more
	}
}

// Bodiless lists, ascending, messages beyond after that are held without their body
// though nothing took it back, at most limit.
func (r *Room) Bodiless(ctx context.Context, after event.ID, limit int) (out []event.ID, err error) {
	ended := r.do(ctx, func() {
		if !r.bare {
			return
		}
		out, err = r.svc.cfg.Store.Bodiless(ctx, r.id, after, limit)
		if after == (event.ID{}) {
			r.bare = len(out) > 0 || err != nil
		}
	})
	if ended != nil {
		return nil, ended
	}
	return out, err
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
