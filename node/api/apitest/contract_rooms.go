package apitest

import (
	"context"
	"slices"
	"strings"
	"time"

	"p2pchat/node/api"
)

// eventually asks until the answer is yes: for what no change tells of.
func (p *party) eventually(what string, ask func() bool) {
	p.Helper()
	const pause = 20 * time.Millisecond
	for !ask() {
		select {
		case <-p.ctx.Done():
			p.Fatalf("never: %s", what)
		case <-time.After(pause):
		}
	}
}

// create makes a room of alice's and returns its ID.
func (p *party) create(r api.CreateRoomRequest) string {
	p.Helper()
	e, err := p.Alice.CreateRoom(p.ctx, r)
	p.must(err)
	if len(e.RoomID) != 64 || !isHex(e.RoomID) || e.Standing != api.StandingOwner || e.Role != api.RoleOwner {
		p.Fatalf("who made a room is %+v", e)
	}
	return e.RoomID
}

// enter lets svc join a room and waits until alice sees it there.
func (p *party) enter(svc api.Service, room, target, nick string) {
	p.Helper()
	e, err := svc.JoinRoom(p.ctx, api.JoinRoomRequest{Room: target, Nick: nick, Wait: patience})
	p.must(err)
	if e != (api.Entry{RoomID: room, Standing: api.StandingNone, Role: api.RoleParticipant}) {
		p.Errorf("who joined %s is %+v", target, e)
	}
	self := p.whoami(svc).PeerID
	p.eventually("alice sees the newcomer", func() bool {
		m, in := p.member(p.Alice, room, self)
		return in && m.Presence == api.PresenceOnline
	})
	p.eventually("the newcomer sees alice", func() bool {
		m, in := p.member(svc, room, p.aliceID)
		return in && m.Presence == api.PresenceOnline
	})
}

// meet is alice's room dev with bob in it.
func (p *party) meet() (room string) {
	p.Helper()
	room = p.create(api.CreateRoomRequest{Name: "dev"})
	p.enter(p.Bob, room, "#dev", "")
	return room
}

func (p *party) members(svc api.Service, room string) []api.Member {
	p.Helper()
	rows, err := svc.Members(p.ctx, room)
	p.must(err)
	if rows == nil {
		p.Error("Members returned null instead of an empty list")
	}
	return rows
}

func (p *party) member(svc api.Service, room, peerID string) (api.Member, bool) {
	p.Helper()
	rows := p.members(svc, room)
	i := slices.IndexFunc(rows, func(m api.Member) bool { return m.PeerID == peerID })
	if i < 0 {
		return api.Member{}, false
	}
	return rows[i], true
}

func (p *party) rooms(svc api.Service, all bool) []api.Room {
	p.Helper()
	rows, err := svc.Rooms(p.ctx, all)
	p.must(err)
	if rows == nil {
		p.Error("Rooms returned null instead of an empty list")
	}
	return rows
}

// room is svc's row of a room.
func (p *party) room(svc api.Service, all bool, id string) (api.Room, bool) {
	p.Helper()
	rows := p.rooms(svc, all)
	i := slices.IndexFunc(rows, func(r api.Room) bool { return r.RoomID == id })
	if i < 0 {
		return api.Room{}, false
	}
	return rows[i], true
}

func testRoomsFound(p *party) {
	if rows := append(p.rooms(p.Alice, false), p.rooms(p.Alice, true)...); len(rows) != 0 {
		p.Errorf("rooms before there are any: %+v", rows)
	}
	room := p.create(api.CreateRoomRequest{Name: "dev"})
	row, _ := p.room(p.Alice, false, room)
	want := api.Room{
		RoomID: room, Name: "dev", Visible: true, Access: api.AccessOpen, Joined: true, Occupants: 1,
		Standing: api.StandingOwner, Role: api.RoleOwner, Nick: "alice",
	}
	if row != want {
		p.Errorf("the room of who made it is %+v, want %+v", row, want)
	}
	if s, err := p.Alice.Status(p.ctx); err != nil || s.Rooms == nil || *s.Rooms != 1 {
		p.Errorf("status is %+v, want 1 room (%v)", s, err)
	}
	p.eventually("bob finds the room", func() bool {
		row, found := p.room(p.Bob, true, room)
		if found && (row.Name != "dev" || row.Joined || !row.Visible || row.Access != api.AccessOpen ||
			row.Occupants != 1 || row.Nick != "" || row.Standing != api.StandingNone) {
			p.Fatalf("the room as bob finds it is %+v", row)
		}
		return found
	})
	if rows := p.rooms(p.Bob, false); len(rows) != 0 {
		p.Errorf("bob joined nothing, and is in %+v", rows)
	}

	p.create(api.CreateRoomRequest{Name: "attic"})
	rows := p.rooms(p.Alice, false)
	if len(rows) != 2 || rows[0].Name != "attic" || rows[1].Name != "dev" {
		p.Errorf("rooms are %+v, want them by name", rows)
	}
}

