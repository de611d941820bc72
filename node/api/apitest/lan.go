package apitest

import (
	"sync"
	"time"

	"p2pchat/node/api"
	"p2pchat/protocol/event"
)

// LAN is a network in memory. It is safe for concurrent use.
type LAN struct {
	mu    sync.Mutex // guards everything of the LAN and of its nodes
	nodes []*FakeNode
	order uint64 // of the newest message: the order every node shows
	last  time.Time
	clock event.Time    // of the newest event in a room
	rooms int           // made so far
	news  chan struct{} // closed at the next change of any node
}

// NewLAN makes a network nobody is on yet.
func NewLAN() *LAN { return &LAN{news: make(chan struct{})} }

// Join makes an account of that name with a running node and connects it to
// every other node that is online. Names need not be unique.
func (l *LAN) Join(name string) *FakeNode {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := newFakeNode(l, name, len(l.nodes))
	l.nodes = append(l.nodes, n)
	l.appear(n)
	return n
}

// now is the time of day in whole milliseconds, never going back.
func (l *LAN) now() time.Time {
	if t := time.Now().UTC().Truncate(time.Millisecond); t.After(l.last) {
		l.last = t
	}
	return l.last
}

// tick is the time of the next event in a room, later than that of any other.
func (l *LAN) tick() event.Time {
	l.clock = l.clock.Next(l.now())
	return l.clock
}

// appear puts n on the network: every node that is on it meets n.
func (l *LAN) appear(n *FakeNode) {
	n.online = true
	for _, other := range l.nodes {
		if other != n && other.online {
			l.connect(n, other, api.ViaMDNS)
		}
	}
}

// vanish takes n off the network.
func (l *LAN) vanish(n *FakeNode) {
	n.online = false
	for _, other := range l.nodes {
		if other != n {
			l.disconnect(n, other)
		}
	}
}

// connect makes a connection, on which both sides introduce themselves and
// hand over what waited for the other.
func (l *LAN) connect(a, b *FakeNode, via string) {
	ca, cb := a.meet(b, via), b.meet(a, api.ViaIncoming)
	if ca.connected {
		return
	}
	l.tellMembers(func() {
		ca.connected, cb.connected = true, true
		a.publishPeer(ca)
		b.publishPeer(cb)
		exchangeRooms(a, b)
	})
	l.handOver(ca, cb)
}

// handOver gives both what waited for them.
func (l *LAN) handOver(a, b *contact) {
	for _, way := range [][2]*contact{{a, b}, {b, a}} {
		from, to := way[0], way[1]
		for _, e := range from.own() {
			if e.State == api.Queued {
				l.deliver(e, from, to)
			}
		}
		l.tellRead(from, to)
	}
}

func (l *LAN) disconnect(a, b *FakeNode) {
	ca, cb := a.contacts[b.self.PeerID], b.contacts[a.self.PeerID]
	if ca == nil || cb == nil || !ca.connected {
		return
	}
	now := l.now()
	l.tellMembers(func() {
		ca.connected, cb.connected = false, false
		ca.lastSeen, cb.lastSeen = now, now
		a.publishPeer(ca)
		b.publishPeer(cb)
	})
}

// deliver carries a message of from's node to the other side, if connected.
func (l *LAN) deliver(e *entry, from, to *contact) {
	if !from.open() {
		return
	}
	from.reach(e.Seq, api.Sent)

	m := e.Message
	m.State, m.Name, m.Verified = api.Received, to.peer.self.Name, to.verified
	listed := api.Listed(m.Kind)
	arrived := &entry{Message: m, order: e.order, read: !listed}
	to.insert(arrived)
	to.publish(arrived)
	if listed {
		to.unread++
		to.owner.publishConversation(to)
	}
	to.owner.heed(to, m, e.about)

	from.reach(e.Seq, api.Delivered)
}

// tellRead tells reader's read marker to the other side, if connected.
func (l *LAN) tellRead(reader, writer *contact) {
	if !reader.open() || reader.readSeq == 0 {
		return
	}
	if id := writer.reach(reader.readSeq, api.Read); id != "" {
		writer.readByOther = id
		writer.owner.publishConversation(writer)
	}
}

// NewFixture is alice and bob on a network of their own.
func NewFixture() (f Fixture, alice, bob *FakeNode) {
	lan := NewLAN()
	alice, bob = lan.Join("alice"), lan.Join("bob")
	return Fixture{
		Alice: alice, Bob: bob,
		BobLeaves:  func() { bob.SetOnline(false) },
		BobReturns: func() api.Service { bob.SetOnline(true); return bob },
		Join:       func(name string) api.Service { return lan.Join(name) },
		Backlog:    Backlog,
	}, alice, bob
}
