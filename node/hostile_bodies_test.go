package node

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-msgio/pbio"

	"p2pchat/node/api"
	"p2pchat/node/internal/antientropy"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

func bare(e *event.Event) *event.Event {
	b := *e
	b.Body = nil
	return &b
}

// hands opens a sync run and hands events over in it; done tells that the node
// ended the stream. While a run of the node's own is under way it says that it is
// busy, and is asked again.
func (s *insider) hands(events ...*event.Event) (done bool) {
	s.t.Helper()
	for {
		if done, busy := s.handsOnce(events...); !busy {
			return done
		}
	}
}

func (s *insider) handsOnce(events ...*event.Event) (done, busy bool) {
	s.t.Helper()
	st := s.stream(antientropy.Protocol)
	defer func() { _ = st.Close() }()
	r := pbio.NewDelimitedReader(st, 1<<20)
	all := make([]byte, 32)
	for i := range all {
		all[i] = 0xff
	}
	batch := &pb.EventBatch{}
	for _, e := range events {
		batch.Events = append(batch.Events, e.Wire())
	}
	for i, f := range []*pb.SyncFrame{
		{Open: &pb.SyncOpen{Room: s.room[:], Digest: make([]byte, 32)}},
		{Listed: &pb.SyncListed{Control: all, Logs: all}, End: true},
		{Events: batch, End: true, Done: true},
	} {
		if err := pbio.NewDelimitedWriter(st).WriteMsg(f); err != nil {
			s.ended(err)
			return true, false
		}
		for end := false; !end; {
			var f pb.SyncFrame
			if err := r.ReadMsg(&f); err != nil {
				s.ended(err)
				return true, false
			}
			if f.Answer == pb.SyncAnswer_SYNC_ANSWER_BUSY {
				return false, true
			}
			end = f.End || i == 0
		}
	}
	return false, false
}

// TestStrippedBodies: who is the only one to pass on what somebody else said, and
// leaves the bodies out, keeps nobody from reading it once an honest member is
// there, and changes nothing else.
func TestStrippedBodies(t *testing.T) {
	t.Parallel()
	dirs := []string{newAccount(t, "alice"), newAccount(t, "bob")}
	alice := start(t, dirs[0])
	bob := start(t, dirs[1], alice)
	id := roomOf(t, api.CreateRoomRequest{Name: "dev"}, alice, bob)
	target := id.String()
	said := func(text string) *event.Event {
		t.Helper()
		r, err := alice.Send(t.Context(), api.SendRequest{Target: target, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		id, err := event.ParseID(r.ID)
		if err != nil {
			t.Fatal(err)
		}
		e, err := alice.store.EventByID(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return e.Event
	}
	says(t, alice, target, "while all are here")
	bob.halt()
	heard, synced := said("bob, this was heard"), said("this was synced")
	if _, err := alice.SetSubject(t.Context(), target, "work"); err != nil {
		t.Fatal(err)
	}
	gone := said("this was taken back")
	if _, err := alice.Retract(t.Context(), api.AmendRequest{Target: target, ID: gone.ID.String()}); err != nil {
		t.Fatal(err)
	}
	log, err := alice.store.Log(t.Context(), store.LogQuery{Conv: id, All: true})
	if err != nil {
		t.Fatal(err)
	}
	var lasting []*event.Event // what has to have its body
	for _, s := range log {
		if s.Lane == event.LaneControl || s.Kind == room.KindSubject || s.Kind == room.KindJoin || s.Kind == event.KindRetract {
			lasting = append(lasting, s.Event)
		}
	}
	if len(lasting) < 4 {
		t.Fatalf("only %d events are no texts", len(lasting))
	}
	alice.halt()

	bob = start(t, dirs[1])
	mallory := infiltrate(t, bob, id, "mallory")
	mallory.publish(mallory.events(bare(heard)))
	if mallory.hands(bare(synced)) {
		t.Error("a text without its body is refused")
	}
	kept := func(e *event.Event) (body, here bool) {
		t.Helper()
		got, err := bob.store.EventByID(t.Context(), e.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		return err == nil && got.Body != nil, err == nil
	}
	for _, e := range []*event.Event{heard, synced} {
		wait(t, "bob keeps what came without its body", func() bool { _, here := kept(e); return here })
		if body, _ := kept(e); body {
			t.Fatal("bob has it whole")
		}
	}
	before := stateOf(t, bob, target)
	for _, e := range lasting {
		if !mallory.hands(bare(e)) {
			t.Errorf("kind %d of lane %d is taken without its body", e.Kind, e.Lane)
		}
		if body, here := kept(e); here && !body {
			t.Errorf("kind %d of lane %d is kept without its body", e.Kind, e.Lane)
		}
	}
	mallory.publish(mallory.events(bare(lasting[len(lasting)-1])))
	if after := stateOf(t, bob, target); after != before {
		t.Errorf("the state is\n%swas\n%s", after, before)
	}

	var since uint64
	for c, err := range bob.Watch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		since = c.Seq // of the snapshot
		break
	}
	alice = start(t, dirs[0], bob)
	carol := start(t, newAccount(t, "carol"), alice, bob)
	wait(t, "carol sees alice", func() bool { return carol.people.online(alice.key.ID()) })
	carol.enters(t, target, "")
	for _, n := range []testNode{alice, bob, carol} {
		n.hears(t, target, "bob, this was heard")
		n.hears(t, target, "this was synced")
		if n.has(t, target, "this was taken back") {
			t.Error("what was taken back is shown")
		}
	}
	summary := func(n testNode) antientropy.Summary {
		t.Helper()
		r, err := n.rooms.Room(id)
		if err != nil {
			t.Fatal(err)
		}
		s, err := replica{n.Node, r}.Summary(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, n := range []testNode{bob, carol} {
		wait(t, "all have the same", func() bool {
			a, b := summary(alice), summary(n)
			return a.Root == b.Root && a.Frontier.Digest() == b.Frontier.Digest()
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for c, err := range bob.Watch(ctx, since) {
		if err != nil {
			t.Fatal(err)
		}
		if c.Type == api.ChangeMessage && c.Message.ID == heard.ID.String() && c.Message.Text == "bob, this was heard" {
			since = 0 // he was told
			break
		}
	}
	if since > 0 {
		t.Error("bob's faces are not told what was missing")
	}
	if found, err := bob.Search(t.Context(), api.SearchQuery{Words: "heard"}); err != nil || len(found) != 1 {
		t.Errorf("bob finds %+v, %v", found, err)
	}
	convs, err := bob.Conversations(t.Context())
	if i := slices.IndexFunc(convs, func(c api.Conversation) bool { return c.ID == target }); err != nil || i < 0 || convs[i].Mentions != 1 {
		t.Errorf("bob's conversations: %+v, %v", convs, err)
	}
	says(t, alice, target, "after all")
	bob.hears(t, target, "after all")
}
