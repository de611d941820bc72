package report

import (
	"encoding/binary"
	"slices"
)

// What the first byte of a QUIC packet says (RFC 9000, section 17; RFC 9369).
const (
	quicLong  = 0x80
	quicFixed = 0x40

	quicV1 = 1
	quicV2 = 0x6b3343cf
)

// quicPacket is one of the packets in a datagram.
type quicPacket struct {
	kind     quicKind
	dst, src []byte // connection IDs; of short headers, dst and all that follows
}

type quicKind uint8

const (
	quicInitial quicKind = iota
	quicZeroRTT
	quicHandshake
	quicRetry
	quicShort // 1-RTT
)

// parseQUIC lists the packets of a datagram: those with long headers, and
// after them, if there is one, the one with a short header. Nil if it does not
// look like QUIC.
func parseQUIC(b []byte) []quicPacket {
	var all []quicPacket
	for len(b) > 0 && len(all) < 8 {
		if b[0]&quicLong == 0 {
			if b[0]&quicFixed != 0 && len(b) > 20 {
				all = append(all, quicPacket{kind: quicShort, dst: b[1:]})
			}
			return all
		}
		p, rest, ok := parseLong(b)
		if !ok {
			return all
		}
		all = append(all, p)
		b = rest
	}
	return all
}

// parseLong reads a packet with a long header.
func parseLong(b []byte) (p quicPacket, rest []byte, ok bool) {
	if len(b) < 7 || b[0]&quicFixed == 0 {
		return p, nil, false
	}
	kind := b[0] >> 4 & 3
	switch binary.BigEndian.Uint32(b[1:]) {
	case quicV1:
	case quicV2: // the same kinds, counted from Retry
		kind = (kind + 3) & 3
	default:
		return p, nil, false
	}
	p.kind = quicKind(kind)
	b = b[5:]
	for _, id := range []*[]byte{&p.dst, &p.src} {
		if len(b) == 0 || b[0] > 20 || len(b) < 1+int(b[0]) {
			return p, nil, false
		}
		*id, b = b[1:1+int(b[0])], b[1+int(b[0]):]
	}
	if p.kind == quicRetry {
		return p, nil, true
	}
	if p.kind == quicInitial {
		n, used := varint(b)
		if used == 0 || n > uint64(len(b)-used) {
			return p, nil, false
		}
		b = b[used+int(n):]
	}
	n, used := varint(b)
	if used == 0 {
		return p, nil, false
	}
	b = b[used:]
	return p, b[min(n, uint64(len(b))):], true
}

// varint reads a variable-length integer (RFC 9000, section 16); used is 0 if
// it is cut.
func varint(b []byte) (v uint64, used int) {
	if len(b) == 0 {
		return 0, 0
	}
	used = 1 << (b[0] >> 6)
	if len(b) < used {
		return 0, 0
	}
	v = uint64(b[0] & 0x3f)
	for _, c := range b[1:used] {
		v = v<<8 | uint64(c)
	}
	return v, used
}

// idSet are connection IDs that one side is called by.
type idSet [][]byte

func (s idSet) has(id []byte) bool {
	return slices.ContainsFunc(s, func(known []byte) bool { return string(known) == string(id) })
}

// begins tells whether what follows a short header's first byte begins with one
// of them. An empty one says nothing.
func (s idSet) begins(b []byte) bool {
	return slices.ContainsFunc(s, func(known []byte) bool {
		return len(known) > 0 && len(b) >= len(known) && string(b[:len(known)]) == string(known)
	})
}

func (s *idSet) add(id []byte) {
	if len(*s) < 4 && !s.has(id) {
		*s = append(*s, slices.Clone(id))
	}
}
