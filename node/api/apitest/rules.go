package apitest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/protocol/event"
	constitution "p2pchat/protocol/room"
)

// refused gives a refusal of the rules its code; what else they do not take was
// asked wrongly.
func refused(err error) error {
	var no *constitution.Refusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &no):
		return api.Errorf(api.Code(no.Code), "%w", err)
	}
	return api.Errorf(api.CodeUsage, "%w", err)
}

// may is nil if the owner is in the room; otherwise it says why not.
func (p *place) may() error {
	if p.joined {
		return nil
	}
	if err := refused(p.rules.MayEnter(p.owner.id)); err != nil {
		return err
	}
	return notJoined(p.name())
}

// bodyOf is the body of a message of the owner.
func bodyOf(m api.Message) (event.Kind, []byte, error) {
	var b constitution.Body
	text := m.Text
	switch m.Kind {
	case api.MessageAction:
		text = api.ActionPrefix + text
		fallthrough
	case api.MessageText:
		raw, err := event.EncodeText(text)
		return event.KindText, raw, err
	case api.MessageEdit, api.MessageRetraction, api.MessageReaction, api.MessageUnreaction:
		a, err := amendment(m)
		if err != nil {
			return 0, nil, err
		}
		raw, err := event.EncodeAmendment(eventKinds[m.Kind], a)
		return eventKinds[m.Kind], raw, err
	case api.MessageJoin:
		b = &constitution.Join{Nick: text}
	case api.MessageLeave:
		b = &constitution.Leave{}
	case api.MessageNick:
		b = &constitution.Nick{Nick: text}
	default:
		b = &constitution.Subject{Text: text}
	}
	raw, err := constitution.EncodeBody(b)
	return b.Kind(), raw, err
}

// newEvent is an event that nobody signed, which the rules do not look at.
func newEvent(id string, h event.Header, body []byte) *event.Event {
	h.BodyLen, h.BodyHash = uint32(len(body)), sha256.Sum256(body)
	e := &event.Event{Header: h, Body: body}
	var err error
	if e.ID, err = event.ParseID(id); err != nil {
		panic(err) // the IDs here are hashes
	}
	return e
}

// say is [place.commit] of what somebody writes; texts and edits at the room's
// pace.
func (p *place) say(m api.Message) (*entry, error) {
	if err := p.may(); err != nil {
		return nil, err
	}
	var last time.Time
	for _, e := range p.own() {
		if paced(e.Kind) {
			last = e.Time.Time
		}
	}
	if !paced(m.Kind) {
		return p.commitMessage(m)
	}
	if err := refused(p.rules.Paced(p.owner.id, last, p.owner.lan.now())); err != nil {
		return nil, err
	}
	return p.commitMessage(m)
}

func paced(kind string) bool { return api.Listed(kind) || kind == api.MessageEdit }

// commit is [place.commitMessage] of a kind and a text.
func (p *place) commit(kind, text string) (*entry, error) {
	return p.commitMessage(api.Message{Kind: kind, Text: text})
}

// commitMessage is the owner's next event in the room; it goes out at once.
func (p *place) commitMessage(m api.Message) (*entry, error) {
	n := p.owner
	kind, text := m.Kind, m.Text
	number, body, err := bodyOf(m)
	if err != nil {
		return nil, api.Errorf(api.CodeBadText, "%w", err)
	}
	log, err := hex.DecodeString(n.log)
	if err != nil {
		return nil, err
	}
	k := event.LogKey{Author: n.id, Log: event.LogID(log)}
	ctl, _, err := p.rules.DraftMessage(k, number)
	if err != nil {
		return nil, refused(err)
	}
	p.seq++
	n.lan.order++
	nick := p.nicks()[n.self.PeerID]
	if kind == api.MessageJoin || kind == api.MessageNick {
		nick = text
	}
	ev := newEvent(messageID(p.room.id, n.self.PeerID, p.seq), event.Header{
		Conversation: p.rules.ID(), Author: n.id, Lane: event.LaneMessage, Log: k.Log, Seq: p.seq, Prev: p.head,
		Ctl: ctl, Time: n.lan.tick(), Kind: number,
	}, body)
	p.head = ev.ID
	e := &entry{order: n.lan.order, event: ev, kind: kind, text: text, Message: api.Message{
		ID: ev.ID.String(), Conversation: p.room.id,
		Author: n.self.PeerID, Name: n.self.Name, Nick: nick, Time: api.Time{Time: ev.Time.Wall()},
		Log: n.log, Seq: p.seq, Kind: kind, Text: text, State: api.Queued, ReplyTo: m.ReplyTo, About: m.About,
	}}
	if !p.hold(e) {
		return nil, api.Errorf(api.CodeInternal, "the room does not take what it drafted")
	}
	p.spread(e)
	return e, nil
}

