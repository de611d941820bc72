package discovery

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// load takes in the address book at the start. Peers seen lately are searched
// for as after a loss: we may be the one who went away.
func (p *policy) load(now time.Time, entries []Remembered) {
	for _, e := range entries {
		t := p.target(now, e.Peer, e.Via)
		if t == nil {
			continue
		}
		if !e.LastSeen.IsZero() {
			t.met, t.worth, t.proven = true, true, true
		}
		if e.LastSeen.After(t.lastSeen) {
			t.lastSeen = e.LastSeen
		}
		src := fromBook
		if e.Static {
			t.static, src = true, fromUser
		}
		for _, a := range slices.Backward(e.Addrs) {
			t.add(now, a, src, "")
		}
		p.search(now, t)
		if t.lower && !t.next.IsZero() {
			t.next = now // nobody holds an old connection that we know of
		}
	}
}

// addStatic takes in a peer the user named.
func (p *policy) addStatic(now time.Time, info peer.AddrInfo) {
	t := p.target(now, info.ID, Static)
	if t == nil {
		return
	}
	t.static = true
	for _, a := range slices.Backward(info.Addrs) {
		t.add(now, a, fromUser, "")
	}
	p.save(t)
	if !t.connected() {
		p.search(now, t)
		p.hurry(now, t)
	}
}

// remove forgets a peer. It comes back if it is heard again.
func (p *policy) remove(id peer.ID) {
	t := p.peers[id]
	if t == nil {
		return
	}
	p.do(removeCmd{id})
	t.static, t.met, t.worth, t.proven = false, false, false, false
	t.first, t.up, t.stayed = time.Time{}, time.Time{}, 0
	t.via = Incoming
	t.addrs = slices.DeleteFunc(t.addrs, func(a address) bool { return a.src != fromMDNS })
	if !t.heard.IsZero() {
		t.via = MDNS
	}
	t.since, t.next = time.Time{}, time.Time{}
	if len(t.links) == 0 && !t.dialing {
		delete(p.peers, id)
	}
}

// heardFrom takes in an announcement heard on an interface.
func (p *policy) heardFrom(now time.Time, a announcement, iface string) {
	t := p.target(now, a.Peer, MDNS)
	if t == nil {
		return
	}
	if a.Goodbye {
		// Anyone can say goodbye in another's name, so an open connection
		// must speak for itself.
		t.goodbye = now
		p.suspect(now, t)
		return
	}
	t.goodbye = time.Time{}
	t.iface = iface
	before := t.heard
	t.heard = now
	moved := false
	for _, addr := range slices.Backward(a.Addrs) {
		if t.add(now, addr, fromMDNS, iface) {
			moved = true
		}
	}
	n := len(t.addrs)
	t.addrs = slices.DeleteFunc(t.addrs, func(old address) bool {
		return old.src == fromMDNS && old.iface == iface && old.seen.Before(now)
	})
	moved = moved || len(t.addrs) != n
	rebooted := t.boot != "" && a.Boot != "" && t.boot != a.Boot
	t.boot = a.Boot

	if len(p.dialable(t)) > 0 {
		p.worthy(t)
	}
	if t.connected() {
		if moved {
			p.save(t) // a second cable, say, heard of after the first connected
		}
		if (moved && !before.IsZero()) || rebooted {
			p.suspect(now, t)
		}
		return
	}
	if len(p.dialable(t)) == 0 {
		p.unreachable(now, t, "no address of it is in a subnet of ours")
		return
	}
	p.hint(now, t, before)
}

// soughtBy takes in that a peer asks for us by name. It has no connection to
// us, so ours to it, if any, is probably dead.
func (p *policy) soughtBy(now time.Time, id peer.ID) {
	t := p.peers[id]
	if t == nil {
		return
	}
	for _, l := range t.links {
		if now.Sub(l.opened) > time.Second {
			p.ping(now, l, pingTimeout)
		}
	}
}

// exchanged takes in addresses from a signed peer record that another peer
// passed on.
func (p *policy) exchanged(now time.Time, info peer.AddrInfo) {
	t := p.target(now, info.ID, Exchange)
	if t == nil {
		return
	}
	for _, a := range info.Addrs {
		if dialable(a) {
			t.add(now, a, fromRecord, "")
		}
	}
	if !t.connected() && len(p.dialable(t)) > 0 {
		p.hint(now, t, now)
	}
}

// identified takes in what a connected peer says its addresses are.
func (p *policy) identified(now time.Time, id peer.ID, addrs []ma.Multiaddr) {
	t := p.peers[id]
	if t == nil {
		return
	}
	changed := false
	for _, a := range addrs {
		ip, ok := addrIP(a)
		if !ok || !dialable(a) {
			continue
		}
		here := slices.ContainsFunc(t.links, func(l *link) bool {
			remote, ok := addrIP(l.remote)
			return ok && remote == ip
		})
		if here || p.net.onLink(ip) {
			src := fromRecord
			if here {
				src = fromPeer
			}
			changed = t.add(now, a, src, "") || changed
		}
	}
	if changed {
		p.save(t)
	}
}

// want asks for a connection to a peer now, whatever the limits.
func (p *policy) want(now time.Time, id peer.ID) {
	t := p.peers[id]
	if t == nil || t.connected() {
		return
	}
	t.wanted = now.Add(wantedFor)
	p.hurry(now, t)
}

