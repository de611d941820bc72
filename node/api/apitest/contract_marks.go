package apitest

import (
	"slices"
	"strings"
	"time"

	"p2pchat/node/api"
)

func testVerify(p *party) {
	first := p.say(p.Bob, "alice", "before")
	bob := p.peer(p.Alice, p.bobID)
	w := p.watch(p.Alice)
	defer w.stop()
	marked := func(verified bool) func(api.Change) bool {
		return func(c api.Change) bool {
			return c.Type == api.ChangePeer && c.Peer.PeerID == p.bobID && c.Peer.Verified == verified
		}
	}
	check := func(want bool) {
		p.Helper()
		if got := p.peer(p.Alice, p.bobID).Verified; got != want {
			p.Errorf("the roster says that bob is verified: %v, want %v", got, want)
		}
		for _, m := range p.log(p.Alice, api.LogQuery{Target: "bob"}) {
			if m.Verified != (want && m.Author == p.bobID) {
				p.Errorf("verified is %v of %+v", m.Verified, m)
			}
		}
	}

	for range 2 { // a second time changes nothing
		v, err := p.Alice.Verify(p.ctx, "bob", false)
		p.must(err)
		if want := (api.Verification{PeerID: p.bobID, Name: "bob", Fingerprint: bob.Fingerprint, Verified: true}); v != want {
			p.Errorf("verify gave %+v, want %+v", v, want)
		}
	}
	w.until("bob is verified", marked(true))
	check(true) // also what was said before
	r := p.say(p.Bob, "alice", "after")
	w.until("bob's message", func(api.Change) bool { return w.messages[r.ID].Verified })
	p.say(p.Alice, "bob", "mine")
	check(true)
	if p.peer(p.Bob, p.aliceID).Verified {
		p.Error("bob has verified nobody, and alice is marked there")
	}

	// He is the same one when he returns.
	p.BobLeaves()
	p.waitState(p.Alice, p.bobID, api.Offline)
	p.BobReturns()
	p.waitState(p.Alice, p.bobID, api.Online)
	check(true)

	v, err := p.Alice.Verify(p.ctx, p.bobID, true)
	p.must(err)
	if v.Verified || v.PeerID != p.bobID {
		p.Errorf("undo gave %+v", v)
	}
	w.until("bob is not verified", marked(false))
	check(false)
	if rows := p.log(p.Alice, api.LogQuery{Target: "bob"}); rows[0].ID != first.ID {
		p.Errorf("the log is %+v", rows)
	}
	_, err = p.Alice.Verify(p.ctx, "alice", false)
	p.refused("verify of oneself", err, api.CodeUsage)
	_, err = p.Alice.Verify(p.ctx, p.aliceID, true)
	p.refused("verify of oneself by peer ID", err, api.CodeUsage)
}

// short is how long is waited for what must not happen.
const short = 300 * time.Millisecond

// barred checks that what bob sends does not come.
func (p *party) barred(bob api.Service, text string) {
	p.Helper()
	r, err := bob.Send(p.ctx, api.SendRequest{Target: "alice", Text: text, Wait: short})
	p.must(err)
	p.undelivered(r)
}

// undelivered checks that something came no further than a connection which was
// about to end.
func (p *party) undelivered(r api.Receipt) {
	p.Helper()
	if r.State != api.Queued && r.State != api.Sent || r.Acked != 0 {
		p.Errorf("what somebody blocked sends became %+v", r)
	}
}

// texts are what is said in a conversation as svc shows it.
func (p *party) texts(svc api.Service, target string) []string {
	p.Helper()
	out := []string{}
	for _, m := range p.log(svc, api.LogQuery{Target: target}) {
		out = append(out, m.Text)
	}
	return out
}

func (p *party) wantTexts(svc api.Service, target string, want ...string) {
	p.Helper()
	if got := p.texts(svc, target); !slices.Equal(got, want) {
		p.Errorf("the log of %s is %q, want %q", target, got, want)
	}
}

