package discovery

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"time"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// reopenAfter is how long to wait before port 5353 is tried again.
const reopenAfter = 5 * time.Second

// multicast opens the sockets, again and again until it succeeds, and passes
// on what comes in until ctx ends.
func (s *Service) multicast(ctx context.Context) {
	for {
		socks, err := openSockets(ctx)
		if err != nil {
			s.log.Warn("multicast", "err", err)
		}
		if socks == nil {
			s.post(func(time.Time) { s.heard.socketErr = err })
			select {
			case <-ctx.Done():
				return
			case <-time.After(reopenAfter):
			}
			continue
		}
		handed := make(chan struct{})
		s.post(func(now time.Time) {
			s.sockets, s.heard.socketErr = socks, err
			s.joinGroups(s.policy.net, true)
			s.announcer.appear(now)
			close(handed)
		})
		select {
		case <-handed:
		case <-s.stopped:
			select {
			case <-handed:
			default: // nobody took them any more
				socks.close()
				return
			}
		}
		// The deciding goroutine says goodbye over the sockets, then closes them.
		socks.read(s.arrived)
		return
	}
}

// arrived takes in one packet, on a socket's goroutine.
func (s *Service) arrived(p packet) {
	m, err := decode(p.data)
	if errors.Is(err, errForeign) {
		return
	}
	if err != nil {
		s.post(func(time.Time) { s.heard.malformed++ })
		return
	}
	s.post(func(now time.Time) { s.received(now, m, p.ifIndex, p.from) })
}

// received acts on a packet about our service.
func (s *Service) received(now time.Time, m message, ifIndex int, from netip.Addr) {
	i, ok := s.policy.net.arrivedOn(ifIndex, from)
	if !ok {
		return // an interface we don't use
	}
	var asker *target
	self := s.cfg.Host.ID()
	for _, a := range m.Announced {
		if a.Peer == self {
			s.heard.self(now, i, a.Boot == s.boot)
			if a.Boot != s.boot && a.Boot != "" {
				s.twin(now, a)
			}
			return // our own echo
		}
		if !s.policy.admits(a.Peer) {
			return
		}
		before, known := s.policy.peers[a.Peer]
		rebooted := known && before.boot != a.Boot
		s.policy.heardFrom(now, a, i.Name)
		s.heard.peer(now, a, i.Name)
		t := s.policy.peers[a.Peer]
		if t == nil || a.Goodbye {
			continue
		}
		asker = t
		// Let the one with the lower ID know where we are, so that it can
		// dial at once. It answers a query in any case, see below.
		if !m.Query && !t.lower && !t.connected() && !rebooted {
			s.announcer.askedAll(now)
		}
	}
	if !m.Query {
		return
	}
	if slices.Contains(m.Ask, self) {
		s.announcer.askedByName(now)
		if asker != nil {
			s.policy.soughtBy(now, asker.id)
		}
	}
	if m.AskAll && s.answers(asker) {
		s.announcer.askedAll(now)
	}
	s.announcer.overheard(now, m.Ask, len(s.conns))
}

// answers reports whether a question to all, by a peer or (nil) another
// program, needs our answer: not if the asker has a connection to us, or will
// get one from us at once.
func (s *Service) answers(asker *target) bool {
	switch {
	case asker == nil:
		return true
	case asker.connected():
		return slices.ContainsFunc(asker.links, func(l *link) bool { return l.pinging })
	case asker.lower:
		return s.policy.full() || len(s.policy.dialable(asker)) == 0
	}
	return true
}

// twin reports a second node with our identity, or its end.
func (s *Service) twin(now time.Time, a announcement) {
	if a.Goodbye {
		s.heard.twinTold = time.Time{}
		s.carryOut(context.Background(), eventCmd{Event{Kind: TwinGone, Peer: a.Peer, Via: MDNS, At: now}})
		return
	}
	if now.Sub(s.heard.twinTold) < 10*time.Second {
		return
	}
	s.heard.twinTold = now
	s.announcer.askedAll(now) // it has to hear of us too
	s.log.Warn("another node with our identity is on this network", "addrs", a.Addrs)
	s.carryOut(context.Background(), eventCmd{Event{Kind: Twin, Peer: a.Peer, Via: MDNS, Addrs: a.Addrs, At: now}})
}

// arrivedOn finds the interface of a packet; where the system does not tell,
// the one whose subnet the sender is in.
func (n network) arrivedOn(index int, from netip.Addr) (Interface, bool) {
	for _, i := range n.ifaces {
		if i.Index == index {
			return i, true
		}
		if index == 0 && slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return p.Contains(from.WithZone("")) }) {
			return i, true
		}
	}
	return Interface{}, false
}

func (s *Service) joinGroups(n network, again bool) {
	if s.sockets == nil {
		return
	}
	if err := s.sockets.join(n.ifaces, again); err != nil {
		s.log.Debug("multicast", "err", err)
	}
}

// send multicasts a packet on every interface in use, on each with the
// addresses that we have there.
func (s *Service) send(m sending, goodbye bool) {
	if s.sockets == nil {
		return
	}
	listen := s.cfg.Host.Network().ListenAddresses()
	for _, i := range s.policy.net.ifaces {
		addrs, ips, port := addrsOn(i, listen)
		msg := message{
			Query:  m.query,
			AskAll: m.askAll,
			Ask:    m.ask,
			Announced: []announcement{{
				Peer: s.cfg.Host.ID(), Boot: s.boot, Addrs: addrs, Goodbye: goodbye,
			}},
		}
		data, err := msg.encode(port, ips)
		if err == nil {
			err = s.sockets.send(data, i, sourceOn(i, ips))
		}
		s.heard.sent(i, err)
		if err != nil {
			s.log.Debug("multicast", "err", err)
		}
	}
}

// goodbye tells the LAN that we are going, and ends the reading of packets.
func (s *Service) goodbye() {
	if s.sockets == nil {
		return
	}
	s.send(sending{}, true)
	s.sockets.close()
}

// sourceOn is the address that a packet leaves from, the zero one if the system
// may choose. On loopback it would choose another interface's address.
func sourceOn(i Interface, ips []netip.Addr) netip.Addr {
	if i.Kind == Loopback && len(ips) > 0 {
		return ips[0]
	}
	return netip.Addr{}
}

// addrsOn lists where we can be dialled on an interface, its addresses, and
// the port for an SRV record.
func addrsOn(i Interface, listen []ma.Multiaddr) (addrs []ma.Multiaddr, ips []netip.Addr, port uint16) {
	for _, p := range i.Addrs {
		ip := p.Addr()
		if ip.Is6() && ip.IsLinkLocalUnicast() {
			continue
		}
		for _, l := range listen {
			lip, ok := addrIP(l)
			if !ok || lip.Is4() != ip.Is4() {
				continue
			}
			at := ip
			switch {
			case lip.IsLoopback() && p.Contains(lip):
				at = lip // all of 127.0.0.0/8 is this machine's, of which the interface lists one
			case !lip.IsUnspecified() && lip != ip:
				continue
			}
			host, err := manet.FromIP(at.AsSlice())
			if err != nil {
				continue
			}
			_, rest := ma.SplitFirst(l)
			a := host.Encapsulate(rest)
			if !dialable(a) {
				continue
			}
			addrs = append(addrs, a)
			if len(ips) < maxOwnAddrs && !slices.Contains(ips, at) {
				ips = append(ips, at)
			}
			if n, err := strconv.ParseUint(a[1].Value(), 10, 16); err == nil {
				port = uint16(n)
			}
		}
	}
	return addrs, ips, port
}
