package node

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

// TestHostileMember: whatever somebody writes to the topic who has the key and
// a place in the room, nothing of it is kept that the rules do not allow, and
// his next honest line arrives.
func TestHostileMember(t *testing.T) {
	t.Parallel()
	alice := start(t, newAccount(t, "alice"))
	bob := start(t, newAccount(t, "bob"), alice)
	id := roomOf(t, api.CreateRoomRequest{Name: "dev"}, alice, bob)
	elsewhere := roomOf(t, api.CreateRoomRequest{Name: "elsewhere"}, alice)
	target := id.String()
	says(t, bob, target, "before")
	want := []string{"before"}
	genesisOf := func(c event.Conversation) *event.Event {
		got, err := roomStore{alice.store}.Controls(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return got[0]
	}
	now := time.Now()
	attacks := []struct {
		name    string
		payload func(s *insider) [][]byte
	}{
		{"garbage", func(*insider) [][]byte { return [][]byte{bytes.Repeat([]byte("garbage"), 100), {0}, {0xff}} }},
		{"another key", func(s *insider) [][]byte {
			p, err := envelope.Seal(rand.Reader, s.room, s.epoch, envelope.Key{1}, &envelope.Content{Events: []*event.Event{s.text("x", func(*event.Header) {})}}, false)
			if err != nil {
				t.Fatal(err)
			}
			return [][]byte{p}
		}},
		{"epochs nobody named", func(s *insider) [][]byte {
			var out [][]byte
			for i := range 300 {
				p, err := envelope.Seal(rand.Reader, s.room, event.ID{9, byte(i), byte(i >> 8)}, envelope.Key{1},
					&envelope.Content{Events: []*event.Event{s.text(strings.Repeat("x", 15<<10), func(*event.Header) {})}}, false)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, p)
			}
			return out
		}},
		{"a false signature", func(s *insider) [][]byte {
			e := *s.text("forged", func(*event.Header) {})
			e.Signature = bytes.Clone(e.Signature)
			e.Signature[3] ^= 1
			return [][]byte{s.events(&e)}
		}},
		{"another's words", func(s *insider) [][]byte { // signed by him, in bob's name
			e := *s.text("I am bob", func(*event.Header) {})
			e.Raw = bytes.ReplaceAll(e.Raw, []byte(s.key.ID()), []byte(bob.key.ID()))
			e.Author = bob.key.ID()
			return [][]byte{s.events(&e)}
		}},
		{"another room's line", func(s *insider) [][]byte {
			return [][]byte{s.events(s.text("lost", func(h *event.Header) { h.Conversation = elsewhere }))}
		}},
		{"another room's genesis", func(s *insider) [][]byte { return [][]byte{s.events(genesisOf(elsewhere))} }},
		{"a body that is none", func(s *insider) [][]byte {
			return [][]byte{s.events(s.next(room.KindNick, []byte{0xff, 0xff}, func(*event.Header) {}))}
		}},
		{"ancestors nobody has", func(s *insider) [][]byte {
			var out [][]byte
			for i := range 600 {
				out = append(out, s.events(s.text(strings.Repeat("y", 4<<10), func(h *event.Header) {
					h.Seq, h.Ctl = uint64(1000+i), []event.ID{{1, byte(i), byte(i >> 8)}}
				})))
			}
			return out
		}},
		{"power he does not have", func(s *insider) [][]byte {
			return [][]byte{
				s.events(s.control(room.Op{Kind: room.KindSet, Target: s.key.ID(), Standing: room.Owner})),
				s.events(s.control(room.Op{Kind: room.KindSet, Target: bob.key.ID(), Standing: room.Outcast})),
				s.events(s.control(room.Op{Kind: room.KindKick, Target: alice.key.ID()})),
				s.events(s.control(room.Op{Kind: room.KindDestroy, Reason: "because"})),
			}
		}},
		{"presences that are none of his", func(s *insider) [][]byte {
			of := func(k identity.Key, c event.Conversation, p identity.Key) *pb.SignedPresence {
				return s.presence(k, &pb.Presence{
					Room: c[:], Peer: []byte(p.ID()), Availability: pb.Availability_AVAILABILITY_AVAILABLE, Left: true, Time: uint64(now.UnixMilli()),
				})
			}
			return [][]byte{
				s.content(&pb.Content{Presence: of(s.key, s.room, bob.key)}),
				s.content(&pb.Content{Presence: of(bob.key, elsewhere, bob.key)}), // said there, shown here
			}
		}},
		{"a presence from the future", func(s *insider) [][]byte {
			return [][]byte{s.content(&pb.Content{Presence: s.presence(bob.key, &pb.Presence{
				Room: s.room[:], Peer: []byte(bob.key.ID()), Availability: pb.Availability_AVAILABILITY_AVAILABLE, Left: true,
				Time: uint64(now.Add(time.Hour).UnixMilli()),
			})})}
		}},
		{"contents that are none", func(s *insider) [][]byte {
			text := s.text("both", func(*event.Header) {}).Wire()
			return [][]byte{
				s.raw([]byte("no content")),
				s.content(&pb.Content{
					Events:   &pb.EventBatch{Events: []*pb.Event{text}},
					Presence: s.presence(s.key, &pb.Presence{Room: s.room[:], Peer: []byte(s.key.ID()), Time: uint64(now.UnixMilli())}),
				}),
				s.content(&pb.Content{Events: &pb.EventBatch{Events: []*pb.Event{text, {Header: []byte{1, 2, 3}}}}}),
			}
		}},
		{"a presence of somebody who never joined", func(s *insider) [][]byte {
			var out [][]byte
			for range 100 {
				k, err := identity.NewKey(rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, s.content(&pb.Content{Presence: s.presence(k, &pb.Presence{
					Room: s.room[:], Peer: []byte(k.ID()), Availability: pb.Availability_AVAILABILITY_AVAILABLE, Time: uint64(now.UnixMilli()),
				})}))
			}
			return out
		}},
		{"the same again and again", func(s *insider) [][]byte {
			want = append(want, "said once")
			e := s.text("said once")
			var out [][]byte
			for range 50 { // another nonce each time, so that gossip does not know it
				out = append(out, s.events(e))
			}
			return out
		}},
	}
	members := []string{"alice online", "bob online"}
	for i, a := range attacks {
		before := stateOf(t, alice, target)
		s := infiltrate(t, alice, id, fmt.Sprintf("mallory%d", i))
		for _, p := range a.payload(s) {
			if err := s.topic.Publish(t.Context(), p); err != nil {
				t.Fatalf("%s: %v", a.name, err)
			}
		}
		honest := "honest after " + a.name
		s.publish(s.events(s.text(honest)))
		want = append(want, honest)
		for _, n := range []testNode{alice, bob} {
			wait(t, honest, func() bool { return slices.Contains(textsOf(t, n, target), honest) })
			got := textsOf(t, n, target)
			slices.Sort(got)
			if sorted := slices.Sorted(slices.Values(want)); !slices.Equal(got, sorted) {
				t.Fatalf("after %s the log is %q, want %q", a.name, got, sorted)
			}
		}
		if after := stateOf(t, alice, target); after != before {
			t.Errorf("after %s the state is\n%swas\n%s", a.name, after, before)
		}
		for _, m := range members {
			if got := membersOf(t, alice, target); !slices.Contains(got, m) {
				t.Errorf("after %s there is no %q: %q", a.name, m, got)
			}
		}
		if st, err := alice.RoomStatus(t.Context(), target); err != nil || st.Members != len(members)+i+1 || st.Parked > 64+256 {
			t.Errorf("after %s: %+v, %v", a.name, st, err)
		}
		_ = s.host.Close()
	}
	says(t, alice, target, "after all")
	wait(t, "bob hears it", func() bool { return slices.Contains(textsOf(t, bob, target), "after all") })
	if a, b := stateOf(t, alice, target), stateOf(t, bob, target); a != b {
		t.Errorf("the state differs:\n%s%s", a, b)
	}
}
