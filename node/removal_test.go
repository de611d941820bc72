package node

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"

	"p2pchat/node/api"
	"p2pchat/node/internal/gossip"
	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
)

// TestRemovedHearsNothing: who is removed from a members-only room gets no key
// that anything is sealed with afterwards; the others go on, also one who was
// away when the epoch changed.
func TestRemovedHearsNothing(t *testing.T) {
	t.Parallel()
	all := crowd(t, "owner", "alice", "bob", "mallory")
	owner, alice, bob, mallory := all[0], all[1], all[2], all[3]
	room := owner.create(t, api.CreateRoomRequest{Name: "board", MembersOnly: true})
	mallory.refused(t, room, "", api.CodeMembershipRequired)
	for _, n := range []testNode{alice, bob, mallory} {
		owner.governs(t, api.GovernRequest{Room: room, Act: api.ActGrant, Who: n.self.account().Name, Standing: api.StandingMember})
		n.enters(t, room, "")
	}
	mallory.says(t, room, "hi all")
	bob.hears(t, room, "hi all")
	before := keysOf(t, mallory, room)
	owner.governs(t, api.GovernRequest{Room: room, Act: api.ActBan, Who: "mallory", Reason: "spam"})
	wait(t, "mallory is told", func() bool {
		rows, err := mallory.Rooms(t.Context(), false)
		return err == nil && len(rows) == 0
	})
	for i, n := range []testNode{owner, alice, bob} {
		text := []string{"one", "two", "three"}[i]
		n.says(t, room, text)
		for _, m := range []testNode{owner, alice, bob} {
			m.hears(t, room, text)
		}
	}
	if after := keysOf(t, mallory, room); len(after) != len(before) {
		t.Errorf("the removed has %d keys, had %d", len(after), len(before))
	}
	if mallory.has(t, room, "one") || mallory.has(t, room, "two") || mallory.has(t, room, "three") {
		t.Error("the removed heard what was said afterwards")
	}
	s, err := alice.RoomStatus(t.Context(), room)
	if err != nil || s.Epoch == room || s.Epoch == "" {
		t.Errorf("after a ban the epoch is %q, %v", s.Epoch, err)
	}
	mallory.refused(t, room, "", api.CodeBanned)
	if _, err := mallory.Send(t.Context(), api.SendRequest{Target: room, Text: "let me in"}); !api.IsCode(err, api.CodeBanned) {
		t.Errorf("the removed speaks on: %v", err)
	}
}

// tap is a capture of what arrives at a node on GossipSub, as one has it who also
// has the keys of the connections.
type tap struct {
	gossip.Untraced
	mu       sync.Mutex
	payloads [][]byte
}

func (c *tap) RecvRPC(rpc *pubsub.RPC) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range rpc.GetPublish() {
		c.payloads = append(c.payloads, bytes.Clone(m.GetData()))
	}
}

func (c *tap) all() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.payloads)
}

