package report

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// scanner follows the beginning of one direction of a TCP stream: multistream-
// select's lines (github.com/multiformats/multistream-select), which name the
// security protocol, then TLS records (RFC 8446, section 5.1) or Noise messages
// (Noise over libp2p: two bytes of length before each). TLS may also begin at
// once.
type scanner struct {
	started bool
	done    bool // nothing more to learn, or a gap
	next    uint32
	held    []heldSegment
	buf     []byte
	skip    int // bytes of a record's body to pass over

	security string
	records  int // of TLS or messages of Noise seen
	sealed   int // records that are protected
}

// heldSegment came before what stands before it.
type heldSegment struct {
	seq  uint32
	data []byte
}

const (
	maxHeld = 16 // segments of at most maxKept bytes
	maxKept = 4096

	recordSealed = 23 // application data, which in TLS 1.3 is all that is protected
	recordLast   = 24
)

// begin sets the sequence number of the first byte.
func (s *scanner) begin(seq uint32) { s.started, s.next = true, seq }

// feed takes a segment's payload, in any order. Of what is not captured whole
// nothing follows.
func (s *scanner) feed(seq uint32, length int, data []byte) {
	if !s.started || s.done || length == 0 {
		return
	}
	if before(s.next, seq) {
		if len(s.held) == maxHeld || length > maxKept || len(data) < length {
			s.done = true
			return
		}
		s.held = append(s.held, heldSegment{seq, bytes.Clone(data)})
		return
	}
	old := int(s.next - seq)
	if old >= length {
		return
	}
	if len(data) < length {
		s.done = true
		return
	}
	s.next += uint32(length - old)
	s.scan(data[old:])
	for i, h := range s.held {
		if !before(s.next, h.seq) {
			s.held = append(s.held[:i], s.held[i+1:]...)
			s.feed(h.seq, len(h.data), h.data)
			return
		}
	}
}

// scan takes the next bytes of the stream.
func (s *scanner) scan(b []byte) {
	for len(b) > 0 && !s.done {
		n := min(s.skip, len(b))
		s.skip, b = s.skip-n, b[n:]
		if len(b) == 0 {
			return
		}
		// What is looked at is short: a header, or a line of at most 64 bytes.
		n = min(len(b), 64)
		s.buf, b = append(s.buf, b[:n]...), b[n:]
		for !s.done && len(s.buf) > 0 && s.step() {
			n = min(s.skip, len(s.buf))
			s.skip, s.buf = s.skip-n, s.buf[n:]
		}
		if len(s.buf) > 1024 {
			s.done = true
		}
	}
}

// step understands the beginning of buf, if enough of it is there.
func (s *scanner) step() bool {
	switch {
	case s.security == "noise":
		if len(s.buf) < 2 {
			return false
		}
		s.records++
		s.skip = 2 + int(binary.BigEndian.Uint16(s.buf))
		s.done = s.records == 2
	case s.security == "tls" || len(s.buf) >= 2 && s.buf[0] == 22 && s.buf[1] == 3:
		if len(s.buf) < 5 {
			return false
		}
		if s.buf[0] < 20 || s.buf[0] > recordLast || s.buf[1] != 3 {
			s.done = true
			return false
		}
		s.security = "tls"
		s.records++
		if s.buf[0] == recordSealed {
			s.sealed++
			s.done = true
		}
		s.skip = 5 + int(binary.BigEndian.Uint16(s.buf[3:]))
	default:
		return s.line()
	}
	return true
}

// line is one of multistream-select: its length as a varint, which for these is
// one byte, and a text that ends with a newline.
func (s *scanner) line() bool {
	n := int(s.buf[0])
	if n < 3 || n > 127 {
		s.done = true
		return false
	}
	if len(s.buf) < 1+n {
		return false
	}
	text := string(s.buf[1 : 1+n])
	if !strings.HasSuffix(text, "\n") || text[0] != '/' && text != "na\n" {
		s.done = true
		return false
	}
	s.buf = s.buf[1+n:]
	switch text {
	case "/tls/1.0.0\n":
		s.security = "tls"
	case "/noise\n":
		s.security = "noise"
	}
	return true
}
