package sim

import (
	"fmt"
	"testing"
	"time"

	"p2pchat/node/api"
)

// TestMembersWhoNeverMet: behind a password two hear each other also if neither was
// there when the other came, and nobody is who was.
func TestMembersWhoNeverMet(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, n *Net) {
		var all []*Node
		for _, name := range []string{"anna", "bert", "carl"} {
			x := must(n.Account(t.Context(), name))(t)
			check(t, x.Start(t.Context(), all...))
			all = append(all, x)
		}
		anna, bert, carl := all[0], all[1], all[2]
		time.Sleep(settle)
		word := []byte("open sesame")
		room := must(anna.CreateRoom(t.Context(), api.CreateRoomRequest{Name: "vault", Password: word}))(t).RoomID
		enter := func(x *Node) {
			t.Helper()
			_ = must(x.JoinRoom(t.Context(), api.JoinRoomRequest{Room: room, Password: word, Wait: api.DefaultWait}))(t)
		}
		enter(bert)
		n.Lan.Cut([]*Node{anna})
		enter(carl)
		check(t, bert.Stop())
		time.Sleep(time.Minute) // nobody passes his join on any more
		n.Lan.Heal()
		f := &few{Net: n, t: t, room: room}
		f.say(carl, "from carl")
		f.say(anna, "from anna")
		check(t, Until(time.Minute, func() error {
			for _, x := range []*Node{anna, carl} {
				if m := f.missing(x); len(m) > 0 {
					return fmt.Errorf("%s does not have %q", x.Name, m)
				}
			}
			return nil
		}))
	})
}

// TestNeitherKnows: so it is where neither serves the other.
func TestNeitherKnows(t *testing.T) {
	inBubble(t, 4, func(t *testing.T, n *Net) {
		var all []*Node
		for _, name := range []string{"anna", "bert", "carl", "dora"} {
			x := must(n.Account(t.Context(), name))(t)
			check(t, x.Start(t.Context(), all...))
			all = append(all, x)
		}
		anna, bert, carl, dora := all[0], all[1], all[2], all[3]
		time.Sleep(settle)
		word := []byte("open sesame")
		room := must(anna.CreateRoom(t.Context(), api.CreateRoomRequest{Name: "vault", Password: word}))(t).RoomID
		enter := func(x *Node) {
			t.Helper()
			_ = must(x.JoinRoom(t.Context(), api.JoinRoomRequest{Room: room, Password: word, Wait: api.DefaultWait}))(t)
		}
		enter(bert)
		time.Sleep(settle)
		n.Lan.Cut([]*Node{anna, dora})
		enter(carl)
		enter(dora)
		check(t, bert.Stop())
		check(t, anna.Stop())
		time.Sleep(time.Minute)
		n.Lan.Heal()
		f := &few{Net: n, t: t, room: room}
		f.say(carl, "from carl")
		f.say(dora, "from dora")
		check(t, Until(2*time.Minute, func() error { // each says once a minute that he is here
			for _, x := range []*Node{carl, dora} {
				if m := f.missing(x); len(m) > 0 {
					return fmt.Errorf("%s does not have %q", x.Name, m)
				}
			}
			return nil
		}))
	})
}

// TestOtherEpochs: so it is where the two hold no key in common, since somebody was banned
// in each part before they met: neither can read that the other is there.
func TestOtherEpochs(t *testing.T) {
	inBubble(t, 6, func(t *testing.T, n *Net) {
		var all []*Node
		for _, name := range []string{"anna", "bert", "carl", "dora", "xena", "yves"} {
			x := must(n.Account(t.Context(), name))(t)
			check(t, x.Start(t.Context(), all...))
			all = append(all, x)
		}
		anna, bert, carl, dora, xena, yves := all[0], all[1], all[2], all[3], all[4], all[5]
		time.Sleep(settle)
		word := []byte("open sesame")
		room := must(anna.CreateRoom(t.Context(), api.CreateRoomRequest{Name: "vault", Password: word}))(t).RoomID
		enter := func(x *Node) {
			t.Helper()
			_ = must(x.JoinRoom(t.Context(), api.JoinRoomRequest{Room: room, Password: word, Wait: api.DefaultWait}))(t)
		}
		for _, x := range []*Node{bert, xena, yves} {
			enter(x)
		}
		govern := func(by *Node, act, who, standing string) {
			t.Helper()
			_ = must(by.Govern(t.Context(), api.GovernRequest{Room: room, Act: act, Who: who, Standing: standing}))(t)
		}
		govern(anna, api.ActGrant, "bert", api.StandingAdmin)
		time.Sleep(settle)
		n.Lan.Cut([]*Node{anna, dora, yves})
		enter(carl)
		enter(dora)
		govern(anna, api.ActBan, "yves", "")
		govern(bert, api.ActBan, "xena", "")
		time.Sleep(time.Minute)
		for _, x := range []*Node{anna, bert, xena, yves} {
			check(t, x.Stop())
		}
		time.Sleep(time.Minute)
		n.Lan.Heal()
		f := &few{Net: n, t: t, room: room}
		f.say(carl, "from carl")
		f.say(dora, "from dora")
		check(t, Until(3*time.Minute, func() error {
			for _, x := range []*Node{carl, dora} {
				if m := f.missing(x); len(m) > 0 {
					return fmt.Errorf("%s does not have %q", x.Name, m)
				}
			}
			return nil
		}))
	})
}
