package node

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"p2pchat/node/api"
	"p2pchat/node/internal/rooms"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

// directory is frames that tell of rooms.
func directory(t *testing.T, entries ...*pb.RoomEntry) []byte {
	t.Helper()
	var out []byte
	for len(entries) > 0 {
		n := min(len(entries), 32)
		out = append(out, framed(t, &pb.DirectoryAnswer{Rooms: entries[:n]})...)
		entries = entries[n:]
	}
	return out
}

func told(e *event.Event, name string) *pb.RoomEntry {
	return &pb.RoomEntry{Genesis: e.Wire(), Name: name, Visible: true, Occupants: 1}
}

func listedNames(t *testing.T, n testNode) map[string]int {
	t.Helper()
	all, err := n.Rooms(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, r := range all {
		out[r.Name]++
	}
	return out
}

// TestHostileDirectory: whatever a peer tells of rooms, those that others tell
// of are listed, soon, and nothing is that no one founded.
func TestHostileDirectory(t *testing.T) {
	t.Parallel()
	alice := start(t, newAccount(t, "alice"))
	bob := start(t, newAccount(t, "bob"), alice)
	roomOf(t, api.CreateRoomRequest{Name: "honest"}, bob)
	k := keepDoor(t, alice, "trap")
	forged := told(k.genesis, "forged")
	forged.Genesis.Signature = bytes.Repeat([]byte{3}, 64)
	text, err := event.EncodeText("no genesis")
	if err != nil {
		t.Fatal(err)
	}
	line, err := event.Sign(k.outsider.key, event.Header{
		Conversation: event.Conversation(k.genesis.ID), Lane: event.LaneMessage, Log: event.LogID{1}, Seq: 1, Time: event.At(time.Now()), Kind: event.KindText,
	}, text)
	if err != nil {
		t.Fatal(err)
	}
	var crowd []*pb.RoomEntry
	for i := range 3000 {
		crowd = append(crowd, told(k.found(fmt.Sprintf("crowd %d", i)), "crowd"))
	}
	for name, what := range map[string][]byte{
		"garbage":              bytes.Repeat([]byte("\x09not a frame"), 50),
		"an oversize frame":    oversize,
		"half a frame":         {100, 1, 2, 3},
		"a false signature":    directory(t, forged),
		"no genesis":           directory(t, &pb.RoomEntry{Name: "nothing", Visible: true}),
		"a line for a genesis": directory(t, told(line, "a line")),
		"a malformed name":     directory(t, told(k.genesis, strings.Repeat("n", room.MaxDescription+1))),
		"a crowd":              directory(t, crowd...),
		"nothing":              nil,
	} {
		k.answers(rooms.DirectoryProtocol, what)
		began := time.Now()
		got := listedNames(t, alice)
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s keeps alice waiting for %v", name, took)
		}
		delete(got, "crowd")
		if got["honest"] != 1 || len(got) != 1 {
			t.Errorf("told %s alice lists %v", name, got)
		}
	}
	// A trickle without end.
	k.host.SetStreamHandler(rooms.DirectoryProtocol, func(s network.Stream) {
		_ = s.SetDeadline(time.Now().Add(time.Minute))
		for i := range 600 {
			if _, err := s.Write(directory(t, crowd[i%len(crowd)])); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	began := time.Now()
	if got := listedNames(t, alice); got["honest"] != 1 {
		t.Errorf("told without end alice lists %v", got)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("a trickle keeps alice waiting for %v", took)
	}
	if _, err := alice.JoinRoom(t.Context(), api.JoinRoomRequest{Room: "honest", Wait: time.Minute}); err != nil {
		t.Error(err)
	}
}

// TestOneVoice: who tells of a room many times is one among those who tell of it,
// and a room is not at its end because somebody says so.
func TestOneVoice(t *testing.T) {
	t.Parallel()
	alice := start(t, newAccount(t, "alice"))
	bob := start(t, newAccount(t, "bob"), alice)
	carol := start(t, newAccount(t, "carol"), alice, bob)
	wait(t, "carol sees bob", func() bool { return carol.people.online(bob.key.ID()) })
	roomOf(t, api.CreateRoomRequest{Name: "honest"}, bob, carol)
	k := keepDoor(t, alice, "mallory")
	answers, _ := asks[pb.DirectoryAnswer](meet(t, bob, "spy"), rooms.DirectoryProtocol, framed(t, &pb.DirectoryAsk{}))
	if len(answers) != 1 || len(answers[0].Rooms) != 1 {
		t.Fatalf("bob tells of %v", answers)
	}
	genesis, err := event.FromWire(answers[0].Rooms[0].Genesis)
	if err != nil {
		t.Fatal(err)
	}
	hacked := slices.Repeat([]*pb.RoomEntry{told(genesis, "hacked")}, 500)
	body, err := (&room.Op{Kind: room.KindDestroy, Auth: genesis.ID, Reason: "over"}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	destroy, err := event.Sign(k.outsider.key, event.Header{
		Conversation: event.Conversation(genesis.ID), Lane: event.LaneControl, Ctl: []event.ID{genesis.ID}, Time: event.At(time.Now()), Kind: room.KindDestroy,
	}, body)
	if err != nil {
		t.Fatal(err)
	}
	ended := told(genesis, "honest")
	ended.Ending = []*pb.Event{destroy.Wire()}
	for name, what := range map[string][]byte{"many times": directory(t, hacked...), "the end": directory(t, ended)} {
		k.answers(rooms.DirectoryProtocol, what)
		if got := listedNames(t, alice); got["honest"] != 1 || len(got) != 1 {
			t.Errorf("told %s alice lists %v", name, got)
		}
	}
	bob.halt()
	carol.halt()
	if _, err := alice.JoinRoom(t.Context(), api.JoinRoomRequest{Room: genesis.ID.String()}); !api.IsCode(err, api.CodeNotJoined) {
		t.Errorf("told of an end that was none alice gets %v", err)
	}
}

// TestHostileDoorkeeper: somebody who claims to be in a room and lets others in
// as badly as he can: they are not in, nothing of it is kept, and somebody
// honest lets them in.
func TestHostileDoorkeeper(t *testing.T) {
	t.Parallel()
	alice := start(t, newAccount(t, "alice"))
	k := keepDoor(t, alice, "trap")
	k.answers(rooms.DirectoryProtocol, directory(t, told(k.genesis, "trap")))
	id := k.genesis.ID
	control := func(events ...*event.Event) *pb.JoinAnswer {
		b := &pb.EventBatch{}
		for _, e := range events {
			b.Events = append(b.Events, e.Wire())
		}
		return &pb.JoinAnswer{Control: b}
	}
	good := &pb.JoinAnswer{Grant: &pb.JoinGrant{Keys: []*pb.EpochKey{{Epoch: id[:], Key: k.key[:]}}}}
	forged := control(k.genesis)
	forged.Control.Events[0].Signature = bytes.Repeat([]byte{3}, 64)
	stranger, err := identity.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	act := func(key identity.Key, c event.Conversation, ctl event.ID, op room.Op) *event.Event {
		op.Auth = event.ID(c)
		body, err := op.Encode()
		if err != nil {
			t.Fatal(err)
		}
		e, err := event.Sign(key, event.Header{Conversation: c, Lane: event.LaneControl, Ctl: []event.ID{ctl}, Time: event.At(time.Now()), Kind: op.Kind}, body)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	here := event.Conversation(id)
	other := k.found("other")
	set := room.Op{Kind: room.KindSet, Target: stranger.ID(), Standing: room.Owner}
	var below []*pb.LogHead
	for i := range room.MaxLow + 1 {
		below = append(below, event.LogKey{Author: k.outsider.key.ID(), Log: event.LogID{1, byte(i), byte(i >> 8)}}.Wire(event.Head{Seq: 1, ID: event.ID{1}}))
	}
	frames := func(answers ...*pb.JoinAnswer) []byte {
		var out []byte
		for _, a := range answers {
			out = append(out, framed(t, a)...)
		}
		return out
	}
	for name, what := range map[string][]byte{
		"garbage":                  bytes.Repeat([]byte("\x09not a frame"), 50),
		"an oversize frame":        oversize,
		"half a frame":             {100, 1, 2, 3},
		"nothing":                  nil,
		"no genesis":               frames(good),
		"a false signature":        frames(forged, good),
		"another genesis":          frames(control(other), good),
		"the genesis twice":        frames(control(k.genesis, other), good),
		"another room's control":   frames(control(k.genesis, act(k.outsider.key, event.Conversation(other.ID), other.ID, set)), good),
		"control without its past": frames(control(k.genesis, act(k.outsider.key, here, event.ID{8}, set)), good),
		"control of no one":        frames(control(k.genesis, act(stranger, here, id, set)), good),
		"no key":                   frames(control(k.genesis), &pb.JoinAnswer{Grant: &pb.JoinGrant{}}),
		"a wrong key":              frames(control(k.genesis), &pb.JoinAnswer{Grant: &pb.JoinGrant{Keys: []*pb.EpochKey{{Epoch: id[:], Key: make([]byte, 32)}}}}),
		"half a key":               frames(control(k.genesis), &pb.JoinAnswer{Grant: &pb.JoinGrant{Keys: []*pb.EpochKey{{Epoch: id[:], Key: k.key[:5]}}}}),
		"a key of another epoch":   frames(control(k.genesis), &pb.JoinAnswer{Grant: &pb.JoinGrant{Keys: []*pb.EpochKey{{Epoch: other.ID[:], Key: k.key[:]}}}}),
		"too many low marks":       frames(control(k.genesis), &pb.JoinAnswer{Grant: &pb.JoinGrant{Keys: good.Grant.Keys, Below: below}}),
		"a malformed low mark":     frames(control(k.genesis), &pb.JoinAnswer{Grant: &pb.JoinGrant{Keys: good.Grant.Keys, Below: []*pb.LogHead{{Seq: 1}}}}),
		"a refusal of escapes":     frames(&pb.JoinAnswer{Refusal: &pb.JoinRefusal{Code: "\x1b[2J", Message: strings.Repeat("\x1b", 1<<16)}}),
	} {
		k.answers(rooms.JoinProtocol, what)
		_, err := alice.JoinRoom(t.Context(), api.JoinRoomRequest{Room: id.String()})
		if err == nil {
			t.Fatalf("let in with %s", name)
		}
		if len(err.Error()) > 2000 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
		if refused := strings.Contains(name, "refusal"); !refused && !api.IsCode(err, api.CodeNotJoined) {
			t.Errorf("let in with %s: code %s: %v", name, api.AsError(err).Code, err)
		}
		joined, err := alice.Rooms(t.Context(), false)
		if err != nil || len(joined) != 0 {
			t.Fatalf("after %s: %+v, %v", name, joined, err)
		}
		if known, err := (roomStore{alice.store}).Controls(t.Context(), here); err != nil || len(known) != 0 {
			t.Fatalf("of %s %d events are kept: %v", name, len(known), err)
		}
	}
	k.answers(rooms.JoinProtocol, frames(control(k.genesis), good))
	if _, err := alice.JoinRoom(t.Context(), api.JoinRoomRequest{Room: id.String(), Wait: time.Minute}); err != nil {
		t.Error(err)
	}
}
