package rooms

import (
	"context"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// archive gives a room's rules back what they gave up.
type archive struct {
	ctx   context.Context // without end: the store has one
	store Store
	id    event.Conversation
}

func (a archive) Line(k event.LogKey, from, to uint64) ([]*event.Event, error) {
	return a.store.Line(a.ctx, a.id, event.Range{LogKey: k, From: from, To: to})
}

func (a archive) Find(id event.ID) (*event.Event, error) {
	return a.store.Message(a.ctx, a.id, id)
}

// compactAfter is how many messages come before the rules are asked to give some
// up.
const compactAfter = 4096

// leastLine is how many messages a line is to stand for that is kept for the next
// time the room is loaded.
const leastLine = 32

// compact lets the rules give up what is stored. Nothing may be in them that is
// not.
func (r *Room) compact(ctx context.Context) {
	if !r.rules.Compact(archive{context.WithoutCancel(r.svc.ctx), r.svc.cfg.Store, r.id}, r.svc.cfg.CompactAfter) {
		return
	}
	r.keepLines(ctx, r.rules)
}

// keepLines has the store keep the rules' lines. Where it cannot, the disk being
// full or somebody only reading, the room is loaded more slowly.
func (r *Room) keepLines(ctx context.Context, rules *room.Room) {
	if err := r.svc.cfg.Store.PutLines(ctx, r.id, rules.Lines(leastLine)); err != nil {
		r.log.Debug("keep lines", "err", err)
	}
}
