package node

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/rooms"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/room"
)

// roomError gives an error of rooms the code it has for faces.
func roomError(err error) error {
	var no *room.Refusal
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rooms.ErrNotThePassword):
		return api.Errorf(api.CodeNotAuthorized, "you are in the room already, and nobody here knows this password")
	case errors.As(err, &no) && no.Code == room.NotAuthorized:
		return api.Errorf(api.CodeNotAuthorized, "%w: the room's password is missing or wrong", err)
	case errors.As(err, &no):
		return api.Errorf(api.Code(no.Code), "%w", err)
	case errors.Is(err, rooms.ErrNotJoined), errors.Is(err, rooms.ErrUnknown):
		return api.Errorf(api.CodeNotJoined, "you are not in this room; `p2pchat room join ROOM` enters it")
	case errors.Is(err, rooms.ErrNotHere):
		return api.Errorf(api.CodeNotFound, "whom you mean is not in the room")
	case errors.Is(err, rooms.ErrNobody):
		return api.Errorf(api.CodeNotJoined, "%w; somebody who is in it has to be connected", err)
	case errors.Is(err, rooms.ErrClosed):
		return api.Errorf(api.CodeNoNode, "%w", err)
	}
	return apiError(err)
}

// errorIn is roomError for what went wrong in room r, which it names to who is not in it.
// called gives people their names.
func errorIn(ctx context.Context, r *rooms.Room, called func(peer.ID) string, err error) error {
	if errors.Is(err, rooms.ErrNotJoined) {
		if info, failed := r.Info(ctx); failed == nil {
			name := info.Config.Name()
			target := "#" + name
			if strings.Contains(name, "'") { // which would end the quotes
				target = r.ID().String()
			}
			why := ""
			if did, _ := r.PutOutBy(ctx, called); did != "" {
				why = " (" + did + ")"
			}
			return api.Errorf(api.CodeNotJoined, "you are not in the room %q%s; `p2pchat room join '%s'` enters it", name, why, target)
		}
	}
	return roomError(err)
}

// Rooms implements [api.Reader].
func (n *Node) Rooms(ctx context.Context, all bool) ([]api.Room, error) {
	out, err := n.joinedRooms(ctx)
	if err != nil || !all {
		sortRooms(out)
		return out, err
	}
	listed := func(id string) bool {
		return slices.ContainsFunc(out, func(r api.Room) bool { return r.RoomID == id })
	}
	open, ended := n.rooms.Browse(ctx, nil)
	for _, l := range open {
		if !listed(l.Room.String()) {
			out = append(out, listingRow(l))
		}
	}
	// Of a room we left, who is in it knows more; of one that is over, or was
	// temporary, nobody need be reminded.
	for _, r := range n.rooms.Rooms() {
		if listed(r.ID().String()) || slices.ContainsFunc(ended, func(l rooms.Listing) bool { return l.Room == r.ID() }) {
			continue
		}
		info, err := r.Info(ctx)
		if err != nil {
			return nil, roomError(err)
		}
		if info.Config.Persistent() && !info.Destroyed {
			out = append(out, infoRow(info, n.convs.roomUnread(info.Room)))
		}
	}
	sortRooms(out)
	return out, ctx.Err()
}

func sortRooms(rows []api.Room) {
	slices.SortFunc(rows, func(a, b api.Room) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.RoomID, b.RoomID))
	})
}

func (n *Node) joinedRooms(ctx context.Context) ([]api.Room, error) {
	if err := n.convs.count(ctx); err != nil {
		return nil, apiError(err)
	}
	out := []api.Room{}
	for _, r := range n.rooms.Rooms() {
		info, err := r.Info(ctx)
		if err != nil {
			return nil, roomError(err)
		}
		if info.Joined {
			out = append(out, infoRow(info, n.convs.roomUnread(info.Room)))
		}
	}
	return out, nil
}

