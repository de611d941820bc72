package node

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/rooms"
	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// sendToRoom says something in a room; wait bounds the wait for somebody else to
// have committed it.
func (n *Node) sendToRoom(ctx, wait context.Context, r *rooms.Room, kind event.Kind, body []byte) (api.Receipt, error) {
	e, err := r.Say(ctx, kind, body)
	if err != nil {
		if err = errorIn(ctx, r, n.people.called, err); api.IsCode(err, api.CodeDestroyed) {
			err = gone(ctx, r)
		}
		return api.Receipt{}, err
	}
	return n.roomReceipt(ctx, wait, r, e)
}

// roomReceipt says who of a room has e, once somebody has or wait ends.
func (n *Node) roomReceipt(ctx, wait context.Context, r *rooms.Room, e *event.Event) (rec api.Receipt, err error) {
	// Running out of time is no error: the state says how far it came.
	_ = r.WaitAcked(wait, e)
	rec = api.Receipt{ID: e.ID.String(), Conversation: r.ID().String(), State: api.Queued}
	// Whatever became of the caller, the message is kept.
	rec.Acked, rec.Members, err = r.Acked(context.WithoutCancel(ctx), e)
	if err != nil && !errors.Is(err, rooms.ErrClosed) {
		return rec, roomError(err)
	}
	if rec.Acked > 0 {
		rec.State = api.Delivered
	}
	return rec, ctx.Err()
}

// roomStates tells the state of messages of a room, of which others hold ours up
// to reached.
func roomStates(self peer.ID, reached func() event.Frontier) func(*event.Event) string {
	reached = sync.OnceValue(reached) // it looks at every member, and only ours need it
	return func(e *event.Event) string {
		switch {
		case e.Author != self:
			return api.Received
		case e.Lane == event.LaneMessage && reached().Covers(e.Key(), e.Seq):
			return api.Delivered
		}
		return api.Queued
	}
}

// roomHandler hears from rooms.
type roomHandler struct{ n *Node }

func (h roomHandler) Messages(id event.Conversation, scene rooms.Scene, ms []rooms.Message) {
	n := h.n
	r, err := n.rooms.Room(id)
	if err != nil {
		return // it is being entered; a face reads the log when it opens
	}
	state := roomStates(n.key.ID(), r.Reached)
	n.showing.RLock()
	defer n.showing.RUnlock()
	var lines []api.Message
	for _, m := range ms {
		if !m.Fresh {
			n.judged.Add(1)
		}
		if m.Kind.Amends() {
			h.amendment(id, m)
			continue
		}
		shown := !n.people.blocked(m.Author) // the room's own file has it all the same
		switch m.Verdict.Status {
		case room.Visible, room.Retracted:
			if m.Verdict.Status == room.Visible && m.Kind.Amendable() && (m.Spoken || !m.Fresh) {
				// What is shown of it is not what it says, or may not be.
				again := toldAgain{conv: id, id: m.ID}
				if m.Fresh {
					again.by = m.ID
				}
				n.again.put(again)
				continue
			}
			row := message(m.Event, m.At, n.people)
			row.Nick, row.State = m.Nick, state(m.Event)
			if m.Verdict.Status == room.Retracted || m.Kind.Amendable() && !m.HasBody() {
				retract(&row)
			}
			if shown {
				n.hub.publish(api.Change{Type: api.ChangeMessage, Message: &row})
			}
			if m.Fresh && row.Kind != api.MessageEpoch {
				lines = append(lines, row)
			}
		default:
			if !m.Fresh && shown {
				n.hub.publish(api.Change{Type: api.ChangeHidden, Hidden: &api.Hidden{Conversation: id.String(), ID: m.ID.String()}})
			}
		}
	}
	n.roomFiles.write(id, scene, lines)
	n.convs.uncounted.put(id)
	n.roomsDue.put(id)
}

// amendment hears of an edit, a retraction or a reaction.
func (h roomHandler) amendment(id event.Conversation, m rooms.Message) {
	a, ok := m.Amendment()
	if !ok {
		return
	}
	again := toldAgain{conv: id, id: a.Target}
	if m.Fresh && m.Verdict.Status == room.Visible && m.Kind != event.KindReact {
		again.by = m.ID
	}
	h.n.again.put(again)
}

func (h roomHandler) Governed(id event.Conversation, scene rooms.Scene, events []*event.Event, asides []rooms.Aside, at time.Time) {
	var lines []api.Message
	for i, e := range events {
		row := message(e, at, h.n.people)
		row.Conversation = id.String()
		aside(&row, asides[i])
		row.State = api.Received
		if e.Author == h.n.key.ID() {
			row.State = api.Queued
		}
		h.n.hub.publish(api.Change{Type: api.ChangeMessage, Message: &row})
		lines = append(lines, row)
	}
	h.n.roomFiles.write(id, scene, lines)
}

