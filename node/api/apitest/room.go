package apitest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"

	"p2pchat/node/api"
	"p2pchat/protocol/event"
	constitution "p2pchat/protocol/room"
)

// room is what was decided when a room was made, and the passwords that those
// who are in it know.
type room struct {
	id        string
	genesis   *event.Event
	passwords map[uint64]string // by generation
}

// place is one node's copy of a room: what it holds of what happened there.
type place struct {
	history  // what is shown
	owner    *FakeNode
	room     *room
	rules    *constitution.Room
	controls []*event.Event // held, in an order in which causes come first
	held     map[event.ID]*entry
	joined   bool
	seq      uint64   // of the owner's newest event
	head     event.ID // that event
	since    uint64   // order: what was said before was not handed over
	entry    uint64   // order: of the owner's last joining
}

// open is the owner's copy of a room, with nothing in it yet.
func (n *FakeNode) open(r *room) *place {
	rules, err := constitution.New(r.genesis)
	if err != nil {
		panic(err) // newRoom makes none that is malformed
	}
	p := &place{owner: n, room: r, rules: rules, controls: []*event.Event{r.genesis}, held: make(map[event.ID]*entry)}
	n.places = append(n.places, p)
	return p
}

// newRoom makes a room with what is not as by default.
func (n *FakeNode) newRoom(name string, config map[constitution.Field]constitution.Setting) (*room, error) {
	g := constitution.Genesis{Nonce: [32]byte{1}, Epoch: constitution.EpochCommitment([32]byte{1})}
	for _, f := range slices.Sorted(maps.Keys(config)) {
		g.Config = append(g.Config, config[f])
	}
	body, err := g.Encode()
	if err != nil {
		return nil, api.Errorf(api.CodeUsage, "%w", err)
	}
	n.lan.rooms++
	r := &room{id: roomID(name, n.self.PeerID, n.lan.rooms), passwords: make(map[uint64]string)}
	r.genesis = newEvent(r.id, event.Header{
		Author: n.id, Lane: event.LaneControl, Time: n.lan.tick(), Kind: constitution.KindGenesis,
	}, body)
	return r, nil
}

func (p *place) name() string {
	c := p.rules.Config()
	return c.Name()
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
	for _, o := range p.rules.Occupants() {
		m[o.Peer.String()] = o.Nick
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
		if id != peerID && constitution.SameNick(other, nick) {
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

// ourEntry is what the owner is in the room.
func (p *place) ourEntry() api.Entry {
	e := api.Entry{RoomID: p.room.id, Standing: p.rules.Standing(p.owner.id).String(), Role: api.RoleNone}
	if p.joined {
		e.Role = p.rules.Role(p.owner.id).String()
	}
	return e
}

func (p *place) member(o constitution.Occupant) api.Member {
	peerID, nick := o.Peer.String(), o.Nick
	m := api.Member{
		PeerID: peerID, Name: p.owner.nameOf(peerID), Nick: nick, Standing: o.Standing.String(), Role: o.Role.String(),
		Presence: p.presence(peerID), Self: peerID == p.owner.self.PeerID,
	}
	if p.taken(nick, peerID) {
		m.Warning = "somebody else in the room has the same nick: compare fingerprints"
	}
	return m
}

// members lists who is in the room, present first.
func (p *place) members() []api.Member {
	rows := []api.Member{}
	for _, o := range p.rules.Occupants() {
		rows = append(rows, p.member(o))
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

// listing is the room as somebody sees it who is not in it.
func (p *place) listing() api.Room {
	c := p.rules.Config()
	r := api.Room{
		RoomID: p.room.id, Name: c.Name(), Description: c.Description(), Visible: c.Visible(), Access: api.AccessOpen,
		Moderated: c.Moderated(), Password: c.Password() > 0, Occupants: len(p.rules.Occupants()), Logging: c.Logging(),
		Standing: api.StandingNone, Role: api.RoleNone,
	}
	if c.MembersOnly() {
		r.Access = api.AccessMembersOnly
	}
	if t, ok := p.rules.Topic(); ok {
		r.Subject = t.Text
	}
	r.Destroyed, _, _ = p.rules.Ended()
	return r
}

func (p *place) row() api.Room {
	e := p.ourEntry()
	r := p.listing()
	r.Joined, r.Unread, r.Mentions, r.Standing, r.Role = p.joined, p.unseen(), p.named(), e.Standing, e.Role
	if p.joined {
		r.Nick = p.nicks()[p.owner.self.PeerID]
	}
	return r
}

func (p *place) conversation() api.Conversation {
	c := api.Conversation{
		ID: p.room.id, Kind: api.KindRoom, Target: p.room.id, Name: p.name(), Unread: p.unseen(), Mentions: p.named(),
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

// seen is what those who are in the rooms of a LAN see of them, by place.
type seen map[*place]sight

type sight struct {
	row     api.Room // but for what is unread
	members map[string]api.Member
}

func (l *LAN) look() seen {
	s := make(seen)
	for _, n := range l.nodes {
		for _, p := range n.places {
			if p.joined {
				at := sight{p.row(), make(map[string]api.Member)}
				at.row.Unread = 0
				for _, m := range p.members() {
					at.members[m.PeerID] = m
				}
				s[p] = at
			}
		}
	}
	return s
}

// tellMembers runs f, takes out of the rooms who may not be there any more, and
// tells every node what changed in its rooms.
func (l *LAN) tellMembers(f func()) {
	before := l.look()
	f()
	for _, n := range l.nodes {
		for _, p := range n.places {
			_, in := p.nicks()[n.self.PeerID]
			p.joined = p.joined && in
		}
	}
	after := l.look()
	for _, n := range l.nodes {
		for _, p := range n.places {
			was, wasIn := before[p]
			is, in := after[p]
			switch {
			case in:
				p.tellMembers(was, is)
			case wasIn:
				row := p.row()
				n.publish(api.Change{Type: api.ChangeRoomLeft, Room: &row})
			}
		}
	}
}

func (p *place) tellMembers(was, is sight) {
	tell := func(m api.Member, gone bool) {
		p.owner.publish(api.Change{Type: api.ChangeMember, Member: &api.MemberChange{
			RoomID: p.room.id, Member: m, Gone: gone,
		}})
	}
	for _, id := range slices.Sorted(maps.Keys(is.members)) {
		if is.members[id] != was.members[id] {
			tell(is.members[id], false)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(was.members)) {
		if _, in := is.members[id]; !in {
			tell(was.members[id], true)
		}
	}
	if was.row != is.row {
		p.publishRoom()
	}
	if was.row.RoomID != "" && was.row.Name != is.row.Name {
		p.publishConversation()
	}
}

// handOver is the order from which on a newcomer gets what was said here.
func (p *place) handOver() uint64 {
	config := p.rules.Config()
	switch all, last, since := config.History(); {
	case all:
		return 0
	case last > 0:
		for _, e := range slices.Backward(p.log) {
			if api.Listed(e.Kind) {
				if last--; last == 0 {
					return e.order
				}
			}
		}
		return 0
	case since > 0:
		from := p.owner.lan.now().Add(-since)
		for _, e := range p.log {
			if !e.Time.Before(from) {
				return e.order
			}
		}
	}
	return p.owner.lan.order + 1
}