// infoRow is a room as faces see it.
func infoRow(i rooms.Info, u unread) api.Room {
	access := api.AccessOpen
	if i.Config.MembersOnly() {
		access = api.AccessMembersOnly
	}
	row := api.Room{
		RoomID: i.Room.String(), Name: i.Config.Name(), Subject: i.Subject, Description: i.Config.Description(),
		Visible: i.Config.Visible(), Access: access, Moderated: i.Config.Moderated(), Password: i.Config.Password() > 0,
		Joined: i.Joined, Occupants: i.Occupants, Unread: u.messages, Mentions: u.mentions, Logging: i.Config.Logging(), Destroyed: i.Destroyed,
		Standing: i.Standing.String(), Role: i.Role.String(),
	}
	if i.Joined {
		row.Nick = i.Nick
	}
	return row
}

// listingRow is a room that others told of.
func listingRow(l rooms.Listing) api.Room {
	access := api.AccessOpen
	if l.MembersOnly {
		access = api.AccessMembersOnly
	}
	return api.Room{
		RoomID: l.Room.String(), Name: l.Name, Subject: l.Subject, Description: l.Description, Visible: l.Visible, Access: access,
		Moderated: l.Moderated, Password: l.Password, Occupants: l.Occupants, Logging: l.Logging,
		Standing: api.StandingNone, Role: api.RoleNone,
	}
}

// CreateRoom implements [api.Service].
func (n *Node) CreateRoom(ctx context.Context, r api.CreateRoomRequest) (api.Entry, error) {
	config, err := createConfig(r)
	if err != nil {
		return api.Entry{}, err
	}
	nick, err := n.nick(r.Nick)
	if err != nil {
		return api.Entry{}, err
	}
	if err := errors.Join(ctx.Err(), n.mayWrite()); err != nil {
		return api.Entry{}, err
	}
	made, err := n.rooms.Create(ctx, nick, config, r.Password)
	if err != nil {
		return api.Entry{}, roomError(err)
	}
	return n.entry(ctx, made)
}

// createConfig is what differs from the default, ascending by field.
func createConfig(r api.CreateRoomRequest) ([]room.Setting, error) {
	if err := api.CheckRoomName(r.Name); err != nil {
		return nil, err
	}
	out := []room.Setting{{Field: room.FieldName, Text: r.Name}}
	if r.Hidden {
		out = append(out, room.Setting{Field: room.FieldVisible})
	}
	if r.MembersOnly {
		out = append(out, room.Setting{Field: room.FieldAccess, Number: 1})
	}
	if r.Moderated {
		out = append(out, room.Setting{Field: room.FieldModerated, Number: 1})
	}
	if r.History != "" && r.History != "all" {
		s, err := room.ParseSetting(room.FieldHistory.Key(), r.History)
		if err != nil {
			return nil, api.Errorf(api.CodeUsage, "%w", err)
		}
		out = append(out, s)
	}
	return out, nil
}

// nick is the one wanted in its normal form, our username if none is.
func (n *Node) nick(wanted string) (string, error) {
	if wanted == "" {
		wanted = n.self.account().Name
	} else if err := api.CheckNick(wanted); err != nil {
		return "", err
	}
	nick, err := room.NormalizeNick(wanted)
	if err != nil {
		return "", api.Errorf(api.CodeBadText, "%w", err)
	}
	return nick, nil
}

func (n *Node) entry(ctx context.Context, r *rooms.Room) (api.Entry, error) {
	standing, role, err := r.Entry(ctx)
	return api.Entry{RoomID: r.ID().String(), Standing: standing.String(), Role: role.String()}, roomError(err)
}