func (h roomHandler) RoomChanged(id event.Conversation) { h.n.roomsDue.put(id) }

func (h roomHandler) MemberChanged(id event.Conversation, m rooms.Member, gone bool) {
	h.n.hub.publish(api.Change{Type: api.ChangeMember, Member: &api.MemberChange{
		RoomID: id.String(), Member: memberRow(m, h.n.key.ID(), h.n.people), Gone: gone,
	}})
}

func (h roomHandler) Delivered(id event.Conversation, k event.LogKey, head event.Head) {
	h.n.hub.publish(api.Change{Type: api.ChangeState, State: &api.StateChange{
		Conversation: id.String(), Log: k.Log.String(), Seq: head.Seq, State: api.Delivered,
	}})
}

func (h roomHandler) Keyed(id event.Conversation, s rooms.Scene, keys map[event.ID]envelope.Key) {
	h.n.secrets.tell(roomKeys(id, s.Name, keys)...)
}

func (h roomHandler) Failed(id event.Conversation, err error) {
	h.n.uncommitted("commit to a room", err, "room", id.String())
}

// tellGather is how long a changed row waits for further changes.
const tellGather = 25 * time.Millisecond

// tellRooms tells faces the rows of rooms that changed, with what is unread in
// them, messages that became something else, and what others ask of us about
// rooms, until ctx ends. It may take its
// time: nothing that is said waits for it.
func (n *Node) tellRooms(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.roomsDue.news:
		case <-n.asked.news:
		case <-n.again.news:
		}
		// What is said comes first, and several changes are one.
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(tellGather):
		}
		for _, e := range n.asked.take() {
			n.tellAsked(ctx, e)
		}
		for _, t := range n.again.take() {
			if err := n.tellAgain(ctx, t); err != nil && ctx.Err() == nil {
				n.log.Warn("tell of a message again", "message", t.id, "err", err)
			}
		}
		for _, id := range n.roomsDue.take() {
			if r, err := n.rooms.Room(id); err == nil {
				n.tellRoom(ctx, r)
			}
		}
	}
}

func (n *Node) tellRoom(ctx context.Context, r *rooms.Room) {
	info, err := r.Info(ctx)
	if err != nil {
		return // it ends
	}
	if err := n.convs.count(ctx); err != nil && ctx.Err() == nil {
		n.log.Warn("count what is unread", "err", err)
	}
	row := infoRow(info, n.convs.roomUnread(info.Room))
	if !info.Joined {
		n.hub.publish(api.Change{Type: api.ChangeRoomLeft, Room: &row})
		return
	}
	n.hub.publish(api.Change{Type: api.ChangeRoom, Room: &row})
	conv := n.roomConversation(info)
	n.hub.publish(api.Change{Type: api.ChangeConversation, Conversation: &conv})
}

// roomConversation is a room's row in the list of conversations.
func (n *Node) roomConversation(i rooms.Info) api.Conversation {
	row := roomConversation(i, n.convs.room(i.Room))
	came, due := n.sync.Progress(i.Room)
	row.Fetched, row.Fetching = int(min(came, math.MaxInt32)), int(min(due, math.MaxInt32))
	return row
}

func roomConversation(i rooms.Info, c conversation) api.Conversation {
	row := api.Conversation{ID: i.Room.String(), Kind: api.KindRoom, Target: i.Room.String(), Name: i.Config.Name(), Unread: c.unread.messages, Mentions: c.unread.mentions}
	if c.last != 0 {
		row.LastTime = api.Time{Time: c.last.Wall()}
	}
	return row
}

// roomConversations lists the rooms we are in.
func (n *Node) roomConversations(ctx context.Context) ([]api.Conversation, error) {
	if err := n.convs.count(ctx); err != nil {
		return nil, apiError(err)
	}
	var out []api.Conversation
	for _, r := range n.rooms.Rooms() {
		info, err := r.Info(ctx)
		if err != nil {
			return nil, roomError(err)
		}
		if info.Joined {
			out = append(out, n.roomConversation(info))
		}
	}
	return out, nil
}

// PeerReceipts hears what p has committed of our logs in a room.
func (h helloHandler) PeerReceipts(p peer.ID, id event.Conversation, f event.Frontier) {
	if r, err := h.n.rooms.Room(id); err == nil {
		r.Committed(h.n.ctx, p, f)
		h.n.persistSoon()
	}
}
