package apitest

import (
	"fmt"
	"slices"
	"time"

	"p2pchat/node/api"
)

func testRoomTalk(p *party) {
	room := p.create(api.CreateRoomRequest{Name: "dev"})
	// Nobody else ever came: there is nothing to wait for.
	first, err := p.Alice.Send(p.ctx, api.SendRequest{Target: "#dev", Text: "anybody?", Wait: patience})
	p.must(err)
	if first.State != api.Queued || first.Acked != 0 || first.Members != 0 || first.Conversation != room {
		p.Errorf("the receipt of who is alone is %+v", first)
	}
	p.enter(p.Bob, room, "#dev", "")
	want := []string{first.ID}
	for i := range 5 {
		for who, svc := range map[string]api.Service{"alice": p.Alice, "bob": p.Bob} {
			r := p.say(svc, "#dev", fmt.Sprint(who, " ", i))
			if r.Acked != 1 || r.Members != 1 || r.Conversation != room {
				p.Errorf("the receipt is %+v", r)
			}
			want = append(want, r.ID)
		}
	}
	want = append(want, p.say(p.Bob, room, "/me waves").ID)

	logs := make(map[string][]api.Message)
	for who, svc := range map[string]api.Service{"alice": p.Alice, "bob": p.Bob} {
		p.eventually(who+" has all of it", func() bool { logs[who] = p.log(svc, api.LogQuery{Target: room}); return len(logs[who]) == len(want) })
	}
	seqs := make(map[string]uint64)
	for i, a := range logs["alice"] {
		b := logs["bob"][i]
		if a.ID != want[i] || a.Conversation != room || a.Nick != a.Name || a.Seq <= seqs[a.Author] || a.Log == "" || a.Time.IsZero() {
			p.Errorf("message %d is %+v, want ID %s", i, a, want[i])
		}
		seqs[a.Author] = a.Seq
		mine, theirs := a.State, b.State
		if a.Author == p.bobID {
			mine, theirs = b.State, a.State
		}
		if mine != api.Delivered && mine != api.Read || theirs != api.Received {
			p.Errorf("message %d is %s at alice's and %s at bob's", i, a.State, b.State)
		}
		a.State, b.State = "", ""
		if !sameMessage(a, b) {
			p.Errorf("message %d is %+v at alice's, %+v at bob's", i, a, b)
		}
	}
	if m := logs["alice"][len(want)-1]; m.Kind != api.MessageAction || m.Text != "waves" {
		p.Errorf("the action is %+v", m)
	}

	// Who came stands in the log on demand.
	p.eventually("both joins are in alice's log", func() bool {
		var nicks []string
		for _, m := range p.log(p.Alice, api.LogQuery{Target: room, All: true}) {
			if m.Kind == api.MessageJoin {
				nicks = append(nicks, m.Text)
			}
		}
		return slices.Equal(nicks, []string{"alice", "bob"})
	})
	if page := p.log(p.Bob, api.LogQuery{Target: room, Last: 3, Before: want[8]}); len(page) != 3 || page[0].ID != want[5] {
		p.Errorf("a page of the room's log is %+v", page)
	}
}

// What was said while a member was away reaches him when he returns.
func testRoomAbsent(p *party) {
	room := p.meet()
	p.BobLeaves()
	p.eventually("bob is offline in the room", func() bool {
		m, in := p.member(p.Alice, room, p.bobID)
		return in && m.Presence == api.PresenceOffline
	})
	w := p.watch(p.Alice)
	defer w.stop()
	r, err := p.Alice.Send(p.ctx, api.SendRequest{Target: room, Text: "for later", Wait: time.Millisecond})
	if err != nil || r.State != api.Queued && r.State != api.Sent || r.Acked != 0 || r.Members != 1 {
		p.Fatalf("send to a room whose other member is away: %+v, %v", r, err)
	}
	bob := p.BobReturns()
	w.until("its delivery", func(api.Change) bool { return w.messages[r.ID].State == api.Delivered })
	if log := p.log(bob, api.LogQuery{Target: room}); len(log) != 1 || log[0].ID != r.ID {
		p.Errorf("bob's log is %+v", log)
	}
	p.eventually("bob is back in the room", func() bool {
		m, _ := p.member(p.Alice, room, p.bobID)
		return m.Presence == api.PresenceOnline
	})
}

func testRoomRead(p *party) {
	room := p.meet()
	w := p.watch(p.Bob)
	defer w.stop()
	unread := func(n int) {
		p.Helper()
		w.until(fmt.Sprint(n, " unread"), func(api.Change) bool { return w.conversations[room].Unread == n })
		if row, _ := p.room(p.Bob, false, room); row.Unread != n {
			p.Errorf("the list says %d unread, want %d", row.Unread, n)
		}
	}
	var ids []string
	for i := range 3 {
		ids = append(ids, p.say(p.Alice, room, fmt.Sprint(i)).ID)
	}
	unread(3)
	p.must(p.Bob.MarkRead(p.ctx, "#dev", ids[1]))
	unread(1)
	p.must(p.Bob.MarkRead(p.ctx, room, ids[2]))
	unread(0)
	p.must(p.Bob.MarkRead(p.ctx, room, ids[0]))
	if row, _ := p.room(p.Bob, false, room); row.Unread != 0 {
		p.Errorf("%d unread after going back, want 0", row.Unread)
	}
	p.refused("read of no message", p.Bob.MarkRead(p.ctx, room, room), api.CodeNotFound)
	if row, _ := p.room(p.Alice, false, room); row.Unread != 0 {
		p.Errorf("the author has %d unread", row.Unread)
	}
}

