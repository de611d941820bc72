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

// Of three things that mallory says at one place alice has the two with the higher
// IDs when she bans her, and then all three, since her cut reaches those; bob has
// the two with the lower ones. What he had given up comes to him when he hears of
// the ban, though both have the same two lowest.
func TestCutReachesWhatWasGivenUp(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, n *Net) {
		f := fewIn(t, n, 3)
		alice, bob, mallory := f.all[0], f.all[1], f.all[2]
		must(alice.Govern(t.Context(), api.GovernRequest{Room: f.room, Act: api.ActGrant, Who: mallory.ID, Standing: api.StandingMember}))(t)
		f.same(time.Minute)
		g := &gang{net: n, mallory: mallory, honest: f.all[:2], random: random(1)}
		defer func() { check(t, g.close()) }()
		check(t, g.infiltrate(t.Context(), f.room))
		check(t, mallory.Stop())
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
		must(alice.Govern(t.Context(), api.GovernRequest{Room: f.room, Act: api.ActBan, Who: mallory.ID}))(t)
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
