package apitest

import (
	"cmp"
	"maps"
	"slices"

	"p2pchat/node/api"
	"p2pchat/protocol/event"
	constitution "p2pchat/protocol/room"
)

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

// govern takes in control events, judges what was said anew, and passes on what
// was not known.
func (p *place) govern(events []*event.Event) {
	var fresh []*event.Event
	for _, e := range events {
		if !p.rules.Has(e.ID) {
			fresh = append(fresh, e)
		}
	}
	if len(fresh) == 0 {
		return
	}
	effects := p.rules.AddControl(fresh...)
	for i, r := range effects.Results {
		if r.Err != nil {
			continue
		}
		p.controls = append(p.controls, fresh[i])
		if slices.Contains(effects.Governed, r.ID) {
			p.note(fresh[i])
		}
	}
	p.judge(effects)
	for _, other := range p.near() {
		other.govern(p.controls)
	}
}

// note lists an act of government.
func (p *place) note(e *event.Event) {
	author := e.Author.String()
	p.owner.lan.order++
	m := api.Message{
		ID: e.ID.String(), Conversation: p.room.id, Author: author, Name: p.owner.nameOf(author), Nick: p.rules.Nick(e.Author),
		Time: api.Time{Time: e.Time.Wall()}, Kind: api.MessageGovern, Text: constitution.Describe(e, p.owner.called), State: api.Received,
	}
	if author == p.owner.self.PeerID {
		m.State = api.Queued
	} else if c := p.owner.contacts[author]; c != nil {
		m.Verified = c.verified
	}
	p.insert(&entry{Message: m, order: p.owner.lan.order, read: true})
	p.owner.publish(api.Change{Type: api.ChangeMessage, Message: &m})
}

// spread hands an event to those who lack it, and they on to others.
func (p *place) spread(e *entry) {
	for _, other := range p.near() {
		other.govern(p.controls)
		other.take(e)
		other.acknowledge(p)
	}
}

// take commits an event of somebody else.
func (p *place) take(e *entry) {
	if p.held[e.event.ID] != nil || api.Listed(e.kind) && e.order < p.since {
		return
	}
	mine := &entry{Message: e.Message, order: e.order, event: e.event, kind: e.kind, text: e.text}
	mine.State, mine.Verified, mine.Retracted = api.Received, false, false
	if c := p.owner.contacts[e.Author]; c != nil {
		mine.Name, mine.Verified = c.peer.self.Name, c.verified
	}
	mine.read = !api.Listed(mine.kind) || e.order < p.entry
	if !p.hold(mine) {
		return
	}
	if author := p.owner.contacts[e.Author]; author != nil && author.connected {
		if theirs := author.peer.place(p.room.id); theirs != nil {
			p.acknowledge(theirs)
		}
	}
	p.spread(mine)
}

// hold keeps a message unless the rules refuse it.
func (p *place) hold(e *entry) bool {
	effects := p.rules.AddMessage(e.event)
	if effects.Results[0].Err != nil {
		return false
	}
	p.held[e.event.ID] = e
	p.judge(effects)
	return true
}

// judge shows, hides and empties messages as the rules want it now.
func (p *place) judge(effects constitution.Effects) {
	for _, id := range effects.Visibility {
		e := p.held[id]
		if e == nil {
			continue
		}
		v, _ := p.rules.Verdict(id)
		was, said := e.shown, e.Retracted
		e.Retracted = v.Status == constitution.Retracted
		e.shown = e.Retracted || v.Status == constitution.Visible
		if e.Kind, e.Text = e.kind, e.text; e.Retracted && !amends(e.kind) {
			e.Kind, e.Text = api.MessageText, ""
		}
		switch {
		case e.shown && !was:
			p.show(e)
		case !e.shown && was:
			p.hide(e)
		case e.shown && e.Retracted != said:
			p.tell(e)
		}
	}
}

func (p *place) show(e *entry) {
	p.insert(e)
	m := e.Message
	p.tell(e)
	if m.State != api.Received {
		return
	}
	if !e.read {
		p.unread++
	}
	if api.Listed(m.Kind) {
		p.publishConversation()
	}
}

// tell tells watchers of a message.
func (p *place) tell(e *entry) {
	told := p.told(e)
	if told == nil {
		return
	}
	if m := p.view(told, p.unmuted); !p.muted(m) {
		p.owner.publish(api.Change{Type: api.ChangeMessage, Message: &m})
	}
}

// muted tells whether a message is not shown because its author is blocked.
// Government is.
func (p *place) muted(m api.Message) bool {
	c := p.owner.contacts[m.Author]
	return c != nil && c.blocked && m.Kind != api.MessageGovern
}

// unseen counts what is unread and shown.
func (p *place) unseen() int {
	n := p.unread
	for _, e := range p.log {
		if e.State == api.Received && !e.read && p.muted(e.Message) {
			n--
		}
	}
	return n
}

// named counts what of it names the owner.
func (p *place) named() int {
	n := p.mentions(p.owner.self.Name, p.nicks()[p.owner.self.PeerID])
	for _, e := range p.log {
		if e.names(p.owner.self.Name, p.nicks()[p.owner.self.PeerID]) && p.muted(e.Message) {
			n--
		}
	}
	return n
}

func (p *place) hide(e *entry) {
	p.log = slices.DeleteFunc(p.log, func(x *entry) bool { return x == e })
	switch {
	case amends(e.kind):
		p.tell(e)
	case !p.muted(e.Message):
		p.owner.publish(api.Change{Type: api.ChangeHidden, Hidden: &api.Hidden{Conversation: p.room.id, ID: e.ID}})
	}
	if e.State == api.Received && !e.read {
		p.unread--
		p.publishConversation()
	}
}

// acknowledge tells the author of what is held here that it is.
func (p *place) acknowledge(author *place) {
	top := uint64(0)
	for _, e := range author.own() {
		if !e.acked[p.owner.self.PeerID] && p.held[e.event.ID] != nil {
			if e.acked == nil {
				e.acked = make(map[string]bool)
			}
			e.acked[p.owner.self.PeerID] = true
			top = e.Seq
		}
	}
	author.reach(author.owner, top, api.Delivered)
}

// all lists the messages held, shown or not.
func (p *place) all() []*entry {
	return slices.SortedFunc(maps.Values(p.held), func(a, b *entry) int { return cmp.Compare(a.order, b.order) })
}

// exchange gives two copies of a room what the other has.
func exchange(a, b *place) {
	a.govern(b.controls)
	b.govern(a.controls)
	for _, way := range [][2]*place{{a, b}, {b, a}} {
		for _, e := range way[0].all() {
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
	other.govern(p.controls)
	for _, e := range p.all() {
		if e.Author == p.owner.self.PeerID {
			other.take(e)
		}
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
