package tui

import (
	"fmt"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// club is an office with rooms: everybody but emma is in #dev, and dmitri's
// cable is out.
type club struct {
	office
	dev string // its ID
}

func create(t testing.TB, n *apitest.FakeNode, r api.CreateRoomRequest) string {
	t.Helper()
	e, err := n.CreateRoom(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return e.RoomID
}

func join(t testing.TB, n *apitest.FakeNode, room, nick string) {
	t.Helper()
	if _, err := n.JoinRoom(t.Context(), api.JoinRoomRequest{Room: room, Nick: nick}); err != nil {
		t.Fatal(err)
	}
}

func leave(t testing.TB, n *apitest.FakeNode, room string) {
	t.Helper()
	if _, err := n.LeaveRoom(t.Context(), room); err != nil {
		t.Fatal(err)
	}
}

func sayIn(t testing.TB, n *apitest.FakeNode, room string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := n.Send(t.Context(), api.SendRequest{Target: room, Text: text}); err != nil {
			t.Fatal(err)
		}
	}
}

func newClub(t *testing.T) club {
	lan := apitest.NewLAN()
	c := club{office: office{lan, lan.Join("anna"), lan.Join("bruno"), lan.Join("clara"), lan.Join("dmitri"), lan.Join("emma")}}
	time.Sleep(20 * time.Hour)
	c.dev = create(t, c.bruno, api.CreateRoomRequest{Name: "dev"})
	for _, n := range []*apitest.FakeNode{c.anna, c.clara, c.dmitri} {
		join(t, n, c.dev, "")
		time.Sleep(time.Minute)
	}
	sayIn(t, c.bruno, c.dev, "good evening", "the build on main is red since the update of the compiler, does anybody know why?")
	sayIn(t, c.anna, c.dev, "looking")
	time.Sleep(14 * time.Hour)
	sayIn(t, c.dmitri, c.dev, "it was the linker: fixed")
	c.dmitri.SetOnline(false)
	sayIn(t, c.clara, c.dev, "/me applauds")
	join(t, c.clara, c.dev, "la doc")
	if err := c.clara.SetAway(t.Context(), true, "lunch"); err != nil {
		t.Fatal(err)
	}
	create(t, c.emma, api.CreateRoomRequest{Name: "ops"})
	create(t, c.emma, api.CreateRoomRequest{Name: "dev null"})
	create(t, c.emma, api.CreateRoomRequest{Name: "secret", Hidden: true})
	time.Sleep(10 * time.Minute)
	return c
}

func TestRoomScreens(t *testing.T) {
	inDev := func(h *harness) { h.enter("/join dev") }
	for _, c := range []struct {
		name string
		w, h int
		act  func(t *testing.T, o club, h *harness)
	}{
		{"room-80x24", 80, 24, func(t *testing.T, o club, h *harness) {
			inDev(h)
			h.enter("thanks!")
			leave(t, o.clara, o.dev)
			h.settle()
		}},
		{"room-100x24", 100, 24, func(_ *testing.T, _ club, h *harness) { inDev(h) }},
		{"room-120x35", 120, 35, func(_ *testing.T, _ club, h *harness) { inDev(h) }},
		{"room-40x12", 40, 12, func(_ *testing.T, _ club, h *harness) { inDev(h) }},
		{"room-20x4", 20, 4, func(_ *testing.T, _ club, h *harness) { inDev(h) }},
		{"room-unread-80x24", 80, 24, func(t *testing.T, o club, h *harness) {
			inDev(h)
			h.enter("/msg emma")
			sayIn(t, o.bruno, o.dev, "release at four", "objections?")
			h.settle()
		}},
		{"room-alone-80x24", 80, 24, func(_ *testing.T, _ club, h *harness) {
			h.enter("/create my own --hidden")
			h.enter("anybody?")
		}},
		{"room-many-100x24", 100, 24, func(t *testing.T, o club, h *harness) {
			for i := range 18 {
				join(t, o.lan.Join(fmt.Sprintf("guest%02d", i)), o.dev, "")
			}
			inDev(h)
		}},
		{"room-left-80x24", 80, 24, func(_ *testing.T, _ club, h *harness) {
			inDev(h)
			h.enter("/leave")
		}},
		{"names-80x24", 80, 24, func(_ *testing.T, _ club, h *harness) {
			inDev(h)
			h.enter("/names")
		}},
		{"rooms-80x24", 80, 24, func(_ *testing.T, _ club, h *harness) { h.enter("/rooms") }},
		{"rooms-40x12", 40, 12, func(_ *testing.T, _ club, h *harness) { h.enter("/rooms") }},
		{"rooms-20x4", 20, 4, func(_ *testing.T, _ club, h *harness) { h.enter("/rooms") }},
		{"rooms-filter-80x24", 80, 24, func(_ *testing.T, _ club, h *harness) {
			h.enter("/join")
			h.typed("de")
			h.press("down")
		}},
		{"rooms-none-80x24", 80, 24, func(_ *testing.T, _ club, h *harness) {
			h.enter("/join")
			h.typed("nosuch")
			h.press("enter")
		}},
		{"rooms-refused-80x24", 80, 24, func(_ *testing.T, _ club, h *harness) {
			h.enter("/join")
			h.typed("nosuch")
			h.press("enter")
			h.pass(time.Minute)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				o := newClub(t)
				h := newHarness(t, o.anna, c.w, c.h, Options{Version: "1.0"})
				h.settle()
				c.act(t, o, h)
				h.golden(c.name)
			})
		})
	}
}

