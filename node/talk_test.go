package node

import (
	"testing"

	"p2pchat/node/api"
)

// TestTalk: what is fetched of the past makes way for what people say, and not for
// who comes in and who is here.
func TestTalk(t *testing.T) {
	t.Parallel()
	owner := start(t, newAccount(t, "owner"))
	alice := start(t, newAccount(t, "alice"), owner)
	wait(t, "alice sees the owner", func() bool { return alice.people.online(owner.key.ID()) })
	room := owner.create(t, api.CreateRoomRequest{Name: "dev"})
	alice.enters(t, room, "")
	wait(t, "each is known to be present", func() bool {
		for _, n := range []testNode{owner, alice} {
			if s, err := n.RoomStatus(t.Context(), room); err != nil || s.Present != 2 {
				return false
			}
		}
		return true
	})
	if owner.talk.underWay() || alice.talk.underWay() {
		t.Error("somebody came in, and counts as talking")
	}
	alice.says(t, room, "hello")
	owner.hears(t, room, "hello")
	if !owner.talk.underWay() || !alice.talk.underWay() {
		t.Error("somebody spoke, and does not count as talking")
	}
}
