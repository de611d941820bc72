package tui

import (
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// trio is anna's screen; bruno made #dev, and clara is on the LAN, too.
func trio(t *testing.T) (h *harness, anna, bruno, clara *apitest.FakeNode, dev string) {
	t.Helper()
	lan := apitest.NewLAN()
	anna, bruno, clara = lan.Join("anna"), lan.Join("bruno"), lan.Join("clara")
	dev = create(t, bruno, api.CreateRoomRequest{Name: "dev"})
	h = newHarness(t, anna, 100, 24, Options{})
	h.settle()
	return h, anna, bruno, clara, dev
}

func roomTexts(t testing.TB, n *apitest.FakeNode, room string) []string {
	t.Helper()
	ms, err := n.Log(t.Context(), api.LogQuery{Target: room})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range ms {
		out = append(out, m.Text)
	}
	return out
}

func TestRoomTalk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno, clara, dev := trio(t)
		h.enter("/join dev")
		h.shows("▌  #dev", "write to #dev", "anna joined", "2 of 2 here", "● bruno")
		h.enter("hello")
		sayIn(t, bruno, dev, "hi anna")
		h.settle()
		h.shows("anna  hello", "bruno  hi anna")
		if got, want := roomTexts(t, bruno, dev), []string{"hello", "hi anna"}; !slices.Equal(got, want) {
			t.Errorf("the room has %q, want %q", got, want)
		}
		h.enter("/nick boss")
		h.shows("anna is now called boss", "● boss")
		join(t, clara, dev, "bruna")
		h.settle()
		h.shows("bruna (clara) joined", "3 of 3 here")
		bruno.SetOnline(false)
		if err := clara.SetAway(t.Context(), true, ""); err != nil {
			t.Fatal(err)
		}
		h.settle()
		h.shows("2 of 3 here", "◐ bruna", "○ bruno")
		leave(t, clara, dev)
		h.settle()
		h.shows("bruna left", "1 of 2 here")

		// Delivered means that one other member has it.
		h.enter("for later")
		mark := func() string {
			for row := range strings.SplitSeq(h.screen(), "\n") {
				if _, after, ok := strings.Cut(row, "for later"); ok {
					return strings.Trim(after[:strings.Index(after, "│")], " ")
				}
			}
			return "not there"
		}
		if got := mark(); got != "…" {
			t.Errorf("nobody has it, and it is marked %q", got)
		}
		bruno.SetOnline(true)
		h.settle()
		if got := mark(); got != "✓" {
			t.Errorf("bruno has it, and it is marked %q", got)
		}
		h.hides("no longer in")
		h.enter("/leave")
		h.hides("#dev │", "write to #dev")
		if rooms, err := anna.Rooms(t.Context(), false); err != nil || len(rooms) != 0 {
			t.Errorf("anna is in %v, %v", rooms, err)
		}
		h.enter("/join #dev al")
		h.shows("al (anna) joined", "boss left", "for later")
	})
}

// How far the past of a room is fetched stands on top until it is all there.
func TestRoomFetching(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, _, _, _, dev := trio(t)
		h.enter("/join dev")
		conv := api.Conversation{ID: dev, Kind: api.KindRoom, Target: dev, Name: "dev", Fetched: 1200, Fetching: 100000}
		h.send(changeMsg{Type: api.ChangeConversation, Conversation: &conv})
		h.shows("fetching the past: 1200 of 100000", "2 of 2 here")
		conv.Fetched, conv.Fetching = 0, 0
		h.send(changeMsg{Type: api.ChangeConversation, Conversation: &conv})
		h.hides("fetching")
	})
}