// What stands in a room's names tries to take over the terminal; two members
// with one nick are told apart by their fingerprints, without colours as with.
func TestRoomScreenHostile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, evil, twin := lan.Join("anna"), lan.Join("ev\x1b[2Jil"), lan.Join("twin")
		id := create(t, anna, api.CreateRoomRequest{Name: "dev"})
		join(t, evil, id, "anna\u0430")
		join(t, twin, id, "")
		sayIn(t, evil, id, "\x1b[H\x1b[2Jcleared", "a\u202eb")
		h := newHarness(t, anna, 110, 24, Options{})
		h.settle()
		row := api.Member{PeerID: evil.PeerID(), Name: "ev\x1b[2Jil", Nick: "bob\x1b[2J", Role: "ow\x1bner", Presence: api.PresenceOnline}
		other := api.Member{PeerID: twin.PeerID(), Name: "twin", Nick: "BOB\x1b[2J", Role: api.RoleVisitor, Presence: api.PresenceAway}
		room := api.Room{
			RoomID: id, Name: "d\x1b[2Jev", Subject: "\x1b]0;owned\x07" + "welcome", Visible: true, Joined: true, Occupants: 3,
		}
		h.send(changeMsg{Type: api.ChangeRoom, Room: &room},
			changeMsg{Type: api.ChangeMember, Member: &api.MemberChange{RoomID: id, Member: row}},
			changeMsg{Type: api.ChangeMember, Member: &api.MemberChange{RoomID: id, Member: other}})
		for i, m := range []api.Message{
			{Kind: api.MessageJoin, Text: "\x1b[2Jx", Nick: "bob\x1b[2J", Author: evil.PeerID()},
			{Kind: api.MessageNick, Text: "\x1b[2J\ny", Nick: "bob\x1b[2J", Author: evil.PeerID()},
			{Kind: api.MessageSubject, Text: "one\n\x1b[2Jtwo", Nick: "BOB\x1b[2J", Author: twin.PeerID()},
			{Kind: api.MessageSubject, Nick: "", Name: "twin", Author: twin.PeerID()},
			{Kind: api.MessageGovern, Text: "made \x1b[2Jx admin", Name: "anna", Author: anna.PeerID()},
			{Kind: api.MessageEpoch, Nick: "anna", Author: anna.PeerID()},
			{Kind: api.MessageLeave, Nick: "bob\x1b[2J", Author: evil.PeerID()},
			{Kind: "later", Text: "\x1b[2J", Nick: "bob", Author: evil.PeerID()},
		} {
			m.ID, m.Conversation, m.State = fmt.Sprint("m", i), id, api.Received
			m.Time = api.Time{Time: time.Now().Add(time.Duration(i) * time.Second)}
			h.send(changeMsg{Type: api.ChangeMessage, Message: &m})
		}
		h.golden("room-hostile-110x24")
		h.send(tea.WindowSizeMsg{Width: 80, Height: 24})
		h.enter("/names")
		h.golden("names-hostile-80x24")
	})
}