func testRoomJoin(p *party) {
	room := p.meet()
	p.enter(p.Join("carol"), room, room, "")
	for name, svc := range map[string]api.Service{"alice": p.Alice, "bob": p.Bob} {
		p.eventually(name+" sees three present", func() bool {
			rows := p.members(svc, "#dev")
			return len(rows) == 3 && !slices.ContainsFunc(rows, func(m api.Member) bool { return m.Presence != api.PresenceOnline })
		})
		for i, m := range p.members(svc, room) {
			want := api.Member{
				PeerID: m.PeerID, Name: []string{"alice", "bob", "carol"}[i], Standing: api.StandingNone,
				Role: api.RoleParticipant, Presence: api.PresenceOnline, Self: m.PeerID == p.whoami(svc).PeerID,
			}
			if want.Nick = want.Name; i == 0 {
				want.Standing, want.Role = api.StandingOwner, api.RoleOwner
			}
			if m != want {
				p.Errorf("%s sees member %+v, want %+v", name, m, want)
			}
		}
	}
	// Once more changes nothing.
	for _, target := range []string{"dev", "#dev", "room:dev", room} {
		e, err := p.Bob.JoinRoom(p.ctx, api.JoinRoomRequest{Room: target, Wait: patience})
		if err != nil || e.RoomID != room || e.Role != api.RoleParticipant {
			p.Errorf("join of %s by who is in it: %+v, %v", target, e, err)
		}
	}
	e, err := p.Alice.JoinRoom(p.ctx, api.JoinRoomRequest{Room: room})
	if err != nil || e.Role != api.RoleOwner {
		p.Errorf("join by who made it: %+v, %v", e, err)
	}
	if row, _ := p.room(p.Bob, false, room); !row.Joined || row.Nick != "bob" || row.Role != api.RoleParticipant || row.Occupants != 3 {
		p.Errorf("bob's row is %+v", row)
	}
}

// A room that comes while one waits for it is joined.
func testRoomAppears(p *party) {
	type result struct {
		entry api.Entry
		err   error
	}
	done := make(chan result, 1) // the one result
	go func() {                  // ends with the call, whose wait is bounded
		e, err := p.Bob.JoinRoom(p.ctx, api.JoinRoomRequest{Room: "#late", Wait: patience})
		done <- result{e, err}
	}()
	room := p.create(api.CreateRoomRequest{Name: "late"})
	if got := <-done; got.err != nil || got.entry.RoomID != room {
		p.Errorf("join of a room that appeared: %+v, %v", got.entry, got.err)
	}
}

func testRoomHidden(p *party) {
	hidden := p.create(api.CreateRoomRequest{Name: "cellar", Hidden: true})
	shown := p.create(api.CreateRoomRequest{Name: "lounge"})
	if row, _ := p.room(p.Alice, false, hidden); row.Visible {
		p.Errorf("the hidden room is %+v", row)
	}
	p.eventually("bob finds the other room", func() bool { _, found := p.room(p.Bob, true, shown); return found })
	if row, found := p.room(p.Bob, true, hidden); found {
		p.Errorf("bob was told of the hidden room: %+v", row)
	}
	_, err := p.Bob.JoinRoom(p.ctx, api.JoinRoomRequest{Room: "#cellar", Wait: 20 * time.Millisecond})
	p.refused("join of a hidden room by name", err, api.CodeNotFound)
	p.enter(p.Bob, hidden, hidden, "")
	if row, _ := p.room(p.Bob, false, hidden); row.Name != "cellar" || row.Visible || !row.Joined {
		p.Errorf("the hidden room bob is in is %+v", row)
	}
}

