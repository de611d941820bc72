package apitest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	constitution "p2pchat/protocol/room"
)

// invite is an invitation that waits, and who sent it.
type invite struct {
	api.Invitation
	from *contact
}

// heed is told what arrived from somebody.
func (n *FakeNode) heed(from *contact, m api.Message, about api.Invitation) {
	p := n.place(m.Room)
	switch {
	case m.Kind == api.MessageInvite && (p == nil || !p.joined):
		about.ID, about.PeerID, about.Name, about.Time = m.ID, m.Author, m.Name, m.Time
		n.invites = slices.DeleteFunc(n.invites, func(i invite) bool { return i.RoomID == about.RoomID && i.from == from })
		n.invites = append(n.invites, invite{about, from})
		n.publish(api.Change{Type: api.ChangeInvitation, Invitation: &about})
	case m.Kind == api.MessageVoiceRequest && p != nil && p.joined && p.rules.Standing(n.id) >= constitution.Moderator:
		n.publish(api.Change{Type: api.ChangeVoiceRequest, VoiceRequest: &api.VoiceRequest{
			RoomID: m.Room, PeerID: m.Author, Name: m.Name,
		}})
	}
}

// overtaken forgets invitations into a room that was entered, and returns them.
func (n *FakeNode) overtaken(room string) (gone []invite) {
	n.invites = slices.DeleteFunc(n.invites, func(i invite) bool {
		if i.RoomID == room {
			gone = append(gone, i)
		}
		return i.RoomID == room
	})
	return gone
}

// contactOf is the contact for a peer of the LAN, nil for oneself and for a peer
// that is nobody's.
func (n *FakeNode) contactOf(id peer.ID) *contact {
	for _, other := range n.lan.nodes {
		if other.id == id && other != n {
			if n.contacts[other.self.PeerID] == nil || other.contacts[n.self.PeerID] == nil {
				other.meet(n, api.ViaExchange)
				return n.meet(other, api.ViaExchange)
			}
			return n.contacts[other.self.PeerID]
		}
	}
	return nil
}

// Invite implements [api.Service].
func (n *FakeNode) Invite(ctx context.Context, target, who, reason string) (api.Entry, error) {
	if err := api.CheckReason(reason); err != nil {
		return api.Entry{}, err
	}
	return n.inRoom(ctx, target, func(p *place) error {
		if err := refused(p.rules.May(n.id, constitution.Invite)); err != nil {
			return err
		}
		id, err := p.who(who)
		if err != nil {
			return err
		}
		c := n.contactOf(id)
		switch {
		case id == n.id:
			return api.Errorf(api.CodeUsage, "that is you, and you are in the room")
		case c == nil:
			return api.Errorf(api.CodeNotFound, "nobody called %q is known", who)
		case c.blocked:
			return c.forbidden()
		case p.rules.Standing(id) == constitution.Outcast:
			return api.Errorf(api.CodeForbidden, "%s is banned from this room: lift the ban first", n.called(id))
		}
		config := p.rules.Config()
		if config.MembersOnly() && p.rules.Standing(id) == constitution.None {
			if err := p.act(constitution.Op{Kind: constitution.KindSet, Target: id, Standing: constitution.Member}); err != nil {
				return err
			}
		}
		text := p.name()
		if reason != "" {
			text += ": " + reason
		}
		n.tell(c, api.Message{Kind: api.MessageInvite, Text: text, Room: p.room.id},
			api.Invitation{RoomID: p.room.id, Room: p.name(), Reason: reason})
		return nil
	})
}

// Invitations implements [api.Service].
func (n *FakeNode) Invitations(ctx context.Context) ([]api.Invitation, error) {
	if err := n.enter(ctx); err != nil {
		return nil, err
	}
	defer n.leave()
	rows := []api.Invitation{}
	for _, i := range n.invites {
		if !i.from.blocked {
			rows = append(rows, i.Invitation)
		}
	}
	return rows, nil
}

