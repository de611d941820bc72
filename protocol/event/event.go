package event

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
)

const signDomain = "p2pchat event v1\x00"

// Event is a decoded event with the bytes it was signed as. Its header and ID
// are consistent with those bytes; whether the signature is good is known only
// after [Event.Verify] or [VerifyRange].
type Event struct {
	Header
	ID        ID
	Raw       []byte // header bytes as signed
	Signature []byte // 64 bytes
	// Body is nil if it was dropped, see HasBody.
	Body []byte
}

// Sign makes the event of h and body with k. It fills in the author and what
// the header says of the body.
func Sign(k identity.Key, h Header, body []byte) (*Event, error) {
	h.Author = k.ID()
	h.BodyLen = uint32(len(body))
	h.BodyHash = sha256.Sum256(body)
	if err := h.check(); err != nil {
		return nil, err
	}
	raw, err := h.encode()
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	sig, err := k.Sign(signDomain, raw)
	if err != nil {
		return nil, fmt.Errorf("sign event: %w", err)
	}
	return Decode(raw, sig, body)
}

// Decode makes an event of its three parts as they travel and are stored. It
// is strict about form and does not check the signature. A nil body of an event
// whose body is not empty is a dropped one.
func Decode(raw, sig, body []byte) (*Event, error) {
	h, err := decodeHeader(raw)
	if err != nil {
		return nil, err
	}
	if len(sig) != 64 {
		return nil, fmt.Errorf("event signature of %d bytes, want 64", len(sig))
	}
	limit := MaxEvent
	if h.Lane == LaneControl {
		limit = MaxControlEvent
	}
	if n := len(raw) + len(sig) + int(h.BodyLen); n > limit {
		return nil, fmt.Errorf("event of %d bytes, at most %d", n, limit)
	}
	if len(body) > 0 || h.BodyLen == 0 {
		if len(body) != int(h.BodyLen) || sha256.Sum256(body) != h.BodyHash {
			return nil, errors.New("event body is not the one the header names")
		}
	}
	e := &Event{Header: h, Raw: raw, Signature: sig}
	if len(body) > 0 {
		e.Body = body
	}
	sum := sha256.New()
	sum.Write(raw)
	sum.Write(sig)
	sum.Sum(e.ID[:0])
	return e, nil
}

// HasBody tells whether the body is here, which an empty one always is.
func (e *Event) HasBody() bool { return e.BodyLen == 0 || e.Body != nil }

// Size is what the event counts against a limit, in bytes.
func (e *Event) Size() int { return len(e.Raw) + len(e.Signature) + len(e.Body) }

// Wire is the event as a message of the wire. It shares e's bytes.
func (e *Event) Wire() *pb.Event {
	return &pb.Event{Header: e.Raw, Signature: e.Signature, Body: e.Body}
}

// FromWire decodes m like [Decode]. The event shares m's bytes.
func FromWire(m *pb.Event) (*Event, error) {
	return Decode(m.GetHeader(), m.GetSignature(), m.GetBody())
}

// Verify checks the signature.
func (e *Event) Verify() error {
	if err := identity.Verify(e.Author, signDomain, e.Raw, e.Signature); err != nil {
		return fmt.Errorf("event %s: %w", e.ID, err)
	}
	return nil
}

// VerifyRange checks events of the message lane in the order given. Where one
// directly follows another of the same log, naming it as prev, its signature
// vouches for the one before; so each run of such events costs one check.
func VerifyRange(events []*Event) error {
	for i, e := range events {
		if i+1 < len(events) && events[i+1].follows(e) {
			continue
		}
		if err := e.Verify(); err != nil {
			return err
		}
	}
	return nil
}

// follows tells whether e is the event right after p in the same log.
func (e *Event) follows(p *Event) bool {
	return e.Lane == LaneMessage && p.Lane == LaneMessage && e.Conversation == p.Conversation &&
		e.Key() == p.Key() && e.Seq == p.Seq+1 && e.Prev == p.ID
}

// Before is the order of display and logs: time, author, log, seq, ID. It is
// the same on every node.
func (e *Event) Before(o *Event) bool {
	if e.Time != o.Time {
		return e.Time < o.Time
	}
	if c := e.Key().Compare(o.Key()); c != 0 {
		return c < 0
	}
	if e.Seq != o.Seq {
		return e.Seq < o.Seq
	}
	return e.ID.Compare(o.ID) < 0
}
