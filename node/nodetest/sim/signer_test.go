package sim

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"p2pchat/node/internal/store"
	"p2pchat/node/nodetest/campaign"
	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// signer signs in mallory's name.
type signer struct {
	*gang
	ctl  []event.ID // what an honest client would cite
	head event.Head // of her log
	log  event.LogID
	has  []*event.Event // something others said in the room
}

func (g *gang) signer(ctx context.Context, st *store.Store) (*signer, error) {
	s := &signer{gang: g}
	controls, err := st.Controls(ctx, g.room)
	if err != nil {
		return nil, err
	}
	if s.ctl, err = g.cite(controls); err != nil {
		return nil, err
	}
	f, err := st.Frontier(ctx, g.room)
	if err != nil {
		return nil, err
	}
	for k, h := range f {
		if k.Author == g.mallory.key.ID() && h.Seq > s.head.Seq {
			s.log, s.head = k.Log, h
		}
	}
	for _, n := range g.honest {
		for k, h := range f {
			if k.Author == n.key.ID() {
				es, err := st.EventsByID(ctx, []event.ID{h.ID}, 1<<20)
				if err != nil {
					return nil, err
				}
				s.has = append(s.has, es...)
			}
		}
	}
	return s, nil
}

// cite is what somebody cites who holds these.
func (g *gang) cite(controls []*event.Event) ([]event.ID, error) {
	rules, err := room.New(controls[0])
	if err != nil {
		return nil, err
	}
	rules.AddControl(controls[1:]...)
	return rules.Cite(g.mallory.key.ID()), nil
}

// text signs a text; how may change the header before.
func (s *signer) text(text string, how func(*event.Header)) (*event.Event, error) {
	body, err := event.EncodeText(text)
	if err != nil {
		return nil, err
	}
	return s.sign(event.KindText, body, how)
}

func (s *signer) sign(kind event.Kind, body []byte, how func(*event.Header)) (*event.Event, error) {
	h := event.Header{
		Conversation: s.room, Lane: event.LaneMessage, Log: s.log, Seq: s.head.Seq + 1, Prev: s.head.ID,
		Ctl: s.ctl, Time: event.At(time.Now()), Kind: kind,
	}
	if how != nil {
		how(&h)
	}
	return event.Sign(s.mallory.key, h, body)
}

// act signs an act under the standing she once was given.
func (s *signer) act(op room.Op, ctl []event.ID) (*event.Event, error) {
	op.Auth = s.grant
	body, err := op.Encode()
	if err != nil {
		return nil, err
	}
	e, err := s.sign(op.Kind, body, func(h *event.Header) {
		h.Lane, h.Log, h.Seq, h.Prev, h.Ctl = event.LaneControl, event.LogID{}, 0, event.ID{}, ctl
	})
	if err == nil {
		s.usurped = append(s.usurped, e.ID.String())
	}
	return e, err
}

// freshLog begins a log with a join that cites ctl and goes on with texts.
func (s *signer) freshLog(ctl []event.ID, texts ...string) (out []*event.Event, err error) {
	body, err := room.EncodeBody(&room.Join{Nick: "mallory"})
	if err != nil {
		return nil, err
	}
	var log event.LogID
	_, _ = rand.Read(log[:]) // never fails
	place := func(h *event.Header) {
		h.Log, h.Seq, h.Prev, h.Ctl = log, uint64(len(out)+1), event.ID{}, ctl
		if len(out) > 0 {
			h.Prev = out[len(out)-1].ID
		}
	}
	e, err := s.sign(room.KindJoin, body, place)
	for _, t := range texts {
		if err != nil {
			return nil, err
		}
		out = append(out, e)
		e, err = s.text(t, place)
	}
	return append(out, e), err
}

// forge is what no honest node keeps.
func (s *signer) forge() ([]*envelope.Content, error) {
	var out []*envelope.Content
	add := func(e *event.Event, err error) error {
		out = append(out, &envelope.Content{Events: []*event.Event{e}})
		return err
	}
	text := func(what string) string { return fmt.Sprintf("%s: %s %d", campaign.Unwanted, what, s.count) }
	bad, err := s.text(text("a false signature"), nil)
	if err != nil {
		return nil, err
	}
	bad.Signature = bytes.Clone(bad.Signature)
	bad.Signature[7] ^= 1
	theirs, err := s.text(text("another's words"), nil)
	if err != nil {
		return nil, err
	}
	v := s.victim().key.ID()
	theirs.Raw, theirs.Author = bytes.ReplaceAll(theirs.Raw, []byte(theirs.Author), []byte(v)), v
	err = errors.Join(
		add(bad, nil), add(theirs, nil),
		add(s.text(text("of another room"), func(h *event.Header) { h.Conversation[0] ^= 1 })),
		add(s.text(text("after what nobody has"), func(h *event.Header) { h.Ctl = []event.ID{{1, byte(s.count)}} })),
		add(s.sign(room.KindNick, []byte{0xff, 0xff}, nil)),
	)
	return out, err
}

