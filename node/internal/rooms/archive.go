package rooms

import (
	"context"

	"p2pchat/protocol/event"
)

// archive gives a room's rules back what they gave up.
type archive struct {
	ctx   context.Context // without end: the store has one
	store Store
	room  event.Conversation
}

func (a archive) Line(k event.LogKey, from, to uint64) ([]*event.Event, error) {
	return a.store.Line(a.ctx, a.room, event.Range{LogKey: k, From: from, To: to})
}

func (a archive) Find(id event.ID) (*event.Event, error) {
	return a.store.Message(a.ctx, a.room, id)
}

// leastLine is how many messages a line is to stand for that is kept for the next
// time the room is loaded.
const leastLine = 32

// compact lets the rules give up what is stored. Nothing may be in them that is
// not.
func (r *Room) compact(ctx context.Context) {
	if !r.rules.Compact(archive{context.WithoutCancel(r.svc.ctx), r.svc.cfg.Store, r.id}, r.svc.cfg.CompactAfter) {
		return
	}
	if err := r.svc.cfg.Store.PutLines(ctx, r.id, r.rules.Lines(leastLine)); err != nil {
		r.log.Warn("keep lines", "err", err) // it is loaded more slowly
	}
}
