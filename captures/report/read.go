package report

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"p2pchat/captures/internal/headers"
)

// Limits of what is kept in memory of one capture.
const (
	maxConversations = 1000
	maxAnnouncers    = 256
	maxEvents        = 5000
	maxEventsOfMDNS  = 200 // of the events
	maxEventsOfOne   = 40  // of one conversation
)

// Read reads a capture to its end; name is how the report calls it. A file
// that is cut or damaged gives what precedes the damage, and a note. Errors:
// [ErrNotCapture], those of r.
func Read(r io.Reader, name string) (*Report, error) {
	f, err := open(r)
	if err != nil {
		return nil, err
	}
	a := newAnalysis(f)
	for {
		rec, err := f.next()
		switch {
		case err == nil:
			a.take(rec)
			continue
		case errors.Is(err, io.EOF):
		case errors.Is(err, io.ErrUnexpectedEOF):
			a.notef("The file is cut: its last packet or block is not whole.")
		case errors.Is(err, errDamaged):
			a.notef("The file is damaged %s; what follows was not read.", f.where())
		default:
			return nil, err
		}
		return a.report(name), nil
	}
}

// analysis is what was learned of a file so far.
type analysis struct {
	file   *file
	r      Report
	clock  *clock // nil before the first packet that has a time
	total  *series
	begin  time.Time
	end    time.Time
	people people

	all   []*conn
	flows map[flowKey][]*conn // of QUIC several, the newest last

	announcers map[string]*announcer
	order      []*announcer
	events     []event
	ofMDNS     int
	unlinked   map[headers.Link]uint64 // packets of unknown link types
	left       leftOut
}

// leftOut counts what did not fit.
type leftOut struct {
	packets    uint64 // of conversations beyond the limit
	announcers uint64
	events     uint64
	noTime     uint64
}

// flowKey is a pair of endpoints, in order.
type flowKey struct {
	proto uint8
	a, b  netip.AddrPort
}

// event is an [Event] before names are known.
type event struct {
	at       time.Time
	kind     Kind
	from, to netip.AddrPort
	peer     string // ID of the sender, if he told it
	all      bool   // to everybody
	udp      bool
	text     string
	conn     *conn
}

func newAnalysis(f *file) *analysis {
	return &analysis{
		file: f, flows: map[flowKey][]*conn{}, announcers: map[string]*announcer{},
		unlinked: map[headers.Link]uint64{}, people: newPeople(),
	}
}

func (a *analysis) notef(format string, args ...any) {
	a.r.Notes = append(a.r.Notes, fmt.Sprintf(format, args...))
}

// take looks at one packet.
func (a *analysis) take(rec record) {
	a.r.Packets++
	a.r.Bytes += uint64(rec.length)
	a.people.comment(rec.comment)
	if rec.time.IsZero() {
		a.left.noTime++
		rec.time = a.end
	}
	if a.clock == nil {
		a.begin, a.end = rec.time, rec.time
		a.clock = newClock(rec.time)
		a.total = a.clock.newSeries()
	}
	if rec.time.Before(a.begin) {
		a.begin = rec.time
	}
	if rec.time.After(a.end) {
		a.end = rec.time
	}
	a.clock.add(a.total, rec.time, rec.length)
	if !headers.Known(rec.link) {
		if len(a.unlinked) < 16 {
			a.unlinked[rec.link]++
		}
		a.r.Others++
		return
	}
	ip, ok := headers.Decode(rec.link, rec.data)
	if !ok || ip.Later || len(ip.Payload) < 8 {
		a.r.Others++
		return
	}
	p := packet{
		ip: ip, at: rec.time, size: rec.length,
		src: netip.AddrPortFrom(ip.Src.Unmap(), be16(ip.Payload)),
		dst: netip.AddrPortFrom(ip.Dst.Unmap(), be16(ip.Payload[2:])),
	}
	if ip.Proto == headers.TCP {
		ok = a.tcp(p)
	} else {
		ok = a.udp(p)
	}
	if !ok {
		a.r.Others++
	}
}

func be16(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }

