package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/rooms"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
)

// Edit implements [api.Service].
func (n *Node) Edit(ctx context.Context, r api.AmendRequest) (api.Receipt, error) {
	if err := api.CheckText(r.Text); err != nil {
		return api.Receipt{}, err
	}
	return n.amend(ctx, r, event.KindEdit, func(m store.Stored) (event.Amendment, error) {
		if err := n.ours(m, "edit"); err != nil {
			return event.Amendment{}, err
		}
		if text, _ := m.Text(); text == r.Text {
			return event.Amendment{}, api.Errorf(api.CodeUsage, "the message says that already")
		}
		return event.Amendment{Text: r.Text}, nil
	})
}

// Retract implements [api.Service].
func (n *Node) Retract(ctx context.Context, r api.AmendRequest) (api.Receipt, error) {
	return n.amend(ctx, r, event.KindRetract, func(m store.Stored) (event.Amendment, error) {
		return event.Amendment{}, n.ours(m, "take back")
	})
}

// React implements [api.Service].
func (n *Node) React(ctx context.Context, r api.AmendRequest) (api.Receipt, error) {
	if r.Text != "" || !r.Undo {
		if err := api.CheckReaction(r.Text); err != nil {
			return api.Receipt{}, err
		}
	}
	return n.amend(ctx, r, event.KindReact, func(m store.Stored) (event.Amendment, error) {
		a := event.Amendment{Text: r.Text, Undo: r.Undo}
		if !r.Undo {
			return a, nil
		}
		var mine []string
		for _, x := range m.Amended.Reactions {
			if slices.Contains(x.By, n.key.ID()) {
				mine = append(mine, x.Text)
			}
		}
		switch {
		case a.Text != "" && !slices.Contains(mine, a.Text), len(mine) == 0:
			return a, api.Errorf(api.CodeNotFound, "you have not reacted to this message so")
		case a.Text == "" && len(mine) > 1:
			return a, api.Errorf(api.CodeUsage, "you have reacted in %d ways: say which to take away: %s", len(mine), strings.Join(mine, " "))
		}
		a.Text = mine[max(slices.Index(mine, a.Text), 0)]
		return a, nil
	})
}

// ours refuses what only the author may do.
func (n *Node) ours(m store.Stored, what string) error {
	if m.Author != n.key.ID() {
		return api.Errorf(api.CodeForbidden, "only its author, %s, can %s this message (moderators of a room have `p2pchat room retract`)", n.people.called(m.Author), what)
	}
	return nil
}

// amend says something about a message that is shown, and waits for the receipt.
func (n *Node) amend(ctx context.Context, r api.AmendRequest, kind event.Kind, what func(store.Stored) (event.Amendment, error)) (api.Receipt, error) {
	if err := n.maySay(); err != nil {
		return api.Receipt{}, err
	}
	to, err := n.resolveTarget(ctx, r.Target)
	if err != nil {
		return api.Receipt{}, err
	}
	m, err := n.findMessage(ctx, to, r.ID)
	if err != nil {
		return api.Receipt{}, err
	}
	if _, ok := m.Text(); !ok {
		return api.Receipt{}, api.Errorf(api.CodeNotFound, "message %s was taken back, or is no text", r.ID)
	}
	a, err := what(m)
	if err != nil {
		return api.Receipt{}, err
	}
	a.Target = m.ID
	body, err := event.EncodeAmendment(kind, a)
	if err != nil {
		return api.Receipt{}, api.Errorf(api.CodeBadText, "%w", err)
	}
	wait, cancel := context.WithTimeout(ctx, r.Wait)
	defer cancel()
	return n.say(ctx, wait, to, kind, body)
}

// say commits a message and waits for its receipt until wait ends.
func (n *Node) say(ctx, wait context.Context, to conversationRef, kind event.Kind, body []byte) (api.Receipt, error) {
	if to.room != nil {
		return n.sendToRoom(ctx, wait, to.room, kind, body)
	}
	return n.sendDirect(ctx, wait, to.peer, kind, body)
}

// conversation is the ID of what a target names.
func (n *Node) conversation(to conversationRef) event.Conversation {
	if to.room != nil {
		return to.room.ID()
	}
	return event.Direct(n.key.ID(), to.peer)
}

// findMessage is the message of a conversation that an ID names, or the beginning
// of one. Errors: not-found, ambiguous.
func (n *Node) findMessage(ctx context.Context, to conversationRef, id string) (store.Stored, error) {
	from, upTo, err := idRange(id)
	if err != nil {
		return store.Stored{}, err
	}
	ids, err := n.store.Matching(ctx, n.conversation(to), from, upTo, 16)
	if err != nil {
		return store.Stored{}, apiError(err)
	}
	switch len(ids) {
	case 0:
		return store.Stored{}, api.Errorf(api.CodeNotFound, "there is no message %s in this conversation; `p2pchat log --ids` lists their IDs", id)
	case 1:
		m, err := n.store.Shown(ctx, ids[0], to.room != nil)
		return m, apiError(err)
	}
	e := api.Errorf(api.CodeAmbiguous, "%d messages have IDs that begin with %s: give more of it", len(ids), id)
	for _, c := range ids {
		e.Candidates = append(e.Candidates, c.String())
	}
	return store.Stored{}, e
}

