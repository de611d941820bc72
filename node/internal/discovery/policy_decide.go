package discovery

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// search begins to look for a peer that is not connected. The first dial
// leaves a moment to the multicast that asks for the peer by name: it makes
// the peer drop its half of a dead connection, which over TCP would answer the
// dial for a second, since both come from the same port.
func (p *policy) search(now time.Time, t *target) {
	if t.connected() || !t.keep() && !t.met {
		t.since, t.next = time.Time{}, time.Time{}
		return
	}
	t.since, t.tries = now, 0
	switch {
	case t.gone():
		t.next = now.Add(p.jitter(slowEvery))
	case t.lower:
		t.next = now.Add(p.jitter(firstDialAfter))
	default:
		t.next = now.Add(higherWaits)
	}
}

// hurry brings the next dial forward to now, whoever has the lower ID.
func (p *policy) hurry(now time.Time, t *target) {
	if !t.dialing {
		t.next = now
	}
}

// hint acts on a sign of life from a peer that is not connected; before is
// when there was the last one.
func (p *policy) hint(now time.Time, t *target, before time.Time) {
	if t.reopening && t.tries == 0 {
		return // its end and ours are known, and the next dial is planned
	}
	if t.since.IsZero() || now.Sub(t.since) > fullRateFor {
		t.since, t.tries = now, 0
	}
	at := now
	if !t.lower {
		at = now.Add(higherWaits)
	}
	if t.dialing {
		// A dial begun while the peer was away may be waiting to retransmit
		// what was lost. A new one is faster. One begun after a sign of life is
		// only slow, and giving it up would never end.
		wasAway := before.Before(t.started.Add(-time.Second))
		if !t.lower || !wasAway || now.Sub(t.started) < redialOnHint {
			return
		}
		p.do(abortCmd{t.id})
	} else if gap := t.started.Add(hintGap); at.Before(gap) {
		at = gap
	}
	if t.next.IsZero() || t.next.After(at) {
		t.next = at
	}
}

// pause is how long to wait after a failed dial.
func (p *policy) pause(now time.Time, t *target) time.Duration {
	age := now.Sub(t.since)
	switch {
	case t.wanted.After(now):
		return p.jitter(500 * time.Millisecond)
	case t.gone(), age > fullRateFor, !t.recent():
		return p.jitter(slowEvery)
	case !t.keep() && age > 15*time.Second:
		// Heard, never met. Each announcement brings another attempt.
		return p.jitter(slowEvery)
	case t.keep() && !slices.Contains(p.searched(now), t):
		return p.jitter(slowEvery)
	case age < eagerFor:
		return p.jitter(600 * time.Millisecond)
	default:
		return p.jitter(1500 * time.Millisecond)
	}
}

// unreachable tells once that a peer is heard but cannot be connected to.
func (p *policy) unreachable(now time.Time, t *target, why string) {
	t.err = why
	if !t.reported {
		t.reported = true
		p.tell(now, Unreachable, t)
	}
}

// suspect pings every connection to a peer.
func (p *policy) suspect(now time.Time, t *target) {
	for _, l := range t.links {
		p.ping(now, l, pingTimeout)
	}
}

func (p *policy) ping(now time.Time, l *link, timeout time.Duration) {
	if now.Sub(l.asked) >= pingGap {
		p.pingNow(now, l, timeout)
	}
}

func (p *policy) pingNow(now time.Time, l *link, timeout time.Duration) {
	if l.pinging || l.closing {
		return
	}
	l.pinging, l.asked = true, now
	p.do(pingCmd{l.id, p.pace.stretch(timeout)})
}

func (p *policy) close(l *link, why string) {
	if !l.closing {
		l.closing = true
		p.do(closeCmd{l.id, why})
	}
}

