package tui

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// TestMain shows the UI with invented people instead of running the tests when
// P2PCHAT_TRYOUT is set, to look at it as a person would; bruno reads what one
// writes to him and answers, and in #dev,
// which is moderated, clara does, and zoë asks for voice. The picture in docs/images
// was taken of it.
//
//	go test -c -o /tmp/tui.test ./cmd/p2pchat/internal/tui && P2PCHAT_TRYOUT=1 /tmp/tui.test
func TestMain(m *testing.M) {
	if os.Getenv("P2PCHAT_TRYOUT") == "" {
		os.Exit(m.Run())
	}
	if err := tryout(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func tryout() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	lan := apitest.NewLAN()
	people := map[string]*apitest.FakeNode{}
	for _, name := range []string{"bruno", "clara", "dmitri", "eva", "zoë"} {
		people[name] = lan.Join(name)
	}
	anna := lan.Join("anna")
	for _, l := range []struct{ from, text string }{
		{"bruno", "Hi! server, need help"},
		{"bruno", "the switch in rack 2 shows amber on port 7"},
		{"clara", "lunch?"},
		{"clara", "we go at 12"},
	} {
		if _, err := people[l.from].Send(ctx, api.SendRequest{Target: anna.PeerID(), Text: l.text}); err != nil {
			return err
		}
	}
	if err := tryoutRooms(ctx, people, anna); err != nil {
		return err
	}
	if err := people["eva"].SetAway(ctx, true, "back at 2"); err != nil {
		return err
	}
	people["dmitri"].SetOnline(false)
	if _, err := anna.Send(ctx, api.SendRequest{Target: people["dmitri"].PeerID(), Text: "the slides are on the share"}); err != nil {
		return err
	}
	var answered sync.WaitGroup
	answered.Go(func() { answer(ctx, people["bruno"], anna) }) // end with ctx
	answered.Go(func() { answerInRoom(ctx, people["clara"], anna, "#dev") })
	answered.Go(func() {
		select {
		case <-ctx.Done():
		case <-time.After(8 * time.Second):
			_, _ = people["zoë"].RequestVoice(ctx, "#dev")
		}
	})
	err := Run(ctx, anna, Options{Version: "0.1.0", Capture: untilStopped})
	cancel()
	answered.Wait()
	return err
}

// tryoutRooms makes a room where something was said, and one to be found.
func tryoutRooms(ctx context.Context, people map[string]*apitest.FakeNode, anna *apitest.FakeNode) error {
	who := func(name string) *apitest.FakeNode {
		if name == "anna" {
			return anna
		}
		return people[name]
	}
	if _, err := who("zoë").CreateRoom(ctx, api.CreateRoomRequest{Name: "lunch"}); err != nil {
		return err
	}
	if _, err := who("bruno").CreateRoom(ctx, api.CreateRoomRequest{Name: "dev", Moderated: true}); err != nil {
		return err
	}
	for _, name := range []string{"anna", "clara", "dmitri", "eva", "zoë"} {
		if _, err := who(name).JoinRoom(ctx, api.JoinRoomRequest{Room: "#dev"}); err != nil {
			return err
		}
	}
	for _, name := range []string{"clara", "dmitri", "anna"} {
		standing := api.StandingMember
		if name == "anna" {
			standing = api.StandingModerator
		}
		r := api.GovernRequest{Room: "#dev", Act: api.ActGrant, Who: name, Standing: standing}
		if _, err := who("bruno").Govern(ctx, r); err != nil {
			return err
		}
	}
	if _, err := who("bruno").SetSubject(ctx, "#dev", "release on Friday"); err != nil {
		return err
	}
	for _, l := range []struct{ from, text string }{
		{"bruno", "The build on main is red since the update of the compiler. Does anybody know why?"},
		{"anna", "looking"},
		{"dmitri", "It was the linker: fixed."},
		{"clara", "/me applauds"},
	} {
		if _, err := who(l.from).Send(ctx, api.SendRequest{Target: "#dev", Text: l.text}); err != nil {
			return err
		}
	}
	return nil
}

// answerInRoom has one node agree to what another says in a room.
func answerInRoom(ctx context.Context, who, to *apitest.FakeNode, room string) {
	for c, err := range who.Watch(ctx, 0) {
		if err != nil {
			return
		}
		m := c.Message
		if m == nil || m.Author != to.PeerID() || m.Nick == "" || !api.Listed(m.Kind) {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
		_, _ = who.Send(ctx, api.SendRequest{Target: room, Text: "Fine with me."})
	}
}

// answer has one node read what the other says, and reply.
func answer(ctx context.Context, who, to *apitest.FakeNode) {
	replies := []string{
		"The uplink. Half the office is waiting for its files.",
		"while you are there, the config was:\n    interface ge-0/0/7\n      description uplink-lab\n      mtu 9000",
		"Green again, thank you!",
	}
	for c, err := range who.Watch(ctx, 0) {
		if err != nil {
			return
		}
		if c.Message == nil || c.Message.Author != to.PeerID() || c.Message.Nick != "" {
			continue
		}
		_ = who.MarkRead(ctx, to.PeerID(), c.Message.ID)
		for _, pause := range []time.Duration{time.Second, 3 * time.Second} {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			_ = who.Typing(ctx, to.PeerID())
		}
		if len(replies) > 0 {
			_, _ = who.Send(ctx, api.SendRequest{Target: to.PeerID(), Text: replies[0]})
			replies = replies[1:]
		}
	}
}
