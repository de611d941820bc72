package apitest

import (
	"slices"

	"p2pchat/node/api"
)

// does is an act of government that must be allowed.
func (p *party) does(svc api.Service, r api.GovernRequest) {
	p.Helper()
	if _, err := svc.Govern(p.ctx, r); err != nil {
		p.Fatalf("%+v: %v", r, err)
	}
}

func (p *party) configure(svc api.Service, room string, settings ...api.Setting) {
	p.Helper()
	_, err := svc.Configure(p.ctx, api.ConfigureRequest{Room: room, Set: settings})
	p.must(err)
}

// settle waits until all see the same state of a room.
func (p *party) settle(room string, all ...api.Service) {
	p.Helper()
	p.eventually("the states are the same", func() bool {
		var first string
		for i, svc := range all {
			s, err := svc.RoomState(p.ctx, room)
			p.must(err)
			if i == 0 {
				first = s.Canonical
			}
			if s.Canonical != first {
				return false
			}
		}
		return true
	})
}

// join lets svc enter and waits until alice and he see each other there.
func (p *party) join(svc api.Service, room string) {
	p.Helper()
	p.joinWith(svc, room, "")
}

func (p *party) joinWith(svc api.Service, room, password string) {
	p.Helper()
	p.must(p.tryJoin(svc, room, password))
	self := p.whoami(svc).PeerID
	p.eventually("alice and the newcomer see each other", func() bool {
		_, here := p.member(p.Alice, room, self)
		_, there := p.member(svc, room, p.aliceID)
		return here && there
	})
}

// gone waits until svc is not in the room any more.
func (p *party) gone(svc api.Service, room string) {
	p.Helper()
	p.eventually("he is out of the room", func() bool { _, in := p.room(svc, false, room); return !in })
	if row, _ := p.room(svc, true, room); row.Joined {
		p.Errorf("who is out of the room has the row %+v", row)
	}
}

// ranks of those who try a row of the table of privileges, from below.
const (
	rankVisitor = iota
	rankParticipant
	rankMember
	rankModerator
	rankAdmin
	rankOwner
)

// privilege is a row of the table: who may do it, from whom on.
type privilege struct {
	name string
	from int
	do   func() error
	undo func() // by alice, what was done
}

func (p *party) privileges(room string, carol api.Service, said string) []privilege {
	carolID := p.whoami(carol).PeerID
	act := func(r api.GovernRequest) func() error {
		r.Room, r.Who = room, carolID
		return func() error { _, err := p.Bob.Govern(p.ctx, r); return err }
	}
	reset := func(r api.GovernRequest) func() {
		r.Room, r.Who = room, carolID
		return func() { p.does(p.Alice, r) }
	}
	grant := func(name, standing string, from int) privilege {
		return privilege{
			name, from, act(api.GovernRequest{Act: api.ActGrant, Standing: standing}),
			reset(api.GovernRequest{Act: api.ActGrant, Standing: api.StandingNone}),
		}
	}
	nothing := func() {}
	return []privilege{
		{"speak", rankParticipant, func() error {
			_, err := p.Bob.Send(p.ctx, api.SendRequest{Target: room, Text: "hi"})
			return err
		}, nothing},
		{"change the subject", rankModerator, func() error { _, err := p.Bob.SetSubject(p.ctx, room, "new"); return err }, nothing},
		{"invite", rankParticipant, func() error { _, err := p.Bob.Invite(p.ctx, room, p.aliceID, ""); return err }, nothing},
		{"kick", rankModerator, act(api.GovernRequest{Act: api.ActKick}), func() { p.gone(carol, room); p.join(carol, room) }},
		{"take voice", rankModerator, act(api.GovernRequest{Act: api.ActDevoice}), nothing},
		{"give voice", rankModerator, act(api.GovernRequest{Act: api.ActVoice}), nothing},
		{"retract", rankModerator, act(api.GovernRequest{Act: api.ActRetract, ID: said}), nothing},
		grant("make a member", api.StandingMember, rankAdmin),
		grant("make a moderator", api.StandingModerator, rankAdmin),
		{"ban", rankAdmin, act(api.GovernRequest{Act: api.ActBan}), func() {
			p.gone(carol, room)
			reset(api.GovernRequest{Act: api.ActUnban})()
			p.join(carol, room)
		}},
		grant("make an admin", api.StandingAdmin, rankOwner),
		grant("make an owner", api.StandingOwner, rankOwner),
		{"configure", rankOwner, func() error {
			_, err := p.Bob.Configure(p.ctx, api.ConfigureRequest{Room: room, Set: []api.Setting{{Key: "description", Value: "bob's"}}})
			return err
		}, nothing},
	}
}