func (p *party) setBlocked(svc api.Service, who string, blocked bool) {
	p.Helper()
	b, err := svc.Block(p.ctx, who, !blocked)
	p.must(err)
	if b.Blocked != blocked {
		p.Errorf("block gave %+v", b)
	}
}

func testBlock(p *party) {
	p.say(p.Bob, "alice", "before")
	w := p.watch(p.Alice)
	defer w.stop()
	is := func(blocked bool) func(api.Change) bool {
		return func(api.Change) bool { return !w.lagged && w.peers[p.bobID].Blocked == blocked }
	}
	fingerprint := p.peer(p.Alice, p.bobID).Fingerprint
	for range 2 { // a second time changes nothing
		b, err := p.Alice.Block(p.ctx, "@bob", false)
		p.must(err)
		if want := (api.Blocking{PeerID: p.bobID, Name: "bob", Fingerprint: fingerprint, Blocked: true}); b != want {
			p.Errorf("block gave %+v, want %+v", b, want)
		}
	}
	w.until("bob is blocked", is(true))
	if !p.peer(p.Alice, p.bobID).Blocked {
		p.Error("the roster does not say that bob is blocked")
	}

	// Nothing goes either way, and he is not told.
	_, err := p.Alice.Send(p.ctx, api.SendRequest{Target: "bob", Text: "hi", Wait: patience})
	if e := p.refused("send to somebody blocked", err, api.CodeForbidden); !strings.Contains(e.Message, "unblock") {
		p.Errorf("the refusal does not say what to do: %s", e.Message)
	}
	p.must(p.Alice.Typing(p.ctx, "bob"))
	p.must(p.Bob.Typing(p.ctx, "alice"))
	p.barred(p.Bob, "while blocked")
	p.wantTexts(p.Alice, "bob", "before")
	if row := p.peer(p.Bob, p.aliceID); row.State != api.Online || row.Blocked {
		p.Errorf("bob sees alice as %+v", row)
	}

	// He remains so when he returns.
	p.BobLeaves()
	p.waitState(p.Alice, p.bobID, api.Offline)
	bob := p.BobReturns()
	p.waitState(p.Alice, p.bobID, api.Online)
	p.waitState(bob, p.aliceID, api.Online)
	p.barred(bob, "again")
	p.wantTexts(p.Alice, "bob", "before")

	p.setBlocked(p.Alice, p.bobID, false)
	w.until("bob is not blocked", is(false))
	p.eventually("what he said comes", func() bool { return len(p.texts(p.Alice, "bob")) == 3 })
	p.say(p.Alice, "bob", "welcome back")
	p.say(bob, "alice", "thanks")
	p.wantTexts(p.Alice, "bob", "before", "while blocked", "again", "welcome back", "thanks")

	for _, self := range []string{"alice", p.aliceID} {
		_, err = p.Alice.Block(p.ctx, self, false)
		p.refused("block of oneself", err, api.CodeUsage)
	}
}

func testBlockStranger(p *party) {
	const stranger = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"
	p.setBlocked(p.Alice, stranger, true)
	if row := p.peer(p.Alice, stranger); !row.Blocked || row.Name != "" || row.State != api.Offline || row.Addrs == nil || row.Via != "" {
		p.Errorf("the stranger is %+v", row)
	}
	_, err := p.Alice.Send(p.ctx, api.SendRequest{Target: stranger, Text: "hi"})
	p.refused("send to a stranger who is blocked", err, api.CodeForbidden)
	p.must(p.Alice.RemovePeer(p.ctx, stranger))
	if !p.peer(p.Alice, stranger).Blocked {
		p.Error("removed, he is no longer blocked")
	}
	p.setBlocked(p.Alice, stranger, false)
	if p.peer(p.Alice, stranger).Blocked {
		p.Error("he is still blocked")
	}
	p.must(p.Alice.RemovePeer(p.ctx, stranger))
	_, err = p.Alice.Block(p.ctx, stranger, true)
	p.refused("unblock of somebody unknown", err, api.CodeNotFound)
	p.say(p.Alice, "bob", "still here")
}