// TestCaptureAfterRemoval: with a capture of everything that is said in a room,
// and all keys he has, who was removed reads what was said before, and nothing
// that was said after he was gone.
func TestCaptureAfterRemoval(t *testing.T) {
	t.Parallel()
	for what, how := range map[string]struct {
		room     api.CreateRoomRequest
		password string
	}{
		"members-only": {api.CreateRoomRequest{Name: "board", MembersOnly: true}, ""},
		"password":     {api.CreateRoomRequest{Name: "den", Password: []byte("correct horse")}, "correct horse"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			owner := start(t, newAccount(t, "owner"))
			capture := &tap{}
			alice := startWith(t, newAccount(t, "alice"), Seams{Gossip: capture}, owner)
			bob := start(t, newAccount(t, "bob"), owner, alice)
			mallory := start(t, newAccount(t, "mallory"), owner, alice, bob)
			room := owner.create(t, how.room)
			for _, n := range []testNode{alice, bob, mallory} {
				if how.room.MembersOnly {
					wait(t, "the owner knows him", func() bool { _, err := owner.resolve(n.self.account().Name); return err == nil })
					owner.governs(t, api.GovernRequest{Room: room, Act: api.ActGrant, Who: n.self.account().Name, Standing: api.StandingMember})
				}
				n.enters(t, room, how.password)
			}
			onTopic(t, roomID(t, room), owner, alice, bob, mallory)
			owner.says(t, room, "before")
			for _, n := range []testNode{alice, bob, mallory} {
				n.hears(t, room, "before")
			}
			wait(t, "the capture holds what his keys open", func() bool {
				return slices.Contains(opened(t, mallory, room, capture.all()), "before")
			})
			owner.governs(t, api.GovernRequest{Room: room, Act: api.ActBan, Who: "mallory"})
			wait(t, "mallory is told", func() bool {
				rows, err := mallory.Rooms(t.Context(), false)
				return err == nil && len(rows) == 0
			})
			for _, n := range []testNode{alice, bob} {
				wait(t, "the others know", func() bool {
					rows, err := n.Members(t.Context(), room)
					return err == nil && len(rows) == 3
				})
			}
			for i, n := range []testNode{owner, bob} {
				text := fmt.Sprint("after ", i)
				n.says(t, room, text)
				alice.hears(t, room, text)
			}
			// The texts may come by sync, before the envelopes and their key.
			wait(t, "a member's keys open what was said", func() bool {
				texts := opened(t, alice, room, capture.all())
				return slices.Contains(texts, "after 0") && slices.Contains(texts, "after 1")
			})
			for _, text := range opened(t, mallory, room, capture.all()) {
				if text != "before" {
					t.Errorf("the keys of the removed open %q", text)
				}
			}
		})
	}
}

// opened lists the texts that any of a node's keys for a room opens, under
// whatever epoch.
func opened(t *testing.T, n testNode, room string, payloads [][]byte) (texts []string) {
	t.Helper()
	id := roomID(t, room)
	keys, err := n.store.Epochs(t.Context(), id)
	if err != nil || len(keys) == 0 {
		t.Fatalf("no keys: %v", err)
	}
	for _, p := range payloads {
		e, err := envelope.Decode(p)
		if err != nil {
			continue // of another topic
		}
		for _, k := range keys {
			c, err := e.Open(id, k)
			if err != nil {
				continue
			}
			for _, e := range c.Events {
				if text, err := event.DecodeText(e.Body); e.Kind == event.KindText && err == nil {
					texts = append(texts, text)
				}
			}
			break
		}
	}
	return texts
}

