package report

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// people knows who stands behind an address. What is said of a port comes from
// announcements, and is better than what is said of an IP address.
type people struct {
	names     map[string]string     // username by peer ID
	ports     map[udpPort]string    // peer ID by announced endpoint
	addresses map[netip.Addr]string // username by address
}

type udpPort struct {
	at  netip.AddrPort
	udp bool
}

func newPeople() people {
	return people{names: map[string]string{}, ports: map[udpPort]string{}}
}

// comment takes the statements about peers from a packet's comment, such as
// "p2pchat peer=12D3… name=alice": peer IDs have usernames.
func (w *people) comment(text string) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "p2pchat peer=")
		if !ok {
			continue
		}
		id, name, ok := strings.Cut(rest, " name=")
		if ok && id != "" && name != "" && len(w.names) < maxNames {
			w.names[id] = name
		}
	}
}

// announced takes what a peer says of his addresses.
func (w *people) announced(id, multiaddr string) {
	at, udp, ok := endpoint(multiaddr)
	if ok && len(w.ports) < maxNames {
		w.ports[udpPort{at, udp}] = id
	}
}

// endpoint reads the beginning of a multiaddr, /ip4/A/udp/P/… or the like
// (github.com/multiformats/multiaddr).
func endpoint(multiaddr string) (at netip.AddrPort, udp, ok bool) {
	parts := strings.Split(multiaddr, "/")
	if len(parts) > 2 && parts[1] == "ip6zone" {
		parts = parts[2:]
	}
	if len(parts) < 5 || parts[1] != "ip4" && parts[1] != "ip6" || parts[3] != "udp" && parts[3] != "tcp" {
		return at, false, false
	}
	at, err := netip.ParseAddrPort(fmt.Sprintf("[%s]:%s", parts[2], parts[4]))
	if err != nil {
		at, err = netip.ParseAddrPort(parts[2] + ":" + parts[4])
	}
	return at, parts[3] == "udp", err == nil
}

func (w *people) fill(s *Side, at netip.AddrPort, udp bool) {
	s.Address = at.String()
	s.PeerID = w.ports[udpPort{at, udp}]
	if s.Name = w.names[s.PeerID]; s.Name == "" {
		s.Name = w.addresses[at.Addr()]
	}
}

func (w *people) label(at netip.AddrPort, udp bool) string {
	var s Side
	w.fill(&s, at, udp)
	if s.Name == "" {
		return at.Addr().String()
	}
	return s.Name
}

const (
	mdnsPort = 5353
	service  = "_p2pchat._udp.local."
	// maxMDNSRecords is how many questions and records of one packet are looked
	// at, maxAddrs how many addresses of one announcer are kept.
	maxMDNSRecords = 64
	maxAddrs       = 16
)

// announcer is an [Announcer] before names are known.
type announcer struct {
	a     Announcer
	from  netip.AddrPort
	addrs []string
}

func (x *announcer) result(who *people) Announcer {
	x.a.Name = who.names[x.a.PeerID]
	if x.a.Name == "" {
		x.a.Name = who.addresses[x.from.Addr()]
	}
	x.a.From, x.a.Addrs = x.from.Addr().String(), x.addrs
	return x.a
}

// mdns takes a multicast DNS packet (RFC 6762); false if it is none.
func (a *analysis) mdns(p packet, payload []byte) bool {
	var parser dnsmessage.Parser
	head, err := parser.Start(payload)
	if err != nil {
		return false
	}
	asked, about := a.questions(&parser)
	said := []string{}
	for _, section := range []func() (dnsmessage.Resource, error){parser.Answer, parser.Authority, parser.Additional} {
		for range maxMDNSRecords {
			rec, err := section()
			if err != nil {
				break
			}
			if id, ok := a.announcement(rec, p); ok && !slices.Contains(said, id) {
				said = append(said, id)
			}
		}
	}
	switch {
	case !about && len(said) == 0:
		a.r.MDNS.Others++
	case head.Response:
		a.r.MDNS.Answers++
		text := "mDNS: here is " + short(said)
		if x := a.announcers[said0(said)]; x != nil && x.a.Goodbye {
			text = "mDNS: goodbye from " + short(said)
		}
		a.event(event{at: p.at, kind: KindAnswer, from: p.src, peer: said0(said), to: p.dst, all: p.dst.Addr().IsMulticast(), udp: true, text: text})
	default:
		a.r.MDNS.Questions++
		a.event(event{at: p.at, kind: KindQuestion, from: p.src, peer: said0(said), to: p.dst, all: p.dst.Addr().IsMulticast(), udp: true, text: "mDNS: " + asked})
	}
	return true
}

func said0(said []string) string {
	if len(said) == 0 {
		return ""
	}
	return said[0]
}

// short names peers by the ends of their IDs, as their beginnings are alike.
func short(ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id
		if r := []rune(id); len(r) > 12 {
			out[i] = "…" + string(r[len(r)-8:])
		}
	}
	return strings.Join(out, ", ")
}

// questions says in words what is asked about our service; about is false if
// nothing is.
func (a *analysis) questions(parser *dnsmessage.Parser) (text string, about bool) {
	var who []string
	everybody := false
	for range maxMDNSRecords {
		q, err := parser.Question()
		if err != nil {
			break
		}
		name := strings.ToLower(q.Name.String())
		everybody = everybody || name == service
		if label, ok := strings.CutSuffix(q.Name.String(), "."+service); ok {
			who = append(who, label)
		}
	}
	_ = parser.SkipAllQuestions()
	if everybody {
		return "who is there?", true
	}
	return "where is " + short(who) + "?", len(who) > 0
}

// announcement takes a record of our service; id is whom it is about.
func (a *analysis) announcement(rec dnsmessage.Resource, p packet) (id string, ok bool) {
	switch body := rec.Body.(type) {
	case *dnsmessage.PTRResource:
		if !strings.EqualFold(rec.Header.Name.String(), service) {
			return "", false
		}
		id, ok = instance(body.PTR.String())
	default:
		id, ok = instance(rec.Header.Name.String())
	}
	if !ok {
		return "", false
	}
	x := a.announcers[id]
	if x == nil {
		if len(a.order) == maxAnnouncers {
			a.left.announcers++
			return id, true
		}
		x = &announcer{a: Announcer{PeerID: id, First: Time{p.at}}, from: p.src}
		a.announcers[id] = x
		a.order = append(a.order, x)
	}
	if _, ptr := rec.Body.(*dnsmessage.PTRResource); ptr {
		x.a.Times++
		x.a.Goodbye = rec.Header.TTL == 0
	}
	if txt, ok := rec.Body.(*dnsmessage.TXTResource); ok {
		for _, entry := range txt.TXT {
			addr, ok := strings.CutPrefix(entry, "dnsaddr=")
			if !ok || len(x.addrs) >= maxAddrs || slices.Contains(x.addrs, addr) {
				continue
			}
			x.addrs = append(x.addrs, addr)
			a.people.announced(id, addr)
		}
	}
	return id, true
}

// instance is the first label of an instance's name: a node's peer ID.
func instance(name string) (string, bool) {
	if len(name) <= len(service) || !strings.EqualFold(name[len(name)-len(service):], service) {
		return "", false
	}
	label := strings.TrimSuffix(name[:len(name)-len(service)], ".")
	return label, label != ""
}