func testRoomLeave(p *party) {
	room := p.meet()
	p.say(p.Alice, room, "before")
	mine, theirs := p.watch(p.Bob), p.watch(p.Alice)
	defer mine.stop()
	defer theirs.stop()
	left := api.Entry{RoomID: room, Standing: api.StandingNone, Role: api.RoleNone}
	for range 2 { // once more changes nothing
		if e, err := p.Bob.LeaveRoom(p.ctx, "#dev"); err != nil || e != left {
			p.Fatalf("leave: %+v, %v", e, err)
		}
	}
	c := mine.until("the room is left", func(c api.Change) bool { return c.Type == api.ChangeRoomLeft })
	if c.Room.RoomID != room || c.Room.Joined {
		p.Errorf("bob was told of %+v", *c.Room)
	}
	c = theirs.until("bob is gone", func(c api.Change) bool { return c.Type == api.ChangeMember && c.Member.Gone })
	if c.Member.RoomID != room || c.Member.Member.PeerID != p.bobID {
		p.Errorf("alice was told of %+v", *c.Member)
	}
	if rows := p.members(p.Alice, room); len(rows) != 1 || rows[0].PeerID != p.aliceID {
		p.Errorf("alice sees %+v", rows)
	}
	if rows := p.rooms(p.Bob, false); len(rows) != 0 {
		p.Errorf("bob is in %+v", rows)
	}
	if row, _ := p.room(p.Bob, true, room); row.Joined || row.Name != "dev" {
		p.Errorf("the room that bob left is %+v", row)
	}
	own := p.create(api.CreateRoomRequest{Name: "mine", Hidden: true})
	_, err := p.Alice.LeaveRoom(p.ctx, own)
	p.must(err)
	if row, found := p.room(p.Alice, true, own); !found || row.Joined || row.Name != "mine" {
		p.Errorf("a room that everybody left is %+v to one who was in it", row)
	}
	if slices.ContainsFunc(p.conversations(p.Bob), func(c api.Conversation) bool { return c.Kind == api.KindRoom }) {
		p.Error("a room that was left is among the conversations")
	}

	// Its history stays, and nothing is said there.
	for _, target := range []string{"#dev", room} {
		if log := p.log(p.Bob, api.LogQuery{Target: target}); len(log) != 1 || log[0].Text != "before" {
			p.Errorf("bob's log of %s is %+v", target, log)
		}
		_, err := p.Bob.Send(p.ctx, api.SendRequest{Target: target, Text: "hi", Wait: patience})
		p.refused("send to a room that was left", err, api.CodeNotJoined)
		_, err = p.Bob.PingRoom(p.ctx, target, patience)
		p.refused("ping of a room that was left", err, api.CodeNotJoined)
	}
	alone, err := p.Alice.Send(p.ctx, api.SendRequest{Target: room, Text: "meanwhile", Wait: patience})
	if err != nil || alone.State != api.Queued || alone.Members != 0 {
		p.Errorf("send to a room that everybody left: %+v, %v", alone, err)
	}
	p.enter(p.Bob, room, "#dev", "")
	p.say(p.Bob, room, "after")
	p.eventually("bob has heard all", func() bool {
		var texts []string
		for _, m := range p.log(p.Bob, api.LogQuery{Target: room}) {
			texts = append(texts, m.Text)
		}
		return slices.Equal(texts, []string{"before", "meanwhile", "after"})
	})
}

func testRoomState(p *party) {
	room := p.meet()
	p.say(p.Bob, room, "hi")
	mine, err := p.Alice.RoomState(p.ctx, "#dev")
	p.must(err)
	if mine.RoomID != room || mine.Creator != p.aliceID || mine.Config["name"] != "dev" || mine.Config["visible"] != "true" ||
		mine.Destroyed || mine.Root == "" || mine.Canonical == "" {
		p.Errorf("the state is %+v", mine)
	}
	if !slices.ContainsFunc(mine.People, func(s api.PersonState) bool {
		return s.PeerID == p.aliceID && s.Standing == api.StandingOwner
	}) {
		p.Errorf("the people are %+v", mine.People)
	}
	p.eventually("the states are the same", func() bool {
		theirs, err := p.Bob.RoomState(p.ctx, room)
		p.must(err)
		return theirs.Canonical == mine.Canonical && theirs.Root == mine.Root && slices.Equal(theirs.People, mine.People)
	})

	var status [2]api.RoomStatus
	p.eventually("both are in step", func() bool {
		for i, svc := range []api.Service{p.Alice, p.Bob} {
			if status[i], err = svc.RoomStatus(p.ctx, room); err != nil {
				p.Fatal(err)
			}
		}
		return status[0].Digest == status[1].Digest && status[0].Present == 2 && status[1].Present == 2 &&
			slices.Equal(status[0].Peers, []string{p.bobID}) && slices.Equal(status[1].Peers, []string{p.aliceID})
	})
	for _, s := range status {
		if s.RoomID != room || s.Name != "dev" || s.Members != 2 || s.Root != mine.Root || s.Epoch == "" || s.Epochs < 1 ||
			s.Messages < 3 || s.Parked != 0 || s.Missing || s.SyncPeers == nil {
			p.Errorf("the status is %+v", s)
		}
	}
}

