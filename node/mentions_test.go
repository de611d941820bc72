package node

import (
	"testing"
	"time"

	"p2pchat/node/api"
)

// TestMentionsStay: what named us is counted after a restart and a change of nick
// as before, once, and no more when it was read. What is read reaches all logs.
func TestMentionsStay(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	alice, dir := start(t, newAccount(t, "alice")), newAccount(t, "bob")
	bob := start(t, dir, alice)
	carol := start(t, newAccount(t, "carol"), alice, bob)
	e, err := alice.CreateRoom(ctx, api.CreateRoomRequest{Name: "dev"})
	must(err)
	for _, r := range []struct {
		n    testNode
		nick string
	}{{bob, "hook"}, {carol, ""}} {
		_, err = r.n.JoinRoom(ctx, api.JoinRoomRequest{Room: e.RoomID, Nick: r.nick, Wait: time.Minute})
		must(err)
	}
	say := func(n testNode, text string) string {
		t.Helper()
		r, err := n.Send(ctx, api.SendRequest{Target: e.RoomID, Text: text, Wait: time.Minute})
		must(err)
		return r.ID
	}
	row := func() api.Room {
		t.Helper()
		rooms, err := bob.Rooms(ctx, false)
		must(err)
		return rooms[0]
	}
	want := func(unread, mentions int) {
		t.Helper()
		for range bob.Watch(ctx, 0) { // its row is told when anything of it changes
			if r := row(); r.Unread == unread && r.Mentions == mentions {
				return
			}
		}
		t.Fatalf("the room is %+v, want %d unread and %d mentions", row(), unread, mentions)
	}
	say(alice, "hook, are you there?")
	say(alice, "smee is away")
	for range 150 {
		say(carol, "chatter")
	}
	last := say(carol, "good night, Bob")
	want(153, 2)
	_, err = bob.JoinRoom(ctx, api.JoinRoomRequest{Room: e.RoomID, Nick: "smee", Wait: time.Minute})
	must(err)
	want(153, 2)
	bob.halt()
	r, err := OpenReader(ctx, dir, "test")
	must(err)
	if rooms, err := r.Rooms(ctx, false); err != nil || rooms[0].Unread != 153 || rooms[0].Mentions != 2 {
		t.Errorf("stored: %+v, %v", rooms, err)
	}
	must(r.Close())
	bob = start(t, dir, alice, carol)
	want(153, 2)
	must(bob.MarkRead(ctx, e.RoomID, last))
	want(0, 0)
	bob.halt()
	bob = start(t, dir, alice, carol)
	want(0, 0)
}
