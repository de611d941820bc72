package apitest

import (
	"context"
	"strings"

	"p2pchat/node/api"
	"p2pchat/protocol/event"
	constitution "p2pchat/protocol/room"
)

// inRoom does something in a room of the node's and says what one is there then.
func (n *FakeNode) inRoom(ctx context.Context, target string, do func(p *place) error) (api.Entry, error) {
	if err := n.enter(ctx); err != nil {
		return api.Entry{}, err
	}
	defer n.leave()
	p, err := n.resolvePlace(target)
	if err != nil {
		return api.Entry{}, err
	}
	if err := p.may(); err != nil {
		return api.Entry{}, err
	}
	if err := do(p); err != nil {
		return api.Entry{}, err
	}
	return p.ourEntry(), nil
}

// SetSubject implements [api.Service].
func (n *FakeNode) SetSubject(ctx context.Context, target, subject string) (api.Entry, error) {
	if err := api.CheckSubject(subject); err != nil {
		return api.Entry{}, err
	}
	return n.inRoom(ctx, target, func(p *place) (err error) {
		n.lan.tellMembers(func() { _, err = p.commit(api.MessageSubject, subject) })
		return err
	})
}

// Configure implements [api.Service].
func (n *FakeNode) Configure(ctx context.Context, r api.ConfigureRequest) (api.Entry, error) {
	if len(r.Password) > 0 && r.NoPassword {
		return api.Entry{}, api.Errorf(api.CodeUsage, "a room has a password or none")
	}
	var ops []constitution.Op
	for _, s := range r.Set {
		if s.Key == "name" {
			if err := api.CheckRoomName(s.Value); err != nil {
				return api.Entry{}, err
			}
		}
		setting, err := constitution.ParseSetting(s.Key, s.Value)
		if err != nil {
			return api.Entry{}, api.Errorf(api.CodeUsage, "%w", err)
		}
		ops = append(ops, constitution.Op{Kind: constitution.KindConfigure, Setting: setting})
	}
	return n.inRoom(ctx, r.Room, func(p *place) error {
		generation := uint64(0)
		if len(r.Password) > 0 {
			generation = uint64(len(p.room.passwords)) + 1
		}
		if len(r.Password) > 0 || r.NoPassword {
			ops = append(ops, constitution.Op{Kind: constitution.KindConfigure, Setting: constitution.Password(generation)})
		}
		if err := p.act(ops...); err != nil {
			return err
		}
		if generation > 0 {
			p.room.passwords[generation] = string(r.Password)
		}
		return nil
	})
}

// Govern implements [api.Service].
func (n *FakeNode) Govern(ctx context.Context, r api.GovernRequest) (api.Entry, error) {
	if err := api.CheckReason(r.Reason); err != nil {
		return api.Entry{}, err
	}
	return n.inRoom(ctx, r.Room, func(p *place) error {
		op, err := p.op(r)
		if err != nil {
			return err
		}
		if r.Act == api.ActUnban && p.rules.Standing(op.Target) != constitution.Outcast {
			return api.Errorf(api.CodeUsage, "%s is not banned", n.called(op.Target))
		}
		return p.act(op)
	})
}

var kinds = map[string]event.Kind{
	api.ActKick: constitution.KindKick, api.ActBan: constitution.KindSet, api.ActUnban: constitution.KindSet,
	api.ActVoice: constitution.KindVoice, api.ActDevoice: constitution.KindDevoice, api.ActGrant: constitution.KindSet,
	api.ActRetract: constitution.KindRetract, api.ActDestroy: constitution.KindDestroy,
}

// op is the operation that r asks for.
func (p *place) op(r api.GovernRequest) (op constitution.Op, err error) {
	op.Kind, op.Reason = kinds[r.Act], r.Reason
	switch r.Act {
	case api.ActBan:
		op.Standing = constitution.Outcast
	case api.ActUnban:
		op.Standing = constitution.None
	case api.ActGrant:
		s, ok := constitution.ParseStanding(r.Standing)
		if !ok {
			return op, api.Errorf(api.CodeUsage, "%q is no standing: there are outcast, none, member, moderator, admin and owner", r.Standing)
		}
		op.Standing = s
	case api.ActRetract:
		for _, e := range p.held {
			if e.ID == r.ID {
				op.Target, op.Message = e.event.Author, e.event.ID
				return op, nil
			}
		}
		return op, api.Errorf(api.CodeNotFound, "no message %q in this room", r.ID)
	case api.ActDestroy:
		if r.Alternate != "" {
			op.Alternate, err = p.owner.alternate(r.Alternate)
		}
		return op, err
	case api.ActKick, api.ActVoice, api.ActDevoice:
	default:
		return op, api.Errorf(api.CodeUsage, "%q is no act of government", r.Act)
	}
	op.Target, err = p.who(r.Who)
	return op, err
}

// alternate is the room named in the place of one that is destroyed.
func (n *FakeNode) alternate(target string) (c event.Conversation, err error) {
	id := strings.TrimPrefix(target, "room:")
	if !isRoomID(id) {
		own, other, err := n.findRoom(target)
		switch {
		case err != nil:
			return c, err
		case own != nil:
			id = own.room.id
		default:
			id = other.room.id
		}
	}
	parsed, err := event.ParseID(strings.ToLower(id))
	return event.Conversation(parsed), err
}
