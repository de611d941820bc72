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

// compact lets the rules give up what is stored. Nothing may be in them that is
// not.
func (r *Room) compact() {
	r.rules.Compact(archive{context.WithoutCancel(r.svc.ctx), r.svc.cfg.Store, r.id}, r.svc.cfg.CompactAfter)
}
