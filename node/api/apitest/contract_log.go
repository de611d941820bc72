package apitest

import (
	"fmt"
	"slices"
	"time"

	"p2pchat/node/api"
)

func testLogsAgree(p *party) {
	if log := p.log(p.Alice, api.LogQuery{Target: "bob"}); len(log) != 0 {
		p.Errorf("the log before anything was said is %+v", log)
	}
	for i := range 10 {
		p.say(p.Alice, "bob", fmt.Sprint("question ", i))
		p.say(p.Bob, "alice", fmt.Sprint("answer ", i))
	}
	mine, theirs := p.log(p.Alice, api.LogQuery{Target: "bob"}), p.log(p.Bob, api.LogQuery{Target: "alice"})
	if len(mine) != 20 || len(theirs) != 20 {
		p.Fatalf("the logs have %d and %d messages, want 20", len(mine), len(theirs))
	}
	for i, a := range mine {
		b := theirs[i]
		by, states := p.aliceID, [2]string{api.Delivered, api.Received}
		if i%2 == 1 {
			by, states = p.bobID, [2]string{api.Received, api.Delivered}
		}
		if a.Author != by || a.State != states[0] || b.State != states[1] || a.Seq != uint64(i/2+1) {
			p.Errorf("message %d is %+v and %+v", i, a, b)
		}
		a.State, b.State = "", ""
		if !sameMessage(a, b) {
			p.Errorf("message %d is %+v at alice's, %+v at bob's", i, a, b)
		}
	}
}

func testLogPages(p *party) {
	var ids []string
	for i := range 12 {
		ids = append(ids, p.say(p.Alice, "bob", fmt.Sprint(i)).ID)
	}
	page := func(last int, before string) (got []string) {
		for _, m := range p.log(p.Bob, api.LogQuery{Target: "alice", Last: last, Before: before}) {
			got = append(got, m.ID)
		}
		return got
	}
	tests := []struct {
		last   int
		before string
		want   []string
	}{
		{0, "", ids},
		{5, "", ids[7:]},
		{12, "", ids},
		{13, "", ids},
		{5, ids[7], ids[2:7]},
		{5, ids[2], ids[:2]},
		{5, ids[0], nil},
		{0, ids[4], ids[:4]},
		{1, ids[11], ids[10:11]},
	}
	for _, tt := range tests {
		if got := page(tt.last, tt.before); !slices.Equal(got, tt.want) {
			p.Errorf("last %d before %q: got %q, want %q", tt.last, tt.before, got, tt.want)
		}
	}
	for _, before := range []string{"00", "no ID", ids[0] + "00"} {
		_, err := p.Bob.Log(p.ctx, api.LogQuery{Target: "alice", Before: before})
		p.refused("log before "+before, err, api.CodeNotFound)
	}
}

func testLogSince(p *party) {
	for i := range 4 {
		p.say(p.Alice, "bob", fmt.Sprint(i))
	}
	log := p.log(p.Alice, api.LogQuery{Target: "bob"})
	for _, since := range []time.Time{
		{}, log[0].Time.Time, log[2].Time.Time, log[3].Time.Add(time.Millisecond), log[3].Time.Add(time.Hour).In(time.FixedZone("", 3600)),
	} {
		var want []api.Message
		for _, m := range log {
			if !m.Time.Before(since) {
				want = append(want, m)
			}
		}
		if got := p.log(p.Alice, api.LogQuery{Target: "bob", Since: since}); !slices.EqualFunc(got, want, sameMessage) {
			p.Errorf("since %v: got %d messages, want %d", since, len(got), len(want))
		}
	}
}

