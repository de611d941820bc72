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

// view is how the messages of a conversation are shown.
type view struct {
	conv  event.Conversation
	place api.Place
	// state tells the delivery state of a message.
	state func(*event.Event) string
	// asides says what the rules add to each; nil if it is no room.
	asides func([]*event.Event) ([]rooms.Aside, error)
}

func (v view) isRoom() bool { return v.asides != nil }

// views is what knows conversations: a node, or the reader of a store.
type views interface {
	// view is of what a TARGET names. Errors: not-found, ambiguous.
	view(ctx context.Context, target string) (view, error)
	// viewOf is of one that messages are held of.
	viewOf(ctx context.Context, conv event.Conversation) (view, error)
}

// Log implements [api.Reader].
func (n *Node) Log(ctx context.Context, q api.LogQuery) ([]api.Message, error) {
	return readLog(ctx, n.store, n.people, n, q)
}

func (n *Node) view(ctx context.Context, target string) (view, error) {
	to, err := n.resolveTarget(ctx, target)
	if err != nil {
		return view{}, err
	}
	if to.room != nil {
		return n.roomView(ctx, to.room)
	}
	return n.directView(ctx, to.peer)
}

func (n *Node) viewOf(ctx context.Context, conv event.Conversation) (view, error) {
	if p, ok := n.convs.other(conv); ok {
		return n.directView(ctx, p)
	}
	r, err := n.rooms.Room(conv)
	if err != nil {
		return view{}, roomError(err)
	}
	return n.roomView(ctx, r)
}

func (n *Node) directView(ctx context.Context, p peer.ID) (view, error) {
	state, err := n.delivery.states(ctx, p)
	return view{event.Direct(n.key.ID(), p), with(p, n.people), state, nil}, apiError(err)
}

// with is the place where one talks with p.
func with(p peer.ID, who *people) api.Place {
	return api.Place{Kind: api.KindDirect, Target: p.String(), Name: who.name(p)}
}

func inRoom(i rooms.Info) api.Place {
	return api.Place{Kind: api.KindRoom, Target: i.Room.String(), Name: i.Config.Name()}
}

func (n *Node) roomView(ctx context.Context, r *rooms.Room) (view, error) {
	info, err := r.Info(ctx)
	return view{r.ID(), inRoom(info), roomStates(n.key.ID(), r.Reached), func(events []*event.Event) ([]rooms.Aside, error) {
		out, err := r.Asides(ctx, events)
		return out, roomError(err)
	}}, roomError(err)
}

// skipped are the kinds that are listed on demand only.
var skipped = append(slices.Clone(quietKinds), room.KindInvite, room.KindInviteAnswer, room.KindVoiceRequest)

// readLog lists messages of one conversation. In a room, those of whoever is
// blocked are left out; what he said to us alone, before that, is what one looks
// for there.
func readLog(ctx context.Context, st *store.Store, who *people, all views, q api.LogQuery) ([]api.Message, error) {
	v, err := all.view(ctx, q.Target)
	if err != nil {
		return nil, err
	}
	if q.Last < 0 {
		return nil, negative(q.Last)
	}
	sq := store.LogQuery{Conv: v.conv, Last: q.Last, Since: q.Since, All: q.All, Skip: skipped, Unblocked: v.isRoom()}
	for _, bound := range []struct {
		id string
		to **event.ID
	}{{q.Before, &sq.Before}, {q.After, &sq.After}} {
		if bound.id == "" {
			continue
		}
		id, err := event.ParseID(bound.id)
		if err != nil {
			return nil, api.Errorf(api.CodeNotFound, "%q is no message ID: %w", bound.id, err)
		}
		*bound.to = &id
	}
	rows, err := st.Log(ctx, sq)
	if err != nil {
		return nil, apiError(err)
	}
	out, err := v.messages(rows, who)
	if err != nil {
		return nil, err
	}
	for i, row := range rows {
		if err := intoRoom(ctx, st, row.Event, &out[i]); err != nil {
			return nil, apiError(err)
		}
	}
	return out, nil
}

// intoRoom has the row of an answer to an invitation tell which room it was into, if the
// invitation is held and the answer is one to it.
func intoRoom(ctx context.Context, st *store.Store, e *event.Event, m *api.Message) error {
	if e.Kind != room.KindInviteAnswer {
		return nil
	}
	b, err := room.DecodeBody(e.Kind, e.Body)
	if err != nil {
		return nil //nolint:nilerr // it is shown as what cannot be read
	}
	inv, err := st.EventByID(ctx, b.(*room.InviteAnswer).Invite)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if inv.Conversation != e.Conversation || inv.Author == e.Author {
		return nil
	}
	if b, err := room.DecodeBody(inv.Kind, inv.Body); err == nil {
		if b, ok := b.(*room.Invitation); ok {
			m.Room = b.Room.String()
		}
	}
	return nil
}

func negative(last int) error {
	return api.Errorf(api.CodeUsage, "the number of messages is %d, and must not be negative", last)
}

// messages are rows of the conversation as faces see them.
func (v view) messages(rows []store.Stored, who *people) ([]api.Message, error) {
	said := make([]rooms.Aside, len(rows))
	if v.isRoom() {
		events := make([]*event.Event, len(rows))
		for i, row := range rows {
			events[i] = row.Event
		}
		var err error
		if said, err = v.asides(events); err != nil {
			return nil, err
		}
	}
	out := make([]api.Message, 0, len(rows))
	for i, row := range rows {
		m := shown(row, who)
		m.Conversation = v.conv.String()
		aside(&m, said[i])
		m.State = v.state(row.Event)
		out = append(out, m)
	}
	return out, nil
}
