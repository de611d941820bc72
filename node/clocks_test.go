package node

import (
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
)

// TestClocks: whose clock is far ahead of ours is sent away, and the person learns
// why; once the clocks agree, nothing of it stands any more.
func TestClocks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	alice := start(t, newAccount(t, "alice"))
	dir := newAccount(t, "bob")
	bob := startWith(t, dir, Seams{Now: func() time.Time { return time.Now().Add(24 * time.Hour) }}, alice)
	until := func(n testNode, want func(api.Snapshot) bool) {
		t.Helper()
		for range n.Watch(ctx, 0) {
			s, err := n.snapshot(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if want(s) {
				return
			}
		}
		t.Fatal("the node stopped")
	}
	until(alice, func(s api.Snapshot) bool { return len(s.Notices) > 0 })
	if s, _ := alice.snapshot(ctx); !strings.Contains(s.Notices[0], "clock of ~") || !strings.Contains(s.Notices[0], "24h0m0s ahead") {
		t.Errorf("notices: %q", s.Notices)
	}
	if f := alice.clockFinding(); f.Level != api.LevelFail || f.Advice == "" {
		t.Errorf("finding %+v", f)
	}
	until(bob, func(api.Snapshot) bool { return bob.clockFinding().Level == api.LevelWarn })
	bob.halt()
	start(t, dir, alice)
	until(alice, func(s api.Snapshot) bool {
		return len(s.Peers) > 0 && s.Peers[0].State == api.Online && len(s.Notices) == 0
	})
	if f := alice.clockFinding(); f.Level != api.LevelOK || f.Seen != "agrees with that of one other" {
		t.Errorf("afterwards: %+v", f)
	}
}
