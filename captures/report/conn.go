package report

import (
	"fmt"
	"net/netip"
	"time"

	"p2pchat/captures/internal/headers"
)

// conn is a conversation while it is looked at.
type conn struct {
	c              Conversation
	client, server netip.AddrPort
	begin, end     time.Time
	over           *series
	events         int
	toServer       samples
	toClient       samples

	// TCP
	isn                  uint32 // of the client
	syn, synAck          time.Time
	handshake            time.Duration
	fromClient, fromServ direction
	hello                time.Time // first byte of the secure handshake
	secure               time.Duration
	fins                 int

	// QUIC
	ids               [2]idSet // that client and server are called by
	answered, secured bool
}

// from tells whether the client sent a packet.
func (c *conn) from(p packet) bool { return p.src == c.client }

func (c *conn) side(p packet) *Side {
	if c.from(p) {
		return &c.c.Client
	}
	return &c.c.Server
}

// newConn begins a conversation; nil if there are too many.
func (a *analysis) newConn(p packet, transport string) *conn {
	if len(a.all) == maxConversations {
		a.left.packets++
		return nil
	}
	c := &conn{client: p.src, server: p.dst, begin: p.at, over: a.clock.newSeries()}
	c.c.ID, c.c.Transport = len(a.all)+1, transport
	a.all = append(a.all, c)
	a.flows[p.key()] = append(a.flows[p.key()], c)
	return c
}

// count adds a packet to its conversation.
func (a *analysis) count(c *conn, p packet, payload int) {
	s := c.side(p)
	s.Packets++
	s.Bytes += uint64(p.size)
	s.Payload += uint64(payload)
	if p.at.After(c.end) {
		c.end = p.at
	}
	a.clock.add(c.over, p.at, p.size)
}

func (a *analysis) step(c *conn, p packet, kind Kind, format string, args ...any) {
	a.event(event{
		at: p.at, kind: kind, from: p.src, to: p.dst, udp: p.ip.Proto == headers.UDP,
		text: fmt.Sprintf(format, args...), conn: c,
	})
}

// tcp takes a TCP packet; false if its header makes no sense.
func (a *analysis) tcp(p packet) bool {
	s, ok := parseTCP(p.ip.Payload, p.ip.Length)
	if !ok {
		return false
	}
	var c *conn
	if known := a.flows[p.key()]; len(known) > 0 {
		c = known[len(known)-1]
	}
	opens := s.flags&(flagSYN|flagACK) == flagSYN
	// The same ports once more, or for the first time.
	if c == nil || opens && (s.seq != c.isn || !c.c.Opened) && !c.answersTo(p, s) {
		if c = a.newConn(p, "tcp"); c == nil {
			return true
		}
		if s.flags&(flagSYN|flagACK) == flagSYN|flagACK {
			c.client, c.server = c.server, c.client // the SYN is missing
		}
	}
	a.count(c, p, s.length)
	a.open(c, p, s)
	mine, theirs := &c.fromClient, &c.fromServ
	if !c.from(p) {
		mine, theirs = theirs, mine
	}
	if mine.sent(s, p.at) {
		a.step(c, p, KindRetransmit, "%d bytes sent again", s.length)
	}
	if s.flags&flagACK != 0 {
		if took, ok := theirs.acknowledged(s.ack, p.at); ok {
			if c.from(p) {
				c.toClient.add(took)
			} else {
				c.toServer.add(took)
			}
		}
	}
	a.secure(c, p, s, mine)
	a.close(c, p, s)
	return true
}

// answersTo tells whether a SYN belongs to the opening that goes on, from the
// other side: both dialled at once (RFC 9293, section 3.5).
func (c *conn) answersTo(p packet, s segment) bool {
	return c.c.Opened && c.handshake == 0 && !c.from(p) && c.synAck.IsZero() && c.c.Server.Payload == 0 && p.at.Sub(c.syn) < time.Second
}

// open follows the three-way handshake.
func (a *analysis) open(c *conn, p packet, s segment) {
	switch s.flags & (flagSYN | flagACK) {
	case flagSYN:
		if c.syn.IsZero() {
			c.c.Opened, c.syn, c.isn = true, p.at, s.seq
			a.step(c, p, KindOpen, "SYN")
		}
		c.scanner(p).begin(s.seq + 1)
	case flagSYN | flagACK:
		if c.synAck.IsZero() {
			c.synAck = p.at
			a.step(c, p, KindOpen, "SYN, ACK")
		}
		c.scanner(p).begin(s.seq + 1)
	case flagACK:
		if c.handshake == 0 && c.c.Opened && !c.synAck.IsZero() && c.from(p) {
			c.handshake = max(p.at.Sub(c.syn), 1)
			a.step(c, p, KindOpen, "ACK: open after %s", Duration(c.handshake))
		}
	}
}

func (c *conn) scanner(p packet) *scanner {
	if c.from(p) {
		return &c.fromClient.stream
	}
	return &c.fromServ.stream
}

