package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"p2pchat/node/api"
	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// TestHostileVisitor: in a moderated room somebody without voice whose program
// does not ask the rules is shown by nobody, whatever he cites, whether what he
// says is kept or not, and also to those who come later. Once he has voice he is
// heard.
func TestHostileVisitor(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][]int{"citing it first": {0, 1, 2}, "citing it last": {2, 1, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hostileVisitor(t, order)
		})
	}
}

func hostileVisitor(t *testing.T, order []int) {
	t.Helper()
	alice := start(t, newAccount(t, "alice"))
	bob := start(t, newAccount(t, "bob"), alice)
	id := roomOf(t, api.CreateRoomRequest{Name: "hall"}, alice, bob)
	target := id.String()
	mallory := infiltrate(t, alice, id, "mallory")
	genesis := event.ID(id)
	mallory.publish(mallory.events(mallory.text("as everybody may")))
	for _, n := range []testNode{alice, bob} {
		n.hears(t, target, "as everybody may")
	}
	if _, err := alice.Configure(t.Context(), api.ConfigureRequest{Room: target, Set: []api.Setting{{Key: "moderated", Value: "true"}}}); err != nil {
		t.Fatal(err)
	}
	learn := func() { // he hears what is decided as everybody does
		t.Helper()
		controls, err := roomStore{alice.store}.Controls(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		mallory.rules.AddControl(controls[1:]...)
	}
	learn()
	if got := mallory.rules.Role(mallory.key.ID()); got != room.Visitor {
		t.Fatalf("mallory is a %s", got)
	}

	before := func(h *event.Header) { h.Ctl = []event.ID{genesis} }
	body, err := room.EncodeBody(&room.Join{Nick: "mallory"})
	if err != nil {
		t.Fatal(err)
	}
	anew := func(seq uint64, prev event.ID) func(*event.Header) {
		return func(h *event.Header) {
			h.Log, h.Seq, h.Prev, h.Ctl = event.LogID{9}, seq, prev, []event.ID{genesis}
		}
	}
	attacks := []func() []*event.Event{
		func() []*event.Event { return []*event.Event{mallory.text("smuggled, citing the switch")} },
		func() []*event.Event {
			e := mallory.text("smuggled, as if before", before)
			mallory.seq, mallory.prev = e.Seq, e.ID // he forks nothing
			return []*event.Event{e}
		},
		func() []*event.Event {
			join := mallory.next(room.KindJoin, body, anew(1, event.ID{}))
			return []*event.Event{join, mallory.text("smuggled, in a log of its own", anew(2, join.ID))}
		},
	}
	var kept []event.ID // what would have been allowed when it claims to be said: the switch may fall
	for _, i := range order {
		events := attacks[i]()
		if i > 0 {
			kept = append(kept, events[len(events)-1].ID)
		}
		mallory.publish(mallory.events(events...))
		says(t, alice, target, fmt.Sprint("after attack ", i))
		bob.hears(t, target, fmt.Sprint("after attack ", i))
	}
	quiet := func(who string, n testNode) {
		t.Helper()
		log, err := n.Log(t.Context(), api.LogQuery{Target: target, All: true})
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(log, func(m api.Message) bool { return strings.HasPrefix(m.Text, "smuggled") }) {
			t.Errorf("%s shows %+v", who, log)
		}
	}
	for _, n := range []testNode{alice, bob} {
		for _, id := range kept {
			wait(t, "it is kept", func() bool { _, err := n.store.EventByID(t.Context(), id); return err == nil })
		}
	}
	quiet("alice", alice)
	quiet("bob", bob)
	carol := start(t, newAccount(t, "carol"), alice, bob)
	wait(t, "carol sees alice", func() bool { return carol.people.online(alice.key.ID()) })
	carol.enters(t, target, "")
	carol.hears(t, target, fmt.Sprint("after attack ", order[2]))
	quiet("carol", carol)

	alice.governs(t, api.GovernRequest{Room: target, Act: api.ActVoice, Who: mallory.key.ID().String()})
	learn()
	mallory.publish(mallory.events(mallory.text("now I may")))
	for _, n := range []testNode{alice, bob, carol} {
		n.hears(t, target, "now I may")
		quiet("everybody", n)
	}
}