func testBlockRooms(p *party) {
	room := p.meet()
	p.say(p.Bob, room, "one")
	p.say(p.Alice, room, "two")
	w := p.watch(p.Alice)
	defer w.stop()
	unread := func(n int) func(api.Change) bool {
		return func(api.Change) bool {
			return !w.lagged && w.conversations[room].Unread == n && w.rooms[room].Unread == n
		}
	}
	w.until("bob's message is unread", unread(1))
	p.setBlocked(p.Alice, "bob", true)
	w.until("nothing is unread", unread(0))
	p.wantTexts(p.Alice, room, "two")

	// It is stored, so he gets his receipt; and not shown.
	hidden := p.say(p.Bob, room, "three")
	p.eventually("alice holds it", func() bool {
		a, err := p.Alice.RoomStatus(p.ctx, room)
		p.must(err)
		b, err := p.Bob.RoomStatus(p.ctx, room)
		p.must(err)
		return a.Digest == b.Digest
	})
	mine := p.say(p.Alice, room, "four")
	w.until("alice's own", func(api.Change) bool { return w.messages[mine.ID].ID != "" })
	p.wantTexts(p.Alice, room, "two", "four")
	if page := p.log(p.Alice, api.LogQuery{Target: room, Last: 1, Before: mine.ID}); len(page) != 1 || page[0].Text != "two" {
		p.Errorf("the page before is %+v", page)
	}
	for _, m := range p.log(p.Alice, api.LogQuery{Target: room, All: true}) {
		if m.Author == p.bobID && m.Kind != api.MessageGovern {
			p.Errorf("listed with --all: %+v", m)
		}
	}
	if w.messages[hidden.ID].ID != "" {
		p.Error("a watcher was told of what is hidden")
	}
	if row := p.row(p.Alice, p.bobID); row.Unread != 0 {
		p.Errorf("the conversation is %+v", row)
	}
	if rows := p.rooms(p.Alice, false); len(rows) != 1 || rows[0].Unread != 0 || rows[0].Occupants != 2 {
		p.Errorf("the rooms are %+v", rows)
	}

	// What goes from one to one about rooms.
	r, err := p.Bob.SendPrivate(p.ctx, room, "alice", "psst", short)
	p.must(err)
	p.undelivered(r)
	e, err := p.Bob.CreateRoom(p.ctx, api.CreateRoomRequest{Name: "den"})
	p.must(err)
	_, err = p.Bob.Invite(p.ctx, e.RoomID, "alice", "")
	p.must(err)
	time.Sleep(short)
	if rows := p.invitations(p.Alice); len(rows) != 0 {
		p.Errorf("alice is invited: %+v", rows)
	}
	_, err = p.Alice.SendPrivate(p.ctx, room, "bob", "psst", patience)
	p.refused("a private message to somebody blocked", err, api.CodeForbidden)
	_, err = p.Alice.Invite(p.ctx, room, "bob", "")
	p.refused("an invitation of somebody blocked", err, api.CodeForbidden)

	p.setBlocked(p.Alice, "bob", false)
	p.wantTexts(p.Alice, room, "one", "two", "three", "four")
	w.until("both are unread", unread(2))
	p.eventually("the invitation comes", func() bool { return len(p.invitations(p.Alice)) == 1 })
	p.say(p.Bob, room, "five")
	p.wantTexts(p.Alice, room, "one", "two", "three", "four", "five")

	// One that waits when he is blocked waits unseen.
	p.setBlocked(p.Alice, "bob", true)
	if rows := p.invitations(p.Alice); len(rows) != 0 {
		p.Errorf("alice is invited: %+v", rows)
	}
	_, err = p.Alice.AnswerInvitation(p.ctx, api.AnswerRequest{Room: "#den"})
	p.refused("an answer to somebody blocked", err, api.CodeNotFound)
}
