package node

import (
	"slices"
	"testing"
	"time"

	"p2pchat/node/api"
)

// TestPace: slow mode binds across a restart, and a nick stays with what was said
// under it; an ID of which a part is missing is nobody's.
func TestPace(t *testing.T) {
	t.Parallel()
	bobDir := newAccount(t, "bob")
	owner := start(t, newAccount(t, "owner"))
	bob := start(t, bobDir, owner)
	room := owner.create(t, api.CreateRoomRequest{Name: "slow"})
	wait(t, "the owner is online", func() bool { return bob.people.online(owner.key.ID()) })
	bob.enters(t, room, "")
	if _, err := owner.Configure(t.Context(), api.ConfigureRequest{Room: room, Set: []api.Setting{{Key: "slow_mode", Value: "1h"}}}); err != nil {
		t.Fatal(err)
	}
	wait(t, "bob knows", func() bool {
		s, err := bob.RoomState(t.Context(), room)
		return err == nil && s.Config["slow_mode"] == "1h0m0s"
	})
	bob.says(t, room, "one")
	bob.halt()
	bob = start(t, bobDir, owner)
	if _, err := bob.Send(t.Context(), api.SendRequest{Target: room, Text: "two"}); !api.IsCode(err, api.CodeTooFast) {
		t.Errorf("after a restart: %v", err)
	}
	if _, err := bob.JoinRoom(t.Context(), api.JoinRoomRequest{Room: room, Nick: "robert", Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []testNode{bob, owner} {
		wait(t, "bob is robert", func() bool {
			rows, err := n.Log(t.Context(), api.LogQuery{Target: room, All: true})
			return err == nil && slices.ContainsFunc(rows, func(m api.Message) bool { return m.Kind == api.MessageNick && m.Nick == "robert" })
		})
		rows, err := n.Log(t.Context(), api.LogQuery{Target: room})
		if err != nil || len(rows) != 1 || rows[0].Nick != "bob" {
			t.Errorf("what bob said as bob: %+v, %v", rows, err)
		}
	}
	// Whoever is out is still called what he was called there.
	for _, act := range []string{api.ActBan, api.ActUnban, api.ActBan} {
		if _, err := owner.Govern(t.Context(), api.GovernRequest{Room: room, Act: act, Who: "robert"}); err != nil {
			t.Errorf("%s by nick: %v", act, err)
		}
	}
	for _, who := range []string{"12D3KooW", "@robert", bob.key.ID().String()[:30]} {
		if _, err := owner.Govern(t.Context(), api.GovernRequest{Room: room, Act: api.ActBan, Who: who}); !api.IsCode(err, api.CodeNotFound) {
			t.Errorf("a ban of %s: %v", who, err)
		}
	}
}

// TestHistoryForNewcomers: who comes later gets what the room's setting says, sees
// who is there, under which nick, and the subject, also of somebody who has left, and
// hears all that is said from then on.
func TestHistoryForNewcomers(t *testing.T) {
	t.Parallel()
	for history, want := range map[string][]string{
		"none": {"after"}, "1": {"two", "after"}, "24h": {"bye", "one", "two", "after"}, "all": {"bye", "one", "two", "after"},
	} {
		t.Run(history, func(t *testing.T) {
			t.Parallel()
			all := crowd(t, "owner", "alice", "bob", "carol")
			owner, alice, bob, carol := all[0], all[1], all[2], all[3]
			room := owner.create(t, api.CreateRoomRequest{Name: "den", History: history})
			if _, err := owner.Configure(t.Context(), api.ConfigureRequest{Room: room, Set: []api.Setting{{Key: "subject_by", Value: "participants"}}}); err != nil {
				t.Fatal(err)
			}
			alice.enters(t, room, "")
			carol.enters(t, room, "")
			if _, err := carol.SetSubject(t.Context(), room, "the harbour"); err != nil {
				t.Fatal(err)
			}
			carol.says(t, room, "bye")
			owner.hears(t, room, "bye")
			alice.hears(t, room, "bye")
			if _, err := carol.LeaveRoom(t.Context(), room); err != nil {
				t.Fatal(err)
			}
			owner.hearsLeave(t, room)
			alice.hearsLeave(t, room)
			if _, err := alice.JoinRoom(t.Context(), api.JoinRoomRequest{Room: room, Nick: "al"}); err != nil {
				t.Fatal(err)
			}
			owner.says(t, room, "one")
			alice.hears(t, room, "one")
			alice.says(t, room, "two")
			owner.hears(t, room, "two")
			bob.enters(t, room, "")
			ms, err := bob.Members(t.Context(), room)
			if err != nil || len(ms) != 3 {
				t.Errorf("bob sees the members %+v, %v", ms, err)
			}
			owner.says(t, room, "after")
			bob.hears(t, room, "after")
			if r := bob.says(t, room, "me too"); r.State != api.Delivered {
				t.Errorf("bob's own line: %+v", r)
			}
			var got []string
			log, err := bob.Log(t.Context(), api.LogQuery{Target: room})
			for _, m := range log {
				got = append(got, m.Text)
			}
			if want := append(slices.Clone(want), "me too"); err != nil || !slices.Equal(got, want) {
				t.Errorf("bob's log %q, want %q, %v", got, want, err)
			}
			wait(t, "one state", func() bool {
				his, err := bob.RoomState(t.Context(), room)
				if err != nil {
					t.Fatal(err)
				}
				ours, err := owner.RoomState(t.Context(), room)
				return err == nil && his.Canonical == ours.Canonical && his.Subject == "the harbour"
			})
			nicks := map[string]bool{}
			for _, m := range ms {
				nicks[m.Nick] = true
			}
			if !nicks["al"] || !nicks["owner"] || !nicks["bob"] {
				t.Errorf("bob sees the nicks %v", nicks)
			}
		})
	}
}
