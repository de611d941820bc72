package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/internal/store"
	"p2pchat/node/nodetest/campaign"
	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
)

// betrayed is a room of alice, bob and mallory, whom alice made a member, and whose gang
// says what is said in her name from now on.
func betrayed(t *testing.T, n *Net) (*few, *gang) {
	t.Helper()
	f := fewIn(t, n, 3)
	alice, mallory := f.all[0], f.all[2]
	must(alice.Govern(t.Context(), api.GovernRequest{Room: f.room, Act: api.ActGrant, Who: mallory.ID, Standing: api.StandingMember}))(t)
	f.same(time.Minute)
	g := &gang{net: n, mallory: mallory, honest: f.all[:2], random: random(1)}
	check(t, g.infiltrate(t.Context(), f.room))
	check(t, mallory.Stop())
	return f, g
}

// Of three things that mallory says at one place alice has the two with the higher
// IDs when she bans her, and then all three, since her cut reaches those; bob has
// the two with the lower ones. What he had given up comes to him when he hears of
// the ban, though both have the same two lowest.
func TestCutReachesWhatWasGivenUp(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, n *Net) {
		f, g := betrayed(t, n)
		defer func() { check(t, g.close()) }()
		alice, bob := f.all[0], f.all[1]
		var branches []*event.Event
		check(t, g.look(t.Context(), func(st *store.Store) error {
			s := must(g.signer(t.Context(), st))(t)
			for i := range 3 {
				branches = append(branches, must(s.text(fmt.Sprint("branch ", i), nil))(t))
			}
			return nil
		}))
		slices.SortFunc(branches, func(a, b *event.Event) int { return a.ID.Compare(b.ID) })

		n.Lan.Cut([]*Node{bob})
		check(t, g.publish(t.Context(), &envelope.Content{Events: branches[1:]}))
		must(alice.Govern(t.Context(), api.GovernRequest{Room: f.room, Act: api.ActBan, Who: g.mallory.ID}))(t)
		check(t, g.publish(t.Context(), &envelope.Content{Events: branches[:1]}))
		n.Lan.Cut([]*Node{alice})
		check(t, g.publish(t.Context(), &envelope.Content{Events: branches}))
		if held := must(campaign.Disk(t.Context(), bob.dir))(t); held[branches[0].ID.String()].Copies != 1 || held[branches[2].ID.String()].Copies != 0 {
			t.Fatal("bob does not hold the two with the lower IDs")
		}
		n.Lan.Heal()
		f.all = f.all[:2]
		f.same(2 * time.Minute)
		lines := must(bob.Lines(t.Context(), f.room))(t)
		for _, b := range branches[1:] {
			if !slices.ContainsFunc(lines, func(m api.Message) bool { return m.ID == b.ID.String() }) {
				t.Errorf("bob does not show %s", b.ID)
			}
		}
	})
}

// Of two things that mallory says at one place alice has one and bob the other, and
// both have what she said next, so that their heads are the same. What that names
// as the one before tells that there is more.
func TestBranchBelowTheSameHead(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, n *Net) {
		f, g := betrayed(t, n)
		defer func() { check(t, g.close()) }()
		alice, bob := f.all[0], f.all[1]
		var one, other, next *event.Event
		check(t, g.look(t.Context(), func(st *store.Store) error {
			s := must(g.signer(t.Context(), st))(t)
			one, other = must(s.text("one", nil))(t), must(s.text("other", nil))(t)
			next = must(s.text("next", func(h *event.Header) { h.Seq, h.Prev = h.Seq+1, one.ID }))(t)
			return nil
		}))
		n.Lan.Cut([]*Node{bob})
		check(t, g.publish(t.Context(), &envelope.Content{Events: []*event.Event{one, next}}))
		n.Lan.Cut([]*Node{alice})
		check(t, g.publish(t.Context(), &envelope.Content{Events: []*event.Event{other, next}}))
		for _, x := range []struct {
			by   *Node
			held []*event.Event
		}{{alice, []*event.Event{one, next}}, {bob, []*event.Event{other, next}}} {
			held := must(campaign.Disk(t.Context(), x.by.dir))(t)
			for _, e := range x.held {
				if held[e.ID.String()].Copies != 1 {
					t.Fatalf("%s does not hold %s", x.by.Name, e.ID)
				}
			}
		}
		time.Sleep(time.Minute) // of the bubble: gossip has forgotten it
		n.Lan.Heal()
		check(t, Until(2*time.Minute, func() error {
			for _, x := range f.all[:2] {
				held := must(campaign.Disk(t.Context(), x.dir))(t)
				for _, e := range []*event.Event{one, other, next} {
					if held[e.ID.String()].Copies != 1 {
						return fmt.Errorf("%s does not hold %s", x.Name, e.ID)
					}
				}
			}
			return nil
		}))
	})
}
