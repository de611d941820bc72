package tui

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// TestMain shows the UI with invented people instead of running the tests when
// P2PCHAT_TRYOUT is set, to look at it as a person would:
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
	anna := lan.Join("anna")
	people := map[string]*apitest.FakeNode{}
	for _, name := range []string{"bruno", "clara", "dmitri", "eva", "李明", "zoë"} {
		people[name] = lan.Join(name)
	}
	say := func(from, to *apitest.FakeNode, text string) error {
		_, err := from.Send(ctx, api.SendRequest{Target: to.PeerID(), Text: text})
		return err
	}
	bruno := people["bruno"]
	for _, l := range []struct {
		from, to *apitest.FakeNode
		text     string
	}{
		{bruno, anna, "Hi! server, need help"},
		{bruno, anna, "the switch in rack 2 shows amber on port 7"},
		{anna, bruno, "On my way. Is that the uplink to the lab, or the one to the old print server that nobody dares to touch?"},
		{bruno, anna, "The uplink 😬"},
		{anna, bruno, "/me takes the spare SFP along"},
		{bruno, anna, "👍"},
		{bruno, anna, "while you are there, the config was:\n    interface ge-0/0/7\n      description uplink-lab\n      mtu 9000"},
		{anna, bruno, "Noted."},
		{people["clara"], anna, "lunch?"},
		{people["clara"], anna, "we go at 12"},
		{people["李明"], anna, "你好，服务器恢复了吗？"},
	} {
		if err := say(l.from, l.to, l.text); err != nil {
			return err
		}
	}
	if err := bruno.SetAway(ctx, false, "in the server room"); err != nil {
		return err
	}
	if err := people["eva"].SetAway(ctx, true, "back at 2"); err != nil {
		return err
	}
	people["dmitri"].SetOnline(false)
	if err := say(anna, people["dmitri"], "the slides are on the share"); err != nil {
		return err
	}
	go func() { // ends with ctx
		for ctx.Err() == nil {
			_ = bruno.Typing(ctx, anna.PeerID())
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Second):
			}
		}
	}()
	return Run(ctx, anna, Options{
		Version: "0.1.0",
		Capture: func(ctx context.Context, file string) (string, error) {
			<-ctx.Done()
			return "12 packets.", nil
		},
	})
}