// reopen closes every connection, each to be opened anew, and returns with whom
// they are. What is being dialled is given up. Of two the one with the lower ID
// dials: both notice at once, and Wireshark mixes up the keys of two QUIC
// handshakes that cross between the same two ports.
func (p *policy) reopen(now time.Time) []peer.ID {
	p.reopened = now
	var ids []peer.ID
	for _, t := range p.peers {
		switch {
		case t.connected():
			p.renew(now, t)
			ids = append(ids, t.id)
		case t.dialing:
			p.do(abortCmd{t.id})
		}
	}
	return ids
}

// renew closes every connection to a peer, to be dialled again.
func (p *policy) renew(now time.Time, t *target) {
	t.wanted = now.Add(wantedFor)
	for _, l := range t.links {
		p.close(l, "to be opened anew")
	}
}

// left takes in that a peer took its leave on a connection: no fault, no search.
func (p *policy) left(now time.Time, id peer.ID) {
	if t := p.peers[id]; t != nil {
		t.goodbye = now
	}
}

// networkIs takes in the interfaces in use and how they changed.
func (p *policy) networkIs(now time.Time, n network, c change) {
	p.net = n
	for _, t := range p.peers {
		if t.connected() {
			if c.lost || c.gained {
				p.suspect(now, t)
			}
			continue
		}
		if !c.gained || !(t.keep() || now.Sub(t.heard) < fullRateFor) || len(p.dialable(t)) == 0 {
			continue
		}
		// As after a loss: perhaps it is we who were away. The first dial
		// waits for the multicast that tells the other side we are back, so
		// that it drops the old connection first.
		t.since, t.tries = now, 0
		delay := firstDialAfter
		if !t.lower {
			delay = higherWaits
		}
		if t.dialing {
			p.do(abortCmd{t.id})
		}
		t.next = now.Add(p.jitter(delay))
	}
}

// opened takes in a new connection.
func (p *policy) opened(now time.Time, l *link) {
	t := p.target(now, l.peer, Incoming)
	if t == nil {
		return
	}
	if _, ok := p.links[l.id]; ok {
		return
	}
	l.alive = now
	p.links[l.id] = l
	first := !t.connected()
	older := slices.Clone(t.links)
	t.links = append(t.links, l)
	if !t.met && t.first.IsZero() {
		t.first = now
	}
	if first {
		t.up = now
	}
	t.met, t.lastSeen, t.goodbye, t.wanted = true, now, time.Time{}, time.Time{}
	t.worth = t.worth || l.outgoing
	t.since, t.next, t.tries, t.err, t.reported = time.Time{}, time.Time{}, 0, "", false
	if dialable(l.remote) {
		t.add(now, l.remote, fromPeer, "")
	}
	if t.dialing && !l.outgoing && !t.lower {
		// Both dialled. The lower ID's connection is the one that stays; if
		// both gave up their own there would be none.
		p.do(abortCmd{t.id})
	}
	if first {
		p.tell(now, Connected, t)
	}
	p.save(t)
	if l.opened.Before(p.reopened) { // its dial ended too late to be given up
		p.renew(now, t)
		return
	}
	for _, o := range older {
		p.ping(now, o, doubleTimeout)
	}
	if len(older) > 0 {
		p.settle(now, t)
	}
}

// closed takes in that a connection is gone.
func (p *policy) closed(now time.Time, id string) {
	l, ok := p.links[id]
	if !ok {
		return
	}
	delete(p.links, id)
	t := p.peers[l.peer]
	t.links = slices.DeleteFunc(t.links, func(o *link) bool { return o == l })
	if len(t.links) > 0 {
		p.settle(now, t)
		return
	}
	t.lastSeen = now
	if !t.up.IsZero() {
		t.stayed += now.Sub(t.up)
		t.up = time.Time{}
	}
	if t.stayed >= worthAfter {
		t.worth, t.proven = true, true
	}
	p.tell(now, Disconnected, t)
	p.save(t)
	p.search(now, t)
	if t.wanted.After(now) { // closed to be opened anew
		p.hurry(now, t)
		if !t.lower && !t.dialing {
			t.next = now.Add(reopenWaits)
		}
	}
}

// dialed takes in how a dial ended. Success shows in opened.
func (p *policy) dialed(now time.Time, id peer.ID, err error) {
	p.dials--
	t := p.peers[id]
	if t == nil {
		return
	}
	t.dialing = false
	p.stray.done(t.stray)
	t.stray = nil
	if err == nil {
		p.pace.took(now.Sub(t.started))
	}
	if t.connected() {
		return
	}
	if err == nil {
		// Opened and closed again before we looked, or about to open.
		t.next = now.Add(p.jitter(time.Second))
		return
	}
	t.tries++
	t.err = err.Error()
	if planned := now.Add(p.pause(now, t)); t.next.IsZero() || t.next.After(planned) {
		t.next = planned
	}
	if t.tries >= 2 && now.Sub(t.heard) < fullRateFor {
		p.unreachable(now, t, t.err)
	}
}

// pinged takes in how a ping ended.
func (p *policy) pinged(now time.Time, id string, alive bool) {
	l, ok := p.links[id]
	if !ok {
		return
	}
	l.pinging = false
	if alive {
		l.alive = now
	} else {
		p.close(l, "no answer")
	}
	p.settle(now, p.peers[l.peer])
}
