package apitest

import (
	"maps"
	"slices"

	"p2pchat/node/api"
)

// commit is the owner's next event in the room; it goes out at once.
func (p *place) commit(kind, text string) *entry {
	n := p.owner
	p.seq++
	n.lan.order++
	nick := p.nicks()[n.self.PeerID]
	if kind == api.MessageJoin || kind == api.MessageNick {
		nick = text
	}
	e := &entry{order: n.lan.order, Message: api.Message{
		ID: messageID(p.room.id, n.self.PeerID, p.seq), Conversation: p.room.id,
		Author: n.self.PeerID, Name: n.self.Name, Nick: nick, Time: api.Time{Time: n.lan.now()},
		Log: n.log, Seq: p.seq, Kind: kind, Text: text, State: api.Queued,
	}}
	p.log = append(p.log, e)
	m := e.Message
	n.publish(api.Change{Type: api.ChangeMessage, Message: &m})
	p.spread(e)
	return e
}

// near lists the same room at those connected who are in it.
func (p *place) near() []*place {
	var all []*place
	for _, id := range slices.Sorted(maps.Keys(p.owner.contacts)) {
		c := p.owner.contacts[id]
		if other := c.peer.place(p.room.id); c.connected && other != nil && other.joined {
			all = append(all, other)
		}
	}
	return all
}

// spread hands an event to those who lack it, and they on to others.
func (p *place) spread(e *entry) {
	for _, other := range p.near() {
		other.take(e)
		other.acknowledge(p)
	}
}

// take commits an event of somebody else.
func (p *place) take(e *entry) {
	if e.Author == p.owner.self.PeerID || p.find(e.ID) != nil || api.Listed(e.Kind) && e.order < p.since {
		return
	}
	m := e.Message
	m.State, m.Verified = api.Received, false
	if c := p.owner.contacts[e.Author]; c != nil {
		m.Name, m.Verified = c.peer.self.Name, c.verified
	}
	mine := &entry{Message: m, order: e.order}
	p.insert(mine)
	mine.read = !api.Listed(m.Kind) || e.order < p.entry
	p.owner.publish(api.Change{Type: api.ChangeMessage, Message: &m})
	if !mine.read {
		p.unread++
	}
	if api.Listed(m.Kind) {
		p.publishConversation()
	}
	if author := p.owner.contacts[e.Author]; author != nil && author.connected {
		if theirs := author.peer.place(p.room.id); theirs != nil {
			p.acknowledge(theirs)
		}
	}
	p.spread(mine)
}

// acknowledge tells the author of what is held here that it is.
func (p *place) acknowledge(author *place) {
	top := uint64(0)
	for _, e := range author.own() {
		if !e.acked[p.owner.self.PeerID] && p.find(e.ID) != nil {
			if e.acked == nil {
				e.acked = make(map[string]bool)
			}
			e.acked[p.owner.self.PeerID] = true
			top = e.Seq
		}
	}
	author.reach(author.owner, top, api.Delivered)
}

// exchange gives two copies of a room what the other has.
func exchange(a, b *place) {
	for _, way := range [][2]*place{{a, b}, {b, a}} {
		for _, e := range slices.Clone(way[0].log) {
			way[1].take(e)
		}
	}
	a.acknowledge(b)
	b.acknowledge(a)
}

// exchangeRooms does so for every room that both nodes are in. Of one who has
// left, the others still hear that he did.
func exchangeRooms(a, b *FakeNode) {
	for _, p := range a.places {
		other := b.place(p.room.id)
		switch {
		case other == nil:
		case p.joined && other.joined:
			exchange(p, other)
		case p.joined:
			other.tellLast(p)
		case other.joined:
			p.tellLast(other)
		}
	}
}

// tellLast hands what the owner himself did, up to his leaving, to somebody in
// the room.
func (p *place) tellLast(other *place) {
	for _, e := range p.own() {
		other.take(e)
	}
	other.acknowledge(p)
}

// ackedBy counts those still in the room who hold e.
func (p *place) ackedBy(e *entry) (count int) {
	nicks := p.nicks()
	for id := range e.acked {
		if _, in := nicks[id]; in {
			count++
		}
	}
	return count
}
