package antientropy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-msgio/pbio"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
)

const (
	maxFrame = 1 << 20
	// frameFill is where an honest sender begins the next frame; an event goes
	// with what is there already, so a frame stays well below maxFrame.
	frameFill   = 256 << 10
	slowest     = 64 << 10 // bytes in frameWithin, at least
	maxPerFrame = 4096     // positions, low marks, events: of each
	// Of the first frame of each side, with room for fields to come.
	maxOpening = 4 << 10
	maxAnswer  = 32 << 10 // a sketch has up to 16.5 KiB
	// Of a whole turn. An ID counts 32 bytes, a position about 100.
	maxIDs       = 1 << 16
	maxHeads     = 1 << 16
	maxUnknown   = 4096
	maxBareTurn  = 4096 // frames of a turn that carry no events
	frameWithin  = 30 * time.Second
	openWithin   = 5 * time.Second // the opening frame, all of it
	headOverhead = 32              // bytes of a position besides its ID and author, about
)

// Field numbers of SyncFrame, counted before it is unpacked.
const (
	fieldHeads   = protowire.Number(6)
	fieldLow     = protowire.Number(7)
	fieldUnknown = protowire.Number(8)
	fieldEvents  = protowire.Number(10)
)

// parseFrame unpacks a frame that has no more parts than it may.
func parseFrame(b []byte) (*pb.SyncFrame, error) {
	parts := map[protowire.Number]int{}
	for rest := b; len(rest) > 0; {
		num, typ, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return nil, refused("frame: %v", protowire.ParseError(n))
		}
		rest = rest[n:]
		n = protowire.ConsumeFieldValue(num, typ, rest)
		if n < 0 {
			return nil, refused("frame: %v", protowire.ParseError(n))
		}
		switch num {
		case fieldLow:
			parts[num]++
		case fieldHeads, fieldUnknown, fieldEvents:
			if typ == protowire.BytesType {
				list, _ := protowire.ConsumeBytes(rest)
				parts[num] += countParts(list)
			}
		}
		if parts[num] > maxPerFrame {
			return nil, refused("frame with more than %d parts in field %d", maxPerFrame, num)
		}
		rest = rest[n:]
	}
	f := &pb.SyncFrame{}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, f); err != nil {
		return nil, refused("frame: %v", err)
	}
	return f, nil
}

// countParts counts the fields of a message, all of which could be parts.
func countParts(b []byte) int {
	parts := 0
	for len(b) > 0 && parts <= maxPerFrame {
		_, _, n := protowire.ConsumeField(b)
		if n < 0 {
			return parts // unpacking finds the same
		}
		parts++
		b = b[n:]
	}
	return parts
}

// link reads and writes the frames of one stream.
type link struct {
	stream network.Stream
	r      *bufio.Reader
	buf    bytes.Buffer
	w      pbio.Writer
}

func newLink(st network.Stream) *link {
	return &link{stream: st, r: bufio.NewReader(st), w: pbio.NewDelimitedWriter(st)}
}

// read takes the next frame, which has to begin within the time given and to be
// complete in as much again for each [slowest] of it. What is set aside for it grows
// with what arrives.
func (l *link) read(within time.Duration) (*pb.SyncFrame, error) {
	return l.readUpTo(maxFrame, within, within)
}

// readOpening takes the frame that opens a stream, which anybody may send: there is
// no more time for it than for its beginning.
func (l *link) readOpening() (*pb.SyncFrame, error) {
	return l.readUpTo(maxOpening, openWithin, 0)
}

