package node

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/rooms"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// Send implements [api.Service].
func (n *Node) Send(ctx context.Context, r api.SendRequest) (api.Receipt, error) {
	body, err := encodeText(r.Text, event.ID{})
	if err != nil {
		return api.Receipt{}, err
	}
	if err := n.maySay(); err != nil {
		return api.Receipt{}, err
	}
	if err := ctx.Err(); err != nil {
		return api.Receipt{}, err
	}
	waitCtx, cancel := context.WithTimeout(ctx, r.Wait)
	defer cancel()
	to, err := n.resolveWaiting(ctx, waitCtx, r.Target)
	if err != nil {
		return api.Receipt{}, err
	}
	if r.ReplyTo != "" {
		m, err := n.findMessage(ctx, to, r.ReplyTo)
		if err != nil {
			return api.Receipt{}, err
		}
		if body, err = encodeText(r.Text, m.ID); err != nil {
			return api.Receipt{}, err
		}
	}
	return n.say(ctx, waitCtx, to, event.KindText, body)
}

// Await implements [api.Service].
func (n *Node) Await(ctx context.Context, sent api.Receipt, wait time.Duration) (api.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return api.Receipt{}, err
	}
	id, err := event.ParseID(sent.ID)
	if err != nil {
		return api.Receipt{}, api.Errorf(api.CodeNotFound, "%q is no message ID: %w", sent.ID, err)
	}
	e, err := n.store.EventByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && e.Author != n.key.ID() {
		return api.Receipt{}, api.Errorf(api.CodeNotFound, "message %s is none of yours", id)
	}
	if err != nil {
		return api.Receipt{}, apiError(err)
	}
	waitCtx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	to, inRoom := n.talkOf(e.Conversation)
	if inRoom {
		return n.roomReceipt(ctx, waitCtx, to.room, e.Event)
	}
	return n.directReceipt(ctx, waitCtx, to.peer, e.Event)
}

// encodeText is the body of a text that answers replyTo, if that is not zero.
func encodeText(text string, replyTo event.ID) ([]byte, error) {
	body, err := event.EncodeReply(text, replyTo)
	switch {
	case errors.Is(err, event.ErrTextTooLong):
		return nil, api.Errorf(api.CodeTooLong, "the text has %d bytes; %w: send it in parts", len(text), err)
	case err != nil:
		return nil, api.Errorf(api.CodeBadText, "%w", err)
	}
	return body, nil
}

// sendDirect sends to a person; wait bounds the wait for the receipt.
func (n *Node) sendDirect(ctx, wait context.Context, to peer.ID, kind event.Kind, body []byte) (api.Receipt, error) {
	e, err := n.tellDirect(ctx, to, kind, body)
	if err != nil {
		return api.Receipt{}, apiError(err)
	}
	return n.directReceipt(ctx, wait, to, e)
}

// directReceipt says how far e has come with a person, once he has it or wait ends.
func (n *Node) directReceipt(ctx, wait context.Context, to peer.ID, e *event.Event) (api.Receipt, error) {
	// Running out of time is no error: the state says how far it came.
	_ = n.delivery.wait(wait, to, e)
	// Whatever became of the caller, the message is kept.
	state, err := n.delivery.states(context.WithoutCancel(ctx), to)
	if err != nil {
		return api.Receipt{}, apiError(err)
	}
	rec := api.Receipt{ID: e.ID.String(), Conversation: e.Conversation.String(), State: state(e), Members: 1}
	if rec.State == api.Delivered || rec.State == api.Read {
		rec.Acked = 1
	}
	return rec, ctx.Err()
}

// resolve finds the person a WHO names.
func (n *Node) resolve(target string) (peer.ID, error) { return n.people.resolve(target, n.convs.has) }

// resolveWaiting resolves a target, waiting for a name that nobody has yet
// until wait ends. Only the end of ctx itself is an error of its own.
func (n *Node) resolveWaiting(ctx, wait context.Context, target string) (conversationRef, error) {
	for {
		// The number is taken first, so that nobody who comes meanwhile is
		// missed.
		_, _, news, done := n.hub.after(n.hub.number())
		to, err := n.resolveTarget(ctx, target)
		if !api.IsCode(err, api.CodeNotFound) || done {
			return to, err
		}
		select {
		case <-wait.Done():
			return conversationRef{}, cmp.Or(ctx.Err(), err)
		case <-news:
		}
	}
}

// aside adds what the rules say of a message.
func aside(m *api.Message, a rooms.Aside) {
	m.Nick = a.Nick
	if a.Idle {
		m.Text += " (this has no effect)"
	}
}

// retract leaves a tombstone of a message.
func retract(m *api.Message) {
	m.Kind, m.Text, m.Retracted, m.ReplyTo = api.MessageText, "", true, ""
}

