package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
)

// One of three keeps an hour of what is said, the others everything. Being in step
// costs no more than before, what is gone does not come back, and what each shows
// of the room, of those in it and of what comes is the same.
func TestOneKeepsLess(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, n *Net) {
		f := fewIn(t, n, 3)
		short, long := f.all[0], f.all[1]
		for i := range 150 {
			f.say(f.all[i%3], fmt.Sprintf("old line %d %s", i, strings.Repeat("x", 500)))
		}
		f.same(time.Minute)
		// What lasts stands in the middle of what goes.
		gone := must(n.Account(t.Context(), "gone"))(t)
		check(t, gone.enter(t.Context(), f.room, f.all))
		check(t, gone.Say(t.Context(), f.room, "hello and goodbye"))
		_ = must(gone.LeaveRoom(t.Context(), f.room))(t)
		_ = must(f.all[0].SetSubject(t.Context(), f.room, "what we talk about"))(t)
		_ = must(f.all[2].JoinRoom(t.Context(), api.JoinRoomRequest{Room: f.room, Nick: "called otherwise"}))(t)
		for i := range 30 {
			f.say(f.all[i%3], fmt.Sprintf("less old line %d", i))
		}
		time.Sleep(3 * time.Hour)
		for i := range 6 {
			f.say(f.all[i%3], fmt.Sprintf("new line %d", i))
		}
		f.same(time.Minute)
		idle := func() int64 {
			sent := n.Lan.Sent()
			time.Sleep(10 * time.Minute)
			return n.Lan.Sent() - sent
		}
		before := idle()
		state := must(long.RoomState(t.Context(), f.room))(t)
		members := len(must(short.Members(t.Context(), f.room))(t))

		hour := api.Duration{Duration: time.Hour}
		kept := must(short.SetRetention(t.Context(), api.Retention{MaxAge: &hour}))(t)
		check(t, alike(t, f, state, members, 0))
		if u := kept.Conversations[0]; u.Events > 25 {
			t.Errorf("kept %+v", u)
		}
		after := idle()
		t.Logf("%d bytes in ten minutes before, %d after", before, after)
		if after > before*5/4 {
			t.Errorf("one who keeps less costs %d bytes in ten minutes, %d before", after, before)
		}
		check(t, alike(t, f, state, members, 0))

		// After a restart, too, and with those who were away.
		check(t, short.Stop())
		check(t, long.Stop())
		f.say(f.all[2], "while two were away")
		check(t, short.Start(t.Context(), f.all[2]))
		check(t, long.Start(t.Context(), f.all[2], short))
		f.say(short, "back again")
		check(t, Until(2*time.Minute, func() error { return alike(t, f, state, members, 2) }))
		if more := idle(); more > before*5/4 {
			t.Errorf("after a restart it costs %d bytes in ten minutes, %d before", more, before)
		}
		check(t, alike(t, f, state, members, 2))
	})
}

// alike tells whether the first shows the end of what the others show, which is
// all, in the room as it was.
func alike(t *testing.T, f *few, state api.RoomState, members, more int) error {
	t.Helper()
	var logs [3][]string
	var digests [3]string
	for i, n := range f.all {
		for _, m := range must(n.Log(t.Context(), api.LogQuery{Target: f.room}))(t) {
			logs[i] = append(logs[i], m.ID)
		}
		s := must(n.RoomStatus(t.Context(), f.room))(t)
		if digests[i] = s.Digest; s.Missing || digests[i] != digests[0] {
			return fmt.Errorf("%s is not in step: %+v", n.Name, s)
		}
		if s := must(n.RoomState(t.Context(), f.room))(t); s.Canonical != state.Canonical {
			return fmt.Errorf("the state of %s became\n%s", n.Name, s.Canonical)
		}
		if got := must(n.Members(t.Context(), f.room))(t); len(got) != members {
			return fmt.Errorf("%s lists %d members, want %d", n.Name, len(got), members)
		}
	}
	all, kept := len(logs[1]), len(logs[0])
	if all != 187+more || !slices.Equal(logs[1], logs[2]) {
		return fmt.Errorf("those who keep all have %d and %d lines, want %d", all, len(logs[2]), 187+more)
	}
	// Of each log the last may be older than the rest.
	if kept < 6+more || kept > 10+more || !slices.Equal(logs[0][kept-6-more:], logs[1][all-6-more:]) {
		return fmt.Errorf("the one who keeps less has %d lines", kept)
	}
	return nil
}
