package apitest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"p2pchat/node/api"
	constitution "p2pchat/protocol/room"
)

func notJoined(name string) *api.Error {
	return api.Errorf(api.CodeNotJoined, "you are not in the room %q: join it first", name)
}

// rooms lists those the node is in.
func (n *FakeNode) rooms() []api.Room {
	rows := []api.Room{}
	for _, p := range n.places {
		if p.joined {
			rows = append(rows, p.row())
		}
	}
	sortRooms(rows)
	return rows
}

func sortRooms(rows []api.Room) {
	slices.SortFunc(rows, func(a, b api.Room) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.RoomID, b.RoomID))
	})
}

// directory are the visible rooms of those connected, by ID, each as somebody
// has it who is in it.
func (n *FakeNode) directory() map[string]*place {
	all := make(map[string]*place)
	for _, id := range slices.Sorted(maps.Keys(n.contacts)) {
		c := n.contacts[id]
		for _, p := range c.peer.places {
			if c.connected && p.joined && p.listing().Visible && all[p.room.id] == nil {
				all[p.room.id] = p
			}
		}
	}
	return all
}

// Rooms implements [api.Service].
func (n *FakeNode) Rooms(ctx context.Context, all bool) ([]api.Room, error) {
	if err := n.enter(ctx); err != nil {
		return nil, err
	}
	defer n.leave()
	rows := n.rooms()
	if !all {
		return rows, nil
	}
	seen := n.directory()
	for _, p := range n.places {
		if !p.joined {
			row := p.row()
			if other := seen[p.room.id]; other != nil {
				row.Occupants = len(other.nicks())
			}
			rows = append(rows, row)
		}
		delete(seen, p.room.id)
	}
	for _, p := range seen {
		rows = append(rows, p.listing())
	}
	sortRooms(rows)
	return rows, nil
}

// Members implements [api.Service].
func (n *FakeNode) Members(ctx context.Context, target string) ([]api.Member, error) {
	if err := n.enter(ctx); err != nil {
		return nil, err
	}
	defer n.leave()
	p, err := n.resolvePlace(target)
	if err != nil {
		return nil, err
	}
	return p.members(), nil
}

// CreateRoom implements [api.Service].
func (n *FakeNode) CreateRoom(ctx context.Context, r api.CreateRoomRequest) (api.Entry, error) {
	nick, err := nickOf(cmp.Or(r.Nick, n.self.Name))
	if err := cmp.Or(api.CheckRoomName(r.Name), err); err != nil {
		return api.Entry{}, err
	}
	config := make(map[constitution.Field]constitution.Setting)
	for key, value := range map[string]string{
		"name": r.Name, "visible": strconv.FormatBool(!r.Hidden), "history": cmp.Or(r.History, "all"),
		"access": access(r.MembersOnly), "moderated": strconv.FormatBool(r.Moderated),
	} {
		s, err := constitution.ParseSetting(key, value)
		if err != nil {
			return api.Entry{}, api.Errorf(api.CodeUsage, "%w", err)
		}
		if byDefault, _ := constitution.ParseSetting(key, defaults[key]); s != byDefault {
			config[s.Field] = s
		}
	}
	if len(r.Password) > 0 {
		config[constitution.FieldPassword] = constitution.Password(1)
	}
	if err := n.enter(ctx); err != nil {
		return api.Entry{}, err
	}
	defer n.leave()
	made, err := n.newRoom(r.Name, config)
	if err != nil {
		return api.Entry{}, err
	}
	made.passwords[1] = string(r.Password)
	p := n.open(made)
	n.lan.tellMembers(func() { err = p.join(nil, nick) })
	return p.ourEntry(), err
}

var defaults = map[string]string{"visible": "true", "history": "all", "access": api.AccessOpen, "moderated": "false"}

func access(membersOnly bool) string {
	if membersOnly {
		return api.AccessMembersOnly
	}
	return api.AccessOpen
}

// nickOf is a nick in its normal form.
func nickOf(nick string) (string, error) {
	if err := api.CheckNick(nick); err != nil {
		return "", err
	}
	n, err := constitution.NormalizeNick(nick)
	if err != nil {
		return "", api.Errorf(api.CodeBadText, "%w", err)
	}
	return n, nil
}

// join lets the owner in through somebody who is in the room, nil if nobody
// is.
func (p *place) join(admitter *place, nick string) error {
	p.joined, p.entry = true, p.owner.lan.order
	p.publishRoom()
	p.publishConversation()
	if admitter != nil {
		exchange(p, admitter)
	}
	if _, err := p.commit(api.MessageJoin, nick); err != nil {
		return err
	}
	for _, other := range p.near() {
		exchange(p, other)
	}
	p.owner.overtaken(p.room.id)
	return nil
}

// JoinRoom implements [api.Service].
func (n *FakeNode) JoinRoom(ctx context.Context, r api.JoinRoomRequest) (api.Entry, error) {
	if r.Nick != "" {
		if err := api.CheckNick(r.Nick); err != nil {
			return api.Entry{}, err
		}
	}
	timeout := time.NewTimer(max(r.Wait, 0))
	defer timeout.Stop()
	for {
		if err := n.enter(ctx); err != nil {
			return api.Entry{}, err
		}
		e, err := n.tryJoin(r)
		news := n.lan.news
		n.leave()
		if !api.IsCode(err, api.CodeNotFound) && !api.IsCode(err, api.CodeNotJoined) {
			return e, err
		}
		select {
		case <-news:
		case <-timeout.C:
			return api.Entry{}, err
		case <-n.stopped:
			return api.Entry{}, api.Errorf(api.CodeNoNode, "the node has stopped")
		case <-ctx.Done():
			return api.Entry{}, ctx.Err()
		}
	}
}