// act is an act of government of the owner: all of ops or none.
func (p *place) act(ops ...constitution.Op) error {
	if err := p.may(); err != nil {
		return err
	}
	drafts, err := p.rules.Draft(p.owner.id, ops...)
	if err != nil {
		return refused(err)
	}
	var events []*event.Event
	for i, d := range drafts {
		ctl := d.Ctl
		if d.Chained {
			ctl = []event.ID{events[i-1].ID}
		}
		p.owner.lan.order++
		events = append(events, newEvent(controlID(p.room.id, p.owner.self.PeerID, p.owner.lan.order), event.Header{
			Conversation: p.rules.ID(), Author: p.owner.id, Lane: d.Lane, Ctl: ctl, Time: p.owner.lan.tick(), Kind: d.Kind,
		}, d.Body))
	}
	p.owner.lan.tellMembers(func() { p.govern(events) })
	return nil
}

func controlID(room, author string, number uint64) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("control\x00"+room+author), number))
	return hex.EncodeToString(sum[:])
}

// nameOf is the username of somebody, "" if it is not known.
func (n *FakeNode) nameOf(peerID string) string {
	if peerID == n.self.PeerID {
		return n.self.Name
	}
	if c := n.contacts[peerID]; c != nil {
		return c.peer.self.Name
	}
	return ""
}

// called is what people call somebody.
func (n *FakeNode) called(id peer.ID) string {
	if name := n.nameOf(id.String()); name != "" {
		return name
	}
	return id.String()
}

// who finds the one person that a word means in the room: a nick, else a name, or
// a peer ID.
func (p *place) who(word string) (peer.ID, error) {
	name := strings.TrimPrefix(strings.TrimPrefix(word, "user:"), "@")
	if id, err := peer.Decode(name); err == nil {
		return id, nil
	}
	found := map[string]bool{}
	if nick, err := constitution.NormalizeNick(name); err == nil {
		for id, other := range p.nicks() {
			if constitution.SameNick(other, nick) {
				found[id] = true
			}
		}
	}
	if len(found) == 0 {
		for _, n := range p.owner.lan.nodes {
			if n.self.Name == name && (n == p.owner || p.owner.contacts[n.self.PeerID] != nil) {
				found[n.self.PeerID] = true
			}
		}
	}
	ids := slices.Sorted(maps.Keys(found))
	switch len(ids) {
	case 0:
		return "", api.Errorf(api.CodeNotFound, "nobody called %q is known", word)
	case 1:
		return peer.Decode(ids[0])
	}
	err := api.Errorf(api.CodeAmbiguous, "%d people are called %q: use a peer ID", len(ids), word)
	err.Candidates = ids
	return "", err
}

// admits is what the owner of p tells somebody at the door.
func (p *place) admits(n *FakeNode, nick, password string) error {
	e := constitution.Entry{NickTaken: p.taken(nick, n.self.PeerID)}
	for _, m := range p.members() {
		if m.Presence != api.PresenceOffline && m.PeerID != n.self.PeerID {
			e.Occupants++
		}
	}
	config := p.rules.Config()
	e.Password = config.Password() == 0 || p.room.passwords[config.Password()] == password
	err := p.rules.Admits(n.id, e)
	var no *constitution.Refusal
	if errors.As(err, &no) && no.Code == constitution.Destroyed {
		return destroyed(p)
	}
	return refused(err)
}

// destroyed is the refusal of a room that is no more.
func destroyed(p *place) error {
	_, reason, alternate := p.rules.Ended()
	text := "the room was destroyed"
	if reason != "" {
		text += ": " + reason
	}
	if alternate != (event.Conversation{}) {
		text += "; in its place there is " + alternate.String()
	}
	return api.Errorf(api.CodeDestroyed, "%s", text)
}
