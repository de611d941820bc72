package event

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
)

// Head is a position in a log: everything up to it is held.
type Head struct {
	Seq uint64
	ID  ID
}

// Frontier says for each log of a conversation how far it is held without a
// gap. A log that is missing is held up to 0.
type Frontier map[LogKey]Head

// Range is a piece of a log, both ends included, From ≥ 1.
type Range struct {
	LogKey
	From, To uint64
}

// Covers tells whether f holds seq of log k.
func (f Frontier) Covers(k LogKey, seq uint64) bool { return f[k].Seq >= seq }

// Keys lists f's logs in ascending order.
func (f Frontier) Keys() []LogKey {
	return slices.SortedFunc(maps.Keys(f), LogKey.Compare)
}

// MissingIn lists what f holds and other does not, in ascending order of logs.
// Where both are at the same place with different IDs the log has forked: the
// whole log is listed, since nothing tells where.
func (f Frontier) MissingIn(other Frontier) []Range {
	var out []Range
	for _, k := range f.Keys() {
		mine, theirs := f[k], other[k]
		switch {
		case mine.Seq > theirs.Seq:
			out = append(out, Range{k, theirs.Seq + 1, mine.Seq})
		case mine.Seq == theirs.Seq && mine.ID != theirs.ID:
			out = append(out, Range{k, 1, mine.Seq})
		}
	}
	return out
}

const digestDomain = "p2pchat frontier v1\x00"

// Digest is SHA-256(domain ‖ for each log in ascending order: length of the
// author in one byte, author, log, seq in 8 bytes big-endian, ID). Equal
// digests mean equal frontiers.
func (f Frontier) Digest() [32]byte {
	h := sha256.New()
	h.Write([]byte(digestDomain))
	for _, k := range f.Keys() {
		h.Write([]byte{byte(len(k.Author))})
		h.Write([]byte(k.Author))
		h.Write(k.Log[:])
		h.Write(binary.BigEndian.AppendUint64(nil, f[k].Seq))
		id := f[k].ID
		h.Write(id[:])
	}
	return [32]byte(h.Sum(nil))
}

// Wire is one position as a message of the wire.
func (k LogKey) Wire(h Head) *pb.LogHead {
	return &pb.LogHead{Author: []byte(k.Author), Log: k.Log[:], Seq: h.Seq, Id: h.ID[:]}
}

// HeadFromWire is the strict inverse of [LogKey.Wire].
func HeadFromWire(m *pb.LogHead) (LogKey, Head, error) {
	author, err := identity.ParsePeer(m.GetAuthor())
	if err != nil {
		return LogKey{}, Head{}, fmt.Errorf("frontier: %w", err)
	}
	k, h := LogKey{Author: author}, Head{Seq: m.GetSeq()}
	if err := fixed("log", k.Log[:], m.GetLog(), false); err != nil {
		return LogKey{}, Head{}, fmt.Errorf("frontier: %w", err)
	}
	if err := fixed("id", h.ID[:], m.GetId(), false); err != nil {
		return LogKey{}, Head{}, fmt.Errorf("frontier: %w", err)
	}
	if h.Seq == 0 || h.ID.IsZero() || k.Log == (LogID{}) {
		return LogKey{}, Head{}, errors.New("frontier: position without log, seq or ID")
	}
	return k, h, nil
}

// Wire is the frontier as a message of the wire, in ascending order of logs.
func (f Frontier) Wire() *pb.Frontier {
	m := &pb.Frontier{}
	for _, k := range f.Keys() {
		m.Heads = append(m.Heads, k.Wire(f[k]))
	}
	return m
}

// FrontierFromWire is the strict inverse of [Frontier.Wire]: logs in ascending
// order, none twice, at most limit of them.
func FrontierFromWire(m *pb.Frontier, limit int) (Frontier, error) {
	if n := len(m.GetHeads()); n > limit {
		return nil, fmt.Errorf("frontier of %d logs, at most %d", n, limit)
	}
	f := make(Frontier, len(m.GetHeads()))
	var last LogKey
	for i, wire := range m.GetHeads() {
		k, h, err := HeadFromWire(wire)
		if err != nil {
			return nil, err
		}
		if i > 0 && last.Compare(k) >= 0 {
			return nil, errors.New("frontier is not in ascending order")
		}
		f[k], last = h, k
	}
	return f, nil
}

// IDs lists up to limit of f's head IDs, ascending, as a header's heads.
func (f Frontier) IDs(limit int) []ID {
	ids := make([]ID, 0, len(f))
	for _, h := range f {
		ids = append(ids, h.ID)
	}
	slices.SortFunc(ids, ID.Compare)
	ids = slices.Compact(ids)
	return ids[:min(len(ids), limit)]
}
