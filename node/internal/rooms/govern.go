package rooms

import (
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// Govern does what ops asks for as one act, all of it or nothing. ops sees the
// rules as they are now and must not change them. Errors: ErrNotJoined,
// *room.Refusal, those of ops and of the store.
func (r *Room) Govern(ctx context.Context, ops func(*room.Room) ([]room.Op, error)) error {
	if err := r.svc.ready(ctx); err != nil {
		return err
	}
	var err error
	if e := r.do(ctx, func() { err = r.govern(ops) }); e != nil {
		return e
	}
	return err
}

func (r *Room) govern(ops func(*room.Room) ([]room.Op, error)) error {
	if !r.joined || !r.isOccupant(r.svc.self) {
		return ErrNotJoined
	}
	list, err := ops(r.rules)
	if err != nil {
		return err
	}
	drafts, err := r.rules.Draft(r.svc.self, list...)
	if err != nil {
		return err
	}
	before := r.members()
	events, err := r.append(r.svc.ctx, drafts)
	if err != nil {
		return err
	}
	r.tellRemoved(before, events)
	return nil
}

// members lists those who are in the room.
func (r *Room) members() []peer.ID { return append(r.others(), r.svc.self) }

// tellRemoved hands those whom events put out what put them out: nothing else
// that is said from now on reaches them.
func (r *Room) tellRemoved(before []peer.ID, events []*event.Event) {
	for _, p := range before {
		if !r.isOccupant(p) && p != r.svc.self {
			r.push(p, events, nil, nil)
		}
	}
}

// Subject changes the room's subject. Errors: those of Say.
func (r *Room) Subject(ctx context.Context, text string) error {
	body, err := room.EncodeBody(&room.Subject{Text: text})
	if err != nil {
		return fmt.Errorf("encode a subject: %w", err)
	}
	_, err = r.Say(ctx, room.KindSubject, body)
	return err
}

// May is nil if we may do v here, otherwise the *room.Refusal.
func (r *Room) May(ctx context.Context, v room.Privilege) error {
	var err error
	if e := r.do(ctx, func() { err = r.rules.May(r.svc.self, v) }); e != nil {
		return e
	}
	return err
}

// MayWrite is nil if we may send p a private message here. Errors: ErrNotJoined,
// ErrNotHere, *room.Refusal.
func (r *Room) MayWrite(ctx context.Context, p peer.ID) error {
	var err error
	if e := r.do(ctx, func() {
		switch {
		case !r.joined || !r.isOccupant(r.svc.self):
			err = ErrNotJoined
		case !r.isOccupant(p):
			err = ErrNotHere
		default:
			err = r.rules.MayWrite(r.svc.self, p)
		}
	}); e != nil {
		return e
	}
	return err
}

// Audit lists what was done in the room.
func (r *Room) Audit(ctx context.Context, name func(peer.ID) string) ([]room.Decision, error) {
	var out []room.Decision
	err := r.do(ctx, func() { out = r.rules.Audit(name) })
	return out, err
}

// PutOutBy is who put us out of the room we had joined, and what he did, in words; "" where
// nobody did, or we went.
func (r *Room) PutOutBy(ctx context.Context, name func(peer.ID) string) (did string, err error) {
	err = r.do(ctx, func() {
		if last, spoke := r.rules.LastWord(r.svc.self); !spoke || last.Kind != room.KindJoin || r.isOccupant(r.svc.self) {
			return
		}
		for _, d := range r.rules.Audit(name) {
			if d.Effective && d.Op.Target == r.svc.self && (d.Op.Kind == room.KindKick || d.Op.Kind == room.KindSet) {
				did = name(d.Author) + " " + d.Did
			}
		}
	})
	return did, err
}

// putOut notices that the rules no longer count us among those in the room: we
// were kicked or banned, lost a membership that is asked for, or the room is no
// more. What is here stays.
func (r *Room) putOut() {
	last, spoke := r.rules.LastWord(r.svc.self)
	if !r.joined || r.isOccupant(r.svc.self) || !spoke || last.Kind != room.KindJoin {
		return
	}
	if err := r.svc.cfg.Store.PutMembership(r.svc.ctx, Membership{Room: r.id, Nick: r.nick}); err != nil {
		r.svc.cfg.Handler.Failed(r.id, err) // the next start notices it again
	}
	if t := r.topic.Load(); t != nil {
		r.flush(r.svc.ctx, *t) // it may be our own word that ends it
	}
	r.joined, r.outbox = false, nil
	if !r.following() {
		r.unfollow()
	}
	r.svc.cfg.Handler.RoomChanged(r.id)
}

const (
	// tellWhyEvery spaces that: a topic is quickly left and joined again.
	tellWhyEvery = time.Minute
	// tellWhyAgain does so where it did not get through.
	tellWhyAgain = 5 * time.Second
)

// tellWhy hands p, who was put out and may not be served any more, what put him
// out: he may have been away when it happened, or have joined unheard by whoever
// did it. Named tells that he named the room's ID. What is lost on the way is said
// again when he next asks to be served.
func (r *Room) tellWhy(p peer.ID, named bool) {
	now := time.Now()
	if r.isOccupant(p) || r.entitled(p) || now.Sub(r.told[p]) < tellWhyEvery {
		return
	}
	ids, limit := r.grounds(p, named)
	if len(ids) == 0 {
		return
	}
	if len(r.told) >= maxAsked {
		clear(r.told)
	}
	r.told[p] = now
	events, err := r.svc.cfg.Store.EventsByID(r.svc.ctx, ids, limit)
	if err != nil || len(events) < len(ids) {
		r.log.Debug("what put somebody out", "peer", p, "events", len(ids), "err", err)
		return
	}
	r.push(p, events, nil, func() { r.told[p] = time.Now().Add(tellWhyAgain - tellWhyEvery) })
}

// grounds are the control events that tell p why he is out, and how many bytes of
// them at most: none where he left or nothing shows that he was in. Somebody of whom
// nothing is known may have joined unheard. He has to know the room's ID, which the
// topic's name does not tell; where the door is guarded and he did not pass it here,
// he is told no more than whoever asks, see endingNow.
func (r *Room) grounds(p peer.ID, named bool) (ids []event.ID, limit int) {
	limit = maxFrame * 3 / 4
	if last, spoke := r.rules.LastWord(p); spoke {
		if last.Kind != room.KindJoin {
			return nil, 0
		}
		return r.rules.Against(p), limit
	}
	ended, _, _ := r.rules.Ended()
	passed := r.letIn[p] || !r.rules.Rotates()
	switch {
	case !named || !passed && !ended:
		return nil, 0
	case !passed:
		limit = maxEnding
	}
	if ended {
		return r.rules.Ending(), limit
	}
	return r.rules.Against(p), limit
}
