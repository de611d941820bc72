package labtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/nodetest/lab"
)

// Two and one cannot hear each other for a while. On both sides texts are edited,
// answered, reacted to and taken back, those of before and new ones. When they meet
// again all three show the same, and what was taken back is on no disk.
func TestAmendedPartition(t *testing.T) {
	t.Parallel()
	repeat(t, "edits and retractions after a partition", 5*time.Second, func(t *testing.T) time.Duration {
		g := some(t, 3)
		alice, bob, carol := g.all[0], g.all[1], g.all[2]
		said := func(p *person, text string) string {
			t.Helper()
			return object[receipt](p, "send", g.id, text, "--wait", "0").ID
		}
		does := func(p *person, what, id string, args ...string) {
			t.Helper()
			object[receipt](p, append([]string{what, g.id, id, "--wait", "0"}, args...)...)
		}
		draft, secret := said(alice, "draft"), said(alice, "SECRET plan")
		typo := said(carol, "teh end")
		g.l.Within(3*time.Second, time.Now(), "all have it", g.shownAlike)

		g.l.Partition(g.l.Hosts[2:])
		does(alice, "edit", draft, "second draft")
		does(alice, "retract", secret)
		does(bob, "react", draft, "👍")
		does(bob, "react", typo, "😮")
		does(bob, "reply", typo, "which end?")
		twice := said(alice, "SECRET two")
		does(alice, "edit", twice, "SECRET three")
		does(alice, "retract", twice)
		g.l.Within(3*time.Second, time.Now(), "one half agrees", g.only(alice, bob).shownAlike)
		does(carol, "edit", typo, "the end")
		does(carol, "react", draft, "👍")
		does(carol, "react", draft, "❤️")
		does(carol, "react", draft, "❤️", "--undo")
		does(carol, "edit", typo, "the very end")
		does(carol, "retract", said(carol, "SECRET four"))
		does(carol, "reply", secret, "really?") // it has not heard
		carol.fails(exitRefused, "forbidden", "retract", g.id, draft)
		last(lab.Long(time.Second, 30*time.Second))

		g.l.Heal()
		g.l.Within(10*time.Second, time.Now(), "connected again", everyoneSees(g.all))
		met := time.Now()
		took := g.l.Within(5*time.Second, met, "all show the same", g.shownAlike)
		g.converges(5*time.Second, met, "after the partition")
		shown := map[string]api.Message{}
		for _, m := range lines[api.Message](t, carol.run(exitDone, "log", g.id, "--json").Stdout) {
			shown[m.ID] = m
		}
		if m := shown[draft]; m.Text != "second draft" || m.Edited.IsZero() || len(m.Reactions) != 1 || len(m.Reactions[0].By) != 2 {
			t.Errorf("the draft is %+v", m)
		}
		if m := shown[typo]; m.Text != "the very end" || len(m.Reactions) != 1 {
			t.Errorf("the typo is %+v", m)
		}
		gone := 0
		for _, m := range shown {
			if m.Retracted {
				gone++
			}
		}
		if gone != 3 || !shown[secret].Retracted || len(shown) != 7 {
			t.Errorf("%d of %d messages are taken back", gone, len(shown))
		}
		for _, p := range g.all {
			p.node.Stop()
			p.detach()
			if keeps(t, p, "SECRET") || !keeps(t, p, "second draft") {
				t.Errorf("%s still keeps what was taken back, or nothing", p.who.Name)
			}
		}
		return took
	})
}

// shownAlike waits for all to show the same of the room, with what became of it.
func (g *gathering) shownAlike(ctx context.Context) error {
	return g.oneView(ctx, func(c api.Reader) (string, error) {
		log, err := c.Log(ctx, api.LogQuery{Target: g.id})
		view := ""
		for _, m := range log {
			view += fmt.Sprintln(m.ID, m.Kind, m.Text, m.Retracted, m.Edited.UnixMilli(), m.ReplyTo, m.Reactions)
		}
		return view, err
	})
}
