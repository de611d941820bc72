package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
)

// Content is what an envelope seals: events, or a presence.
type Content struct {
	Events   []*event.Event
	Presence *SignedPresence
}

// EventSize is what an event takes within a content, in bytes at most.
func EventSize(e *event.Event) int { return e.Size() + 32 }

func (c *Content) encode() ([]byte, error) {
	m := &pb.Content{}
	switch {
	case len(c.Events) > 0 && c.Presence == nil:
		m.Events = &pb.EventBatch{}
		for _, e := range c.Events {
			m.Events.Events = append(m.Events.Events, e.Wire())
		}
	case len(c.Events) == 0 && c.Presence != nil:
		m.Presence = c.Presence.wire
	default:
		return nil, errors.New("a content holds events or a presence")
	}
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode content: %w", err)
	}
	return b, nil
}

// decodeContent is strict about form; no signature is checked. A content of a
// later version, with nothing known in it, is empty.
func decodeContent(plain []byte) (*Content, error) {
	var m pb.Content
	if err := proto.Unmarshal(plain, &m); err != nil {
		return nil, errors.New("malformed content")
	}
	if m.Events != nil && m.Presence != nil {
		return nil, errors.New("malformed content: both events and a presence")
	}
	c := &Content{}
	for _, w := range m.GetEvents().GetEvents() {
		e, err := event.FromWire(w)
		if err != nil {
			return nil, err
		}
		c.Events = append(c.Events, e)
	}
	if m.Presence != nil {
		p, err := decodePresence(m.Presence)
		if err != nil {
			return nil, err
		}
		c.Presence = p
	}
	return c, nil
}

// Presence is what somebody says of his being in a room.
type Presence struct {
	Room event.Conversation
	Peer peer.ID
	Away bool
	Left bool
	Time time.Time // ms; of two the newer counts
}

// SignedPresence is a presence as it travels. Whether its signature is good is
// known only after Verify.
type SignedPresence struct {
	Presence
	wire *pb.SignedPresence
}

const presenceDomain = "p2pchat presence v1\x00"

// SignPresence signs p with k, whose ID must be p.Peer.
func SignPresence(k identity.Key, p Presence) (*SignedPresence, error) {
	if p.Peer != k.ID() {
		return nil, errors.New("a presence is signed by the key it names")
	}
	p.Time = time.UnixMilli(p.Time.UnixMilli()).UTC() // as it travels
	raw, err := p.encode()
	if err != nil {
		return nil, err
	}
	sig, err := k.Sign(presenceDomain, raw)
	if err != nil {
		return nil, fmt.Errorf("sign presence: %w", err)
	}
	return &SignedPresence{p, &pb.SignedPresence{Presence: raw, Signature: sig}}, nil
}

func (p Presence) encode() ([]byte, error) {
	ms := p.Time.UnixMilli()
	if ms < 0 || ms >= 1<<48 {
		return nil, errors.New("presence: time out of range")
	}
	m := &pb.Presence{
		Room: p.Room[:], Peer: []byte(p.Peer), Availability: pb.Availability_AVAILABILITY_AVAILABLE, Left: p.Left, Time: uint64(ms),
	}
	if p.Away {
		m.Availability = pb.Availability_AVAILABILITY_AWAY
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

func decodePresence(w *pb.SignedPresence) (*SignedPresence, error) {
	var m pb.Presence
	if err := proto.Unmarshal(w.Presence, &m); err != nil {
		return nil, errors.New("malformed presence")
	}
	id, err := identity.ParsePeer(m.Peer)
	if err != nil {
		return nil, fmt.Errorf("presence: %w", err)
	}
	p := Presence{Peer: id, Away: m.Availability == pb.Availability_AVAILABILITY_AWAY, Left: m.Left, Time: time.UnixMilli(int64(m.Time)).UTC()}
	if len(m.Room) != len(p.Room) {
		return nil, errors.New("malformed presence: no room")
	}
	copy(p.Room[:], m.Room)
	canonical, err := p.encode()
	if err != nil || !bytes.Equal(canonical, w.Presence) {
		return nil, errors.New("presence is not in its canonical form")
	}
	return &SignedPresence{p, w}, nil
}

// Verify checks the signature.
func (s *SignedPresence) Verify() error {
	if err := identity.Verify(s.Peer, presenceDomain, s.wire.Presence, s.wire.Signature); err != nil {
		return fmt.Errorf("presence of %s: %w", s.Peer, err)
	}
	return nil
}
