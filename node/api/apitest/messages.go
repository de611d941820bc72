package apitest

import (
	"context"
	"slices"
	"time"

	"p2pchat/node/api"
)

// talk is what a target means: a conversation with somebody, or a room.
type talk struct {
	contact *contact
	place   *place
}

func (t talk) history() *history {
	if t.place != nil {
		return &t.place.history
	}
	return &t.contact.history
}

// Send implements [api.Service]. Everything it causes on a connected node has
// happened when it returns, also with r.Wait 0, whose receipt still says
// queued.
func (n *FakeNode) Send(ctx context.Context, r api.SendRequest) (api.Receipt, error) {
	if err := api.CheckText(r.Text); err != nil {
		return api.Receipt{}, err
	}
	timeout := time.NewTimer(max(r.Wait, 0))
	defer timeout.Stop()

	to, err := n.await(ctx, timeout, r.Target)
	if err != nil {
		return api.Receipt{}, err
	}
	var m api.Message
	m.Kind, m.Text = api.SplitAction(r.Text)
	if r.ReplyTo != "" {
		answered, err := to.pick(r.ReplyTo)
		if err != nil {
			n.leave()
			return api.Receipt{}, err
		}
		m.ReplyTo = answered.ID
	}
	return n.commit(ctx, timeout, to, m, r.Wait)
}

// commit says m to somebody or in a room and waits for the receipt. It is called
// with the lock held, and returns without it.
func (n *FakeNode) commit(ctx context.Context, timeout *time.Timer, to talk, m api.Message, wait time.Duration) (api.Receipt, error) {
	var e *entry
	var err error
	receipt := api.Receipt{State: api.Queued, Members: 1}
	switch {
	case to.place == nil && to.contact.blocked:
		n.leave()
		return api.Receipt{}, to.contact.forbidden()
	case to.place == nil:
		e = n.tell(to.contact, m, api.Invitation{})
	default:
		receipt.Members = to.place.others()
		if e, err = to.place.say(m); err != nil {
			n.leave()
			return api.Receipt{}, err
		}
	}
	receipt.ID, receipt.Conversation = e.ID, e.Conversation
	n.leave()
	if wait <= 0 || receipt.Members == 0 {
		return receipt, nil
	}
	return n.receipt(ctx, timeout, to, e, receipt)
}

// Await implements [api.Service].
func (n *FakeNode) Await(ctx context.Context, sent api.Receipt, wait time.Duration) (api.Receipt, error) {
	timeout := time.NewTimer(max(wait, 0))
	defer timeout.Stop()
	if err := n.enter(ctx); err != nil {
		return api.Receipt{}, err
	}
	to, e := n.said(sent.ID)
	receipt := api.Receipt{Members: 1}
	if to.place != nil {
		receipt.Members = to.place.others()
	}
	n.leave()
	if e == nil {
		return api.Receipt{}, api.Errorf(api.CodeNotFound, "message %s is none of yours", sent.ID)
	}
	receipt.ID, receipt.Conversation = e.ID, e.Conversation
	return n.receipt(ctx, timeout, to, e, receipt)
}

// said is a message of ours, and where it was said; nil if there is none.
func (n *FakeNode) said(id string) (talk, *entry) {
	var all []talk
	for _, c := range n.contacts {
		all = append(all, talk{contact: c})
	}
	for _, p := range n.places {
		all = append(all, talk{place: p})
	}
	for _, t := range all {
		if e := t.history().find(id); e != nil && e.Author == n.self.PeerID {
			return t, e
		}
	}
	return talk{}, nil
}

// receipt waits until somebody else has e.
func (n *FakeNode) receipt(ctx context.Context, timeout *time.Timer, to talk, e *entry, receipt api.Receipt) (api.Receipt, error) {
	for {
		n.lan.mu.Lock()
		receipt.State = e.State
		acked := 1
		if to.place != nil {
			acked = to.place.ackedBy(e)
		}
		wake := n.changes.wake
		n.lan.mu.Unlock()
		if ranks[receipt.State] >= ranks[api.Delivered] {
			receipt.Acked = acked
			return receipt, nil
		}
		select {
		case <-wake:
		case <-timeout.C:
			return receipt, nil
		case <-n.stopped:
			return receipt, nil
		case <-ctx.Done():
			return receipt, ctx.Err()
		}
	}
}