// message is e as faces see it, but for its delivery state.
func message(e *event.Event, received time.Time, who *people) api.Message {
	m := api.Message{
		ID: e.ID.String(), Conversation: e.Conversation.String(), Author: e.Author.String(), Name: who.name(e.Author),
		Time: api.Time{Time: e.Time.Wall()}, Log: e.Log.String(), Seq: e.Seq, Kind: api.MessageUnknown,
		Verified: who.verified(e.Author), Skewed: received.Sub(e.Time.Wall()).Abs() > event.MaxSkew,
	}
	// A message that waited for its recipient is late, not skewed.
	if m.Skewed && received.After(e.Time.Wall()) {
		m.Skewed = false
	}
	switch {
	case e.Lane == event.LaneControl:
		m.Kind, m.Text, m.Log = api.MessageGovern, room.Describe(e, who.called), ""
	case e.Kind == event.KindText && e.HasBody():
		if text, to, err := event.DecodeReply(e.Body); err == nil {
			m.Kind, m.Text = api.SplitAction(text)
			if !to.IsZero() {
				m.ReplyTo = to.String()
			}
		}
	case e.Kind.Amends():
		amendmentRow(e, &m)
	case quiet(e.Kind), aboutRooms(e.Kind):
		aboutRoom(e, &m)
	}
	return m
}

// aboutRooms tells whether a kind of direct chat is about a room.
func aboutRooms(k event.Kind) bool {
	switch k {
	case room.KindInvite, room.KindInviteAnswer, room.KindVoiceRequest, room.KindPrivate:
		return true
	}
	return false
}

// aboutRoom says what a message says of its author's being in a room, or of the
// room.
func aboutRoom(e *event.Event, m *api.Message) {
	b, err := room.DecodeBody(e.Kind, e.Body)
	if err != nil {
		return
	}
	switch b := b.(type) {
	case *room.Join:
		m.Kind, m.Text = api.MessageJoin, b.Nick
	case *room.Leave:
		m.Kind = api.MessageLeave
	case *room.Nick:
		m.Kind, m.Text = api.MessageNick, b.Nick
	case *room.Subject:
		m.Kind, m.Text = api.MessageSubject, b.Text
	case *room.Epoch:
		m.Kind = api.MessageEpoch
	case *room.Private:
		m.Kind, m.Text, m.Room = api.MessagePrivate, b.Text, b.Room.String()
	case *room.Invitation:
		m.Kind, m.Text, m.Room = api.MessageInvite, b.Name, b.Room.String()
		if b.Reason != "" {
			m.Text += ": " + b.Reason
		}
	case *room.VoiceRequest:
		m.Kind, m.Room = api.MessageVoiceRequest, b.Room.String()
	case *room.InviteAnswer:
		m.Kind, m.Text = api.MessageAnswer, "declined"
		if b.Accepted {
			m.Text = "accepted"
		}
		if b.Reason != "" {
			m.Text += ": " + b.Reason
		}
	}
}

// stored tells the faces of an event that has just entered the history. It
// runs in the order of commits.
func (n *Node) stored(e *event.Event, at time.Time, spoken bool) {
	if e.Kind.Amends() {
		if a, ok := e.Amendment(); ok {
			n.again.put(toldAgain{conv: e.Conversation, id: a.Target})
		}
		return
	}
	if spoken || e.Kind == room.KindInviteAnswer { // what else it takes is looked up there
		n.again.put(toldAgain{conv: e.Conversation, id: e.ID})
	} else {
		m := message(e, at, n.people)
		m.State = api.Queued
		if e.Author != n.key.ID() {
			m.State = api.Received
		}
		n.hub.publish(api.Change{Type: api.ChangeMessage, Message: &m})
	}
	if e.Author != n.key.ID() && (e.Kind == room.KindInvite || e.Kind == room.KindVoiceRequest) {
		n.asked.put(e) // rooms are not to be asked from here
	}
	var news unread
	if e.Author != n.key.ID() {
		news.messages = 1
		if mentions(e, n.self.account().Name) {
			news.mentions = 1
		}
	}
	if c, ok := n.convs.said(e, news); ok {
		n.publishConversation(c)
	}
}

// MarkRead implements [api.Service].
func (n *Node) MarkRead(ctx context.Context, target, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	to, err := n.resolveTarget(ctx, target)
	if err != nil {
		return err
	}
	eid, err := event.ParseID(id)
	if err != nil {
		return api.Errorf(api.CodeNotFound, "%q is no message ID: %w", id, err)
	}
	marks, err := n.convs.markRead(ctx, n.conversation(to), eid)
	if err != nil {
		return apiError(err)
	}
	if len(marks) == 0 {
		return nil
	}
	if to.room != nil {
		n.tellRoom(ctx, to.room)
		return nil
	}
	for k, h := range marks {
		n.direct.MarkRead(to.peer, k, h)
	}
	if c, ok := n.convs.get(to.peer); ok {
		n.publishConversation(c)
	}
	return nil
}

// Typing implements [api.Service].
func (n *Node) Typing(ctx context.Context, target string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	to, err := n.resolveTarget(ctx, target)
	if err != nil {
		return err
	}
	if to.room == nil && !n.people.blocked(to.peer) { // in a room nobody is told: it would be many
		n.direct.Typing(to.peer)
	}
	return nil
}
