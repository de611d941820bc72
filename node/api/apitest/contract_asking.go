package apitest

import (
	"slices"

	"p2pchat/node/api"
)

func testRoomVoice(p *party) {
	room := p.create(api.CreateRoomRequest{Name: "hall", Moderated: true})
	w := p.watch(p.Alice)
	defer w.stop()
	e, err := p.Bob.JoinRoom(p.ctx, api.JoinRoomRequest{Room: room, Wait: patience})
	if err != nil || e.Role != api.RoleVisitor {
		p.Fatalf("join of a moderated room: %+v, %v", e, err)
	}
	p.eventually("alice sees the visitor", func() bool { m, in := p.member(p.Alice, room, p.bobID); return in && m.Role == api.RoleVisitor })
	_, err = p.Bob.Send(p.ctx, api.SendRequest{Target: room, Text: "hi"})
	p.refused("send by a visitor", err, api.CodeForbidden)
	p.eventually("bob sees alice", func() bool { _, in := p.member(p.Bob, room, p.aliceID); return in })
	if e, err := p.Bob.RequestVoice(p.ctx, room); err != nil || e.Role != api.RoleVisitor {
		p.Fatalf("request of voice: %+v, %v", e, err)
	}
	asked := w.until("alice is asked for voice", func(c api.Change) bool { return c.Type == api.ChangeVoiceRequest }).VoiceRequest
	if *asked != (api.VoiceRequest{RoomID: room, PeerID: p.bobID, Name: "bob"}) {
		p.Errorf("alice was asked %+v", asked)
	}
	p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActVoice, Who: "bob"})
	p.eventually("bob has voice", func() bool { return p.entry(p.Bob, room).Role == api.RoleParticipant })
	p.say(p.Bob, room, "thanks")
	_, err = p.Bob.RequestVoice(p.ctx, room)
	p.refused("request of voice by who has it", err, api.CodeUsage)

	// Devoice silences a member too, wherever he is.
	p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActGrant, Who: "bob", Standing: api.StandingMember})
	p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActDevoice, Who: "bob", Reason: "noise"})
	p.configure(p.Alice, room, api.Setting{Key: "moderated", Value: "false"})
	p.settle(room, p.Alice, p.Bob)
	_, err = p.Bob.Send(p.ctx, api.SendRequest{Target: room, Text: "hi"})
	p.refused("send by who was silenced", err, api.CodeForbidden)
	if m, _ := p.member(p.Alice, room, p.bobID); m.Role != api.RoleVisitor || m.Standing != api.StandingMember {
		p.Errorf("who was silenced is %+v", m)
	}
	if log := p.log(p.Alice, api.LogQuery{Target: room}); len(log) != 1 || log[0].Text != "thanks" {
		p.Errorf("the log is %+v", log)
	}
}

// What a moderator took back leaves a tombstone.
func testRoomRetract(p *party) {
	room := p.meet()
	r := p.say(p.Bob, room, "/me spams")
	keep := p.say(p.Bob, room, "more")
	mine, theirs := p.watch(p.Alice), p.watch(p.Bob)
	defer mine.stop()
	defer theirs.stop()
	p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActRetract, ID: r.ID, Reason: "spam"})
	for name, side := range map[string]struct {
		w   *watcher
		svc api.Service
	}{"alice": {mine, p.Alice}, "bob": {theirs, p.Bob}} {
		side.w.until(name+" is told", func(c api.Change) bool {
			return c.Type == api.ChangeMessage && c.Message.ID == r.ID && c.Message.Retracted
		})
		log := p.log(side.svc, api.LogQuery{Target: room})
		if len(log) != 2 || !log[0].Retracted || log[0].Text != "" || log[0].Author != p.bobID || log[1].ID != keep.ID || log[1].Retracted || log[1].Text != "more" {
			p.Errorf("%s's log is %+v", name, log)
		}
		if got := side.w.messages[r.ID]; len(log) == 2 && !sameMessage(got, log[0]) {
			p.Errorf("%s watched %+v, asked %+v", name, got, log[0])
		}
	}
}

