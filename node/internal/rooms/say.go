package rooms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// word is something we want to say.
type word struct {
	kind event.Kind
	body []byte
	done chan said // 1: the one result
}

type said struct {
	event *event.Event
	err   error
}

// Say commits a message of ours and has it published. Errors: ErrNotJoined,
// *room.Refusal, those of the store.
func (r *Room) Say(ctx context.Context, kind event.Kind, body []byte) (*event.Event, error) {
	if err := r.svc.ready(ctx); err != nil {
		return nil, err
	}
	w := &word{kind, body, make(chan said, 1)}
	r.queue.Lock()
	r.queue.words = append(r.queue.words, w)
	r.queue.Unlock()
	r.signal()
	// It may be stored by now, so ctx does not end the wait.
	select {
	case s := <-w.done:
		return s.event, s.err
	case <-r.ended:
		select {
		case s := <-w.done:
			return s.event, s.err
		default:
			return nil, ErrClosed
		}
	}
}

// sayAll says what waits, as one commit.
func (r *Room) sayAll(ctx context.Context, words []*word) {
	var drafts []room.Draft
	var kept []*word
	at := map[*word]int{}
	for _, w := range words {
		d, err := r.drafts(w, len(drafts) > 0)
		if err != nil {
			w.done <- said{err: err}
			continue
		}
		drafts = append(drafts, d...)
		kept, at[w] = append(kept, w), len(drafts)-1
	}
	if len(kept) == 0 {
		return
	}
	events, err := r.append(ctx, drafts)
	for _, w := range kept {
		if err != nil {
			w.done <- said{err: err}
			continue
		}
		w.done <- said{event: events[at[w]]}
	}
}