// JoinRoom implements [api.Service].
func (n *Node) JoinRoom(ctx context.Context, r api.JoinRoomRequest) (api.Entry, error) {
	if err := errors.Join(ctx.Err(), n.mayWrite()); err != nil {
		return api.Entry{}, err
	}
	wait, cancel := context.WithTimeout(ctx, r.Wait)
	defer cancel()
	for {
		// The number is taken first, so that nobody who comes meanwhile is
		// missed.
		_, _, news, done := n.hub.after(n.hub.number())
		joined, err := n.tryJoin(ctx, r)
		if err == nil {
			return n.entry(ctx, joined)
		}
		again := api.IsCode(err, api.CodeNotFound) || api.IsCode(err, api.CodeNotJoined)
		if !again || done || wait.Err() != nil {
			return api.Entry{}, err
		}
		select {
		case <-wait.Done():
			return api.Entry{}, cmp.Or(ctx.Err(), err)
		case <-news:
		case <-time.After(joinAgain): // he may have become a member meanwhile
		}
	}
}

// joinAgain is how often a room is looked for while nobody lets us in.
const joinAgain = 500 * time.Millisecond

func (n *Node) tryJoin(ctx context.Context, r api.JoinRoomRequest) (*rooms.Room, error) {
	id, via, known, err := n.findRoom(ctx, r.Room)
	if err != nil {
		return nil, err
	}
	wanted := r.Nick
	if known != nil {
		info, err := known.Info(ctx)
		if err != nil {
			return nil, roomError(err)
		}
		if info.Destroyed {
			return nil, gone(ctx, known)
		}
		wanted = cmp.Or(wanted, info.Nick)
	}
	nick, err := n.nick(wanted)
	if err != nil {
		return nil, err
	}
	joined, err := n.rooms.Join(ctx, id, rooms.Way{Nick: nick, Password: r.Password, Via: via})
	return joined, roomError(err)
}

// gone says that a room is no more, why, and which one to go to.
func gone(ctx context.Context, r *rooms.Room) error {
	s, err := r.State(ctx)
	if err != nil {
		return roomError(err)
	}
	return destroyed(s.Reason, s.Alternate)
}

func destroyed(reason string, alternate event.Conversation) error {
	text := "the room was destroyed"
	if reason != "" {
		text += ": " + reason
	}
	if alternate != (event.Conversation{}) {
		text += "; the others went to the room " + alternate.String()
	}
	return api.Errorf(api.CodeDestroyed, "%s", text)
}

// findRoom finds the room that target names among those we know and those that
// others tell of. via are members that told; known is nil for a room we were
// never in.
func (n *Node) findRoom(ctx context.Context, target string) (id event.Conversation, via []peer.ID, known *rooms.Room, err error) {
	known, err = n.resolveRoom(ctx, target)
	if err != nil && !api.IsCode(err, api.CodeNotFound) {
		return id, nil, nil, err
	}
	name := roomName(target)
	eid, notID := event.ParseID(name)
	if known != nil {
		info, err := known.Info(ctx)
		if err != nil || info.In {
			return known.ID(), nil, known, roomError(err)
		}
		// The name of a room that is no more may be another's by now.
		if !info.Destroyed || notID == nil {
			id := known.ID()
			open, ended := n.rooms.Browse(ctx, &id)
			for _, l := range open {
				return id, l.Via, known, nil
			}
			for _, l := range ended { // since we left
				return id, nil, nil, destroyed(l.Reason, l.Alternate)
			}
			return id, nil, known, nil
		}
	}
	if notID == nil {
		conv := event.Conversation(eid)
		open, ended := n.rooms.Browse(ctx, &conv)
		for _, l := range open {
			return conv, l.Via, nil, nil
		}
		for _, l := range ended {
			return conv, nil, nil, destroyed(l.Reason, l.Alternate)
		}
		// It may be hidden, and its members away.
		return conv, nil, nil, api.Errorf(api.CodeNotJoined, "nobody who is connected is in a room with the ID %s", name)
	}
	open, ended := n.rooms.Browse(ctx, nil)
	other := func(l rooms.Listing) bool { return !sameRoomName(l.Name, name) }
	found := slices.DeleteFunc(open, other)
	switch {
	case len(found) == 1:
		return found[0].Room, found[0].Via, nil, nil
	case len(found) > 1:
		var ids []string
		for _, l := range found {
			ids = append(ids, l.Room.String())
		}
		return id, nil, nil, ambiguousRoom(name, ids)
	case known != nil:
		return known.ID(), nil, known, nil
	}
	for _, l := range slices.DeleteFunc(ended, other) {
		return id, nil, nil, destroyed(l.Reason, l.Alternate)
	}
	return id, nil, nil, noRoom(name)
}