// AnswerInvitation implements [api.Service].
func (n *FakeNode) AnswerInvitation(ctx context.Context, r api.AnswerRequest) (api.Entry, error) {
	if err := api.CheckReason(r.Reason); err != nil {
		return api.Entry{}, err
	}
	if err := n.enter(ctx); err != nil {
		return api.Entry{}, err
	}
	id, err := n.invitedTo(r.Room)
	if err == nil && !r.Accept {
		text := "declined"
		if r.Reason != "" {
			text += ": " + r.Reason
		}
		n.answer(n.overtaken(id), text)
	}
	var pending []invite
	for _, i := range n.invites {
		if i.RoomID == id && !i.from.blocked {
			pending = append(pending, i)
		}
	}
	e := api.Entry{RoomID: id, Standing: api.StandingNone, Role: api.RoleNone}
	if p := n.place(id); p != nil {
		e = p.ourEntry()
	}
	n.leave()
	if err != nil {
		return api.Entry{}, err
	}
	if !r.Accept {
		return e, nil
	}
	e, err = n.JoinRoom(ctx, api.JoinRoomRequest{Room: id, Nick: r.Nick, Wait: r.Wait, Password: r.Password})
	if err != nil {
		return api.Entry{}, err
	}
	n.lan.mu.Lock()
	defer n.lan.mu.Unlock()
	n.answer(pending, "accepted")
	return e, nil
}

func (n *FakeNode) answer(to []invite, text string) {
	for _, i := range to {
		if i.from.blocked {
			continue
		}
		n.tell(i.from, api.Message{Kind: api.MessageAnswer, Text: text, Room: i.RoomID}, api.Invitation{})
	}
}

// invitedTo is the one room that target means among the invitations.
func (n *FakeNode) invitedTo(target string) (string, error) {
	name := roomName(target)
	var ids []string
	for _, i := range n.invites {
		if !i.from.blocked && (i.ID == name || i.RoomID == name || strings.EqualFold(i.Room, name)) {
			ids = append(ids, i.RoomID)
		}
	}
	slices.Sort(ids)
	switch ids = slices.Compact(ids); len(ids) {
	case 0:
		return "", api.Errorf(api.CodeNotFound, "no invitation into a room called %q waits for an answer", target)
	case 1:
		return ids[0], nil
	}
	return "", ambiguousRoom(target, ids)
}

// RequestVoice implements [api.Service].
func (n *FakeNode) RequestVoice(ctx context.Context, target string) (api.Entry, error) {
	return n.inRoom(ctx, target, func(p *place) error {
		if p.rules.MaySpeak(n.id) == nil {
			return api.Errorf(api.CodeUsage, "you may speak in this room already")
		}
		asked := false
		for _, o := range p.rules.Occupants() {
			if c := n.contactOf(o.Peer); c != nil && !c.blocked && o.Standing >= constitution.Moderator {
				n.tell(c, api.Message{Kind: api.MessageVoiceRequest, Room: p.room.id}, api.Invitation{})
				asked = true
			}
		}
		if !asked {
			return api.Errorf(api.CodeForbidden, "no moderator is in the room to be asked")
		}
		return nil
	})
}

// SendPrivate implements [api.Service].
func (n *FakeNode) SendPrivate(ctx context.Context, target, who, text string, wait time.Duration) (api.Receipt, error) {
	if err := api.CheckText(text); err != nil {
		return api.Receipt{}, err
	}
	timeout := time.NewTimer(max(wait, 0))
	defer timeout.Stop()
	var c *contact
	var e *entry
	_, err := n.inRoom(ctx, target, func(p *place) error {
		id, err := p.who(who)
		if err != nil {
			return err
		}
		if _, in := p.nicks()[id.String()]; !in {
			return api.Errorf(api.CodeNotFound, "%s is not in the room", n.called(id))
		}
		if err := refused(p.rules.MayWrite(n.id, id)); err != nil {
			return err
		}
		if c = n.contactOf(id); c == nil {
			return api.Errorf(api.CodeUsage, "a private message goes to somebody else")
		}
		if c.blocked {
			return c.forbidden()
		}
		e = n.tell(c, api.Message{Kind: api.MessagePrivate, Text: text, Room: p.room.id}, api.Invitation{})
		return nil
	})
	if err != nil {
		return api.Receipt{}, err
	}
	receipt := api.Receipt{ID: e.ID, Conversation: e.Conversation, State: api.Queued, Members: 1}
	if wait <= 0 {
		return receipt, nil
	}
	return n.receipt(ctx, timeout, talk{contact: c}, e, receipt)
}