func testRoomSubject(p *party) {
	room := p.meet()
	w := p.watch(p.Bob)
	defer w.stop()
	for _, subject := range []string{"<release> on Friday \u202e", ""} {
		if e, err := p.Alice.SetSubject(p.ctx, "#dev", subject); err != nil || e.RoomID != room || e.Role != api.RoleOwner {
			p.Fatalf("subject: %+v, %v", e, err)
		}
		w.until("bob is told", func(api.Change) bool { return w.rooms[room].RoomID != "" && w.rooms[room].Subject == subject })
		for _, svc := range []api.Service{p.Alice, p.Bob} {
			if got := p.entry(svc, room).Subject; got != subject {
				p.Errorf("the subject is %q, want %q", got, subject)
			}
		}
	}
	var got []string
	for _, m := range p.log(p.Bob, api.LogQuery{Target: room, All: true}) {
		if m.Kind == api.MessageSubject {
			got = append(got, m.Text)
		}
	}
	if !slices.Equal(got, []string{"<release> on Friday \u202e", ""}) {
		p.Errorf("bob's log has the subjects %q", got)
	}
	for subject, want := range map[string]api.Code{"two\nlines": api.CodeBadText, "a\xff": api.CodeBadText, long(api.MaxSubject + 1): api.CodeTooLong} {
		_, err := p.Alice.SetSubject(p.ctx, room, subject)
		p.refused("a wrong subject", err, want)
	}
	p.configure(p.Alice, room, api.Setting{Key: "subject_by", Value: "participants"})
	p.settle(room, p.Alice, p.Bob)
	_, err := p.Bob.SetSubject(p.ctx, room, "bob's")
	p.must(err)
	p.eventually("alice sees it", func() bool { return p.entry(p.Alice, room).Subject == "bob's" })
}

func (p *party) invitations(svc api.Service) []api.Invitation {
	p.Helper()
	rows, err := svc.Invitations(p.ctx)
	p.must(err)
	if rows == nil {
		p.Error("Invitations returned null instead of an empty list")
	}
	return rows
}

// invite asks bob into a room of alice's and waits until he knows.
func (p *party) invite(room, reason string) api.Invitation {
	p.Helper()
	w := p.watch(p.Bob)
	defer w.stop()
	_, err := p.Alice.Invite(p.ctx, room, "bob", reason)
	p.must(err)
	i := w.until("bob is invited", func(c api.Change) bool { return c.Type == api.ChangeInvitation }).Invitation
	if i.RoomID != room || i.PeerID != p.aliceID || i.Name != "alice" || i.Reason != reason || i.ID == "" || i.Time.IsZero() {
		p.Errorf("bob is invited by %+v", i)
	}
	if rows := p.invitations(p.Bob); len(rows) != 1 || rows[0] != *i {
		p.Errorf("bob's invitations are %+v, want %+v", rows, i)
	}
	return *i
}

// answered waits for an answer about room in alice's conversation with bob.
func (p *party) answered(room, text string) {
	p.Helper()
	p.eventually("alice reads: "+text, func() bool {
		return slices.ContainsFunc(p.log(p.Alice, api.LogQuery{Target: p.bobID, All: true}), func(m api.Message) bool {
			return m.Kind == api.MessageAnswer && m.Author == p.bobID && m.Text == text && m.Room == room
		})
	})
	if rows := p.invitations(p.Bob); len(rows) != 0 {
		p.Errorf("after the answer bob's invitations are %+v", rows)
	}
	if log := p.log(p.Alice, api.LogQuery{Target: p.bobID}); len(log) != 0 {
		p.Errorf("invitations and answers are listed: %+v", log)
	}
}

