package apitest

import (
	"maps"
	"slices"
	"strings"
	"time"

	"p2pchat/node/api"
)

// tryJoin is a join that nothing but the door can hold up.
func (p *party) tryJoin(svc api.Service, room, password string) error {
	_, err := svc.JoinRoom(p.ctx, api.JoinRoomRequest{Room: room, Wait: patience, Password: []byte(password)})
	return err
}

func testRoomMembersOnly(p *party) {
	room := p.create(api.CreateRoomRequest{Name: "board", MembersOnly: true})
	if e := p.entry(p.Alice, room); e.Access != api.AccessMembersOnly {
		p.Errorf("the room is %+v", e)
	}
	p.refused("join of a members-only room", p.tryJoin(p.Bob, room, ""), api.CodeMembershipRequired)
	p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActGrant, Who: "bob", Standing: api.StandingMember})
	p.join(p.Bob, room)
	if e := p.entry(p.Bob, room); e.Standing != api.StandingMember || e.Role != api.RoleParticipant {
		p.Errorf("the member is %+v", e)
	}
	// Who is none any more is out, and so is everybody who was none when the
	// room became one for members.
	p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActGrant, Who: "bob", Standing: api.StandingNone})
	p.gone(p.Bob, room)
	p.refused("join by a former member", p.tryJoin(p.Bob, room, ""), api.CodeMembershipRequired)
	p.configure(p.Alice, room, api.Setting{Key: "access", Value: api.AccessOpen})
	p.join(p.Bob, room)
	w := p.watch(p.Bob)
	defer w.stop()
	p.configure(p.Alice, room, api.Setting{Key: "access", Value: api.AccessMembersOnly})
	w.until("bob is told that he is out", func(c api.Change) bool { return c.Type == api.ChangeRoomLeft && c.Room.RoomID == room })
	p.gone(p.Bob, room)
	if e := p.entry(p.Alice, room); e.Occupants != 1 {
		p.Errorf("the room has %d occupants, want 1", e.Occupants)
	}
}

func testRoomPassword(p *party) {
	e, err := p.Alice.CreateRoom(p.ctx, api.CreateRoomRequest{Name: "vault", Password: []byte("open sesame")})
	p.must(err)
	room := e.RoomID
	if e := p.entry(p.Alice, room); !e.Password {
		p.Errorf("the room is %+v", e)
	}
	none := p.refused("join without the password", p.tryJoin(p.Bob, room, ""), api.CodeNotAuthorized)
	wrong := p.refused("join with a wrong password", p.tryJoin(p.Bob, room, "open barley"), api.CodeNotAuthorized)
	if none.Message != wrong.Message {
		p.Errorf("without a password it says %q, with a wrong one %q", none.Message, wrong.Message)
	}
	p.joinWith(p.Bob, room, "open sesame")
	p.say(p.Bob, room, "hi")

	// A new one guards the door and puts nobody out.
	for _, r := range []api.ConfigureRequest{
		{Room: room, Password: []byte("shut sesame")},
		{Room: room, NoPassword: true},
	} {
		_, err := p.Alice.Configure(p.ctx, r)
		p.must(err)
		p.settle(room, p.Alice, p.Bob)
		p.say(p.Bob, room, "still here")
		if e := p.entry(p.Bob, room); e.Password == r.NoPassword {
			p.Errorf("bob's row is %+v", e)
		}
	}
	_, err = p.Alice.Configure(p.ctx, api.ConfigureRequest{Room: room, Password: []byte("x"), NoPassword: true})
	p.refused("a password and none", err, api.CodeUsage)
	p.join(p.Join("carol"), room)
}

func testRoomFull(p *party) {
	room := p.meet()
	p.configure(p.Alice, room, api.Setting{Key: "max_occupants", Value: "2"})
	p.settle(room, p.Alice, p.Bob)
	carol := p.Join("carol")
	p.refused("join of a full room", p.tryJoin(carol, room, ""), api.CodeFull)
	p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActGrant, Who: p.waitName(p.Alice, "carol"), Standing: api.StandingAdmin})
	p.settle(room, p.Alice, p.Bob)
	p.must(p.tryJoin(carol, room, ""))
}

func testRoomDestroyed(p *party) {
	room := p.meet()
	next := p.create(api.CreateRoomRequest{Name: "dev2"})
	w := p.watch(p.Bob)
	defer w.stop()
	p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActDestroy, Reason: "moved", Alternate: "#dev2"})
	left := w.until("bob is told that the room is no more", func(c api.Change) bool { return c.Type == api.ChangeRoomLeft && c.Room.RoomID == room })
	if !left.Room.Destroyed {
		p.Errorf("bob was told of %+v", left.Room)
	}
	for name, svc := range map[string]api.Service{"alice": p.Alice, "bob": p.Bob} {
		p.gone(svc, room)
		s, err := svc.RoomState(p.ctx, room)
		if err != nil || !s.Destroyed || s.Reason != "moved" || s.Alternate != next {
			p.Errorf("%s sees the state %+v, %v", name, s, err)
		}
		p.refused(name+" joins a destroyed room", p.tryJoin(svc, room, ""), api.CodeDestroyed)
		if _, err := svc.Send(p.ctx, api.SendRequest{Target: room, Text: "hi"}); !api.IsCode(err, api.CodeDestroyed) && !api.IsCode(err, api.CodeNotJoined) {
			p.Errorf("%s sends to a destroyed room: %v", name, err)
		}
	}
	// Also who was never in it is told, whatever he calls it.
	carol := p.Join("carol")
	for _, target := range []string{room, "dev"} {
		err := p.tryJoin(carol, target, "")
		p.refused("a stranger joins a destroyed room", err, api.CodeDestroyed)
		if err != nil && (!strings.Contains(err.Error(), "moved") || !strings.Contains(err.Error(), next)) {
			p.Errorf("a stranger is told %v", err)
		}
	}
	if rows, err := carol.Rooms(p.ctx, true); err != nil || slices.ContainsFunc(rows, func(r api.Room) bool { return r.RoomID == room }) {
		p.Errorf("carol is shown %+v, %v", rows, err)
	}
}