// testRoomPrivileges tries every row of the table as everybody.
func testRoomPrivileges(p *party) {
	room := p.meet()
	carol := p.Join("carol")
	p.enter(carol, room, room, "")
	said := p.say(carol, room, "something").ID
	p.eventually("bob has it", func() bool { return len(p.log(p.Bob, api.LogQuery{Target: room})) == 1 })
	table := p.privileges(room, carol, said)
	p.configure(p.Alice, room, api.Setting{Key: "moderated", Value: "true"})
	for rank := rankVisitor; rank <= rankOwner; rank++ {
		standing := []string{"", "", api.StandingMember, api.StandingModerator, api.StandingAdmin, api.StandingOwner}[rank]
		switch {
		case rank == rankParticipant:
			p.configure(p.Alice, room, api.Setting{Key: "moderated", Value: "false"})
		case standing != "":
			p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActGrant, Who: p.bobID, Standing: standing})
		}
		p.settle(room, p.Alice, p.Bob, carol)
		for _, row := range table {
			err := row.do()
			if rank < row.from {
				p.refused(row.name+" as "+p.entry(p.Bob, room).Role, err, api.CodeForbidden)
				continue
			}
			if err != nil {
				p.Errorf("%s as %s: %v", row.name, p.entry(p.Bob, room).Role, err)
				continue
			}
			p.settle(room, p.Alice, p.Bob)
			row.undo()
			p.settle(room, p.Alice, p.Bob, carol)
		}
	}
}

// entry is what svc is in a room.
func (p *party) entry(svc api.Service, room string) api.Room {
	p.Helper()
	row, in := p.room(svc, false, room)
	if !in {
		p.Fatalf("not in room %s", room)
	}
	return row
}

// Nobody acts on somebody who stands as high or higher, or on the creator.
func testRoomLower(p *party) {
	room := p.meet()
	carol := p.Join("carol")
	p.enter(carol, room, room, "")
	carolID := p.whoami(carol).PeerID
	acts := func(who string) []api.GovernRequest {
		return []api.GovernRequest{
			{Act: api.ActKick, Who: who},
			{Act: api.ActBan, Who: who},
			{Act: api.ActDevoice, Who: who},
			{Act: api.ActGrant, Who: who, Standing: api.StandingNone},
		}
	}
	try := func(what, who string) {
		for _, r := range acts(who) {
			r.Room = room
			_, err := p.Bob.Govern(p.ctx, r)
			p.refused(r.Act+" of "+what, err, api.CodeForbidden)
		}
	}
	for _, who := range []string{p.bobID, carolID} {
		p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActGrant, Who: who, Standing: api.StandingAdmin})
	}
	p.settle(room, p.Alice, p.Bob, carol)
	try("another admin", carolID)
	p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActGrant, Who: p.bobID, Standing: api.StandingOwner})
	p.settle(room, p.Alice, p.Bob, carol)
	try("the creator", p.aliceID)

	for _, tt := range []struct {
		r    api.GovernRequest
		want api.Code
	}{
		{api.GovernRequest{Act: api.ActKick, Who: "nobody"}, api.CodeNotFound},
		{api.GovernRequest{Act: api.ActGrant, Who: carolID, Standing: "king"}, api.CodeUsage},
		{api.GovernRequest{Act: api.ActGrant, Who: carolID}, api.CodeUsage},
		{api.GovernRequest{Act: "crown", Who: carolID}, api.CodeUsage},
		{api.GovernRequest{Act: api.ActUnban, Who: carolID}, api.CodeUsage},
		{api.GovernRequest{Act: api.ActRetract, ID: "00"}, api.CodeNotFound},
		{api.GovernRequest{Act: api.ActRetract, ID: room}, api.CodeNotFound},
		{api.GovernRequest{Act: api.ActKick, Who: carolID, Reason: string(make([]byte, 3))}, api.CodeBadText},
		{api.GovernRequest{Act: api.ActKick, Who: carolID, Reason: long(api.MaxReason + 1)}, api.CodeTooLong},
	} {
		tt.r.Room = room
		_, err := p.Alice.Govern(p.ctx, tt.r)
		p.refused(tt.r.Act+" that is wrong", err, tt.want)
	}
	if m, in := p.member(p.Alice, room, carolID); !in || m.Standing != api.StandingAdmin {
		p.Errorf("after all that carol is %+v", m)
	}
	// By nick, by name, and somebody who is not in the room. One can lower oneself.
	_, err := carol.JoinRoom(p.ctx, api.JoinRoomRequest{Room: room, Nick: "clara"})
	p.must(err)
	p.eventually("alice sees the nick", func() bool { m, _ := p.member(p.Alice, room, carolID); return m.Nick == "clara" })
	p.Join("dave")
	dave := p.waitName(p.Alice, "dave")
	for i, who := range []string{"clara", "carol", "@carol", carolID, "dave", "@dave", dave} {
		standing := []string{api.StandingMember, api.StandingModerator}[i%2]
		p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActGrant, Who: who, Standing: standing})
		target := carolID
		if i > 3 {
			target = dave
		}
		if got := p.standing(p.Alice, room, target); got != standing {
			p.Errorf("%s is %s, want %s", who, got, standing)
		}
	}
	p.does(p.Bob, api.GovernRequest{Room: room, Act: api.ActGrant, Who: p.bobID, Standing: api.StandingMember})
	if row := p.entry(p.Bob, room); row.Standing != api.StandingMember {
		p.Errorf("who lowered himself is %+v", row)
	}
}