func testRoomPing(p *party) {
	room := p.meet()
	for target, svc := range map[string]api.Service{"#dev": p.Alice, "dev": p.Bob, room: p.Bob} {
		if e, err := svc.PingRoom(p.ctx, target, patience); err != nil || e.RoomID != room || e.Role == api.RoleNone {
			p.Errorf("ping of %s: %+v, %v", target, e, err)
		}
	}
}

// Rooms are among the conversations, the latest first.
func testRoomConversations(p *party) {
	room := p.meet()
	row := func() api.Conversation {
		for _, c := range p.conversations(p.Alice) {
			if c.ID == room {
				return c
			}
		}
		p.Fatal("the room is no conversation")
		return api.Conversation{}
	}
	if c := row(); c.Kind != api.KindRoom || c.Name != "dev" || c.Unread != 0 || c.PeerID != "" {
		p.Errorf("the conversation is %+v", c)
	}
	if r := p.say(p.Alice, row().Target, "hi"); r.Conversation != room {
		p.Errorf("what was sent to its target went to %s", r.Conversation)
	}
	if row().LastTime.IsZero() {
		p.Error("a room in which something was said has no last_time")
	}
	for _, target := range []string{"@bob", room, "@bob"} {
		want := p.say(p.Alice, target, "ping").Conversation
		if rows := p.conversations(p.Alice); len(rows) != 2 || rows[0].ID != want {
			p.Errorf("after a message to %s the conversations are %+v", target, rows)
		}
	}
}

// testRoomWatchAddsUp is [testWatchAddsUp] for what happens in rooms.
func testRoomWatchAddsUp(p *party) {
	w := p.watch(p.Alice)
	defer w.stop()
	room := p.meet()
	other := p.create(api.CreateRoomRequest{Name: "other"})
	p.say(p.Bob, room, "1")
	r := p.say(p.Bob, room, "2")
	p.must(p.Alice.MarkRead(p.ctx, room, r.ID))
	p.say(p.Alice, room, "3")
	p.enter(p.Join("carol"), room, room, "")
	_, err := p.Alice.LeaveRoom(p.ctx, other)
	p.must(err)
	last := p.say(p.Alice, room, "4")

	var differs string // the last that did
	defer func() {
		if p.Failed() {
			p.Log(differs)
		}
	}()
	w.until("what was watched is what one sees that asks", func(api.Change) bool {
		differs = p.watchedRooms(w, room)
		return differs == "" && w.messages[last.ID].State == api.Delivered
	})
	for _, want := range p.log(p.Alice, api.LogQuery{Target: room}) {
		got := w.messages[want.ID]
		if got.Name == "" {
			got.Name = want.Name // its author may have introduced himself after it
		}
		if !sameMessage(got, want) {
			p.Errorf("watched message %+v, asked %+v", got, want)
		}
	}
	// A face that comes now sees the same at once.
	again := p.watch(p.Alice)
	defer again.stop()
	if len(again.rooms) != 1 || again.rooms[room].Name != "dev" || again.rooms[room].Occupants != 3 {
		p.Errorf("a snapshot has the rooms %+v", again.rooms)
	}
}

// watchedRooms says where what w was told differs from what one sees that asks
// alice, "" if nowhere.
func (p *party) watchedRooms(w *watcher, room string) string {
	p.Helper()
	rooms, members, conversations := p.rooms(p.Alice, false), p.members(p.Alice, room), p.conversations(p.Alice)
	if len(w.rooms) != len(rooms) || len(w.members[room]) > len(members) || len(w.conversations) != len(conversations) {
		return fmt.Sprintf("watched %v, %v, %v, asked %v, %v, %v", w.rooms, w.members[room], w.conversations, rooms, members, conversations)
	}
	for _, want := range rooms {
		got := w.rooms[want.RoomID]
		want.Unread, got.Unread = 0, 0 // the conversation says it
		if got != want {
			return fmt.Sprintf("watched room %+v, asked %+v", got, want)
		}
	}
	for _, want := range members {
		// A face that joins asks for its own row with the rest.
		if got, told := w.members[room][want.PeerID]; got != want && (told || !want.Self) {
			return fmt.Sprintf("watched member %+v, asked %+v", got, want)
		}
	}
	for _, want := range conversations {
		got := w.conversations[want.ID]
		want.LastTime, got.LastTime = api.Time{}, api.Time{} // messages say it
		if got != want {
			return fmt.Sprintf("watched conversation %+v, asked %+v", got, want)
		}
	}
	return ""
}
