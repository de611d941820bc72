package sim

import (
	"fmt"
	"testing"
	"time"

	"p2pchat/node/api"
)

// vault starts those named and has the first make a room with a password; enter has
// another one join it.
func vault(t *testing.T, n *Net, names ...string) (all []*Node, f *few, enter func(...*Node)) {
	t.Helper()
	for _, name := range names {
		x := must(n.Account(t.Context(), name))(t)
		check(t, x.Start(t.Context(), all...))
		all = append(all, x)
	}
	time.Sleep(settle)
	word := []byte("open sesame")
	f = &few{Net: n, t: t, room: must(all[0].CreateRoom(t.Context(), api.CreateRoomRequest{Name: "vault", Password: word}))(t).RoomID}
	return all, f, func(some ...*Node) {
		t.Helper()
		for _, x := range some {
			_ = must(x.JoinRoom(t.Context(), api.JoinRoomRequest{Room: f.room, Password: word, Wait: api.DefaultWait}))(t)
		}
	}
}

// hear has each of two say something, which both have before long.
func (f *few) hear(within time.Duration, a, b *Node) {
	f.t.Helper()
	f.say(a, "from "+a.Name)
	f.say(b, "from "+b.Name)
	check(f.t, Until(within, func() error {
		for _, x := range []*Node{a, b} {
			if m := f.missing(x); len(m) > 0 {
				return fmt.Errorf("%s does not have %q", x.Name, m)
			}
		}
		return nil
	}))
}

// TestMembersWhoNeverMet: behind a password two hear each other also if neither was
// there when the other came, and nobody is who was.
func TestMembersWhoNeverMet(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, n *Net) {
		all, f, enter := vault(t, n, "anna", "bert", "carl")
		anna, bert, carl := all[0], all[1], all[2]
		enter(bert)
		n.Lan.Cut([]*Node{anna})
		enter(carl)
		check(t, bert.Stop())
		time.Sleep(time.Minute) // nobody passes his join on any more
		n.Lan.Heal()
		f.hear(time.Minute, carl, anna)
	})
}

// TestNeitherKnows: so it is where neither serves the other.
func TestNeitherKnows(t *testing.T) {
	inBubble(t, 4, func(t *testing.T, n *Net) {
		all, f, enter := vault(t, n, "anna", "bert", "carl", "dora")
		anna, bert, carl, dora := all[0], all[1], all[2], all[3]
		enter(bert)
		time.Sleep(settle)
		n.Lan.Cut([]*Node{anna, dora})
		enter(carl, dora)
		check(t, bert.Stop())
		check(t, anna.Stop())
		time.Sleep(time.Minute)
		n.Lan.Heal()
		f.hear(2*time.Minute, carl, dora) // each says once a minute that he is here
	})
}

// TestOtherEpochs: so it is where the two hold no key in common, since somebody was banned
// in each part before they met: neither can read that the other is there.
func TestOtherEpochs(t *testing.T) {
	inBubble(t, 6, func(t *testing.T, n *Net) {
		all, f, enter := vault(t, n, "anna", "bert", "carl", "dora", "xena", "yves")
		anna, bert, carl, dora, xena, yves := all[0], all[1], all[2], all[3], all[4], all[5]
		enter(bert, xena, yves)
		govern := func(by *Node, act, who, standing string) {
			t.Helper()
			_ = must(by.Govern(t.Context(), api.GovernRequest{Room: f.room, Act: act, Who: who, Standing: standing}))(t)
		}
		govern(anna, api.ActGrant, "bert", api.StandingAdmin)
		time.Sleep(settle)
		n.Lan.Cut([]*Node{anna, dora, yves})
		enter(carl, dora)
		govern(anna, api.ActBan, "yves", "")
		govern(bert, api.ActBan, "xena", "")
		time.Sleep(time.Minute)
		for _, x := range []*Node{anna, bert, xena, yves} {
			check(t, x.Stop())
		}
		time.Sleep(time.Minute)
		n.Lan.Heal()
		f.hear(3*time.Minute, carl, dora)
	})
}
