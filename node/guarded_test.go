package node

import (
	"testing"
	"time"

	"p2pchat/node/api"
)

// TestPasswordRoom: the right password lets in also where the owner is away,
// through whoever is there; a wrong one and none are told the same.
func TestPasswordRoom(t *testing.T) {
	t.Parallel()
	all := crowd(t, "owner", "alice", "bob", "carol")
	owner, alice, bob, carol := all[0], all[1], all[2], all[3]
	room := owner.create(t, api.CreateRoomRequest{Name: "vault", Password: []byte("open sesame")})
	if a, b := alice.refused(t, room, "wrong", api.CodeNotAuthorized), alice.refused(t, room, "", api.CodeNotAuthorized); a != b {
		t.Errorf("a wrong password and none are told apart: %q, %q", a, b)
	}
	alice.enters(t, room, "open sesame")
	owner.says(t, room, "welcome")
	alice.hears(t, room, "welcome")
	owner.halt()
	bob.refused(t, room, "open  sesame", api.CodeNotAuthorized)
	bob.enters(t, room, "open sesame")
	bob.says(t, room, "hello")
	alice.hears(t, room, "hello")
	bob.hears(t, room, "welcome") // history, from alice
	// Bob was let in by alice: he lets others in as well, and is served.
	alice.halt()
	carol.enters(t, room, "open sesame")
	carol.hears(t, room, "hello")
	rows, err := carol.Rooms(t.Context(), false)
	if err != nil || len(rows) != 1 || !rows[0].Password {
		t.Fatalf("carol's rooms: %+v, %v", rows, err)
	}
}

// TestNewPassword: a password puts nobody out; who comes later has to know it.
func TestNewPassword(t *testing.T) {
	t.Parallel()
	all := crowd(t, "owner", "alice", "bob")
	owner, alice, bob := all[0], all[1], all[2]
	room := owner.create(t, api.CreateRoomRequest{Name: "den"})
	alice.enters(t, room, "")
	if _, err := owner.Configure(t.Context(), api.ConfigureRequest{Room: room, Password: []byte("new")}); err != nil {
		t.Fatal(err)
	}
	owner.says(t, room, "guarded now")
	alice.hears(t, room, "guarded now")
	alice.says(t, room, "still here")
	owner.hears(t, room, "still here")
	bob.refused(t, room, "", api.CodeNotAuthorized)
	// Once alice knows the password, she lets in.
	r, err := alice.resolveRoom(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	wait(t, "alice knows the password", func() bool {
		generation, _, err := alice.store.Secret(t.Context(), r.ID())
		return err == nil && generation > 0
	})
	owner.halt()
	bob.enters(t, room, "new")
	bob.hears(t, room, "still here")
	alice2 := []byte("newer")
	if _, err := alice.Configure(t.Context(), api.ConfigureRequest{Room: room, Password: alice2}); !api.IsCode(err, api.CodeForbidden) {
		t.Errorf("a member sets a password: %v", err)
	}
}

// TestInvited: an invitation lets into a members-only room; it may be declined.
func TestInvited(t *testing.T) {
	t.Parallel()
	all := crowd(t, "owner", "alice", "bob")
	owner, alice, bob := all[0], all[1], all[2]
	room := owner.create(t, api.CreateRoomRequest{Name: "club", MembersOnly: true, Hidden: true})
	for _, who := range []string{"alice", "bob"} {
		if _, err := owner.Invite(t.Context(), room, who, "join us"); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []testNode{alice, bob} {
		wait(t, "invited", func() bool { list, err := n.Invitations(t.Context()); return err == nil && len(list) == 1 })
	}
	if _, err := alice.AnswerInvitation(t.Context(), api.AnswerRequest{Room: "club", Accept: true, Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.AnswerInvitation(t.Context(), api.AnswerRequest{Room: "#club", Reason: "busy"}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []testNode{alice, bob} {
		if list, err := n.Invitations(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("still invited: %+v, %v", list, err)
		}
	}
	alice.says(t, room, "here I am")
	owner.hears(t, room, "here I am")
	if _, err := bob.resolveRoom(t.Context(), room); !api.IsCode(err, api.CodeNotFound) {
		t.Errorf("who declined knows the room: %v", err)
	}
}