// secure follows the secure handshake.
func (a *analysis) secure(c *conn, p packet, s segment, d *direction) {
	records, sealed, done := d.stream.records, d.stream.sealed, d.stream.done
	d.stream.feed(s.seq, s.length, s.payload)
	if c.c.Security == "" {
		c.c.Security = d.stream.security
	}
	first := records == 0 && d.stream.records > 0
	switch {
	case c.from(p) && first:
		c.hello = p.at
		if d.stream.security == "noise" {
			a.step(c, p, KindSecure, "Noise: first message")
		} else {
			a.step(c, p, KindSecure, "TLS ClientHello")
		}
	case first && d.stream.security == "tls":
		a.step(c, p, KindSecure, "TLS ServerHello")
	}
	if c.hello.IsZero() || !c.from(p) || c.secure != 0 || done || !d.stream.done {
		return
	}
	switch {
	case d.stream.sealed > sealed, d.stream.security == "noise" && d.stream.records == 2:
		c.secure = max(p.at.Sub(c.hello), 1)
		a.step(c, p, KindData, "protected from here on, after %s", Duration(c.secure))
	}
}

func (a *analysis) close(c *conn, p packet, s segment) {
	switch {
	case s.flags&flagRST != 0 && c.c.Closed != "reset":
		c.c.Closed = "reset"
		a.step(c, p, KindClose, "RST")
	case s.flags&flagFIN != 0 && c.fins < 2 && c.c.Closed != "reset":
		c.fins++
		c.c.Closed = "fin"
		a.step(c, p, KindClose, "FIN")
	}
}

// udp takes a UDP packet.
func (a *analysis) udp(p packet) bool {
	length := min(int(be16(p.ip.Payload[4:])), p.ip.Length)
	if length < 8 {
		return false
	}
	payload := p.ip.Payload[8:min(length, len(p.ip.Payload))]
	if p.src.Port() == mdnsPort || p.dst.Port() == mdnsPort {
		return a.mdns(p, payload)
	}
	packets := parseQUIC(payload)
	c := a.quicConn(p, packets)
	if c == nil {
		return true
	}
	a.count(c, p, length-8)
	if c.c.Transport == "quic" {
		for _, q := range packets {
			a.quic(c, p, q)
		}
	}
	return true
}

// quicConn finds the conversation of a datagram. Several connections may share
// both ports; the connection IDs tell them apart as far as they are seen.
func (a *analysis) quicConn(p packet, packets []quicPacket) *conn {
	known := a.flows[p.key()]
	var first quicPacket
	long := len(packets) > 0 && packets[0].kind != quicShort
	if len(packets) > 0 {
		first = packets[0]
	}
	for i := len(known) - 1; i >= 0 && len(packets) > 0; i-- {
		c := known[i]
		to, by := c.ids[1], c.ids[0]
		if !c.from(p) {
			to, by = by, to
		}
		if long && (to.has(first.dst) || len(first.src) > 0 && by.has(first.src)) || !long && to.begins(first.dst) {
			return c
		}
	}
	if long && first.kind == quicInitial {
		c := a.newConn(p, "quic")
		if c != nil {
			c.c.Opened, c.hello, c.c.Security = true, p.at, "tls"
			c.ids[1].add(first.dst)
			a.step(c, p, KindOpen, "QUIC Initial: ClientHello")
		}
		return c
	}
	if len(known) > 0 {
		return known[len(known)-1]
	}
	if long {
		return a.newConn(p, "quic")
	}
	return a.newConn(p, "udp")
}

// quic follows the handshake.
func (a *analysis) quic(c *conn, p packet, q quicPacket) {
	if q.kind != quicShort && q.kind != quicRetry {
		side := 0
		if !c.from(p) {
			side = 1
		}
		c.ids[side].add(q.src)
	}
	if !c.c.Opened || c.secured {
		return
	}
	switch {
	case !c.from(p) && q.kind == quicRetry:
		c.ids[1].add(q.src)
		a.step(c, p, KindOpen, "QUIC Retry")
	case !c.from(p) && !c.answered:
		c.answered, c.synAck = true, p.at
		c.toServer.add(p.at.Sub(c.hello))
		a.step(c, p, KindOpen, "QUIC Initial: ServerHello")
	case c.from(p) && q.kind == quicHandshake && c.answered && c.toClient.seen == 0:
		c.toClient.add(p.at.Sub(c.synAck))
		a.step(c, p, KindSecure, "QUIC Handshake")
	case c.from(p) && q.kind == quicShort:
		c.secured, c.secure = true, max(p.at.Sub(c.hello), 1)
		a.step(c, p, KindData, "protected from here on, after %s", Duration(c.secure))
	}
}

// result is what came of it.
func (c *conn) result(who *people) *Conversation {
	out := &c.c
	udp := out.Transport != "tcp"
	who.fill(&out.Client, c.client, udp)
	who.fill(&out.Server, c.server, udp)
	out.Begin, out.End = Time{c.begin}, Time{c.end}
	out.Over = *c.over
	if c.handshake > 0 {
		out.Handshake = (*Duration)(&c.handshake)
	}
	if c.secure > 0 {
		out.Secure = (*Duration)(&c.secure)
	}
	out.ToServer, out.ToClient = c.toServer.roundTrip(), c.toClient.roundTrip()
	if !udp {
		out.Client.Retransmitted, out.Client.OutOfOrder = &c.fromClient.retransmitted, &c.fromClient.behind
		out.Server.Retransmitted, out.Server.OutOfOrder = &c.fromServ.retransmitted, &c.fromServ.behind
	}
	return out
}