func testRoomInvite(p *party) {
	if rows := p.invitations(p.Bob); len(rows) != 0 {
		p.Errorf("invitations before there are any: %+v", rows)
	}
	room := p.create(api.CreateRoomRequest{Name: "cellar", Hidden: true})
	answer := func(target string, accept bool) (api.Entry, error) {
		return p.Bob.AnswerInvitation(p.ctx, api.AnswerRequest{Room: target, Accept: accept, Wait: patience})
	}
	_, err := answer("#cellar", true)
	p.refused("accept without an invitation", err, api.CodeNotFound)

	p.invite(room, "we need you")
	if log := p.log(p.Bob, api.LogQuery{Target: "alice", All: true}); len(log) != 1 || log[0].Kind != api.MessageInvite || log[0].Room != room {
		p.Errorf("bob's log is %+v", log)
	}
	e, err := p.Bob.AnswerInvitation(p.ctx, api.AnswerRequest{Room: "#cellar", Reason: "no time"})
	if err != nil || e != (api.Entry{RoomID: room, Standing: api.StandingNone, Role: api.RoleNone}) {
		p.Errorf("decline: %+v, %v", e, err)
	}
	p.answered(room, "declined: no time")
	if rows := p.rooms(p.Bob, false); len(rows) != 0 {
		p.Errorf("after declining bob is in %+v", rows)
	}

	i := p.invite(room, "")
	if e, err = answer(i.ID, true); err != nil || e != (api.Entry{RoomID: room, Standing: api.StandingNone, Role: api.RoleParticipant}) {
		p.Errorf("accept: %+v, %v", e, err)
	}
	p.answered(room, "accepted")
	p.say(p.Bob, room, "here I am")
	_, err = answer(room, false)
	p.refused("decline after accepting", err, api.CodeNotFound)

	// One that is overtaken waits no more.
	_, err = p.Bob.LeaveRoom(p.ctx, room)
	p.must(err)
	p.invite(room, "again")
	p.join(p.Bob, room)
	if rows := p.invitations(p.Bob); len(rows) != 0 {
		p.Errorf("after entering bob's invitations are %+v", rows)
	}
	_, err = p.Alice.Invite(p.ctx, room, "nobody", "")
	p.refused("invite of nobody", err, api.CodeNotFound)
	_, err = p.Alice.Invite(p.ctx, room, "bob", long(api.MaxReason+1))
	p.refused("invite with a long reason", err, api.CodeTooLong)
}

func testRoomInviteMembersOnly(p *party) {
	e, err := p.Alice.CreateRoom(p.ctx, api.CreateRoomRequest{Name: "board", MembersOnly: true, Password: []byte("sesame")})
	p.must(err)
	room := e.RoomID
	p.invite(room, "")
	if got := p.standing(p.Alice, room, p.bobID); got != api.StandingMember {
		p.Errorf("who was invited is %s", got)
	}
	r := api.AnswerRequest{Room: "board", Accept: true, Wait: patience}
	_, err = p.Bob.AnswerInvitation(p.ctx, r)
	p.refused("accept without the password", err, api.CodeNotAuthorized)
	if rows := p.invitations(p.Bob); len(rows) != 1 {
		p.Errorf("after a refusal bob's invitations are %+v", rows)
	}
	r.Password, r.Nick = []byte("sesame"), "robert"
	if e, err := p.Bob.AnswerInvitation(p.ctx, r); err != nil || e != (api.Entry{RoomID: room, Standing: api.StandingMember, Role: api.RoleParticipant}) {
		p.Errorf("accept: %+v, %v", e, err)
	}
	if row := p.entry(p.Bob, room); row.Nick != "robert" {
		p.Errorf("bob's row is %+v", row)
	}
	// A member who may make no members invites nobody into a room for members.
	p.Join("carol")
	_, err = p.Bob.Invite(p.ctx, room, p.waitName(p.Bob, "carol"), "")
	p.refused("invite by a member", err, api.CodeForbidden)
}

