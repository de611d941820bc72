package report

import (
	"encoding/binary"
	"time"
)

// segment is a TCP segment (RFC 9293, section 3.1).
type segment struct {
	seq, ack uint32
	flags    byte
	length   int    // of the payload, as on the wire
	payload  []byte // what was captured of it
}

const (
	flagFIN = 1
	flagSYN = 2
	flagRST = 4
	flagACK = 16
)

// parseTCP reads a header; length is that of the whole segment as on the wire.
func parseTCP(b []byte, length int) (segment, bool) {
	if len(b) < 20 {
		return segment{}, false
	}
	header := int(b[12]>>4) * 4
	if header < 20 || length < header {
		return segment{}, false
	}
	s := segment{
		seq: binary.BigEndian.Uint32(b[4:]), ack: binary.BigEndian.Uint32(b[8:]),
		flags: b[13] & 0x3f, length: length - header,
	}
	s.payload = b[min(header, len(b)):min(length, len(b))]
	return s, true
}

// space is what the segment takes of the sequence numbers.
func (s segment) space() uint32 {
	n := uint32(s.length)
	if s.flags&flagSYN != 0 {
		n++
	}
	if s.flags&flagFIN != 0 {
		n++
	}
	return n
}

const (
	// reordered is how late a segment may come and count as overtaken; later, it
	// was sent again. It is what Wireshark takes.
	reordered  = 3 * time.Millisecond
	maxHoles   = 64 // gaps in one direction
	maxFlights = 64 // segments that wait for their acknowledgement
)

// direction is what one side of a TCP connection sent.
type direction struct {
	seen                  bool
	next                  uint32 // behind the highest sequence number seen
	holes                 []hole
	flights               []flight
	retransmitted, behind uint64
	stream                scanner
}

// hole is a gap in what was seen: [from, to).
type hole struct {
	from, to uint32
	at       time.Time
}

// flight is data that was sent once and not yet acknowledged.
type flight struct {
	end uint32
	at  time.Time
}

// before compares sequence numbers, which wrap.
func before(a, b uint32) bool { return int32(a-b) < 0 }

// sent takes note of a segment; again says that it had been sent before.
func (d *direction) sent(s segment, at time.Time) (again bool) {
	n := s.space()
	end := s.seq + n
	switch {
	case !d.seen:
		d.seen, d.next = true, end
	case n == 0:
		return false
	case !before(s.seq, d.next):
		if s.seq != d.next && len(d.holes) < maxHoles {
			d.holes = append(d.holes, hole{d.next, s.seq, at})
		}
		d.next = end
	case s.length <= 1 && s.seq+1 == d.next && s.flags&(flagSYN|flagFIN) == 0:
		return false // keeps the connection alive
	default:
		again = d.late(s.seq, end, at)
		if before(d.next, end) {
			d.next = end
		}
		// Whose acknowledgement comes next, nobody can tell.
		d.flights = d.flights[:0]
		return again
	}
	if n > 0 && len(d.flights) < maxFlights {
		d.flights = append(d.flights, flight{end, at})
	}
	return false
}

// late counts a segment that is older than the newest.
func (d *direction) late(from, to uint32, at time.Time) (again bool) {
	for i, h := range d.holes {
		if before(from, h.to) && before(h.from, to) {
			d.fill(i, from, to)
			if at.Sub(h.at) < reordered {
				d.behind++
				return false
			}
			break
		}
	}
	d.retransmitted++
	return true
}

// fill takes [from, to) out of a hole.
func (d *direction) fill(i int, from, to uint32) {
	h := d.holes[i]
	d.holes = append(d.holes[:i], d.holes[i+1:]...)
	if before(h.from, from) {
		d.holes = append(d.holes, hole{h.from, from, h.at})
	}
	if before(to, h.to) {
		d.holes = append(d.holes, hole{to, h.to, h.at})
	}
}

// acknowledged is the time since the newest of the segments that an
// acknowledgement covers was sent.
func (d *direction) acknowledged(ack uint32, at time.Time) (time.Duration, bool) {
	covered := 0
	for covered < len(d.flights) && !before(ack, d.flights[covered].end) {
		covered++
	}
	if covered == 0 {
		return 0, false
	}
	took := at.Sub(d.flights[covered-1].at)
	d.flights = append(d.flights[:0], d.flights[covered:]...)
	return took, true
}
