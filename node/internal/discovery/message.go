package discovery

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/net/dns/dnsmessage"

	"p2pchat/protocol/identity"
)

// The DNS-SD names and the TXT keys of our announcements.
const (
	serviceName = "_p2pchat._udp.local."
	addrKey     = "dnsaddr=" // one per address, as in libp2p's mDNS discovery
	bootKey     = "boot="    // random, new with every start of a node
)

// Limits on what is read. Nothing of ours comes near them.
const (
	maxPacket    = 9000 // RFC 6762, 17
	maxRecords   = 64   // resource records and questions looked at per packet
	maxAnnounced = 16   // addresses taken from one announcement
	maxBoot      = 32   // bytes of the boot key's value
)

// Limits on what is sent.
const (
	maxOwnAddrs  = 8  // addresses in our announcement
	maxQuestions = 12 // peers asked for in one packet
	recordTTL    = 120
	cacheFlush   = 0x8000 // RFC 6762, 10.2
)

// announcement is what a node says of itself on one interface.
type announcement struct {
	Peer    peer.ID
	Boot    string         // empty: another implementation
	Addrs   []ma.Multiaddr // without /p2p
	Goodbye bool
}

// message is one mDNS packet, as far as it concerns us.
type message struct {
	Query bool
	// AskAll: who is there? Ask: are these there? The latter makes exactly
	// those peers answer, who will also check their connection to the asker.
	AskAll bool
	Ask    []peer.ID
	// Announced holds the sender's announcement: in a response the answer, in
	// a query an additional record, which tells everyone where the asker is.
	Announced []announcement
}