func testRead(p *party) {
	alice, bob := p.watch(p.Alice), p.watch(p.Bob)
	defer alice.stop()
	defer bob.stop()
	unread := func(n int) {
		p.Helper()
		bob.until(fmt.Sprint(n, " unread"), func(api.Change) bool { return bob.conversations[p.conversation].Unread == n })
		if got := p.row(p.Bob, p.aliceID).Unread; got != n {
			p.Errorf("the list says %d unread, want %d", got, n)
		}
	}
	var ids []string
	for i := range 3 {
		ids = append(ids, p.say(p.Alice, "bob", fmt.Sprint(i)).ID)
	}
	unread(3)
	if got := p.row(p.Alice, p.bobID); got.Unread != 0 || got.ReadByOther != "" {
		p.Errorf("the sender's conversation is %+v", got)
	}

	for i, id := range []string{ids[1], ids[2]} {
		p.must(p.Bob.MarkRead(p.ctx, "alice", id))
		unread(1 - i)
		alice.until("the read marker", func(api.Change) bool {
			return alice.conversations[p.conversation].ReadByOther == id && alice.messages[id].State == api.Read
		})
		if got := p.row(p.Alice, p.bobID).ReadByOther; got != id {
			p.Errorf("the list says %s was read, want %s", got, id)
		}
	}
	// Going back says nothing new.
	p.must(p.Bob.MarkRead(p.ctx, "alice", ids[0]))
	for i, m := range p.log(p.Alice, api.LogQuery{Target: "bob"}) {
		if m.State != api.Read {
			p.Errorf("message %d is %s, want read", i, m.State)
		}
	}
	if got := p.row(p.Bob, p.aliceID).Unread; got != 0 {
		p.Errorf("%d unread after going back, want 0", got)
	}
	p.say(p.Alice, "bob", "one more")
	unread(1)
}

func testReadRefused(p *party) {
	r := p.say(p.Alice, "bob", "hi")
	for _, id := range []string{"", "00", r.ID[1:] + "0"} {
		p.refused("read of message "+id, p.Bob.MarkRead(p.ctx, "alice", id), api.CodeNotFound)
	}
	if got := p.row(p.Bob, p.aliceID).Unread; got != 1 {
		p.Errorf("%d unread, want 1", got)
	}
}

func testTyping(p *party) {
	w := p.watch(p.Alice)
	defer w.stop()
	p.must(p.Bob.Typing(p.ctx, "alice"))
	c := w.until("bob is typing", func(c api.Change) bool { return c.Type == api.ChangeTyping })
	if *c.Typing != (api.Typing{Conversation: p.conversation, PeerID: p.bobID}) {
		p.Errorf("typing is %+v", *c.Typing)
	}
}

func testMentions(p *party) {
	want := func(unread, mentions int) {
		p.Helper()
		p.eventually(fmt.Sprint(unread, " unread, ", mentions, " mentions"), func() bool {
			c := p.row(p.Bob, p.aliceID)
			return c.Unread == unread && c.Mentions == mentions
		})
	}
	p.say(p.Alice, "bob", "hello there")
	want(1, 0)
	first := p.say(p.Alice, "bob", "are you there, BOB?")
	last := p.say(p.Alice, "bob", "@bob: look")
	p.say(p.Alice, "bob", "bobby and kabob are others; me, I am alice")
	want(4, 2)
	if c := p.row(p.Alice, p.bobID); c.Unread != 0 || c.Mentions != 0 {
		p.Errorf("what one says oneself is news: %+v", c)
	}
	p.must(p.Bob.MarkRead(p.ctx, "alice", first.ID))
	want(2, 1)
	p.must(p.Bob.MarkRead(p.ctx, "alice", last.ID))
	want(1, 0)
}

func testMentionsInRooms(p *party) {
	room := p.create(api.CreateRoomRequest{Name: "dev"})
	p.enter(p.Bob, room, "#dev", "Captain Hook")
	w := p.watch(p.Bob)
	defer w.stop()
	want := func(unread, mentions int) {
		p.Helper()
		w.until(fmt.Sprint(unread, " unread, ", mentions, " mentions"), func(api.Change) bool {
			c := w.conversations[room]
			return !w.lagged && c.Unread == unread && c.Mentions == mentions
		})
		if r, _ := p.room(p.Bob, false, room); r.Unread != unread || r.Mentions != mentions {
			p.Errorf("the room is %+v", r)
		}
	}
	p.say(p.Alice, room, "ahoy, captain")
	p.say(p.Alice, room, "ahoy, captain hook!")
	named := p.say(p.Alice, room, "or is it /bob/?")
	want(3, 2)
	p.setBlocked(p.Bob, "alice", true)
	want(0, 0)
	p.setBlocked(p.Bob, "alice", false)
	want(3, 2)
	last := p.say(p.Alice, room, "no more")
	p.must(p.Bob.MarkRead(p.ctx, room, named.ID))
	want(1, 0)
	p.must(p.Bob.MarkRead(p.ctx, room, last.ID))
	want(0, 0)
}
