package apitest

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/protocol/event"
)

// eventKinds says which event a message is.
var eventKinds = map[string]event.Kind{
	api.MessageText: event.KindText, api.MessageAction: event.KindText, api.MessagePrivate: event.KindText,
	api.MessageEdit: event.KindEdit, api.MessageRetraction: event.KindRetract,
	api.MessageReaction: event.KindReact, api.MessageUnreaction: event.KindReact,
}

func amends(kind string) bool { return eventKinds[kind] != 0 && eventKinds[kind].Amends() }

// amendment is what m says of another message.
func amendment(m api.Message) (event.Amendment, error) {
	target, err := event.ParseID(m.About)
	return event.Amendment{Target: target, Text: m.Text, Undo: m.Kind == api.MessageUnreaction}, err
}

// asEvent is e as the event of which [event.Amend] makes something; nil if it is
// none.
func (e *entry) asEvent() *event.Event {
	kind := eventKinds[e.Kind]
	author, err := peer.Decode(e.Author)
	conversation, bad := event.ParseID(e.Conversation)
	if kind == 0 || e.Retracted || err != nil || bad != nil {
		return nil
	}
	var body []byte
	if kind.Amends() {
		a, err := amendment(e.Message)
		if err != nil {
			return nil
		}
		if body, err = event.EncodeAmendment(kind, a); err != nil {
			return nil
		}
	}
	return newEvent(e.ID, event.Header{
		Conversation: event.Conversation(conversation), Author: author, Lane: event.LaneMessage, Kind: kind,
		Time: event.Time(e.order), // in the order of saying
	}, body)
}

// view is e with what became of it by those others that count.
func (h *history) view(e *entry, counts func(api.Message) bool) api.Message {
	m := e.Message
	text := e.asEvent()
	if text == nil || amends(e.Kind) {
		return m
	}
	var others []*event.Event
	for _, o := range h.log {
		if o.About == e.ID && counts(o.Message) {
			if x := o.asEvent(); x != nil {
				others = append(others, x)
			}
		}
	}
	now := event.Amend(text, others)
	if now.Retracted {
		m.Kind, m.Text, m.Retracted, m.ReplyTo = api.MessageText, "", true, ""
		return m
	}
	if now.Edit != nil {
		m.Edited = h.find(now.Edit.ID.String()).Time
		if m.Kind == api.MessagePrivate {
			m.Text = now.Text
		} else {
			m.Kind, m.Text = api.SplitAction(now.Text)
		}
	}
	for _, r := range now.Reactions {
		row := api.Reaction{Text: r.Text}
		for _, p := range r.By {
			row.By = append(row.By, p.String())
		}
		m.Reactions = append(m.Reactions, row)
	}
	return m
}

// everything is for conversations of two, where nobody's messages are left out.
func everything(api.Message) bool { return true }

// unmuted leaves out whoever is blocked.
func (p *place) unmuted(m api.Message) bool { return !p.muted(m) }

// view is e as a talk shows it.
func (t talk) view(e *entry) api.Message {
	if t.place != nil {
		return t.place.view(e, t.place.unmuted)
	}
	return t.contact.view(e, everything)
}

// told is what watchers hear of when e came or changed: e, or what it is about;
// nil if that is not here.
func (h *history) told(e *entry) *entry {
	if amends(e.Kind) {
		return h.find(e.About)
	}
	return e
}