// LeaveRoom implements [api.Service].
func (n *Node) LeaveRoom(ctx context.Context, target string) (api.Entry, error) {
	r, err := n.resolveRoom(ctx, target)
	if err != nil {
		return api.Entry{}, err
	}
	if err := r.Leave(ctx); err != nil && !errors.Is(err, rooms.ErrNotJoined) {
		return api.Entry{}, roomError(err)
	}
	return n.entry(ctx, r)
}

// Members implements [api.Reader].
func (n *Node) Members(ctx context.Context, target string) ([]api.Member, error) {
	r, err := n.resolveRoom(ctx, target)
	if err != nil {
		return nil, err
	}
	ms, err := r.Members(ctx)
	if err != nil {
		return nil, roomError(err)
	}
	return memberRows(ms, n.key.ID(), n.people), nil
}

// memberRows lists members, present ones first, then by nick.
func memberRows(ms []rooms.Member, self peer.ID, who *people) []api.Member {
	out := make([]api.Member, len(ms))
	same := map[string]int{}               // how many have a nick
	nicks := map[string]map[peer.ID]bool{} // whose nick looks so
	names := map[string]map[peer.ID]bool{} // whose username does
	note := func(in map[string]map[peer.ID]bool, name string, p peer.ID) {
		for _, l := range looks(name) {
			if in[l] == nil {
				in[l] = map[peer.ID]bool{}
			}
			in[l][p] = true
		}
	}
	for _, m := range ms {
		same[room.NickKey(m.Nick)]++
		note(nicks, m.Nick, m.Peer)
		if name := who.name(m.Peer); name != "" {
			note(names, name, m.Peer)
		}
	}
	another := func(in map[string]map[peer.ID]bool, m rooms.Member) bool {
		return slices.ContainsFunc(looks(m.Nick), func(l string) bool {
			return len(in[l]) > 1 || len(in[l]) == 1 && !in[l][m.Peer]
		})
	}
	for i, m := range ms {
		out[i] = memberRow(m, self, who)
		switch {
		case same[room.NickKey(m.Nick)] > 1:
			out[i].Warning = "another member has this nick too"
		case another(nicks, m):
			out[i].Warning = "the nick looks like that of another member"
		case another(names, m):
			out[i].Warning = "the nick looks like the name of another member"
		}
	}
	slices.SortFunc(out, func(a, b api.Member) int {
		away := func(m api.Member) int {
			if m.Presence == api.PresenceOffline {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(away(a), away(b)), cmp.Compare(strings.ToLower(a.Nick), strings.ToLower(b.Nick)), cmp.Compare(a.PeerID, b.PeerID))
	})
	return out
}

// looks are what a name looks like to a reader, in forms that are not mixed up.
func looks(name string) []string {
	l := identity.Looks(name)
	return []string{"0" + l[0], "1" + l[1]}
}

func memberRow(m rooms.Member, self peer.ID, who *people) api.Member {
	row := api.Member{
		PeerID: m.Peer.String(), Name: who.name(m.Peer), Nick: m.Nick, Standing: m.Standing.String(), Role: m.Role.String(),
		Presence: api.PresenceOffline, Self: m.Peer == self,
	}
	switch {
	case m.Present && m.Away:
		row.Presence = api.PresenceAway
	case m.Present:
		row.Presence = api.PresenceOnline
	}
	return row
}

// RoomState implements [api.Reader].
func (n *Node) RoomState(ctx context.Context, target string) (api.RoomState, error) {
	r, err := n.resolveRoom(ctx, target)
	if err != nil {
		return api.RoomState{}, err
	}
	s, err := r.State(ctx)
	if err != nil {
		return api.RoomState{}, roomError(err)
	}
	return stateRow(s), nil
}

func stateRow(s room.State) api.RoomState {
	out := api.RoomState{
		RoomID: s.Room.String(), Creator: s.Creator.String(), Config: map[string]string{}, People: []api.PersonState{},
		Subject: s.Topic.Text, Destroyed: !s.Ended.IsZero(), Reason: s.Reason, Root: hex.EncodeToString(s.Root[:]), Canonical: string(s.Encode()),
	}
	for _, v := range s.Config {
		out.Config[v.Field.Key()] = v.Value()
	}
	for _, p := range s.People {
		out.People = append(out.People, api.PersonState{PeerID: p.Peer.String(), Standing: p.Standing.String(), Voice: p.Voice.String()})
	}
	if s.Alternate != (event.Conversation{}) {
		out.Alternate = s.Alternate.String()
	}
	return out
}

// RoomStatus implements [api.Service].
func (n *Node) RoomStatus(ctx context.Context, target string) (api.RoomStatus, error) {
	r, err := n.resolveRoom(ctx, target)
	if err != nil {
		return api.RoomStatus{}, err
	}
	info, err := r.Info(ctx)
	if err != nil {
		return api.RoomStatus{}, roomError(err)
	}
	s, err := r.Status(ctx)
	if err != nil {
		return api.RoomStatus{}, roomError(err)
	}
	out := api.RoomStatus{
		RoomID: r.ID().String(), Name: info.Config.Name(), Peers: peerStrings(s.Peers), Members: s.Members, Present: s.Present,
		Epochs: s.Keys, Root: hex.EncodeToString(s.Root[:]), Digest: hex.EncodeToString(s.Digest[:]),
		Messages: s.Messages, Parked: s.Parked, LastSync: api.Time{Time: s.LastSync}, SyncPeers: peerStrings(s.InStep), Missing: s.Gaps,
	}
	if !s.Epoch.IsZero() {
		out.Epoch = s.Epoch.String()
	}
	return out, nil
}

func peerStrings(ids []peer.ID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}

// PingRoom implements [api.Service]. Where nobody else is in the room we are the
// only ones who could know.
func (n *Node) PingRoom(ctx context.Context, target string, wait time.Duration) (api.Entry, error) {
	r, err := n.resolveRoom(ctx, target)
	if err != nil {
		return api.Entry{}, err
	}
	info, err := r.Info(ctx)
	if err != nil {
		return api.Entry{}, roomError(err)
	}
	if !info.In {
		return api.Entry{}, errorIn(ctx, r, n.people.called, rooms.ErrNotJoined)
	}
	waitCtx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for info.Occupants > 1 {
		_, _, news, done := n.hub.after(n.hub.number())
		asked := false
		for _, p := range r.Partners() {
			err := r.Ping(waitCtx, p)
			if err == nil {
				return n.entry(ctx, r)
			}
			asked = true
			if errors.Is(err, rooms.ErrNotJoined) {
				return api.Entry{}, api.Errorf(api.CodeNotJoined, "%s says that you are not in the room", n.people.name(p))
			}
		}
		if done || asked && waitCtx.Err() != nil {
			return api.Entry{}, api.Errorf(api.CodeNotJoined, "no member of the room answers")
		}
		select {
		case <-waitCtx.Done():
			return api.Entry{}, cmp.Or(ctx.Err(), error(api.Errorf(api.CodeNotJoined, "no member of the room answers")))
		case <-news:
		case <-time.After(joinAgain):
		}
	}
	return n.entry(ctx, r)
}
