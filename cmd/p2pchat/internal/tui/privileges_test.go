package tui

import (
	"slices"
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
			for act := range privileges {
				if act == actConfigure || act == api.ActDestroy {
					continue
				}
				lan := apitest.NewLAN()
				owner, me, other := lan.Join("owner"), lan.Join("me"), lan.Join("other")
				room := create(t, owner, api.CreateRoomRequest{Name: "dev"})
				join(t, me, room, "")
				join(t, other, room, "")
				said, err := other.Send(t.Context(), api.SendRequest{Target: room, Text: "hi"})
				if err != nil {
					t.Fatal(err)
				}
				target := other
				switch theirs {
				case "creator":
					target = owner
				case "self":
					target = me
				}
				set := func(n *apitest.FakeNode, standing string) {
					if standing == api.StandingNone {
						return
					}
					if _, err := owner.Govern(t.Context(), api.GovernRequest{Room: room, Act: api.ActGrant, Who: n.PeerID(), Standing: standing}); err != nil {
						t.Fatal(err)
					}
				}
				set(me, mine)
				if slices.Contains(ranks, theirs) || theirs == api.StandingOutcast {
					set(other, theirs)
				}
				if target != other {
					if said, err = target.Send(t.Context(), api.SendRequest{Target: room, Text: "hi"}); err != nil {
						t.Fatal(err)
					}
				}

				state, err := me.RoomState(t.Context(), room)
				if err != nil {
					t.Fatal(err)
				}
				m := newModel(me, Options{}, nil)
				m.self.PeerID = me.PeerID()
				tk := m.people.add(room, api.KindRoom)
				tk.room.rules.take(state)
				tk.room.Standing = mine
				p := m.personIn(tk, target.PeerID())
				why := whyNotTo(m.selfIn(tk), p, act)

				req := api.GovernRequest{Room: room, Act: act, Who: target.PeerID()}
				if standing, ok := grantOf(act); ok {
					req.Act, req.Standing = api.ActGrant, standing
				}
				if act == api.ActRetract {
					req.ID = said.ID
				}
				if act == api.ActUnban { // of who is not banned: asked wrongly
					req.Act, req.Standing = api.ActGrant, api.StandingNone
					if p.self {
						continue
					}
				}
				_, err = me.Govern(t.Context(), req)
				if err != nil && !api.IsCode(err, api.CodeForbidden) {
					t.Errorf("%s does %s to %s: %v", mine, act, theirs, err)
				}
				if (why == "") != (err == nil) {
					t.Errorf("%s does %s to %s: the UI says %q, the service %v", mine, act, theirs, why, err)
				}
			}
		}
	}
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