// pick finds the message that an ID names, or the beginning of one.
func (t talk) pick(id string) (*entry, error) {
	if len(id) < api.MinID || strings.Trim(strings.ToLower(id), "0123456789abcdef") != "" {
		return nil, api.Errorf(api.CodeNotFound, "%q is no message ID", id)
	}
	var found []*entry
	for _, e := range t.history().log {
		if strings.HasPrefix(e.ID, strings.ToLower(id)) && !amends(e.Kind) && e.Log != "" {
			found = append(found, e)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	if len(found) == 0 {
		return nil, api.Errorf(api.CodeNotFound, "there is no message %s in this conversation", id)
	}
	err := api.Errorf(api.CodeAmbiguous, "%d messages have IDs that begin with %s", len(found), id)
	for _, e := range found {
		err.Candidates = append(err.Candidates, e.ID)
	}
	return nil, err
}

// Edit implements [api.Service].
func (n *FakeNode) Edit(ctx context.Context, r api.AmendRequest) (api.Receipt, error) {
	if err := api.CheckText(r.Text); err != nil {
		return api.Receipt{}, err
	}
	return n.amend(ctx, r, func(m api.Message) (api.Message, error) {
		if err := n.ours(m); err != nil {
			return api.Message{}, err
		}
		if kind, text := api.SplitAction(r.Text); text == m.Text && (kind == m.Kind || m.Kind == api.MessagePrivate) {
			return api.Message{}, api.Errorf(api.CodeUsage, "the message says that already")
		}
		return api.Message{Kind: api.MessageEdit, Text: r.Text}, nil
	})
}

// Retract implements [api.Service].
func (n *FakeNode) Retract(ctx context.Context, r api.AmendRequest) (api.Receipt, error) {
	return n.amend(ctx, r, func(m api.Message) (api.Message, error) {
		return api.Message{Kind: api.MessageRetraction}, n.ours(m)
	})
}

// React implements [api.Service].
func (n *FakeNode) React(ctx context.Context, r api.AmendRequest) (api.Receipt, error) {
	if r.Text != "" || !r.Undo {
		if err := api.CheckReaction(r.Text); err != nil {
			return api.Receipt{}, err
		}
	}
	return n.amend(ctx, r, func(m api.Message) (api.Message, error) {
		if !r.Undo {
			return api.Message{Kind: api.MessageReaction, Text: r.Text}, nil
		}
		var mine []string
		for _, x := range m.Reactions {
			if slices.Contains(x.By, n.self.PeerID) && (r.Text == "" || r.Text == x.Text) {
				mine = append(mine, x.Text)
			}
		}
		switch len(mine) {
		case 0:
			return api.Message{}, api.Errorf(api.CodeNotFound, "you have not reacted to this message so")
		case 1:
			return api.Message{Kind: api.MessageUnreaction, Text: mine[0]}, nil
		}
		return api.Message{}, api.Errorf(api.CodeUsage, "say which to take away: %s", strings.Join(mine, " "))
	})
}

func (n *FakeNode) ours(m api.Message) error {
	if m.Author != n.self.PeerID {
		return api.Errorf(api.CodeForbidden, "only its author can do this with a message")
	}
	return nil
}

func (n *FakeNode) amend(ctx context.Context, r api.AmendRequest, what func(api.Message) (api.Message, error)) (api.Receipt, error) {
	timeout := time.NewTimer(max(r.Wait, 0))
	defer timeout.Stop()
	if err := n.enter(ctx); err != nil {
		return api.Receipt{}, err
	}
	to, err := n.resolveTarget(r.Target)
	if err != nil {
		n.leave()
		return api.Receipt{}, err
	}
	e, err := to.pick(r.ID)
	var said api.Message
	if err == nil {
		m := to.view(e)
		if eventKinds[m.Kind] != event.KindText || m.Retracted {
			err = api.Errorf(api.CodeNotFound, "message %s was taken back, or is no text", r.ID)
		} else {
			said, err = what(m)
		}
		said.About = e.ID
	}
	if err != nil {
		n.leave()
		return api.Receipt{}, err
	}
	return n.commit(ctx, timeout, to, said, r.Wait)
}

// sameMessage tells whether two messages are the same to a face.
func sameMessage(a, b api.Message) bool {
	if len(a.Reactions)+len(b.Reactions) == 0 {
		a.Reactions, b.Reactions = nil, nil
	}
	return reflect.DeepEqual(a, b)
}