func testRoomNick(p *party) {
	room := p.create(api.CreateRoomRequest{Name: "dev"})
	_, err := p.Bob.JoinRoom(p.ctx, api.JoinRoomRequest{Room: room, Nick: "alice", Wait: patience})
	p.refused("join under alice's nick", err, api.CodeNickConflict)
	if rows := p.rooms(p.Bob, false); len(rows) != 0 {
		p.Errorf("after a refusal bob is in %+v", rows)
	}
	p.enter(p.Bob, room, room, "robert")
	if m, _ := p.member(p.Alice, room, p.bobID); m.Nick != "robert" || m.Name != "bob" || m.Warning != "" {
		p.Errorf("alice sees %+v", m)
	}
	p.say(p.Bob, "#dev", "hi")
	if log := p.log(p.Alice, api.LogQuery{Target: room}); len(log) != 1 || log[0].Nick != "robert" || log[0].Name != "bob" {
		p.Errorf("alice's log is %+v", log)
	}

	_, err = p.Bob.JoinRoom(p.ctx, api.JoinRoomRequest{Room: room, Nick: "alice", Wait: patience})
	p.refused("change to alice's nick", err, api.CodeNickConflict)
	_, err = p.Bob.JoinRoom(p.ctx, api.JoinRoomRequest{Room: room, Nick: "rob", Wait: patience})
	p.must(err)
	for name, svc := range map[string]api.Service{"alice": p.Alice, "bob": p.Bob} {
		p.eventually(name+" sees the new nick", func() bool { m, _ := p.member(svc, room, p.bobID); return m.Nick == "rob" })
	}
	if row, _ := p.room(p.Bob, false, room); row.Nick != "rob" {
		p.Errorf("bob's row is %+v", row)
	}
}

func testRoomRefused(p *party) {
	const stranger = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	for _, target := range []string{"nothing", "#nothing", "room:nothing", "#", "", stranger, "@bob"} {
		for call, err := range p.byRoom(p.ctx, p.Alice, target) {
			p.refused(call+" of "+target, err, api.CodeNotFound)
		}
		want := api.CodeNotFound
		if target == stranger {
			want = api.CodeNotJoined // it may be hidden
		}
		_, err := p.Alice.JoinRoom(p.ctx, api.JoinRoomRequest{Room: target, Wait: 20 * time.Millisecond})
		p.refused("join of "+target, err, want)
	}
	long := strings.Repeat("語", api.MaxRoomName)
	for _, tt := range []struct {
		r    api.CreateRoomRequest
		want api.Code
	}{
		{api.CreateRoomRequest{}, api.CodeBadText},
		{api.CreateRoomRequest{Name: "two\nlines"}, api.CodeBadText},
		{api.CreateRoomRequest{Name: "a\xff"}, api.CodeBadText},
		{api.CreateRoomRequest{Name: "a\u202eb"}, api.CodeBadText},
		{api.CreateRoomRequest{Name: long + "x"}, api.CodeTooLong},
		{api.CreateRoomRequest{Name: "dev", Nick: "a\x1b"}, api.CodeBadText},
		{api.CreateRoomRequest{Name: "dev", Nick: strings.Repeat("x", api.MaxNick+1)}, api.CodeTooLong},
		{api.CreateRoomRequest{Name: "dev", History: "some"}, api.CodeUsage},
		{api.CreateRoomRequest{Name: "dev", History: "-1"}, api.CodeUsage},
		{api.CreateRoomRequest{Name: "dev", History: "-1h"}, api.CodeUsage},
	} {
		_, err := p.Alice.CreateRoom(p.ctx, tt.r)
		p.refused("create of "+tt.r.Name, err, tt.want)
	}
	if rows := p.rooms(p.Alice, true); len(rows) != 0 {
		p.Errorf("what was refused is there: %+v", rows)
	}
	for _, r := range []api.CreateRoomRequest{
		{Name: long},
		{Name: "#x &<>"},
		{Name: "a", History: "all"},
		{Name: "b", History: "none"},
		{Name: "c", History: "25"},
		{Name: "d", History: "36h"},
		{Name: "e", Nick: "queen"},
	} {
		room := p.create(r)
		if row, _ := p.room(p.Alice, false, room); row.Name != r.Name || r.Nick != "" && row.Nick != r.Nick {
			p.Errorf("%+v made %+v", r, row)
		}
	}
}

