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
	blocked   bool // by the owner
	lastSeen  time.Time

	history            // both sides' messages
	seq         uint64 // of the owner's newest message
	readSeq     uint64 // the peer's newest message the owner has read
	readByOther string // the owner's newest message the peer has read
}

// open tells whether something can go directly between the two now.
func (c *contact) open() bool {
	other := c.peer.contacts[c.owner.self.PeerID]
	return c.connected && !c.blocked && !other.blocked
}

// publish tells the owner's watchers of e, or of what it is about.
func (c *contact) publish(e *entry) {
	if told := c.told(e); told != nil {
		m := c.view(told, everything)
		c.owner.publish(api.Change{Type: api.ChangeMessage, Message: &m})
	}
}

// forbidden is the error of what is said to somebody who is blocked.
func (c *contact) forbidden() error {
	return api.Errorf(api.CodeForbidden, "you have blocked %s: unblock him first", c.peer.self.Name)
}

// reach lifts the owner's messages up to seq to a state, as [history.reach].
func (c *contact) reach(seq uint64, state string) (id string) {
	return c.history.reach(c.owner, seq, state)
}

// read marks what the peer said up to a message as read by the owner; it tells
// whether any of it was not yet.
func (c *contact) read(upTo *entry) bool {
	fresh := c.readUpTo(upTo)
	for _, e := range fresh {
		c.readSeq = max(c.readSeq, e.Seq)
	}
	return len(fresh) > 0
}

func (c *contact) row() api.Peer {
	p := api.Peer{
		Name: c.peer.self.Name, PeerID: c.peer.self.PeerID, Fingerprint: c.peer.self.Fingerprint,
		Addrs: slices.Clone(c.peer.addrs), Via: c.via, State: api.Offline,
		LastSeen: api.Time{Time: c.lastSeen}, Verified: c.verified,
		Away: c.peer.away, Status: c.peer.status, Blocked: c.blocked,
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

func (c *contact) conversation() api.Conversation {
	v := api.Conversation{
		ID: conversationID(c.owner.self.PeerID, c.peer.self.PeerID), Kind: api.KindDirect,
		Target: c.peer.self.PeerID, Name: c.peer.self.Name, PeerID: c.peer.self.PeerID,
		Unread: c.unread, Mentions: c.mentions(c.owner.self.Name), ReadByOther: c.readByOther,
	}
	for _, e := range slices.Backward(c.log) {
		if api.Listed(e.Kind) {
			v.LastTime = e.Time
			break
		}
	}
	return v
}
