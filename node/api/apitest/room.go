package apitest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"p2pchat/node/api"
)

// room is what was decided when a room was made.
type room struct {
	id, name string
	hidden   bool
	history  string
	creator  string // peer ID
}

// place is one node's copy of a room: what it holds of what happened there.
type place struct {
	history
	owner  *FakeNode
	room   *room
	joined bool
	seq    uint64 // of the owner's newest event
	since  uint64 // order: what was said before was not handed over
	entry  uint64 // order: of the owner's last joining
}

// roomID is the same in every run, as goldens want it.
func roomID(name, creator string, number int) string {
	sum := sha256.Sum256([]byte("room\x00" + name + "\x00" + creator + "\x00" + strconv.Itoa(number)))
	return hex.EncodeToString(sum[:])
}

func (n *FakeNode) place(id string) *place {
	for _, p := range n.places {
		if p.room.id == id {
			return p
		}
	}
	return nil
}

// nicks are those in the room as far as the owner knows, by peer ID.
func (p *place) nicks() map[string]string {
	m := make(map[string]string)
	for _, e := range p.log {
		switch e.Kind {
		case api.MessageJoin:
			m[e.Author] = e.Text
		case api.MessageNick:
			if _, in := m[e.Author]; in {
				m[e.Author] = e.Text
			}
		case api.MessageLeave:
			delete(m, e.Author)
		}
	}
	return m
}

// others counts those in the room besides the owner.
func (p *place) others() int {
	m := p.nicks()
	delete(m, p.owner.self.PeerID)
	return len(m)
}

// taken tells whether somebody else than peerID has the nick.
func (p *place) taken(nick, peerID string) bool {
	for id, other := range p.nicks() {
		if id != peerID && strings.EqualFold(other, nick) {
			return true
		}
	}
	return false
}

func (p *place) presence(peerID string) string {
	who, here := p.owner, true
	if peerID != p.owner.self.PeerID {
		c := p.owner.contacts[peerID]
		if c == nil || !c.connected {
			return api.PresenceOffline
		}
		who, here = c.peer, c.connected
	}
	if here && who.away {
		return api.PresenceAway
	}
	return api.PresenceOnline
}

func (r *room) entry(peerID string, in bool) api.Entry {
	e := api.Entry{RoomID: r.id, Standing: api.StandingNone, Role: api.RoleNone}
	if in {
		e.Role = api.RoleParticipant
	}
	if peerID == r.creator {
		e.Standing = api.StandingOwner
		if in {
			e.Role = api.RoleOwner
		}
	}
	return e
}

// ourEntry is what the owner is in the room.
func (p *place) ourEntry() api.Entry { return p.room.entry(p.owner.self.PeerID, p.joined) }

func (p *place) member(peerID, nick string) api.Member {
	e := p.room.entry(peerID, true)
	m := api.Member{
		PeerID: peerID, Nick: nick, Standing: e.Standing, Role: e.Role,
		Presence: p.presence(peerID), Self: peerID == p.owner.self.PeerID,
	}
	if m.Self {
		m.Name = p.owner.self.Name
	} else if c := p.owner.contacts[peerID]; c != nil {
		m.Name = c.peer.self.Name
	}
	if p.taken(nick, peerID) {
		m.Warning = "somebody else in the room has the same nick: compare fingerprints"
	}
	return m
}

// members lists who is in the room, present first.
func (p *place) members() []api.Member {
	rows := []api.Member{}
	for id, nick := range p.nicks() {
		rows = append(rows, p.member(id, nick))
	}
	absent := func(m api.Member) int {
		if m.Presence == api.PresenceOffline {
			return 1
		}
		return 0
	}
	slices.SortFunc(rows, func(a, b api.Member) int {
		return cmp.Or(absent(a)-absent(b), cmp.Compare(strings.ToLower(a.Nick), strings.ToLower(b.Nick)), cmp.Compare(a.PeerID, b.PeerID))
	})
	return rows
}

func (r *room) row(occupants int) api.Room {
	return api.Room{
		RoomID: r.id, Name: r.name, Visible: !r.hidden, Access: api.AccessOpen, Occupants: occupants,
		Standing: api.StandingNone, Role: api.RoleNone,
	}
}

func (p *place) row() api.Room {
	nicks, e := p.nicks(), p.ourEntry()
	r := p.room.row(len(nicks))
	r.Joined, r.Unread, r.Standing, r.Role = p.joined, p.unread, e.Standing, e.Role
	r.Nick = nicks[p.owner.self.PeerID]
	return r
}

func (p *place) conversation() api.Conversation {
	c := api.Conversation{
		ID: p.room.id, Kind: api.KindRoom, Target: p.room.id, Name: p.room.name, Unread: p.unread,
	}
	for _, e := range p.log {
		if api.Listed(e.Kind) {
			c.LastTime = e.Time
		}
	}
	return c
}

func (p *place) publishRoom() {
	row := p.row()
	p.owner.publish(api.Change{Type: api.ChangeRoom, Room: &row})
}

func (p *place) publishConversation() {
	row := p.conversation()
	p.owner.publish(api.Change{Type: api.ChangeConversation, Conversation: &row})
}

// seen is who is in the rooms of a LAN, by the places of those who are in
// them.
type seen map[*place]map[string]api.Member

func (l *LAN) look() seen {
	s := make(seen)
	for _, n := range l.nodes {
		for _, p := range n.places {
			if p.joined {
				s[p] = make(map[string]api.Member)
				for _, m := range p.members() {
					s[p][m.PeerID] = m
				}
			}
		}
	}
	return s
}

// tellMembers runs f and tells every node what it changed of who is in its
// rooms.
func (l *LAN) tellMembers(f func()) {
	before := l.look()
	f()
	after := l.look()
	for _, n := range l.nodes {
		for _, p := range n.places {
			if was, is := before[p], after[p]; is != nil {
				p.tellMembers(was, is)
			}
		}
	}
}

func (p *place) tellMembers(was, is map[string]api.Member) {
	tell := func(m api.Member, gone bool) {
		p.owner.publish(api.Change{Type: api.ChangeMember, Member: &api.MemberChange{
			RoomID: p.room.id, Member: m, Gone: gone,
		}})
	}
	for _, id := range slices.Sorted(maps.Keys(is)) {
		if is[id] != was[id] {
			tell(is[id], false)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(was)) {
		if _, in := is[id]; !in {
			tell(was[id], true)
		}
	}
	self := p.owner.self.PeerID
	if len(was) != len(is) || was[self].Nick != is[self].Nick {
		p.publishRoom()
	}
}

// handOver is the order from which on a newcomer gets what was said here.
func (p *place) handOver() uint64 {
	switch last, err := strconv.Atoi(p.room.history); {
	case p.room.history == "none":
		return p.owner.lan.order + 1
	case err == nil:
		for _, e := range slices.Backward(p.log) {
			if api.Listed(e.Kind) {
				if last--; last == 0 {
					return e.order
				}
			}
		}
	}
	if d, err := time.ParseDuration(p.room.history); err == nil {
		from := p.owner.lan.now().Add(-d)
		for _, e := range p.log {
			if !e.Time.Before(from) {
				return e.order
			}
		}
		return p.owner.lan.order + 1
	}
	return 0
}
