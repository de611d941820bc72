package node

import (
	"context"
	"testing"
	"time"

	"p2pchat/node/api"
)

// TestClockLeap: a clock that is wrong by a year removes nothing by its age as long
// as nobody confirms it.
func TestClockLeap(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	alice, dir := start(t, newAccount(t, "alice")), newAccount(t, "bob")
	bob := start(t, dir, alice)
	target := alice.key.ID().String()
	for range 3 {
		if _, err := bob.Send(ctx, api.SendRequest{Target: target, Text: "keep this", Wait: time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := bob.SetRetention(ctx, api.Retention{MaxAge: &api.Duration{Duration: 90 * 24 * time.Hour}}); err != nil {
		t.Fatal(err)
	}
	bob.halt()
	held := func(ahead time.Duration, agree int) int {
		t.Helper()
		n := startWith(t, dir, Seams{Now: func() time.Time { return time.Now().Add(ahead) }})
		defer n.halt()
		for range agree {
			n.clocks.note(alice.key.ID(), 0)
		}
		now, err := n.sureNow(ctx)
		if err == nil {
			err = n.prune(context.WithoutCancel(ctx), now)
		}
		if err != nil {
			t.Fatal(err)
		}
		log, err := n.Log(ctx, api.LogQuery{Target: target})
		if err != nil {
			t.Fatal(err)
		}
		return len(log)
	}
	const year = 365 * 24 * time.Hour
	if n := held(year, 0); n != 3 {
		t.Errorf("%d messages after a year that nobody confirms", n)
	}
	if n := held(year, 1); n != 1 { // the latest of each person stays
		t.Errorf("%d messages after a year", n)
	}
}