func keysOf(t *testing.T, n testNode, room string) []string {
	t.Helper()
	r, err := n.resolveRoom(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := n.store.Epochs(t.Context(), r.ID())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for id := range keys {
		out = append(out, id.String())
	}
	return out
}

// TestDestroyed: everybody is told, also who was away, and nobody enters again.
func TestDestroyed(t *testing.T) {
	t.Parallel()
	ownerDir, aliceDir, bobDir := newAccount(t, "owner"), newAccount(t, "alice"), newAccount(t, "bob")
	owner := start(t, ownerDir)
	alice := start(t, aliceDir, owner)
	bob := start(t, bobDir, owner, alice)
	room := owner.create(t, api.CreateRoomRequest{Name: "old"})
	next := owner.create(t, api.CreateRoomRequest{Name: "new"})
	for _, n := range []testNode{alice, bob} {
		wait(t, "the owner is online", func() bool { return n.people.online(owner.key.ID()) })
		n.enters(t, room, "")
	}
	owner.says(t, room, "last words")
	bob.hears(t, room, "last words")
	bob.halt()
	carol := start(t, newAccount(t, "carol"), owner, alice)
	carol.enters(t, room, "")
	if _, err := carol.LeaveRoom(t.Context(), room); err != nil {
		t.Fatal(err)
	}
	owner.hearsLeave(t, room)
	owner.governs(t, api.GovernRequest{Room: room, Act: api.ActDestroy, Reason: "moving", Alternate: next})
	gone := func(n testNode) func() bool {
		return func() bool {
			rows, err := n.Rooms(t.Context(), false)
			return err == nil && !slices.ContainsFunc(rows, func(r api.Room) bool { return r.RoomID == room })
		}
	}
	wait(t, "alice is told", gone(alice))
	bob = start(t, bobDir, owner, alice)
	wait(t, "bob is told when he comes back", gone(bob))
	s, err := bob.RoomState(t.Context(), room)
	if err != nil || !s.Destroyed || s.Reason != "moving" || s.Alternate != next {
		t.Errorf("bob's state: %+v, %v", s, err)
	}
	if !bob.has(t, room, "last words") {
		t.Error("what was said before is gone")
	}
	// Who had left is told when he wants in again, and is not offered it.
	_, err = carol.JoinRoom(t.Context(), api.JoinRoomRequest{Room: "old", Wait: time.Minute})
	if !api.IsCode(err, api.CodeDestroyed) || !strings.Contains(err.Error(), "moving") || !strings.Contains(err.Error(), next) {
		t.Errorf("who had left is told %v", err)
	}
	if rows, err := carol.Rooms(t.Context(), true); err != nil || slices.ContainsFunc(rows, func(r api.Room) bool { return r.RoomID == room }) {
		t.Errorf("who had left is shown %+v, %v", rows, err)
	}
}

// hearsLeave waits until somebody's leave is in the log.
func (n testNode) hearsLeave(t *testing.T, room string) {
	t.Helper()
	wait(t, "the leave", func() bool {
		rows, err := n.Log(t.Context(), api.LogQuery{Target: room, All: true})
		return err == nil && slices.ContainsFunc(rows, func(m api.Message) bool { return m.Kind == api.MessageLeave })
	})
}

// TestKickedAndBack: a kick puts out now; the kicked may come back, and is heard.
func TestKickedAndBack(t *testing.T) {
	t.Parallel()
	all := crowd(t, "owner", "alice")
	owner, alice := all[0], all[1]
	room := owner.create(t, api.CreateRoomRequest{Name: "bar"})
	alice.enters(t, room, "")
	alice.says(t, room, "before")
	owner.hears(t, room, "before")
	owner.governs(t, api.GovernRequest{Room: room, Act: api.ActKick, Who: "alice", Reason: "too loud"})
	wait(t, "alice is out", func() bool {
		rows, err := alice.Rooms(t.Context(), false)
		return err == nil && len(rows) == 0
	})
	if !owner.has(t, room, "before") {
		t.Error("what the kicked had said is gone")
	}
	_, err := alice.Send(t.Context(), api.SendRequest{Target: room, Text: "still here?"})
	if !api.IsCode(err, api.CodeNotJoined) || !strings.Contains(err.Error(), "owner kicked alice: too loud") {
		t.Errorf("she is not told why she is out: %v", err)
	}
	alice.enters(t, room, "")
	alice.says(t, room, "after")
	owner.hears(t, room, "after")
}

// TestNobodyBansHimself, by whatever name.
func TestNobodyBansHimself(t *testing.T) {
	t.Parallel()
	all := crowd(t, "owner", "alice")
	owner, alice := all[0], all[1]
	room := owner.create(t, api.CreateRoomRequest{Name: "den"})
	alice.enters(t, room, "")
	owner.governs(t, api.GovernRequest{Room: room, Act: api.ActGrant, Who: alice.key.ID().String(), Standing: "admin"})
	wait(t, "alice is an admin", func() bool {
		return alice.standing(t, room) == "admin"
	})
	for _, q := range []api.GovernRequest{{Act: api.ActBan}, {Act: api.ActGrant, Standing: "outcast"}} {
		q.Room, q.Who = room, alice.key.ID().String()
		if _, err := alice.Govern(t.Context(), q); !api.IsCode(err, api.CodeForbidden) {
			t.Errorf("%s %s: %v", q.Act, q.Standing, err)
		}
	}
	if got := alice.standing(t, room); got != "admin" {
		t.Errorf("alice is %q", got)
	}
}