// idRange gives the lowest and the highest ID that begin with some hex digits.
func idRange(prefix string) (from, to event.ID, err error) {
	digits := 2 * len(from)
	if len(prefix) < api.MinID || len(prefix) > digits {
		return from, to, api.Errorf(api.CodeNotFound, "%q is no message ID: those have %d hex digits, of which the first %d or more will do", prefix, digits, api.MinID)
	}
	low, bad := hex.DecodeString(prefix + strings.Repeat("0", digits-len(prefix)))
	high, worse := hex.DecodeString(prefix + strings.Repeat("f", digits-len(prefix)))
	if bad != nil || worse != nil {
		return from, to, api.Errorf(api.CodeNotFound, "%q is no message ID: those are hex digits", prefix)
	}
	return event.ID(low), event.ID(high), nil
}

// toldAgain is a message of which faces are to be told anew.
type toldAgain struct {
	conv event.Conversation
	id   event.ID
	// by is what came, if the file of a room that is logged is to say so: an edit or
	// a retraction, or the message itself, which came after something about it.
	by event.ID
}

// tellAgain tells faces of a message as it is now.
func (n *Node) tellAgain(ctx context.Context, t toldAgain) error {
	judged := n.judged.Load()
	to, inRoom := n.talkOf(t.conv)
	row, err := n.store.Shown(ctx, t.id, inRoom) // in a room without what those say who are blocked
	if errors.Is(err, store.ErrNotFound) {
		return nil // it may come
	}
	if err != nil || row.Conversation != t.conv || !row.Listed() {
		return err
	}
	m, err := n.row(ctx, to, row)
	if err != nil {
		return err
	}
	if inRoom && !t.by.IsZero() {
		if err := n.logAgain(ctx, to.room, row, m, t.by); err != nil {
			return err
		}
	}
	n.showing.Lock()
	defer n.showing.Unlock()
	switch {
	case judged != n.judged.Load(): // what was read may not hold any more
		n.again.put(toldAgain{conv: t.conv, id: t.id})
	case !inRoom || !n.people.blocked(row.Author):
		n.hub.publish(api.Change{Type: api.ChangeMessage, Message: &m})
	}
	return nil
}

// talkOf is who or what conversation conv is with.
func (n *Node) talkOf(conv event.Conversation) (to conversationRef, inRoom bool) {
	if r, err := n.rooms.Room(conv); err == nil {
		return conversationRef{room: r}, true
	}
	return conversationRef{peer: n.convs.peer(conv)}, false
}

// row is one message as a face sees it.
func (n *Node) row(ctx context.Context, to conversationRef, s store.Stored) (api.Message, error) {
	m := shown(s, n.people)
	if to.room == nil {
		state, err := n.delivery.states(ctx, to.peer)
		if err != nil {
			return m, err
		}
		m.State = state(s.Event)
		return m, intoRoom(ctx, n.store, s.Event, &m)
	}
	said, err := to.room.Asides(ctx, []*event.Event{s.Event})
	if err != nil {
		return m, err
	}
	aside(&m, said[0])
	m.State = roomStates(n.key.ID(), to.room.Reached)(s.Event)
	return m, nil
}

// shown is a stored message as faces see it, but for what depends on the
// conversation.
func shown(s store.Stored, who *people) api.Message {
	m := message(s.Event, s.Received, who)
	m.Forked = s.Forked
	if !s.Kind.Amendable() {
		if s.Verdict == store.VerdictRetracted {
			retract(&m)
		}
		return m
	}
	text, ok := s.Text()
	if !ok {
		retract(&m)
		return m
	}
	if e := s.Amended.Edit; e != nil {
		m.Edited = api.Time{Time: e.Time.Wall()}
		if m.Kind == api.MessagePrivate {
			m.Text = text
		} else {
			m.Kind, m.Text = api.SplitAction(text)
		}
	}
	for _, r := range s.Amended.Reactions {
		m.Reactions = append(m.Reactions, api.Reaction{Text: r.Text, By: peerIDs(r.By)})
	}
	return m
}

func peerIDs(ids []peer.ID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}

// amendmentRow says what an edit, a retraction or a reaction says.
func amendmentRow(e *event.Event, m *api.Message) {
	a, ok := e.Amendment()
	m.Text, m.Retracted = a.Text, !ok
	if ok {
		m.About = a.Target.String()
	}
	switch {
	case e.Kind == event.KindEdit:
		m.Kind = api.MessageEdit
	case e.Kind == event.KindRetract:
		m.Kind = api.MessageRetraction
	case a.Undo:
		m.Kind = api.MessageUnreaction
	default:
		m.Kind = api.MessageReaction
	}
}

// logAgain has the file of a room that is logged tell of what came: by is about m,
// or m itself.
func (n *Node) logAgain(ctx context.Context, r *rooms.Room, row store.Stored, m api.Message, by event.ID) error {
	info, err := r.Info(ctx)
	if err != nil {
		return err
	}
	line := m
	if by != row.ID {
		e, err := n.store.EventByID(ctx, by)
		if err != nil {
			return err
		}
		if e.Author != row.Author || !row.Kind.Amendable() || !e.HasBody() {
			return nil // it has no effect, or its text is gone already
		}
		line = message(e.Event, e.Received, n.people)
		line.Nick = m.Nick
		line.Text = fmt.Sprintf("%s: %s", m.Time.UTC().Format(time.DateTime), line.Text)
	}
	n.roomFiles.write(r.ID(), rooms.Scene{Name: info.Config.Name(), Logging: info.Config.Logging()}, []api.Message{line})
	return nil
}