// await resolves target, waiting for a name nobody has yet; it returns with
// the lock held unless it failed.
func (n *FakeNode) await(ctx context.Context, timeout *time.Timer, target string) (talk, error) {
	for {
		if err := n.enter(ctx); err != nil {
			return talk{}, err
		}
		to, err := n.resolveTarget(target)
		if err == nil {
			return to, nil
		}
		wake := n.changes.wake
		n.leave()
		if !api.IsCode(err, api.CodeNotFound) {
			return talk{}, err
		}
		select {
		case <-wake:
		case <-timeout.C:
			return talk{}, err
		case <-n.stopped:
			return talk{}, api.Errorf(api.CodeNoNode, "the node has stopped")
		case <-ctx.Done():
			return talk{}, ctx.Err()
		}
	}
}

// tell commits a message of this kind, text and room to somebody, and delivers it
// if he is connected.
func (n *FakeNode) tell(c *contact, m api.Message, about api.Invitation) *entry {
	conversation := c.conversation().ID
	c.seq++
	n.lan.order++
	m.ID, m.Conversation = messageID(conversation, n.self.PeerID, c.seq), conversation
	m.Author, m.Name, m.Time = n.self.PeerID, n.self.Name, api.Time{Time: n.lan.now()}
	m.Log, m.Seq, m.State = n.log, c.seq, api.Queued
	e := &entry{order: n.lan.order, Message: m, about: about}
	c.log = append(c.log, e)
	c.publish(e)
	n.lan.deliver(e, c, c.peer.contacts[n.self.PeerID])
	return e
}

// Log implements [api.Service].
func (n *FakeNode) Log(ctx context.Context, q api.LogQuery) ([]api.Message, error) {
	if err := n.enter(ctx); err != nil {
		return nil, err
	}
	defer n.leave()
	of, err := n.resolveTarget(q.Target)
	if err != nil {
		return nil, err
	}
	rows, err := of.history().list(q, of.view)
	if of.place != nil {
		rows = slices.DeleteFunc(rows, func(m api.Message) bool { return of.place.muted(m) })
	}
	rows = newest(rows, q)
	for i := range rows {
		c := n.contacts[rows[i].Author]
		rows[i].Verified = c != nil && c.verified
	}
	return rows, err
}

// MarkRead implements [api.Service].
func (n *FakeNode) MarkRead(ctx context.Context, target, id string) error {
	if err := n.enter(ctx); err != nil {
		return err
	}
	defer n.leave()
	of, err := n.resolveTarget(target)
	if err != nil {
		return err
	}
	e := of.history().find(id)
	if e == nil {
		return api.Errorf(api.CodeNotFound, "no message %q in this conversation", id)
	}
	if p := of.place; p != nil {
		if len(p.readUpTo(e)) > 0 {
			p.publishConversation()
		}
		return nil
	}
	if c := of.contact; c.read(e) {
		n.publishConversation(c)
		n.lan.tellRead(c, c.peer.contacts[n.self.PeerID])
	}
	return nil
}

// Typing implements [api.Service].
func (n *FakeNode) Typing(ctx context.Context, target string) error {
	if err := n.enter(ctx); err != nil {
		return err
	}
	defer n.leave()
	of, err := n.resolveTarget(target)
	if err != nil {
		return err
	}
	tell := func(other *FakeNode, conversation string) {
		other.publish(api.Change{Type: api.ChangeTyping, Typing: &api.Typing{
			Conversation: conversation, PeerID: n.self.PeerID,
		}})
	}
	switch p, c := of.place, of.contact; {
	case p != nil && p.joined:
		for _, other := range p.near() {
			tell(other.owner, p.room.id)
		}
	case c != nil && c.open():
		tell(c.peer, c.conversation().ID)
	}
	return nil
}