func testRoomSlow(p *party) {
	room := p.meet()
	p.configure(p.Alice, room, api.Setting{Key: "slow_mode", Value: "1h"})
	p.settle(room, p.Alice, p.Bob)
	for range 2 {
		p.say(p.Alice, room, "an owner is not held up")
	}
	p.say(p.Bob, room, "one")
	_, err := p.Bob.Send(p.ctx, api.SendRequest{Target: room, Text: "two"})
	p.refused("a second message in slow mode", err, api.CodeTooFast)
	p.configure(p.Alice, room, api.Setting{Key: "slow_mode", Value: "0s"})
	p.settle(room, p.Alice, p.Bob)
	p.say(p.Bob, room, "three")
	p.eventually("alice has what was said and no more", func() bool {
		var texts []string
		for _, m := range p.log(p.Alice, api.LogQuery{Target: room}) {
			if m.Author == p.bobID {
				texts = append(texts, m.Text)
			}
		}
		return slices.Equal(texts, []string{"one", "three"})
	})
}

func (p *party) config(svc api.Service, room string) map[string]string {
	p.Helper()
	s, err := svc.RoomState(p.ctx, room)
	p.must(err)
	return s.Config
}

func testRoomConfig(p *party) {
	room := p.create(api.CreateRoomRequest{Name: "dev"})
	defaults := p.config(p.Alice, room)
	for _, s := range api.RoomSettings() {
		want := map[string]string{"name": "dev"}[s.Key]
		if len(s.Values) > 0 {
			want = s.Values[0]
		}
		if got, ok := defaults[s.Key]; !ok || got != want {
			p.Errorf("%s is %q by default, want %q", s.Key, got, want)
		}
	}
	p.enter(p.Bob, room, room, "")
	for _, s := range api.RoomSettings() {
		values := s.Values
		switch s.Key {
		case "name":
			values = []string{"Küche & <Flur>", "dev"}
		case "description", "language":
			values = []string{"<a> \u202e", ""}
		case "history":
			values = []string{"none", "25", "36h0m0s", "all"}
		case "max_occupants":
			values = []string{"7", "0"}
		case "slow_mode":
			values = []string{"1.5s", "0s"}
		case "access":
			values = nil // it would put bob out
		}
		for _, v := range values {
			e, err := p.Alice.Configure(p.ctx, api.ConfigureRequest{Room: room, Set: []api.Setting{{Key: s.Key, Value: v}}})
			if err != nil || e.RoomID != room || e.Standing != api.StandingOwner {
				p.Errorf("%s=%s: %+v, %v", s.Key, v, e, err)
			}
			if got := p.config(p.Alice, room)[s.Key]; got != v {
				p.Errorf("%s is %q, want %q", s.Key, got, v)
			}
		}
	}
	if got := p.config(p.Alice, room); got["visible"] != "false" || got["moderated"] != "true" {
		p.Errorf("the settings are %v", got)
	}
	p.configure(p.Alice, room,
		api.Setting{Key: "visible", Value: "true"}, api.Setting{Key: "moderated", Value: "false"}, api.Setting{Key: "description", Value: "what we do"})
	p.eventually("bob sees the same", func() bool { return maps.Equal(p.config(p.Alice, room), p.config(p.Bob, room)) })
	p.eventually("bob's row says so", func() bool {
		row, _ := p.room(p.Bob, false, room)
		return row.Description == "what we do" && row.Logging && !row.Moderated
	})

	// All or none, and by owners.
	before := p.config(p.Alice, room)
	for _, tt := range []struct {
		set  []api.Setting
		want api.Code
	}{
		{nil, api.CodeUsage},
		{[]api.Setting{{Key: "moderated", Value: "true"}, {Key: "shoe_size", Value: "44"}}, api.CodeUsage},
		{[]api.Setting{{Key: "moderated", Value: "perhaps"}}, api.CodeUsage},
		{[]api.Setting{{Key: "password_generation", Value: "7"}}, api.CodeUsage},
		{[]api.Setting{{Key: "history", Value: "-1"}}, api.CodeUsage},
		{[]api.Setting{{Key: "min_version", Value: "0"}}, api.CodeUsage},
		{[]api.Setting{{Key: "name", Value: ""}}, api.CodeBadText},
		{[]api.Setting{{Key: "name", Value: strings.Repeat("x", api.MaxRoomName+1)}}, api.CodeTooLong},
		{[]api.Setting{{Key: "moderated", Value: "true"}, {Key: "moderated", Value: "false"}}, api.CodeUsage},
	} {
		_, err := p.Alice.Configure(p.ctx, api.ConfigureRequest{Room: room, Set: tt.set})
		p.refused("a wrong setting", err, tt.want)
	}
	_, err := p.Bob.Configure(p.ctx, api.ConfigureRequest{Room: room, Set: []api.Setting{{Key: "moderated", Value: "true"}}})
	p.refused("configure by a participant", err, api.CodeForbidden)
	if got := p.config(p.Alice, room); !maps.Equal(got, before) {
		p.Errorf("what was refused changed %v to %v", before, got)
	}
	p.configure(p.Alice, room, api.Setting{Key: "slow_mode", Value: (10 * time.Second).String()})
}