// byRoom are the calls that take a room one is in, each with it.
func (p *party) byRoom(ctx context.Context, svc api.Service, target string) map[string]error {
	_, members := svc.Members(ctx, target)
	_, state := svc.RoomState(ctx, target)
	_, status := svc.RoomStatus(ctx, target)
	_, ping := svc.PingRoom(ctx, target, 0)
	_, leave := svc.LeaveRoom(ctx, target)
	_, audit := svc.Audit(ctx, target)
	_, subject := svc.SetSubject(ctx, target, "a subject")
	_, configure := svc.Configure(ctx, api.ConfigureRequest{Room: target, Set: []api.Setting{{Key: "description", Value: "x"}}})
	_, govern := svc.Govern(ctx, api.GovernRequest{Room: target, Act: api.ActKick, Who: p.bobID})
	_, voice := svc.RequestVoice(ctx, target)
	_, invite := svc.Invite(ctx, target, p.bobID, "")
	_, private := svc.SendPrivate(ctx, target, p.bobID, "hi", 0)
	_, answer := svc.AnswerInvitation(ctx, api.AnswerRequest{Room: target})
	errs := map[string]error{
		"members": members, "state": state, "status": status, "ping": ping, "leave": leave, "audit": audit, "subject": subject,
		"configure": configure, "govern": govern, "voice request": voice, "invite": invite, "private": private,
	}
	if !api.IsCode(answer, api.CodeNotFound) { // where nobody is invited, whatever the name
		errs["answer"] = answer
	}
	return errs
}

func testRoomNames(p *party) {
	room := p.create(api.CreateRoomRequest{Name: "bob"})
	for _, target := range []string{"#bob", "room:bob", room, "room:" + room} {
		r, err := p.Alice.Send(p.ctx, api.SendRequest{Target: target, Text: "hi"})
		if err != nil || r.Conversation != room {
			p.Errorf("send to %s: %+v, %v", target, r, err)
		}
	}
	for _, target := range []string{"@bob", "user:bob", p.bobID} {
		r, err := p.Alice.Send(p.ctx, api.SendRequest{Target: target, Text: "hi"})
		if err != nil || r.Conversation != p.conversation {
			p.Errorf("send to %s: %+v, %v", target, r, err)
		}
	}
	ambiguous := func(call string, err error, want ...string) {
		p.Helper()
		slices.Sort(want)
		e := p.refused(call, err, api.CodeAmbiguous)
		if got := slices.Sorted(slices.Values(e.Candidates)); !slices.Equal(got, want) {
			p.Errorf("%s: candidates %q, want %q", call, got, want)
		}
	}
	_, err := p.Alice.Send(p.ctx, api.SendRequest{Target: "bob", Text: "hi", Wait: patience})
	ambiguous("send to bob", err, room, p.bobID)
	_, err = p.Alice.Log(p.ctx, api.LogQuery{Target: "bob"})
	ambiguous("log of bob", err, room, p.bobID)
	// Where only a room can be meant, it is.
	if rows := p.members(p.Alice, "bob"); len(rows) != 1 {
		p.Errorf("the members of bob are %+v", rows)
	}

	second := p.create(api.CreateRoomRequest{Name: "bob"})
	for call, err := range p.byRoom(p.ctx, p.Alice, "#bob") {
		ambiguous(call, err, room, second)
	}
	_, err = p.Alice.Log(p.ctx, api.LogQuery{Target: "#bob"})
	ambiguous("log of #bob", err, room, second)
	_, err = p.Alice.JoinRoom(p.ctx, api.JoinRoomRequest{Room: "bob", Wait: patience})
	ambiguous("join of bob", err, room, second)
	if _, err := p.Alice.Send(p.ctx, api.SendRequest{Target: second, Text: "hi"}); err != nil {
		p.Errorf("send to the second by its ID: %v", err)
	}
	// One that was left does not stand in the way of one that was not.
	_, err = p.Alice.LeaveRoom(p.ctx, second)
	p.must(err)
	if rows := p.members(p.Alice, "#bob"); len(rows) != 1 {
		p.Errorf("the members of #bob are %+v", rows)
	}
}
