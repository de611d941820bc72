package event

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
)

// Lane tells messages from government. The numbers are the wire's.
type Lane uint8

// The lanes.
const (
	LaneMessage Lane = 1
	LaneControl Lane = 2
)

// Limits, in bytes or entries.
const (
	MaxHeads        = 16
	MaxLogs         = 16
	MaxHeader       = 2 << 10
	MaxEvent        = 64 << 10
	MaxControlEvent = 256 << 10
)

// Header is what an author signs.
type Header struct {
	Conversation Conversation // zero for a room's genesis only
	Author       peer.ID
	Lane         Lane
	Log          LogID  // message lane; zero in the control lane
	Seq          uint64 // message lane, from 1; zero in the control lane
	Prev         ID     // the event before in this log; zero at seq 1
	Ctl          []ID   // control heads held, ascending, at most MaxHeads
	Heads        []ID   // latest messages seen, ascending, at most MaxHeads
	Time         Time
	Kind         Kind
	BodyLen      uint32 // bytes
	BodyHash     [32]byte
}

// Key names the header's log.
func (h *Header) Key() LogKey { return LogKey{h.Author, h.Log} }

// check refuses what cannot be a header, whatever its encoding.
func (h *Header) check() error {
	if h.Kind == 0 {
		return errors.New("event without a body kind")
	}
	limit := MaxEvent
	switch h.Lane {
	case LaneMessage:
		if h.Conversation == (Conversation{}) {
			return errors.New("message without a conversation")
		}
		if h.Log == (LogID{}) || h.Seq == 0 {
			return errors.New("message without log and seq")
		}
		if (h.Seq == 1) != h.Prev.IsZero() {
			return errors.New("prev is absent at seq 1 and nowhere else")
		}
	case LaneControl:
		if h.Log != (LogID{}) || h.Seq != 0 || !h.Prev.IsZero() {
			return errors.New("control event with log, seq or prev")
		}
		limit = MaxControlEvent
	default:
		return fmt.Errorf("unknown lane %d", h.Lane)
	}
	if int64(h.BodyLen) > int64(limit) {
		return fmt.Errorf("event body of %d bytes, at most %d", h.BodyLen, limit)
	}
	if err := checkIDs("ctl", h.Ctl); err != nil {
		return err
	}
	return checkIDs("heads", h.Heads)
}

func checkIDs(field string, ids []ID) error {
	if len(ids) > MaxHeads {
		return fmt.Errorf("%d entries in %s, at most %d", len(ids), field, MaxHeads)
	}
	for i := 1; i < len(ids); i++ {
		if ids[i-1].Compare(ids[i]) >= 0 {
			return fmt.Errorf("%s is not in ascending order", field)
		}
	}
	return nil
}

// encode gives the canonical bytes of h.
func (h *Header) encode() ([]byte, error) {
	m := &pb.EventHeader{
		Conversation: optional(h.Conversation[:]),
		Author:       []byte(h.Author),
		Lane:         pb.Lane(h.Lane),
		Log:          optional(h.Log[:]),
		Seq:          h.Seq,
		Prev:         optional(h.Prev[:]),
		Ctl:          idBytes(h.Ctl),
		Heads:        idBytes(h.Heads),
		Time:         uint64(h.Time),
		Kind:         uint32(h.Kind),
		BodyLen:      h.BodyLen,
		BodyHash:     h.BodyHash[:],
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

// optional leaves a field of zeros out, as proto3 does for scalars.
func optional(b []byte) []byte {
	if bytes.Count(b, []byte{0}) == len(b) {
		return nil
	}
	return b
}

func idBytes(ids []ID) [][]byte {
	out := make([][]byte, len(ids))
	for i := range ids {
		out[i] = ids[i][:]
	}
	return out
}

// decodeHeader is the strict inverse of encode.
func decodeHeader(b []byte) (Header, error) {
	if len(b) > MaxHeader {
		return Header{}, fmt.Errorf("event header of %d bytes, at most %d", len(b), MaxHeader)
	}
	var m pb.EventHeader
	if err := proto.Unmarshal(b, &m); err != nil {
		return Header{}, errors.New("malformed event header")
	}
	author, err := identity.ParsePeer(m.Author)
	if err != nil {
		return Header{}, fmt.Errorf("event author: %w", err)
	}
	h := Header{Author: author, Lane: Lane(m.Lane), Seq: m.Seq, Time: Time(m.Time), Kind: Kind(m.Kind), BodyLen: m.BodyLen}
	if m.Lane < 0 || m.Lane > 255 {
		return Header{}, fmt.Errorf("unknown lane %d", m.Lane)
	}
	err = errors.Join(
		fixed("conversation", h.Conversation[:], m.Conversation, true),
		fixed("log", h.Log[:], m.Log, true),
		fixed("prev", h.Prev[:], m.Prev, true),
		fixed("body hash", h.BodyHash[:], m.BodyHash, false),
	)
	if err != nil {
		return Header{}, err
	}
	if h.Ctl, err = parseIDs("ctl", m.Ctl); err != nil {
		return Header{}, err
	}
	if h.Heads, err = parseIDs("heads", m.Heads); err != nil {
		return Header{}, err
	}
	if err := h.check(); err != nil {
		return Header{}, err
	}
	// One byte string per header: what is accepted is what encode makes.
	canonical, err := h.encode()
	if err != nil || !bytes.Equal(canonical, b) {
		return Header{}, errors.New("event header is not in its canonical form")
	}
	return h, nil
}

func fixed(field string, dst, src []byte, mayBeAbsent bool) error {
	if len(src) == 0 && mayBeAbsent {
		return nil
	}
	if len(src) != len(dst) {
		return fmt.Errorf("event %s of %d bytes, want %d", field, len(src), len(dst))
	}
	copy(dst, src)
	return nil
}

func parseIDs(field string, in [][]byte) ([]ID, error) {
	if len(in) == 0 {
		return nil, nil
	}
	if len(in) > MaxHeads {
		return nil, fmt.Errorf("%d entries in %s, at most %d", len(in), field, MaxHeads)
	}
	out := make([]ID, len(in))
	for i, b := range in {
		if err := fixed(field, out[i][:], b, false); err != nil {
			return nil, err
		}
	}
	return out, nil
}