// A room that one is put out of, or that is destroyed, stays on the screen without a
// row: what was being written is not said elsewhere, and goes on if one comes back.
func TestRoomGone(t *testing.T) {
	for _, c := range []struct {
		room api.Room
		want string
	}{
		{api.Room{Name: "dev"}, "you are no longer in #dev"},
		{api.Room{Name: "dev", Destroyed: true}, "#dev was destroyed"},
	} {
		t.Run(c.want, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, anna, bruno, clara, dev := trio(t)
				h.enter("/msg clara")
				h.enter("/join dev")
				h.typed("half a line")
				c.room.RoomID = dev
				h.send(changeMsg{Type: api.ChangeRoomLeft, Room: &c.room})
				h.shows(c.want, "you are no longer in it")
				h.unlists("#dev")
				h.enter(" and the rest")
				h.shows(c.want, "› half a line and the rest")
				if log, err := anna.Log(t.Context(), api.LogQuery{Target: clara.PeerID()}); err != nil || len(log) > 0 {
					t.Errorf("said to clara: %v, %v", log, err)
				}
				// What comes late from there opens nothing.
				conv := api.Conversation{ID: dev, Kind: api.KindRoom, Name: "dev", Unread: 3}
				msg := api.Message{ID: "x", Conversation: dev, Author: bruno.PeerID(), Text: "late", State: api.Received, Kind: api.MessageText, Nick: "bruno"}
				h.send(changeMsg{Type: api.ChangeConversation, Conversation: &conv}, changeMsg{Type: api.ChangeRoomLeft, Room: &c.room},
					changeMsg{Type: api.ChangeHidden, Hidden: &api.Hidden{Conversation: dev, ID: "y"}},
					changeMsg{Type: api.ChangeMember, Member: &api.MemberChange{RoomID: dev}})
				h.unlists("#dev")
				h.m.takeChange(api.Change{Type: api.ChangeMessage, Message: &msg})
				h.settle()
				h.hides("late")
				h.m.takeChange(api.Change{Type: api.ChangeRoom, Room: &api.Room{RoomID: dev, Name: "dev", Joined: true}})
				h.settle()
				h.shows("  #dev", "› half a line and the rest")
				h.hides("no longer in it")
			})
		})
	}
}

func TestLastRoomLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHarness(t, apitest.NewLAN().Join("anna"), 80, 24, Options{})
		h.enter("/create alone")
		h.shows("write to #alone")
		h.enter("/leave")
		h.shows("Nobody else is here yet", "you left #alone")
	})
}

// A face that missed changes of rooms builds everything anew.
func TestRoomLagged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno, clara := lan.Join("anna"), lan.Join("bruno"), lan.Join("clara")
		dev, ops := create(t, bruno, api.CreateRoomRequest{Name: "dev"}), create(t, bruno, api.CreateRoomRequest{Name: "ops"})
		join(t, anna, ops, "")
		join(t, anna, dev, "")
		h := newHarness(t, deaf{anna}, 100, 24, Options{})
		snapshot := func() tea.Msg {
			for c := range anna.Watch(t.Context(), 0) {
				return changeMsg(c)
			}
			return nil
		}
		h.send(snapshot())
		h.enter("/join ops")
		h.enter("/join dev")
		h.shows("#ops", "2 of 2 here")
		leave(t, anna, ops)
		join(t, clara, dev, "")
		sayIn(t, clara, dev, "missed")
		bruno.SetOnline(false)
		h.settle()
		h.hides("missed", "clara joined")
		h.send(changeMsg{Type: api.ChangeLagged}, snapshot())
		h.unlists("#ops")
		h.shows("you left #ops")
		h.shows("missed", "clara joined", "2 of 3 here", "○ bruno")
		leave(t, anna, dev)
		h.send(changeMsg{Type: api.ChangeLagged}, snapshot())
		h.unlists("#dev")
		h.shows("you left #dev")
	})
}

// A node that does not answer knows nobody to be here; back again it does.
func TestRoomNodeComesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno := lan.Join("anna"), lan.Join("bruno")
		dev := create(t, bruno, api.CreateRoomRequest{Name: "dev"})
		join(t, anna, dev, "")
		svc := &flaky{Service: anna}
		mend := svc.breakable()
		h := newHarness(t, svc, 100, 24, Options{})
		h.enter("/join dev")
		h.shows("2 of 2 here")
		close(*svc.broken.Load())
		h.settle()
		h.shows("1 of 2 here", "○ bruno")
		mend()
		h.pass(lastRetry)
		h.shows("2 of 2 here", "write to #dev")
	})
}