// encode builds the packet of a message with at most one announcement, and,
// for tools that resolve services in the ordinary way, its SRV record with the
// port and addresses given.
func (m message) encode(port uint16, ips []netip.Addr) ([]byte, error) {
	b := dnsmessage.NewBuilder(make([]byte, 0, 512), dnsmessage.Header{Response: !m.Query, Authoritative: !m.Query})
	b.EnableCompression()
	service := dnsmessage.MustNewName(serviceName)
	if m.Query {
		if err := b.StartQuestions(); err != nil {
			return nil, err
		}
		if m.AskAll {
			if err := b.Question(dnsmessage.Question{Name: service, Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET}); err != nil {
				return nil, err
			}
		}
		for _, id := range m.Ask[:min(len(m.Ask), maxQuestions)] {
			name, err := instanceName(id)
			if err != nil {
				return nil, err
			}
			if err := b.Question(dnsmessage.Question{Name: name, Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET}); err != nil {
				return nil, err
			}
		}
	}
	if len(m.Announced) > 0 {
		if err := m.Announced[0].append(&b, m.Query, port, ips); err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

func (a announcement) append(b *dnsmessage.Builder, query bool, port uint16, ips []netip.Addr) error {
	instance, err := instanceName(a.Peer)
	if err != nil {
		return err
	}
	txt := []string{bootKey + a.Boot}
	for _, addr := range a.Addrs[:min(len(a.Addrs), maxOwnAddrs)] {
		if s := addrKey + addr.String() + "/p2p/" + a.Peer.String(); len(s) <= 255 {
			txt = append(txt, s)
		}
	}
	ttl := uint32(recordTTL)
	if a.Goodbye {
		ttl = 0
	}
	shared := dnsmessage.ResourceHeader{Class: dnsmessage.ClassINET, TTL: ttl}
	own := dnsmessage.ResourceHeader{Name: instance, Class: dnsmessage.ClassINET | cacheFlush, TTL: ttl}
	ptr := func() error {
		shared.Name = dnsmessage.MustNewName(serviceName)
		return b.PTRResource(shared, dnsmessage.PTRResource{PTR: instance})
	}
	if query {
		err = errors.Join(b.StartAdditionals(), ptr(), b.TXTResource(own, dnsmessage.TXTResource{TXT: txt}))
		return err
	}
	host := own
	host.Name, err = dnsmessage.NewName(a.Peer.String() + ".local.")
	if err != nil {
		return err
	}
	err = errors.Join(b.StartAnswers(), ptr(), b.StartAdditionals(),
		b.TXTResource(own, dnsmessage.TXTResource{TXT: txt}),
		b.SRVResource(own, dnsmessage.SRVResource{Port: port, Target: host.Name}))
	for _, ip := range ips {
		if ip.Is4() {
			err = errors.Join(err, b.AResource(host, dnsmessage.AResource{A: ip.As4()}))
		} else {
			err = errors.Join(err, b.AAAAResource(host, dnsmessage.AAAAResource{AAAA: ip.As16()}))
		}
	}
	return err
}

// errForeign reports a packet that does not mention our service.
var errForeign = errors.New("not about our service")

// decode reads a packet. It returns errForeign for the packets of other
// services, of which a LAN is full, and another error for malformed ones.
func decode(packet []byte) (message, error) {
	var p dnsmessage.Parser
	head, err := p.Start(packet)
	if err != nil {
		return message{}, fmt.Errorf("mDNS header: %w", err)
	}
	m := message{Query: !head.Response}
	ours := false
	for range maxRecords {
		q, err := p.Question()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			break
		}
		if err != nil {
			return message{}, fmt.Errorf("mDNS question: %w", err)
		}
		name := q.Name.String()
		all := q.Type == dnsmessage.TypeALL
		switch {
		case strings.EqualFold(name, serviceName) && (all || q.Type == dnsmessage.TypePTR):
			m.AskAll, ours = true, true
		case all || q.Type == dnsmessage.TypeTXT || q.Type == dnsmessage.TypeSRV:
			if id, ok := instanceID(name); ok {
				m.Ask, ours = append(m.Ask, id), true
			}
		}
	}
	if err := p.SkipAllQuestions(); err != nil {
		return message{}, fmt.Errorf("mDNS question: %w", err)
	}

	sections := []struct {
		next func() (dnsmessage.ResourceHeader, error)
		skip func() error
	}{
		{p.AnswerHeader, p.SkipAnswer},
		{p.AuthorityHeader, p.SkipAuthority},
		{p.AdditionalHeader, p.SkipAdditional},
	}
	left := maxRecords
	for i, s := range sections {
		for ; left > 0; left-- {
			h, err := s.next()
			if errors.Is(err, dnsmessage.ErrSectionDone) {
				break
			}
			if err != nil {
				return message{}, fmt.Errorf("mDNS record: %w", err)
			}
			// Answers within a query are what its sender knows already, not
			// what it says of itself.
			known := m.Query && i == 0
			instance, isInstance := cutService(h.Name.String())
			if h.Type != dnsmessage.TypeTXT || !isInstance || known {
				ours = ours || isInstance || strings.EqualFold(h.Name.String(), serviceName)
				if err := s.skip(); err != nil {
					return message{}, fmt.Errorf("mDNS record: %w", err)
				}
				continue
			}
			txt, err := p.TXTResource()
			if err != nil {
				return message{}, fmt.Errorf("mDNS TXT record: %w", err)
			}
			ours = true
			if a, ok := parseTXT(instance, txt.TXT); ok {
				a.Goodbye = h.TTL == 0
				m.Announced = append(m.Announced, a)
			}
		}
	}
	if !ours {
		return message{}, errForeign
	}
	return m, nil
}

// parseTXT reads one announcement. Entries we don't know are passed over, an
// announcement that speaks of two peers is refused.
func parseTXT(instance string, txt []string) (announcement, bool) {
	var a announcement
	for _, s := range txt {
		if boot, ok := strings.CutPrefix(s, bootKey); ok && len(boot) <= maxBoot {
			a.Boot = boot
			continue
		}
		text, ok := strings.CutPrefix(s, addrKey)
		if !ok || len(a.Addrs) >= maxAnnounced {
			continue
		}
		full, err := ma.NewMultiaddr(text)
		if err != nil {
			continue
		}
		addr, id := peer.SplitAddr(full)
		if !isIdentity(id) || len(addr) == 0 {
			continue
		}
		if a.Peer != "" && a.Peer != id {
			return announcement{}, false
		}
		a.Peer = id
		if dialable(addr) {
			a.Addrs = append(a.Addrs, addr)
		}
	}
	if a.Peer == "" {
		// No address at all, as on an interface that has none yet. Our own
		// kind names itself in the instance.
		id, ok := labelID(instance)
		if !ok {
			return announcement{}, false
		}
		a.Peer = id
	}
	return a, true
}

// dialable reports whether an address is one that p2pchat speaks: IP, then TCP
// or QUIC. Names and relays from the LAN are not taken.
func dialable(a ma.Multiaddr) bool {
	if len(a) < 2 || (a[0].Code() != ma.P_IP4 && a[0].Code() != ma.P_IP6) {
		return false
	}
	return len(a) == 2 && a[1].Code() == ma.P_TCP ||
		len(a) == 3 && a[1].Code() == ma.P_UDP && a[2].Code() == ma.P_QUIC_V1
}

// instanceName is the service instance of a peer: its ID is the label, so that
// a peer can be asked for without having been heard.
func instanceName(id peer.ID) (dnsmessage.Name, error) {
	name, err := dnsmessage.NewName(id.String() + "." + serviceName)
	if err != nil {
		return name, fmt.Errorf("name of peer %s: %w", id, err)
	}
	return name, nil
}

func instanceID(name string) (peer.ID, bool) {
	label, ok := cutService(name)
	if !ok {
		return "", false
	}
	return labelID(label)
}

// labelID reads a peer ID as [instanceName] writes it, in no other spelling.
func labelID(label string) (peer.ID, bool) {
	id, err := peer.Decode(label)
	return id, err == nil && id.String() == label && isIdentity(id)
}

// isIdentity reports the peer ID of an Ed25519 key in its canonical form.
// Others, of which one key can have many, are nobody here.
func isIdentity(id peer.ID) bool {
	_, err := identity.ParsePeer([]byte(id))
	return err == nil
}

// cutService returns the instance label of a name of our service.
func cutService(name string) (label string, ok bool) {
	if len(name) <= len(serviceName)+1 || !strings.EqualFold(name[len(name)-len(serviceName)-1:], "."+serviceName) {
		return "", false
	}
	return name[:len(name)-len(serviceName)-1], true
}