func long(n int) string { return string(slices.Repeat([]byte{'x'}, n)) }

// standing is what the room decided of somebody, as svc sees it.
func (p *party) standing(svc api.Service, room, peerID string) string {
	p.Helper()
	s, err := svc.RoomState(p.ctx, room)
	p.must(err)
	for _, person := range s.People {
		if person.PeerID == peerID {
			return person.Standing
		}
	}
	return api.StandingNone
}

func testRoomKick(p *party) {
	room := p.meet()
	p.say(p.Bob, room, "before")
	w, mine := p.watch(p.Bob), p.watch(p.Alice)
	defer w.stop()
	defer mine.stop()
	p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActKick, Who: "bob", Reason: "cool down"})
	left := w.until("bob is told that he is out", func(c api.Change) bool { return c.Type == api.ChangeRoomLeft })
	if left.Room.RoomID != room || left.Room.Joined {
		p.Errorf("bob was told of %+v", left.Room)
	}
	mine.until("alice is told that he went", func(c api.Change) bool {
		return c.Type == api.ChangeMember && c.Member.Gone && c.Member.Member.PeerID == p.bobID
	})
	p.gone(p.Bob, room)
	_, err := p.Bob.Send(p.ctx, api.SendRequest{Target: room, Text: "hi"})
	p.refused("send by who was kicked", err, api.CodeNotJoined)
	if log := p.log(p.Alice, api.LogQuery{Target: room}); len(log) != 1 || log[0].Text != "before" {
		p.Errorf("the log after a kick is %+v", log)
	}
	p.eventually("bob reads why", func() bool {
		return slices.ContainsFunc(p.log(p.Bob, api.LogQuery{Target: room, All: true}), func(m api.Message) bool {
			return m.Kind == api.MessageGovern && m.Author == p.aliceID && m.Text == "kicked bob: cool down"
		})
	})
	p.join(p.Bob, room)
	p.say(p.Bob, room, "after")
	p.eventually("alice hears him again", func() bool { return len(p.log(p.Alice, api.LogQuery{Target: room})) == 2 })
}

func testRoomBan(p *party) {
	room := p.meet()
	w := p.watch(p.Bob)
	defer w.stop()
	p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActBan, Who: "bob", Reason: "spam"})
	w.until("bob is told that he is out", func(c api.Change) bool { return c.Type == api.ChangeRoomLeft && c.Room.RoomID == room })
	p.gone(p.Bob, room)
	if got := p.standing(p.Alice, room, p.bobID); got != api.StandingOutcast {
		p.Errorf("bob is %s", got)
	}
	_, err := p.Bob.JoinRoom(p.ctx, api.JoinRoomRequest{Room: room, Wait: patience})
	p.refused("join by who is banned", err, api.CodeBanned)
	if _, err := p.Bob.Send(p.ctx, api.SendRequest{Target: room, Text: "hi"}); !api.IsCode(err, api.CodeBanned) && !api.IsCode(err, api.CodeNotJoined) {
		p.Errorf("send by who is banned: %v", err)
	}
	p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActUnban, Who: "@bob"})
	p.join(p.Bob, room)
	if e := p.entry(p.Bob, room); e.Standing != api.StandingNone || e.Role != api.RoleParticipant {
		p.Errorf("who was unbanned is %+v", e)
	}

	// Of somebody who never came.
	p.Join("carol")
	id := p.waitName(p.Alice, "carol")
	p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActBan, Who: id})
	if got := p.standing(p.Alice, room, id); got != api.StandingOutcast {
		p.Errorf("carol is %s", got)
	}
}
