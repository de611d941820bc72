package rooms

import (
	"context"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// after tells whom it concerns what was committed.
func (r *Room) after(ctx context.Context, in *intake, b Batch, done Committed) {
	clear(r.inStep)
	r.noteBodies(in, b)
	front, err := r.svc.cfg.Store.Frontier(ctx, r.id)
	if err != nil {
		r.log.Warn("read the frontier", "err", err)
	}
	receipts := map[event.LogKey]bool{}
	ours := false
	for _, e := range b.Messages {
		if e.Author == r.svc.self {
			ours = true
		} else {
			receipts[e.Key()] = true
		}
		if front[e.Key()].Seq < e.Seq {
			r.repair(in.from[e.ID]) // a gap
		}
	}
	if ours {
		r.refreshOwn() // the ledger may have given our log up
	}
	for _, k := range slices.SortedFunc(maps.Keys(receipts), event.LogKey.Compare) {
		if h, ok := front[k]; ok {
			r.svc.cfg.Receipt(k.Author, r.id, k, h)
		}
	}
	r.tell(ctx, in, b, done)
}

func (r *Room) scene() Scene {
	cfg := r.rules.Config()
	return Scene{Name: cfg.Name(), Logging: cfg.Logging()}
}

// tellMessages has the handler hear of messages, in the order of logs.
func (r *Room) tellMessages(ms []Message) {
	if len(ms) == 0 {
		return
	}
	slices.SortStableFunc(ms, func(a, b Message) int {
		if a.Before(b.Event) {
			return -1
		}
		return 1
	})
	r.svc.cfg.Handler.Messages(r.id, r.scene(), ms)
}

// tell has the handler hear of a batch.
func (r *Room) tell(ctx context.Context, in *intake, b Batch, done Committed) {
	h := r.svc.cfg.Handler
	var ms []Message
	said := false // something people say of themselves, or the subject
	message := func(e *event.Event, fresh bool) {
		v, _ := r.rules.Verdict(e.ID)
		ms = append(ms, Message{Event: e, At: done.At, Nick: r.rules.NickAt(e), Verdict: v, Fresh: fresh, Spoken: done.Spoken[e.ID]})
		switch e.Kind {
		case room.KindJoin, room.KindLeave, room.KindNick, room.KindSubject:
			said = true
		}
	}
	for _, e := range b.Messages {
		if b.Verdicts[e.ID] != Refused {
			message(e, true)
		}
	}
	var older []event.ID
	for id, v := range b.Verdicts {
		if in.fresh[id] == nil && v != Refused {
			older = append(older, id)
		}
	}
	slices.SortFunc(older, event.ID.Compare)
	for len(older) > 0 {
		events, err := r.svc.cfg.Store.EventsByID(ctx, older, maxBatch)
		if err != nil || len(events) == 0 {
			r.log.Warn("read messages whose verdict changed", "err", err)
			break
		}
		for _, e := range events {
			message(e, false)
		}
		older = older[1+slices.Index(older, events[len(events)-1].ID):]
		if len(older) > 0 { // a switch may touch more than memory is for
			r.tellMessages(ms)
			ms = nil
		}
	}
	r.tellMessages(ms)
	governed := slices.ContainsFunc(in.effects, func(e room.Effects) bool { return len(e.Governed) > 0 || e.Everyone || len(e.People) > 0 })
	if len(b.Control) > 0 {
		h.Governed(r.id, r.scene(), b.Control, asides(r.rules, b.Control), done.At)
	}
	if said || governed {
		r.peopleChanged()
		h.RoomChanged(r.id)
	}
	r.tellLate(b.Messages)
	r.noteJoins(b.Messages)
	epochs := slices.ContainsFunc(b.Messages, func(e *event.Event) bool { return e.Kind == room.KindEpoch })
	if governed {
		r.regained(in.effects)
	}
	if governed || epochs {
		cfg := r.rules.Config()
		if r.guarded = cfg.Password() > 0; r.guarded {
			clear(r.atDoor)
		}
		r.putOut()
		mine := slices.ContainsFunc(b.Control, func(e *event.Event) bool { return e.Author == r.svc.self })
		r.newEpochs(mine)
	}
}

// tellLate has those told who joined, and had been put out before that was heard
// of here.
func (r *Room) tellLate(said []*event.Event) {
	joined := map[peer.ID]bool{}
	for _, e := range said {
		if e.Kind == room.KindJoin && !r.isOccupant(e.Author) {
			joined[e.Author] = true
		}
	}
	if len(joined) == 0 {
		return
	}
	for _, p := range r.TopicPeers() {
		if joined[p] {
			r.tellWhy(p, false)
		}
	}
}

// regained has those synced with who may be served now and perhaps might not be
// before: they were turned away when they came.
func (r *Room) regained(effects []room.Effects) {
	touched := map[peer.ID]bool{}
	everyone := false
	for _, e := range effects {
		everyone = everyone || e.Everyone
		for _, p := range e.People {
			touched[p] = true
		}
	}
	for _, p := range r.TopicPeers() {
		if (everyone || touched[p]) && r.entitled(p) {
			r.svc.cfg.Sync.Kick(r.id, p)
		}
	}
}