func testRoomPrivate(p *party) {
	room := p.meet()
	_, err := p.Bob.JoinRoom(p.ctx, api.JoinRoomRequest{Room: room, Nick: "robert"})
	p.must(err)
	p.eventually("alice sees the nick", func() bool { m, _ := p.member(p.Alice, room, p.bobID); return m.Nick == "robert" })
	for i, who := range []string{"robert", "bob", p.bobID} {
		r, err := p.Alice.SendPrivate(p.ctx, "#dev", who, "between us", patience)
		if err != nil || r.Conversation != p.conversation || r.State != api.Delivered || r.Acked != 1 || r.Members != 1 {
			p.Fatalf("private message to %s: %+v, %v", who, r, err)
		}
		for _, svc := range []api.Service{p.Alice, p.Bob} {
			log := p.log(svc, api.LogQuery{Target: p.other(svc)})
			if len(log) != i+1 {
				p.Fatalf("the log is %+v", log)
			}
			if m := log[i]; m.ID != r.ID || m.Kind != api.MessagePrivate || m.Text != "between us" || m.Room != room {
				p.Errorf("the message is %+v", m)
			}
		}
	}
	if got := p.row(p.Bob, p.aliceID).Unread; got != 3 {
		p.Errorf("%d unread, want 3", got)
	}
	if log := p.log(p.Bob, api.LogQuery{Target: room}); len(log) != 0 {
		p.Errorf("the room has heard %+v", log)
	}
	_, err = p.Alice.SendPrivate(p.ctx, room, "bob", "", 0)
	p.refused("a private message without text", err, api.CodeBadText)
	p.Join("carol")
	_, err = p.Alice.SendPrivate(p.ctx, room, p.waitName(p.Alice, "carol"), "hi", 0)
	p.refused("a private message to who is not in the room", err, api.CodeNotFound)

	p.configure(p.Alice, room, api.Setting{Key: "pm_by", Value: "moderators"})
	p.settle(room, p.Alice, p.Bob)
	if _, err := p.Bob.SendPrivate(p.ctx, room, "alice", "to an owner", patience); err != nil {
		p.Errorf("private message to an owner: %v", err)
	}
	p.configure(p.Alice, room, api.Setting{Key: "pm_by", Value: "nobody"})
	p.settle(room, p.Alice, p.Bob)
	for who, svc := range map[string]api.Service{"alice": p.Bob, "bob": p.Alice} {
		_, err := svc.SendPrivate(p.ctx, room, who, "hi", 0)
		p.refused("private message where nobody may", err, api.CodeForbidden)
	}
}

// other is the one of alice and bob that svc is not.
func (p *party) other(svc api.Service) string {
	p.Helper()
	if p.whoami(svc).PeerID == p.aliceID {
		return p.bobID
	}
	return p.aliceID
}

func testRoomAudit(p *party) {
	room := p.meet()
	p.does(p.Alice, api.GovernRequest{Room: room, Act: api.ActGrant, Who: "bob", Standing: api.StandingModerator, Reason: "help"})
	p.configure(p.Alice, room, api.Setting{Key: "moderated", Value: "true"})
	p.settle(room, p.Alice, p.Bob)
	for name, svc := range map[string]api.Service{"alice": p.Alice, "bob": p.Bob} {
		rows, err := svc.Audit(p.ctx, "#dev")
		if err != nil || len(rows) != 3 {
			p.Fatalf("%s's audit is %+v, %v", name, rows, err)
		}
		for i, row := range rows {
			if row.ID == "" || row.Time.IsZero() || row.PeerID != p.aliceID || row.Name != "alice" || row.Rank != api.StandingOwner ||
				!row.Effective || row.Why == "" || row.Act != []string{"genesis", "set", "configure"}[i] || i > 0 && row.Authority != rows[0].ID {
				p.Errorf("%s's row %d is %+v", name, i, row)
			}
		}
		if rows[0].ID != room || rows[0].Authority != "" || rows[1].Target != p.bobID || rows[1].Did != "made bob moderator: help" || rows[2].Target != "" {
			p.Errorf("%s's audit is %+v", name, rows)
		}
	}
}