func (n *FakeNode) tryJoin(r api.JoinRoomRequest) (api.Entry, error) {
	p, admitter, err := n.findRoom(r.Room)
	if err != nil {
		return api.Entry{}, err
	}
	if p != nil && p.joined {
		return p.rename(r.Nick)
	}
	nick, err := nickOf(cmp.Or(r.Nick, n.self.Name))
	if err != nil {
		return api.Entry{}, err
	}
	door := cmp.Or(admitter, p)
	if door != nil {
		if ended, _, _ := door.rules.Ended(); ended {
			return api.Entry{}, destroyed(door)
		}
	}
	if admitter == nil && (p == nil || p.others() > 0) {
		return api.Entry{}, api.Errorf(api.CodeNotJoined, "nobody who is in the room %q can be reached", r.Room)
	}
	if admitter != nil || p.rules.Creator() != n.id {
		if err := door.admits(n, nick, string(r.Password)); err != nil {
			return api.Entry{}, err
		}
	}
	if p == nil {
		p = n.open(admitter.room)
		p.since = admitter.handOver()
	}
	n.lan.tellMembers(func() { err = p.join(admitter, nick) })
	return p.ourEntry(), err
}

// rename changes the owner's nick in a room he is in.
func (p *place) rename(nick string) (api.Entry, error) {
	self := p.owner.self.PeerID
	if nick == "" {
		return p.ourEntry(), nil
	}
	nick, err := nickOf(nick)
	switch {
	case err != nil:
		return api.Entry{}, err
	case nick == p.nicks()[self]:
	case p.taken(nick, self):
		return api.Entry{}, nickConflict(nick)
	default:
		p.owner.lan.tellMembers(func() { _, err = p.commit(api.MessageNick, nick) })
	}
	return p.ourEntry(), err
}

func nickConflict(nick string) *api.Error {
	return api.Errorf(api.CodeNickConflict, "somebody in the room is called %q: take another nick", nick)
}

// findRoom finds a room to join: the node's own copy of it, and the copy of
// somebody connected who is in it; one of them may be nil.
func (n *FakeNode) findRoom(target string) (own, admitter *place, err error) {
	name := roomName(target)
	if isRoomID(name) {
		own, admitter = n.place(name), n.admitter(name)
		if own == nil && admitter == nil {
			admitter = n.ended(func(p *place) bool { return p.room.id == name })
		}
		return own, admitter, nil
	}
	own, err = n.resolvePlace(target)
	if !api.IsCode(err, api.CodeNotFound) && (err != nil || own.joined) {
		return own, nil, err
	}
	ids := map[string]bool{}
	if own != nil {
		ids[own.room.id] = true
	}
	for id, p := range n.directory() {
		if strings.EqualFold(p.name(), name) {
			ids[id] = true
		}
	}
	switch found := slices.Collect(maps.Keys(ids)); len(found) {
	case 0:
		ended := n.ended(func(p *place) bool {
			config := p.rules.Config()
			return config.Visible() && strings.EqualFold(p.name(), name)
		})
		if ended == nil {
			return nil, nil, api.Errorf(api.CodeNotFound, "no room called %q is known", target)
		}
		return nil, ended, nil
	case 1:
		return n.place(found[0]), n.admitter(found[0]), nil
	default:
		return nil, nil, ambiguousRoom(target, found)
	}
}

// admitter is the copy of somebody connected who is in the room.
func (n *FakeNode) admitter(id string) *place {
	for _, peerID := range slices.Sorted(maps.Keys(n.contacts)) {
		c := n.contacts[peerID]
		if p := c.peer.place(id); c.connected && p != nil && p.joined {
			return p
		}
	}
	return nil
}

// ended is the copy that somebody connected has of a room that is no more.
func (n *FakeNode) ended(is func(*place) bool) *place {
	for _, peerID := range slices.Sorted(maps.Keys(n.contacts)) {
		c := n.contacts[peerID]
		if !c.connected {
			continue
		}
		for _, p := range c.peer.places {
			if ended, _, _ := p.rules.Ended(); ended && is(p) {
				return p
			}
		}
	}
	return nil
}

// LeaveRoom implements [api.Service].
func (n *FakeNode) LeaveRoom(ctx context.Context, target string) (api.Entry, error) {
	if err := n.enter(ctx); err != nil {
		return api.Entry{}, err
	}
	defer n.leave()
	p, err := n.resolvePlace(target)
	if err != nil {
		return api.Entry{}, err
	}
	if p.joined {
		n.lan.tellMembers(func() { _, err = p.commit(api.MessageLeave, "") })
	}
	return p.ourEntry(), err
}

// PingRoom implements [api.Service].
func (n *FakeNode) PingRoom(ctx context.Context, target string, wait time.Duration) (api.Entry, error) {
	timeout := time.NewTimer(max(wait, 0))
	defer timeout.Stop()
	for {
		if err := n.enter(ctx); err != nil {
			return api.Entry{}, err
		}
		p, err := n.resolvePlace(target)
		e, asked, news := api.Entry{}, true, n.lan.news
		if err == nil {
			e, asked = p.ourEntry(), len(p.near()) > 0 || p.others() == 0
			err = p.may()
		}
		n.leave()
		if err != nil || asked {
			return e, err
		}
		select {
		case <-news:
		case <-timeout.C:
			return api.Entry{}, api.Errorf(api.CodeNotJoined, "nobody who is in the room %q can be reached", target)
		case <-n.stopped:
			return api.Entry{}, api.Errorf(api.CodeNoNode, "the node has stopped")
		case <-ctx.Done():
			return api.Entry{}, ctx.Err()
		}
	}
}
