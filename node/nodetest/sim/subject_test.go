package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"p2pchat/node/api"
)

// TestSubjectThatStandsAgain: whoever comes late to a room with a limited history is
// told the subject by who lets him in. If that falls, an older one stands, which he
// was not told and which lies below what he wants of the history.
func TestSubjectThatStandsAgain(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, n *Net) {
		f := fewIn(t, n, 3)
		owner, mod, other := f.all[0], f.all[1], f.all[2]
		must(owner.Configure(t.Context(), api.ConfigureRequest{Room: f.room, Set: []api.Setting{{Key: "history", Value: "none"}}}))(t)
		must(owner.Govern(t.Context(), api.GovernRequest{Room: f.room, Act: api.ActGrant, Who: mod.ID, Standing: api.StandingModerator}))(t)
		must(owner.SetSubject(t.Context(), f.room, "the first"))(t)
		for i := range 6 {
			f.say(f.all[i%3], fmt.Sprint("line ", i))
		}
		f.same(time.Minute)
		n.Lan.Cut([]*Node{owner})
		must(mod.SetSubject(t.Context(), f.room, "the second"))(t)
		late := must(n.Account(t.Context(), "late"))(t)
		check(t, late.enter(t.Context(), f.room, []*Node{mod, other}))
		subject := func(x *Node) string { return must(x.RoomState(t.Context(), f.room))(t).Subject }
		if s := subject(late); s != "the second" {
			t.Errorf("he was told %q", s)
		}
		for range 5 { // what he wants of the history he said when he first came
			_ = must(late.LeaveRoom(t.Context(), f.room))(t)
			_ = must(late.JoinRoom(t.Context(), api.JoinRoomRequest{Room: f.room, Wait: api.DefaultWait}))(t)
		}
		must(owner.Govern(t.Context(), api.GovernRequest{Room: f.room, Act: api.ActBan, Who: mod.ID}))(t)
		n.Lan.Heal()
		check(t, Until(2*time.Minute, func() error {
			subjects := []string{subject(owner), subject(other), subject(late)}
			if !slices.Equal(subjects, slices.Repeat([]string{"the first"}, 3)) {
				return fmt.Errorf("the subjects are %q", subjects)
			}
			return nil
		}))
		check(t, late.Stop())
		check(t, late.Start(t.Context(), owner))
		if s := subject(late); s != "the first" {
			t.Errorf("after a restart it is %q", s)
		}
	})
}

// TestSubjectOfTheDemoted: a subject stands though its author may not set one any
// more, also for whoever has nothing of what was said when he lost that, whether that
// was before he came or after.
func TestSubjectOfTheDemoted(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, n *Net) {
		f := fewIn(t, n, 3)
		owner, mod, silent := f.all[0], f.all[1], f.all[2]
		grant := func(who *Node, standing string) {
			t.Helper()
			f.same(time.Minute) // he has heard all of him
			must(owner.Govern(t.Context(), api.GovernRequest{Room: f.room, Act: api.ActGrant, Who: who.ID, Standing: standing}))(t)
			f.same(time.Minute)
		}
		must(owner.Configure(t.Context(), api.ConfigureRequest{Room: f.room, Set: []api.Setting{{Key: "history", Value: "none"}}}))(t)
		grant(mod, api.StandingModerator)
		grant(silent, api.StandingModerator)
		enters := func(name string) *Node {
			t.Helper()
			x := must(n.Account(t.Context(), name))(t)
			check(t, x.enter(t.Context(), f.room, []*Node{owner, mod, silent}))
			return x
		}
		shows := func(want string, of ...*Node) {
			t.Helper()
			check(t, Until(time.Minute, func() error {
				for _, x := range of {
					if s := must(x.RoomState(t.Context(), f.room))(t).Subject; s != want {
						return fmt.Errorf("for %s the subject is %q, not %q", x.Name, s, want)
					}
				}
				return nil
			}))
		}
		must(mod.SetSubject(t.Context(), f.room, "of the first"))(t)
		f.say(mod, "and more")
		grant(mod, api.StandingNone)
		f.say(mod, "I may still speak")
		f.say(mod, "and speak")
		late := enters("late")
		shows("of the first", owner, mod, silent, late)

		must(silent.SetSubject(t.Context(), f.room, "of the second"))(t)
		f.say(silent, "and nothing after this")
		f.same(time.Minute)
		later := enters("later")
		shows("of the second", owner, late, later)
		grant(silent, api.StandingNone)
		shows("of the second", owner, mod, silent, late, later)
		for _, x := range []*Node{late, later, owner} {
			check(t, x.Stop())
			check(t, x.Start(t.Context(), mod, silent))
		}
		shows("of the second", owner, mod, silent, late, later)
	})
}
