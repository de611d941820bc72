package node

import (
	"context"
	"errors"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/rooms"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// Invite implements [api.Service].
func (n *Node) Invite(ctx context.Context, target, who, reason string) (api.Entry, error) {
	if len(reason) > room.MaxReason {
		return api.Entry{}, api.Errorf(api.CodeTooLong, "a reason of %d bytes: at most %d", len(reason), room.MaxReason)
	}
	if err := oneLine("a reason", reason); err != nil {
		return api.Entry{}, err
	}
	p, err := n.resolve(who)
	if err != nil {
		return api.Entry{}, err
	}
	if err := n.mayTell(p); err != nil {
		return api.Entry{}, err
	}
	return n.inRoom(ctx, target, func(r *rooms.Room) error {
		info, err := r.Info(ctx)
		if err != nil {
			return err
		}
		if !info.In {
			return rooms.ErrNotJoined
		}
		if err := r.May(ctx, room.Invite); err != nil {
			return err
		}
		if info.Config.MembersOnly() {
			var no *room.Refusal
			if err := n.makeMember(ctx, r, p); errors.As(err, &no) && no.Code == room.Forbidden {
				return api.Errorf(api.CodeForbidden, "an invitation into a members-only room makes its guest a member, which takes an admin or owner (%w)", err)
			} else if err != nil {
				return err
			}
		}
		body, err := room.EncodeBody(&room.Invitation{Room: r.ID(), Name: info.Config.Name(), Reason: reason})
		if err != nil {
			return err
		}
		_, err = n.tellDirect(ctx, p, room.KindInvite, body)
		return err
	})
}

// makeMember gives p the membership that a members-only room asks for, unless he
// has it.
func (n *Node) makeMember(ctx context.Context, r *rooms.Room, p peer.ID) error {
	member := false
	err := r.Govern(ctx, func(rules *room.Room) ([]room.Op, error) {
		if member = rules.Standing(p) >= room.Member; member {
			return nil, nil
		}
		return []room.Op{{Kind: room.KindSet, Target: p, Standing: room.Member}}, nil
	})
	if member {
		return nil
	}
	return err
}

// invitation is one that was received, with what it says.
type invitation struct {
	event *event.Event
	body  *room.Invitation
}

// waiting lists, oldest first, the invitations in rows that nobody answered, the
// last for each room and inviter who is not blocked.
func waiting(rows []store.Stored, who *people) []invitation {
	self := who.self.id
	answered := map[event.ID]bool{}
	var all []invitation
	for _, row := range rows {
		b, err := room.DecodeBody(row.Kind, row.Body)
		if err != nil {
			continue
		}
		switch b := b.(type) {
		case *room.InviteAnswer:
			if row.Author == self {
				answered[b.Invite] = true
			}
		case *room.Invitation:
			if row.Author != self {
				all = append(all, invitation{row.Event, b})
			}
		}
	}
	var out []invitation
	for i, inv := range all {
		again := slices.ContainsFunc(all[i+1:], func(o invitation) bool {
			return o.body.Room == inv.body.Room && o.event.Author == inv.event.Author
		})
		if !again && !answered[inv.event.ID] && !who.blocked(inv.event.Author) {
			out = append(out, inv)
		}
	}
	return out
}

func invitationRow(inv invitation, who *people) api.Invitation {
	return api.Invitation{
		ID: inv.event.ID.String(), RoomID: inv.body.Room.String(), Room: inv.body.Name, PeerID: inv.event.Author.String(),
		Name: who.name(inv.event.Author), Reason: inv.body.Reason, Time: api.Time{Time: inv.event.Time.Wall()},
	}
}

// invitations lists those that wait for an answer of ours.
func (n *Node) invitations(ctx context.Context) ([]invitation, error) {
	rows, err := n.store.Invitations(ctx)
	if err != nil {
		return nil, apiError(err)
	}
	var out []invitation
	for _, inv := range waiting(rows, n.people) {
		if r, err := n.rooms.Room(inv.body.Room); err == nil {
			info, err := r.Info(ctx)
			if err != nil {
				return nil, roomError(err)
			}
			if info.In {
				continue
			}
		}
		out = append(out, inv)
	}
	return out, nil
}

// Invitations implements [api.Reader].
func (n *Node) Invitations(ctx context.Context) ([]api.Invitation, error) {
	all, err := n.invitations(ctx)
	out := make([]api.Invitation, len(all))
	for i, inv := range all {
		out[i] = invitationRow(inv, n.people)
	}
	return out, err
}

// AnswerInvitation implements [api.Service].
func (n *Node) AnswerInvitation(ctx context.Context, q api.AnswerRequest) (api.Entry, error) {
	if err := oneLine("a reason", q.Reason); err != nil {
		return api.Entry{}, err
	}
	all, err := n.invitations(ctx)
	if err != nil {
		return api.Entry{}, err
	}
	found, err := pickInvitation(q.Room, all)
	if err != nil {
		return api.Entry{}, err
	}
	entry := api.Entry{RoomID: found[0].body.Room.String(), Standing: api.StandingNone, Role: api.RoleNone}
	if q.Accept {
		entry, err = n.JoinRoom(ctx, api.JoinRoomRequest{Room: entry.RoomID, Nick: q.Nick, Wait: q.Wait, Password: q.Password})
		if err != nil {
			return api.Entry{}, err
		}
	}
	for _, inv := range found {
		body, err := room.EncodeBody(&room.InviteAnswer{Invite: inv.event.ID, Accepted: q.Accept, Reason: q.Reason})
		if err != nil {
			return api.Entry{}, api.Errorf(api.CodeTooLong, "%w", err)
		}
		if _, err := n.tellDirect(ctx, inv.event.Author, room.KindInviteAnswer, body); err != nil {
			return api.Entry{}, apiError(err)
		}
	}
	return entry, nil
}

// pickInvitation finds the invitations into the room that target names, by its
// name, its ID, or the ID of one of them.
func pickInvitation(target string, all []invitation) ([]invitation, error) {
	name := roomName(target)
	byRoom := map[event.Conversation][]invitation{}
	for _, inv := range all {
		if inv.event.ID.String() == name || inv.body.Room.String() == name || sameRoomName(inv.body.Name, name) {
			byRoom[inv.body.Room] = append(byRoom[inv.body.Room], inv)
		}
	}
	switch len(byRoom) {
	case 0:
		return nil, api.Errorf(api.CodeNotFound, "there is no invitation into a room called %q; `p2pchat room invites` lists them", name)
	case 1:
		for _, found := range byRoom {
			return found, nil
		}
	}
	var ids []string
	for id := range byRoom {
		ids = append(ids, id.String())
	}
	return nil, ambiguousRoom(name, ids)
}

// tellAsked tells faces what somebody asks of us about a room, if it is for us:
// an invitation into one we are not in, a request for voice in one we moderate.
func (n *Node) tellAsked(ctx context.Context, e *event.Event) {
	b, err := room.DecodeBody(e.Kind, e.Body)
	if err != nil || n.people.blocked(e.Author) {
		return
	}
	info := func(id event.Conversation) rooms.Info {
		r, err := n.rooms.Room(id)
		if err != nil {
			return rooms.Info{}
		}
		i, err := r.Info(ctx)
		if err != nil {
			return rooms.Info{}
		}
		return i
	}
	switch b := b.(type) {
	case *room.Invitation:
		if !info(b.Room).In {
			row := invitationRow(invitation{e, b}, n.people)
			n.hub.publish(api.Change{Type: api.ChangeInvitation, Invitation: &row})
		}
	case *room.VoiceRequest:
		if i := info(b.Room); i.In && i.Role >= room.RoleModerator {
			n.hub.publish(api.Change{Type: api.ChangeVoiceRequest, VoiceRequest: &api.VoiceRequest{
				RoomID: b.Room.String(), PeerID: e.Author.String(), Name: n.people.name(e.Author),
			}})
		}
	}
}

// Invitations implements [api.Reader].
func (r *Reader) Invitations(ctx context.Context) ([]api.Invitation, error) {
	rows, err := r.store.Invitations(ctx)
	if err != nil {
		return nil, apiError(err)
	}
	mine, err := r.Rooms(ctx, false)
	if err != nil {
		return nil, err
	}
	out := []api.Invitation{}
	for _, inv := range waiting(rows, r.people) {
		in := slices.ContainsFunc(mine, func(m api.Room) bool { return m.RoomID == inv.body.Room.String() })
		if !in {
			out = append(out, invitationRow(inv, r.people))
		}
	}
	return out, nil
}

// Audit implements [api.Reader].
func (r *Reader) Audit(ctx context.Context, target string) ([]api.AuditRow, error) {
	s, err := r.room(ctx, target)
	if err != nil {
		return nil, err
	}
	return auditRows(s.Audit(r.people.called), r.people), ctx.Err()
}