// equivocate says several things at one place, leaves gaps, and begins more logs
// than there may be. What of it is shown is all the same, if it is on all.
func (s *signer) equivocate() ([]*envelope.Content, error) {
	var out []*envelope.Content
	for i := range 4 {
		e, err := s.text(fmt.Sprint("mallory: branch ", i, " of ", s.count), nil)
		if err != nil {
			return nil, err
		}
		next, err := s.text(fmt.Sprint("mallory: on branch ", i, " of ", s.count), func(h *event.Header) { h.Seq, h.Prev = e.Seq+1, e.ID })
		if err != nil {
			return nil, err
		}
		out = append(out, &envelope.Content{Events: []*event.Event{next}}, &envelope.Content{Events: []*event.Event{e}})
	}
	fresh, err := s.freshLog(s.ctl, fmt.Sprint("mallory: in a new log ", s.count))
	if err != nil {
		return nil, err
	}
	s.random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return append(out, &envelope.Content{Events: fresh}), nil
}

// usurp is what an admin has no right to.
func (s *signer) usurp() ([]*envelope.Content, error) {
	owner := s.honest[0].key.ID()
	return s.acts(s.ctl,
		room.Op{Kind: room.KindSet, Target: owner, Standing: room.Outcast},
		room.Op{Kind: room.KindKick, Target: owner},
		room.Op{Kind: room.KindSet, Target: s.mallory.key.ID(), Standing: room.Owner},
		room.Op{Kind: room.KindDestroy, Reason: "because"},
	)
}

func (s *signer) acts(ctl []event.ID, ops ...room.Op) ([]*envelope.Content, error) {
	var out []*envelope.Content
	for _, op := range ops {
		e, err := s.act(op, ctl)
		if err != nil {
			return nil, err
		}
		out = append(out, &envelope.Content{Events: []*event.Event{e}})
	}
	return out, nil
}

// strip is what others said lately without its bodies: all that may be so, which
// whoever has not heard it yet keeps, and the rest, which nobody may.
func (s *signer) strip(ctx context.Context, st *store.Store) ([]*envelope.Content, error) {
	log, err := st.Log(ctx, store.LogQuery{Conv: s.room, Last: 60, All: true})
	if err != nil {
		return nil, err
	}
	var texts, others envelope.Content
	for _, e := range log {
		bare := *e.Event
		bare.Body = nil
		switch {
		case e.Author == s.mallory.key.ID() || e.Body == nil:
		case e.Lane == event.LaneMessage && e.Kind.Amendable():
			texts.Events = append(texts.Events, &bare)
		case e.Lane == event.LaneControl || !e.Kind.Droppable():
			others.Events = append(others.Events, &bare)
		}
	}
	var out []*envelope.Content
	for _, c := range []*envelope.Content{&texts, &others} {
		if len(c.Events) > 0 {
			out = append(out, c)
		}
	}
	return out, nil
}

// backdate is what mallory, banned, says and does as if she had not heard of it:
// in her log, in a new one, and as an admin.
func (s *signer) backdate() ([]*envelope.Content, error) {
	ctl, err := s.cite(s.past)
	if err != nil {
		return nil, err
	}
	victim := s.victim().key.ID()
	out, err := s.acts(ctl,
		room.Op{Kind: room.KindSet, Target: victim, Standing: room.Outcast},
		room.Op{Kind: room.KindKick, Target: victim},
		room.Op{Kind: room.KindDevoice, Target: victim},
		room.Op{Kind: room.KindSet, Target: s.honest[0].key.ID(), Standing: room.Outcast},
	)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("%s: I was never banned %d", campaign.Unwanted, s.count)
	fresh, err := s.freshLog(ctl, text+", in a new log")
	if err != nil {
		return nil, err
	}
	mine, err := s.text(text, func(h *event.Header) { h.Ctl = ctl })
	if err != nil {
		return nil, err
	}
	// Beside what others said, so that this comes twice.
	return append(out, &envelope.Content{Events: fresh}, &envelope.Content{Events: []*event.Event{mine}}, &envelope.Content{Events: s.has}), nil
}