// drafts asks the rules what w is to cite, and whether a join comes first;
// begun tells that something is drafted before it.
func (r *Room) drafts(w *word, begun bool) ([]room.Draft, error) {
	if !r.joined {
		// Who was put out for good is told so.
		if err := r.rules.MayEnter(r.svc.self); err != nil {
			return nil, err
		}
		return nil, ErrNotJoined
	}
	now := time.Now()
	ctl, join, err := r.rules.DraftMessage(r.own, w.kind)
	if err != nil {
		return nil, err
	}
	// An edit would say as much as a text.
	paced := w.kind == event.KindText || w.kind == event.KindEdit
	if paced {
		if err := r.rules.Paced(r.svc.self, r.lastSaid, now); err != nil {
			return nil, err
		}
	}
	var out []room.Draft
	if join && !begun {
		d, err := r.joinDraft(ctl, r.nick, r.pending)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	if paced {
		r.lastSaid = now
	}
	return append(out, room.Draft{Lane: event.LaneMessage, Kind: w.kind, Ctl: ctl, Body: w.body}), nil
}

// joinDraft is a join; g is what let us in, nil if nobody had to.
func (r *Room) joinDraft(ctl []event.ID, nick string, g *grant) (room.Draft, error) {
	j := &room.Join{Nick: nick}
	if g != nil {
		for _, b := range g.below {
			j.Low = append(j.Low, room.Low{LogKey: b.LogKey, Seq: b.Seq + 1})
		}
		slices.SortFunc(j.Low, func(a, b room.Low) int { return a.Compare(b.LogKey) })
		if g.admission != nil {
			j.Admission, ctl = g.admission, g.ctl
		}
	}
	body, err := room.EncodeBody(j)
	if err != nil {
		return room.Draft{}, err
	}
	return room.Draft{Lane: event.LaneMessage, Kind: room.KindJoin, Ctl: ctl, Body: body}, nil
}

// sayJoin joins under nick.
func (r *Room) sayJoin(ctx context.Context, nick string, g *grant) error {
	ctl, _, err := r.rules.DraftMessage(r.own, room.KindJoin)
	if err != nil {
		return err
	}
	d, err := r.joinDraft(ctl, nick, g)
	if err != nil {
		return err
	}
	_, err = r.append(ctx, []room.Draft{d})
	return err
}

// append signs, commits and publishes our events.
func (r *Room) append(ctx context.Context, drafts []room.Draft) ([]*event.Event, error) {
	if err := r.mend(); err != nil {
		return nil, err
	}
	events, err := r.svc.cfg.Ledger.Append(ctx, r.id, drafts)
	if err != nil {
		r.svc.cfg.Handler.Failed(r.id, err)
		return nil, err
	}
	r.bindNew(ctx, events)
	// First, since what follows from them may go out with them.
	r.outbox = append(r.outbox, events...)
	in := newIntake(r)
	for _, e := range events {
		in.add(e, r.svc.self)
	}
	r.takeOwn(ctx, in)
	r.publishSoon()
	return events, nil
}

// takeOwn has the rules take in what is committed already; what follows for
// others' messages is committed now, or when the room is loaded the next time.
func (r *Room) takeOwn(ctx context.Context, in *intake) {
	control, messages := in.control, in.messages
	if len(control) > 0 {
		in.results(control, r.rules.AddControl(control...))
	}
	if len(messages) > 0 {
		in.results(messages, r.rules.AddMessage(messages...))
	}
	if err := r.rules.Err(); err != nil {
		r.failed(err)
		return
	}
	b := in.batch()
	rest := Batch{Verdicts: map[event.ID]room.Status{}, Dropped: b.Dropped}
	for id, v := range b.Verdicts {
		if in.fresh[id] == nil || v != room.Visible {
			rest.Verdicts[id] = v
		}
	}
	err := r.guardNew(ctx)
	if err == nil && len(rest.Verdicts)+len(rest.Dropped) > 0 {
		_, err = r.svc.cfg.Ledger.Commit(ctx, r.id, rest)
	}
	if err != nil {
		r.failed(err)
		return
	}
	clear(r.inStep)
	r.noteBodies(in, b)
	r.tell(ctx, in, b, Committed{At: time.Now()})
	r.compact(ctx)
}

// Rename changes our nick. Errors: ErrNotJoined, *room.Refusal (nick-conflict).
func (r *Room) Rename(ctx context.Context, nick string) error {
	same := false
	var taken error
	err := r.do(ctx, func() {
		same = r.nick == nick && r.isOccupant(r.svc.self)
		taken = r.rules.Admits(r.svc.self, room.Entry{Password: true, NickTaken: r.nickTaken(r.svc.self, nick)})
	})
	if err != nil || same {
		return err
	}
	if taken != nil {
		return taken
	}
	body, err := room.EncodeBody(&room.Nick{Nick: nick})
	if err != nil {
		return err
	}
	if _, err := r.Say(ctx, room.KindNick, body); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if e := r.do(ctx, func() { err = r.remember(ctx, r.joined, nick) }); e != nil {
		return e
	}
	return err
}

// remember keeps what we are in the room.
func (r *Room) remember(ctx context.Context, joined bool, nick string) error {
	if err := r.svc.cfg.Store.PutMembership(ctx, Membership{Room: r.id, Joined: joined, Nick: nick}); err != nil {
		return err
	}
	r.joined, r.nick = joined, nick
	return nil
}

// Leave says that we go. The room is followed until somebody has heard it.
// Error: ErrNotJoined.
func (r *Room) Leave(ctx context.Context) error {
	release, err := r.svc.claim(r.id)
	if err != nil {
		return err
	}
	defer release()
	e := r.do(ctx, func() {
		if !r.joined {
			err = ErrNotJoined
			return
		}
		// First that we are out, which a crash before the word for it leaves
		// true: the other way round the next start would take us back in.
		if err = r.remember(ctx, false, r.nick); err != nil {
			return
		}
		err = r.sayLeave(r.svc.ctx)
		if err != nil && !refused(err) { // the rules may have put us out already
			err = errors.Join(err, r.remember(r.svc.ctx, true, r.nick))
			return
		}
		err = nil
		if t := r.topic.Load(); t != nil {
			r.flush(r.svc.ctx, *t)
			r.sayPresence(r.svc.ctx, *t, true)
		}
		if !r.following() {
			r.unfollow()
		}
		r.svc.cfg.Handler.RoomChanged(r.id)
	})
	if e != nil {
		return e
	}
	if err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return nil
}

// sayLeave says that we went.
func (r *Room) sayLeave(ctx context.Context) error {
	ctl, join, err := r.rules.DraftMessage(r.own, room.KindLeave)
	if err != nil || join {
		return err
	}
	body, err := room.EncodeBody(&room.Leave{})
	if err != nil {
		return err
	}
	_, err = r.append(ctx, []room.Draft{{Lane: event.LaneMessage, Kind: room.KindLeave, Ctl: ctl, Body: body}})
	return err
}
