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

// crowd starts n nodes that know each other; the first is the room's creator.
func crowd(t *testing.T, names ...string) []testNode {
	t.Helper()
	var all []testNode
	for _, name := range names {
		all = append(all, start(t, newAccount(t, name), all...))
	}
	for _, n := range all {
		for _, name := range names {
			if id, _ := n.Whoami(t.Context()); id.Name != name {
				wait(t, name+" online", func() bool { id, err := n.resolve(name); return err == nil && n.people.online(id) })
			}
		}
	}
	return all
}

func (n testNode) create(t *testing.T, r api.CreateRoomRequest) string {
	t.Helper()
	e, err := n.CreateRoom(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return e.RoomID
}

func (n testNode) enters(t *testing.T, room, password string) {
	t.Helper()
	if _, err := n.JoinRoom(t.Context(), api.JoinRoomRequest{Room: room, Password: []byte(password), Wait: time.Minute}); err != nil {
		t.Fatalf("%s enters: %v", n.self.account().Name, err)
	}
}

func (n testNode) says(t *testing.T, room, text string) api.Receipt {
	t.Helper()
	r, err := n.Send(t.Context(), api.SendRequest{Target: room, Text: text, Wait: time.Minute})
	if err != nil {
		t.Fatalf("%s says %q: %v", n.self.account().Name, text, err)
	}
	return r
}

func (n testNode) hears(t *testing.T, room, text string) {
	t.Helper()
	wait(t, n.self.account().Name+" hears "+text, func() bool { return n.has(t, room, text) })
}

func (n testNode) has(t *testing.T, room, text string) bool {
	t.Helper()
	log, err := n.Log(t.Context(), api.LogQuery{Target: room})
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(log, func(m api.Message) bool { return m.Text == text })
}

func (n testNode) governs(t *testing.T, r api.GovernRequest) {
	t.Helper()
	if _, err := n.Govern(t.Context(), r); err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
}

// standing is the node's own in a room, as it knows it.
func (n testNode) standing(t *testing.T, room string) string {
	t.Helper()
	members, err := n.Members(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if m.PeerID == n.key.ID().String() {
			return m.Standing
		}
	}
	return ""
}

func (n testNode) refused(t *testing.T, room, password string, want api.Code) string {
	t.Helper()
	_, err := n.JoinRoom(t.Context(), api.JoinRoomRequest{Room: room, Password: []byte(password), Wait: 10 * time.Second})
	if !api.IsCode(err, want) {
		t.Fatalf("%s enters: %v, want %s", n.self.account().Name, err, want)
	}
	return err.Error()
}

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

func (c *tap) take() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.payloads
	c.payloads = nil
	return out
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
			owner.says(t, room, "before")
			for _, n := range []testNode{alice, bob, mallory} {
				n.hears(t, room, "before")
			}
			if opened(t, mallory, room, capture.take()) == 0 {
				t.Error("the capture holds nothing that his keys open; this test shows nothing")
			}
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
			capture.take()
			for i, n := range []testNode{owner, bob} {
				text := fmt.Sprint("after ", i)
				n.says(t, room, text)
				alice.hears(t, room, text)
			}
			after := capture.take()
			if n := opened(t, alice, room, after); n < 2 {
				t.Errorf("a member's keys open %d of %d envelopes, 2 were said", n, len(after))
			}
			if n := opened(t, mallory, room, after); n > 0 {
				t.Errorf("the keys of the removed open %d of %d envelopes", n, len(after))
			}
		})
	}
}

// opened counts the payloads that any of a node's keys for a room opens, under
// whatever epoch.
func opened(t *testing.T, n testNode, room string, payloads [][]byte) (count int) {
	t.Helper()
	id, err := event.ParseID(room)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := n.store.Epochs(t.Context(), event.Conversation(id))
	if err != nil || len(keys) == 0 {
		t.Fatalf("no keys: %v", err)
	}
	for _, p := range payloads {
		e, err := envelope.Decode(p)
		if err != nil {
			continue // of another topic
		}
		for _, k := range keys {
			if _, err := e.Open(event.Conversation(id), k); err == nil {
				count++
				break
			}
		}
	}
	return count
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
	for _, who := range []string{"12D3KooWXXXX", bob.key.ID().String()[:30]} {
		if _, err := owner.Govern(t.Context(), api.GovernRequest{Room: room, Act: api.ActBan, Who: who}); !api.IsCode(err, api.CodeNotFound) {
			t.Errorf("a ban of %s: %v", who, err)
		}
	}
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
	owner.governs(t, api.GovernRequest{Room: room, Act: api.ActKick, Who: "alice"})
	wait(t, "alice is out", func() bool {
		rows, err := alice.Rooms(t.Context(), false)
		return err == nil && len(rows) == 0
	})
	if !owner.has(t, room, "before") {
		t.Error("what the kicked had said is gone")
	}
	alice.enters(t, room, "")
	alice.says(t, room, "after")
	owner.hears(t, room, "after")
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
