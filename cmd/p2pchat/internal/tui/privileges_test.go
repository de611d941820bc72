package tui

import (
	"testing"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// What the UI says one may do is what the service lets one do: everybody tries
// everything on everybody, in rooms of their own.
func TestPrivileges(t *testing.T) {
	t.Parallel()
	ranks := []string{api.StandingNone, api.StandingMember, api.StandingModerator, api.StandingAdmin, api.StandingOwner}
	targets := append([]string{api.StandingOutcast, "creator", "self"}, ranks...)
	for _, mine := range ranks {
		for _, theirs := range targets {
			var c *chamber // anew after every act that worked
			for act := range privileges {
				if act == actConfigure || act == api.ActDestroy {
					continue
				}
				if c == nil {
					c = newChamber(t, mine, theirs)
				}
				why, err := c.try(t, act)
				if err != nil && !api.IsCode(err, api.CodeForbidden) {
					t.Errorf("%s does %s to %s: %v", mine, act, theirs, err)
				}
				if (why == "") != (err == nil) {
					t.Errorf("%s does %s to %s: the UI says %q, the service %v", mine, act, theirs, why, err)
				}
				if err == nil {
					c = nil
				}
			}
		}
	}
}

// chamber is a room in which me tries acts on target.
type chamber struct {
	me, target *apitest.FakeNode
	mine       string
	room, said string // IDs of the room, and of a message of the target's
}

func newChamber(t *testing.T, mine, theirs string) *chamber {
	t.Helper()
	lan := apitest.NewLAN()
	owner, me, other := lan.Join("owner"), lan.Join("me"), lan.Join("other")
	c := &chamber{me: me, target: other, mine: mine, room: create(t, owner, api.CreateRoomRequest{Name: "dev"})}
	join(t, me, c.room, "")
	join(t, other, c.room, "")
	switch theirs {
	case "creator":
		c.target = owner
	case "self":
		c.target = me
	}
	said, err := c.target.Send(t.Context(), api.SendRequest{Target: c.room, Text: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	c.said = said.ID
	set := func(n *apitest.FakeNode, standing string) {
		if standing == api.StandingNone {
			return
		}
		if _, err := owner.Govern(t.Context(), api.GovernRequest{Room: c.room, Act: api.ActGrant, Who: n.PeerID(), Standing: standing}); err != nil {
			t.Fatal(err)
		}
	}
	set(me, mine)
	if c.target == other {
		set(other, theirs)
	}
	return c
}

// try has me do an act, and says what the UI says of it.
func (c *chamber) try(t *testing.T, act string) (why string, err error) {
	t.Helper()
	state, err := c.me.RoomState(t.Context(), c.room)
	if err != nil {
		t.Fatal(err)
	}
	m := newModel(c.me, Options{}, nil)
	m.self.PeerID = c.me.PeerID()
	tk := m.people.add(c.room, api.KindRoom)
	tk.room.rules.take(state)
	tk.room.Standing = c.mine
	why = whyNotTo(m.selfIn(tk), m.personIn(tk, c.target.PeerID()), act)

	r := api.GovernRequest{Room: c.room, Act: act, Who: c.target.PeerID(), ID: c.said}
	if standing, ok := grantOf(act); ok {
		r.Act, r.Standing = api.ActGrant, standing
	}
	_, err = c.me.Govern(t.Context(), r)
	if act == api.ActUnban && api.IsCode(err, api.CodeUsage) { // not banned: another grant is judged alike
		r.Act, r.Standing = api.ActGrant, api.StandingNone
		if c.me == c.target {
			return "", nil // but for oneself
		}
		_, err = c.me.Govern(t.Context(), r)
	}
	return why, err
}

func grantOf(act string) (string, bool) {
	for s := range ladder {
		if act == grant(s) {
			return s, true
		}
	}
	return "", false
}

// The same for what needs nobody: the subject, inviting, writing privately,
// configuring, destroying.
func TestRoomPrivileges(t *testing.T) {
	t.Parallel()
	for _, config := range [][]api.Setting{
		nil,
		{{Key: "moderated", Value: "true"}},
		{{Key: "subject_by", Value: "participants"}, {Key: "invite_by", Value: "moderators"}, {Key: "pm_by", Value: "moderators"}},
		{{Key: "moderated", Value: "true"}, {Key: "subject_by", Value: "participants"}, {Key: "invite_by", Value: "everyone"}, {Key: "pm_by", Value: "nobody"}},
		{{Key: "access", Value: "members-only"}},
	} {
		for _, mine := range []string{api.StandingNone, api.StandingMember, api.StandingModerator, api.StandingAdmin, api.StandingOwner} {
			lan := apitest.NewLAN()
			owner, me, other, guest := lan.Join("owner"), lan.Join("me"), lan.Join("other"), lan.Join("guest")
			room := create(t, owner, api.CreateRoomRequest{Name: "dev"})
			join(t, me, room, "")
			join(t, other, room, "")
			for n, standing := range map[*apitest.FakeNode]string{me: mine, other: api.StandingMember} {
				if standing != api.StandingNone {
					if _, err := owner.Govern(t.Context(), api.GovernRequest{Room: room, Act: api.ActGrant, Who: n.PeerID(), Standing: standing}); err != nil {
						t.Fatal(err)
					}
				}
			}
			if len(config) > 0 {
				if _, err := owner.Configure(t.Context(), api.ConfigureRequest{Room: room, Set: config}); err != nil {
					t.Fatal(err)
				}
			}
			rows, err := me.Rooms(t.Context(), false)
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) == 0 {
				continue // put out
			}
			state, err := me.RoomState(t.Context(), room)
			if err != nil {
				t.Fatal(err)
			}
			members, err := me.Members(t.Context(), room)
			if err != nil {
				t.Fatal(err)
			}
			m := newModel(me, Options{}, nil)
			m.self.PeerID = me.PeerID()
			m.people.setRoom(rows[0])
			tk := m.people.byKey[room]
			tk.room.members.set(members)
			tk.room.rules.take(state)
			try := func(what, why string, err error) {
				if err != nil && !api.IsCode(err, api.CodeForbidden) {
					t.Errorf("%s: %s with %v: %v", what, mine, config, err)
				}
				if (why == "") != (err == nil) {
					t.Errorf("%s: %s with %v: the UI says %q, the service %v", what, mine, config, why, err)
				}
			}
			_, err = me.SetSubject(t.Context(), room, "x")
			try("subject", m.whyNoSubject(tk), err)
			_, err = me.Invite(t.Context(), room, guest.PeerID(), "")
			try("invite", m.whyNoInvite(tk, m.personIn(tk, guest.PeerID()).standing), err)
			_, err = me.SendPrivate(t.Context(), room, other.PeerID(), "x", 0)
			try("private", m.whyNoPrivate(tk, m.personIn(tk, other.PeerID())), err)
			_, err = me.Send(t.Context(), api.SendRequest{Target: room, Text: "x"})
			try("speak", m.whyMute(tk), err)
			_, err = me.Configure(t.Context(), api.ConfigureRequest{Room: room, Set: []api.Setting{{Key: "description", Value: "x"}}})
			try("configure", whyNot(mine, actConfigure), err)
			_, err = me.Govern(t.Context(), api.GovernRequest{Room: room, Act: api.ActDestroy})
			try("destroy", whyNot(mine, api.ActDestroy), err)
		}
	}
}