// readUpTo takes a frame of at most limit bytes, which has to begin in time and to be
// complete within each for each [slowest] of it from then on; 0: in what is left of
// the time to begin.
func (l *link) readUpTo(limit uint64, begins, each time.Duration) (*pb.SyncFrame, error) {
	_ = l.stream.SetReadDeadline(time.Now().Add(begins))
	size, err := binary.ReadUvarint(l.r)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if size > limit {
		return nil, refused("frame of %d bytes, at most %d", size, limit)
	}
	if each > 0 {
		_ = l.stream.SetReadDeadline(time.Now().Add(forFrame(each, int(size))))
	}
	l.buf.Reset()
	if _, err := l.buf.ReadFrom(io.LimitReader(l.r, int64(size))); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if l.buf.Len() < int(size) {
		return nil, fmt.Errorf("read: %w", io.ErrUnexpectedEOF)
	}
	return parseFrame(l.buf.Bytes())
}

func (l *link) write(f *pb.SyncFrame) error {
	_ = l.stream.SetWriteDeadline(time.Now().Add(forFrame(frameWithin, proto.Size(f))))
	if err := l.w.WriteMsg(f); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// forFrame is how long a frame of size bytes may take.
func forFrame(within time.Duration, size int) time.Duration {
	return within * time.Duration(1+size/slowest)
}

// turn is what one side said before it passed the turn on, but for the events,
// which are committed as they come.
type turn struct {
	listed  *listed
	control []event.ID
	heads   event.Frontier
	low     map[event.LogKey]uint64
	unknown event.Frontier
	want    []event.ID
	digest  [32]byte
	done    bool
	touched map[event.LogKey]bool // logs of which events came
}

// listed says which buckets a turn lists.
type listed struct{ control, logs bucketSet }

func newTurn() *turn {
	return &turn{heads: event.Frontier{}, low: map[event.LogKey]uint64{}, unknown: event.Frontier{}, touched: map[event.LogKey]bool{}}
}

// add takes over the lists of a frame.
func (t *turn) add(f *pb.SyncFrame) error {
	if f.Listed != nil {
		if t.listed != nil {
			return refused("buckets are listed twice")
		}
		t.listed = &listed{}
		var err error
		if t.listed.control, err = bucketSetFromWire(f.Listed.Control); err != nil {
			return err
		}
		if t.listed.logs, err = bucketSetFromWire(f.Listed.Logs); err != nil {
			return err
		}
	}
	var err error
	if t.control, err = appendIDs(t.control, f.Control); err != nil {
		return err
	}
	if t.want, err = appendIDs(t.want, f.Want); err != nil {
		return err
	}
	if err := addHeads(t.heads, f.Heads, maxHeads); err != nil {
		return err
	}
	if err := addHeads(t.unknown, f.Unknown, maxUnknown); err != nil {
		return err
	}
	for _, m := range f.Low {
		k, err := logFromWire(m)
		if err != nil {
			return err
		}
		if t.low[k] = m.Seq; len(t.low) > maxHeads {
			return refused("more than %d low marks", maxHeads)
		}
	}
	if len(f.Digest) > 0 {
		if len(f.Digest) != len(t.digest) {
			return refused("digest of %d bytes", len(f.Digest))
		}
		copy(t.digest[:], f.Digest)
	}
	t.done = f.End && f.Done
	return nil
}

func appendIDs(ids []event.ID, b []byte) ([]event.ID, error) {
	const size = len(event.ID{})
	if len(b)%size != 0 || len(ids)+len(b)/size > maxIDs {
		return nil, refused("list of %d bytes of IDs after %d others", len(b), len(ids))
	}
	for ; len(b) > 0; b = b[size:] {
		ids = append(ids, event.ID(b[:size]))
	}
	return ids, nil
}

func addHeads(to event.Frontier, m *pb.Frontier, limit int) error {
	f, err := event.FrontierFromWire(m, maxPerFrame)
	if err != nil {
		return refused("%v", err)
	}
	for k, h := range f {
		to[k] = h
	}
	if len(to) > limit {
		return refused("more than %d positions", limit)
	}
	return nil
}

func logFromWire(m *pb.SyncLow) (event.LogKey, error) {
	author, err := identity.ParsePeer(m.Author)
	if err != nil {
		return event.LogKey{}, refused("low mark: %v", err)
	}
	k := event.LogKey{Author: author}
	if len(m.Log) != len(k.Log) || m.Seq < 2 {
		return event.LogKey{}, refused("low mark without log or seq")
	}
	copy(k.Log[:], m.Log)
	return k, nil
}

// eventsOf decodes the events of a frame, which have to be of room.
func eventsOf(room event.Conversation, b *pb.EventBatch) ([]*event.Event, error) {
	events := make([]*event.Event, 0, len(b.GetEvents()))
	for _, m := range b.GetEvents() {
		e, err := event.FromWire(m)
		if err != nil {
			return nil, refused("%v", err)
		}
		genesis := e.Lane == event.LaneControl && e.Conversation == event.Conversation{} && event.Conversation(e.ID) == room
		if e.Conversation != room && !genesis {
			return nil, refused("event %s is not of this room", e.ID)
		}
		events = append(events, e)
	}
	return events, nil
}

// page is a turn being written. It sends a frame when one is full.
type page struct {
	link   *link
	f      *pb.SyncFrame
	size   int
	brings bool // events
}

func newPage(l *link) *page { return &page{link: l, f: &pb.SyncFrame{}} }

// fit makes room for n more bytes.
func (p *page) fit(n int) error {
	if p.size > 0 && p.size+n > frameFill {
		if err := p.flush(); err != nil {
			return err
		}
	}
	p.size += n
	return nil
}

// flush sends what there is.
func (p *page) flush() error {
	f := p.f
	p.f, p.size = &pb.SyncFrame{}, 0
	return p.link.write(f)
}

func (p *page) ids(ids []event.ID, list func(*pb.SyncFrame) *[]byte) error {
	for i := range ids {
		if err := p.fit(len(ids[i])); err != nil {
			return err
		}
		to := list(p.f)
		*to = append(*to, ids[i][:]...)
	}
	return nil
}

func (p *page) control(ids []event.ID) error {
	return p.ids(ids, func(f *pb.SyncFrame) *[]byte { return &f.Control })
}

func (p *page) want(ids []event.ID) error {
	return p.ids(ids, func(f *pb.SyncFrame) *[]byte { return &f.Want })
}

func (p *page) positions(f event.Frontier, list func(*pb.SyncFrame) **pb.Frontier) error {
	for _, k := range f.Keys() {
		m := k.Wire(f[k])
		if err := p.fit(len(m.Author) + len(m.Id) + headOverhead); err != nil {
			return err
		}
		to := list(p.f)
		if *to == nil {
			*to = &pb.Frontier{}
		}
		(*to).Heads = append((*to).Heads, m)
	}
	return nil
}

func (p *page) heads(f event.Frontier) error {
	return p.positions(f, func(f *pb.SyncFrame) **pb.Frontier { return &f.Heads })
}

func (p *page) unknown(f event.Frontier) error {
	return p.positions(f, func(f *pb.SyncFrame) **pb.Frontier { return &f.Unknown })
}

func (p *page) low(k event.LogKey, seq uint64) error {
	if err := p.fit(len(k.Author) + headOverhead); err != nil {
		return err
	}
	p.f.Low = append(p.f.Low, &pb.SyncLow{Author: []byte(k.Author), Log: k.Log[:], Seq: seq})
	return nil
}

func (p *page) events(events []*event.Event) error {
	for _, e := range events {
		if err := p.fit(e.Size() + headOverhead); err != nil {
			return err
		}
		if p.f.Events == nil {
			p.f.Events = &pb.EventBatch{}
		}
		p.brings = true
		p.f.Events.Events = append(p.f.Events.Events, e.Wire())
	}
	return nil
}

// end sends what is left and passes the turn on.
func (p *page) end(done bool) error {
	p.f.End, p.f.Done = true, done
	return p.link.write(p.f)
}