// settle leaves one connection per pair, once it is known which are alive: of
// those that the lower ID dialled the oldest. Both sides come to the same
// result; the higher ID gives the lower time to act, since clocks and orders
// of arrival differ.
func (p *policy) settle(now time.Time, t *target) {
	var open []*link
	for _, l := range t.links {
		if l.pinging {
			return
		}
		if !l.closing {
			open = append(open, l)
		}
	}
	if len(open) < 2 {
		t.settleAt = time.Time{}
		return
	}
	if !t.lower {
		if t.settleAt.IsZero() {
			t.settleAt = now.Add(settleAfter)
		}
		if now.Before(t.settleAt) {
			return
		}
		// The other end has not acted. Perhaps it has only one connection, and
		// the end of the other one did not reach us: which one it is shows now.
		for _, l := range open {
			if l.alive.Before(t.settleAt) {
				p.pingNow(now, l, doubleTimeout)
			}
		}
		if slices.ContainsFunc(open, func(l *link) bool { return l.pinging }) {
			return
		}
		t.settleAt = time.Time{}
	}
	stays := slices.MinFunc(open, func(a, b *link) int {
		byLower := func(l *link) int {
			if l.outgoing == t.lower {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(byLower(a), byLower(b)), a.opened.Compare(b.opened), cmp.Compare(a.id, b.id))
	})
	for _, l := range open {
		if l != stays {
			p.close(l, "a second connection to the same peer")
		}
	}
}

// tick does what is due and returns when it wants to be called next; zero:
// nothing is planned.
func (p *policy) tick(now time.Time) (next time.Time) {
	soonest := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	var due []*target
	for id, t := range p.peers {
		if !t.settleAt.IsZero() && !now.Before(t.settleAt) {
			p.settle(now, t)
		}
		if now.Before(t.settleAt) { // else pings are under way
			soonest(t.settleAt)
		}
		if t.forgotten(now) {
			delete(p.peers, id)
			continue
		}
		if !t.proven && !t.up.IsZero() {
			if at := t.up.Add(worthAfter - t.stayed); now.Before(at) {
				soonest(at)
			} else {
				t.proven = true
				p.worthy(t)
			}
		}
		if t.next.IsZero() || t.dialing || t.connected() {
			continue
		}
		if now.Before(t.next) {
			soonest(t.next)
			continue
		}
		due = append(due, t)
	}
	slices.SortFunc(due, func(a, b *target) int {
		return cmp.Or(b.wanted.Compare(a.wanted), a.next.Compare(b.next), cmp.Compare(a.id, b.id))
	})
	for _, t := range due {
		if p.dials >= p.pace.dials() {
			break // the end of a dial brings the next tick
		}
		p.dial(now, t)
		if !t.dialing {
			soonest(t.next)
		}
	}
	return next
}

func (p *policy) dial(now time.Time, t *target) {
	asked := t.static || t.wanted.After(now)
	addrs := p.dialable(t)
	if len(addrs) == 0 || (!asked && p.full()) {
		// Heard again, or a change of the network, brings it back sooner.
		t.next = now.Add(p.jitter(slowEvery))
		return
	}
	if !t.met && !asked {
		if addrs, t.stray = p.stray.allow(now, addrs); len(addrs) == 0 {
			t.next = now.Add(p.jitter(strangerGap))
			return
		}
	}
	t.dialing, t.started, t.next = true, now, time.Time{}
	p.dials++
	p.do(dialCmd{t.id, addrs, p.pace.stretch(dialTimeouts[t.tries%len(dialTimeouts)])})
}

// missing lists the peers worth asking for by name, with the time since when
// they are missing.
func (p *policy) missing(now time.Time) map[peer.ID]time.Time {
	out := map[peer.ID]time.Time{}
	if p.full() {
		return out
	}
	for _, t := range p.searched(now) {
		if !t.reopening || t.tries > 0 {
			out[t.id] = t.since
		}
	}
	return out
}

// searched lists the lost peers that are dialled at full rate and asked for by
// name: those the user named, and of the others no more than maxSearched, the
// longest known first. The rest is dialled at the slow rate; a sign of life
// brings each back at once.
func (p *policy) searched(now time.Time) []*target {
	var named, others []*target
	for _, t := range p.peers {
		switch {
		// One that has been away for long will tell when it is back.
		case t.since.IsZero() || !t.keep() || t.connected() || t.gone() || !t.recent():
		case t.static:
			named = append(named, t)
		case now.Sub(t.since) <= fullRateFor:
			others = append(others, t)
		}
	}
	if len(others) > maxSearched {
		slices.SortFunc(others, func(a, b *target) int {
			return cmp.Or(a.first.Compare(b.first), b.lastSeen.Compare(a.lastSeen), cmp.Compare(a.id, b.id))
		})
		others = others[:maxSearched]
	}
	return append(named, others...)
}
