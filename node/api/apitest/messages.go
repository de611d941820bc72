package apitest

import (
	"context"
	"time"

	"p2pchat/node/api"
)

// Send implements [api.Service]. Everything it causes on a connected node has
// happened when it returns, also with r.Wait 0, whose receipt still says
// queued.
func (n *FakeNode) Send(ctx context.Context, r api.SendRequest) (api.Receipt, error) {
	if err := api.CheckText(r.Text); err != nil {
		return api.Receipt{}, err
	}
	timeout := time.NewTimer(max(r.Wait, 0))
	defer timeout.Stop()

	c, err := n.await(ctx, timeout, r.Target)
	if err != nil {
		return api.Receipt{}, err
	}
	e := n.commit(c, r.Text)
	receipt := api.Receipt{ID: e.ID, Conversation: e.Conversation, State: api.Queued, Members: 1}
	n.lan.deliver(e, c, c.peer.contacts[n.self.PeerID])
	n.leave()
	if r.Wait <= 0 {
		return receipt, nil
	}
	for {
		n.lan.mu.Lock()
		receipt.State = e.State
		wake := n.changes.wake
		n.lan.mu.Unlock()
		if ranks[receipt.State] >= ranks[api.Delivered] {
			receipt.Acked = 1
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
func (n *FakeNode) await(ctx context.Context, timeout *time.Timer, target string) (*contact, error) {
	for {
		if err := n.enter(ctx); err != nil {
			return nil, err
		}
		c, err := n.resolve(target)
		if err == nil {
			return c, nil
		}
		wake := n.changes.wake
		n.leave()
		if !api.IsCode(err, api.CodeNotFound) {
			return nil, err
		}
		select {
		case <-wake:
		case <-timeout.C:
			return nil, err
		case <-n.stopped:
			return nil, api.Errorf(api.CodeNoNode, "the node has stopped")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (n *FakeNode) commit(c *contact, text string) *entry {
	conversation := c.conversation().ID
	kind, kept := api.SplitAction(text)
	c.seq++
	n.lan.order++
	e := &entry{order: n.lan.order, Message: api.Message{
		ID: messageID(conversation, n.self.PeerID, c.seq), Conversation: conversation,
		Author: n.self.PeerID, Name: n.self.Name, Time: api.Time{Time: n.lan.now()},
		Log: n.log, Seq: c.seq, Kind: kind, Text: kept, State: api.Queued,
	}}
	c.log = append(c.log, e)
	m := e.Message
	n.publish(api.Change{Type: api.ChangeMessage, Message: &m})
	return e
}

// Log implements [api.Service].
func (n *FakeNode) Log(ctx context.Context, q api.LogQuery) ([]api.Message, error) {
	if err := n.enter(ctx); err != nil {
		return nil, err
	}
	defer n.leave()
	c, err := n.resolve(q.Target)
	if err != nil {
		return nil, err
	}
	if q.Before != "" && c.find(q.Before) == nil {
		return nil, api.Errorf(api.CodeNotFound, "no message %q in this conversation", q.Before)
	}
	rows := []api.Message{}
	for _, e := range c.log {
		if e.ID == q.Before {
			break
		}
		if !e.Time.Before(q.Since) {
			rows = append(rows, e.Message)
		}
	}
	if q.Last > 0 && len(rows) > q.Last {
		rows = rows[len(rows)-q.Last:]
	}
	return rows, nil
}

// MarkRead implements [api.Service].
func (n *FakeNode) MarkRead(ctx context.Context, target, id string) error {
	if err := n.enter(ctx); err != nil {
		return err
	}
	defer n.leave()
	c, err := n.resolve(target)
	if err != nil {
		return err
	}
	e := c.find(id)
	if e == nil {
		return api.Errorf(api.CodeNotFound, "no message %q in this conversation", id)
	}
	if c.read(e) {
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
	c, err := n.resolve(target)
	if err != nil {
		return err
	}
	if c.connected {
		c.peer.publish(api.Change{Type: api.ChangeTyping, Typing: &api.Typing{
			Conversation: c.conversation().ID, PeerID: n.self.PeerID,
		}})
	}
	return nil
}
