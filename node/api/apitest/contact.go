package apitest

import (
	"slices"
	"time"

	"p2pchat/node/api"
)

// contact is what one node knows of another, with their conversation.
type contact struct {
	owner, peer *FakeNode

	via       string
	connected bool
	removed   bool // from the roster; what was said stays
	verified  bool
	lastSeen  time.Time

	log         []*entry // both sides' messages, by order
	seq         uint64   // of the owner's newest message
	unread      int
	readSeq     uint64 // the peer's newest message the owner has read
	readByOther string // the owner's newest message the peer has read
}

// entry is a message as one node keeps it.
type entry struct {
	api.Message
	order uint64
	read  bool // by the owner, what the peer said
}

var ranks = map[string]int{api.Queued: 0, api.Sent: 1, api.Delivered: 2, api.Read: 3}

// own lists the owner's messages, oldest first.
func (c *contact) own() []*entry {
	return slices.DeleteFunc(slices.Clone(c.log), func(e *entry) bool { return e.State == api.Received })
}

// reach lifts the owner's messages up to seq to a state and returns the ID of
// the newest one lifted, "" if all had reached it.
func (c *contact) reach(seq uint64, state string) (id string) {
	var top *entry
	for _, e := range c.own() {
		if e.Seq <= seq && ranks[e.State] < ranks[state] {
			e.State = state
			top = e
		}
	}
	if top == nil {
		return ""
	}
	c.owner.publish(api.Change{Type: api.ChangeState, State: &api.StateChange{
		Conversation: top.Conversation, Log: top.Log, Seq: top.Seq, State: state,
	}})
	return top.ID
}

func (c *contact) find(id string) *entry {
	for _, e := range c.log {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// read marks what the peer said up to a message as read by the owner; it tells
// whether any of it was not yet.
func (c *contact) read(upTo *entry) bool {
	was := c.unread
	for _, e := range c.log {
		if e.State == api.Received && e.order <= upTo.order && !e.read {
			e.read = true
			c.unread--
			c.readSeq = max(c.readSeq, e.Seq)
		}
	}
	return c.unread != was
}

func (c *contact) row() api.Peer {
	p := api.Peer{
		Name: c.peer.self.Name, PeerID: c.peer.self.PeerID, Fingerprint: c.peer.self.Fingerprint,
		Addrs: slices.Clone(c.peer.addrs), Via: c.via, State: api.Offline,
		LastSeen: api.Time{Time: c.lastSeen}, Verified: c.verified,
		Away: c.peer.away, Status: c.peer.status,
	}
	if c.connected {
		rtt, transport := 0.4, "quic-v1"
		p.State, p.RTT, p.Transport = api.Online, &rtt, &transport
	}
	if c.owner.nameTaken(c) {
		p.Warning = "somebody else has the same name: compare fingerprints"
	}
	return p
}

// latest is the order of the newest message, 0 if there is none.
func (c *contact) latest() uint64 {
	if len(c.log) == 0 {
		return 0
	}
	return c.log[len(c.log)-1].order
}

func (c *contact) conversation() api.Conversation {
	v := api.Conversation{
		ID: conversationID(c.owner.self.PeerID, c.peer.self.PeerID), Kind: api.KindDirect,
		Target: c.peer.self.PeerID, Name: c.peer.self.Name, PeerID: c.peer.self.PeerID,
		Unread: c.unread, ReadByOther: c.readByOther,
	}
	if len(c.log) > 0 {
		v.LastTime = c.log[len(c.log)-1].Time
	}
	return v
}