// packet is a frame that carries TCP or UDP with its header.
type packet struct {
	ip       headers.IP
	at       time.Time
	size     int // of the frame, bytes
	src, dst netip.AddrPort
}

func (p packet) key() flowKey {
	if p.src.Compare(p.dst) > 0 {
		return flowKey{p.ip.Proto, p.dst, p.src}
	}
	return flowKey{p.ip.Proto, p.src, p.dst}
}

// event keeps what is worth a line in the sequence diagram.
func (a *analysis) event(e event) {
	room := len(a.events) < maxEvents
	switch {
	case e.conn == nil:
		room = room && a.ofMDNS < maxEventsOfMDNS
		a.ofMDNS++
	default:
		room = room && e.conn.events < maxEventsOfOne
		e.conn.events++
	}
	if !room {
		a.left.events++
		return
	}
	a.events = append(a.events, e)
}

// report finishes the report.
func (a *analysis) report(name string) *Report {
	r := &a.r
	r.File, r.Format, r.Keys = name, a.file.format, a.file.keys
	r.Application, r.Comment = a.file.application, a.file.comment
	if len(a.file.dropped) > 0 {
		r.Dropped = new(uint64)
		for _, n := range a.file.dropped {
			*r.Dropped += n
		}
	}
	if a.clock != nil && !a.end.IsZero() {
		r.Begin, r.End = &Time{a.begin}, &Time{a.end}
		r.Duration = Duration(a.end.Sub(a.begin))
		r.Throughput = Throughput{Width: Duration(a.clock.width), Bytes: *a.total}
	}
	a.people.addresses = a.file.names
	for _, x := range a.order {
		r.MDNS.Announcers = append(r.MDNS.Announcers, x.result(&a.people))
	}
	for _, c := range a.all {
		r.Conversations = append(r.Conversations, c.result(&a.people))
	}
	for _, e := range a.events {
		r.Events = append(r.Events, a.result(e))
	}
	a.notes()
	return r
}

func (a *analysis) result(e event) Event {
	out := Event{Time: Time{e.at}, Kind: e.kind, Text: e.text, From: a.people.label(e.from, e.udp)}
	if name := a.people.names[e.peer]; name != "" {
		out.From = name
	}
	if !e.all {
		out.To = a.people.label(e.to, e.udp)
	}
	if e.conn != nil {
		out.Conversation = e.conn.c.ID
	}
	return out
}

// notes says what is missing.
func (a *analysis) notes() {
	if a.r.Packets == 0 {
		a.notef("There is no packet in the file.")
	}
	for link, n := range a.unlinked {
		a.notef("%d packets have link type %d, which is not understood here.", n, link)
	}
	if a.left.noTime > 0 {
		a.notef("%d packets have no time of their own; they count at that of the packet before.", a.left.noTime)
	}
	if a.left.packets > 0 {
		a.notef("There are more than %d conversations: %d packets of the further ones are in the sums only.", maxConversations, a.left.packets)
	}
	if a.left.announcers > 0 {
		a.notef("More than %d people announced themselves; %d announcements of the others are only counted.", maxAnnouncers, a.left.announcers)
	}
	if a.left.events > 0 {
		a.notef("%d further steps are not in the list of events.", a.left.events)
	}
	if d := a.r.Dropped; d != nil && *d > 0 {
		a.notef("The kernel had no room for %d packets, which are not in the file.", *d)
	}
	var middle []string
	for _, c := range a.r.Conversations {
		if !c.Opened && c.Transport != "udp" {
			middle = append(middle, fmt.Sprint(c.ID))
		}
	}
	if len(middle) > 0 {
		a.notef("Already open when the capture began, so without handshake: %s.", list("conversation", middle))
	}
}

// list names a few things and counts the others.
func list(what string, names []string) string {
	if len(names) > 1 {
		what += "s"
	}
	if more := len(names) - 10; more > 0 {
		return fmt.Sprintf("%s %s and %d more", what, strings.Join(names[:10], ", "), more)
	}
	return what + " " + strings.Join(names, ", ")
}
