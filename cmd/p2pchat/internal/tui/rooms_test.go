package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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

func TestRoomCommandErrors(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"/leave", "this is no room"},
		{"/names", "this is no room"},
		{"/nick al", "this is no room"},
		{"/create", "say how it is called"},
		{"/create --moderated x", "there is no --moderated"},
		{"/create " + strings.Repeat("x", api.MaxRoomName+1), "at most 64"},
		{`/join "dev`, `ends with one`},
		{"/kick bruno", "there is no command /kick"},
		{"/invite bruno", "there is no command /invite"},
	} {
		t.Run(c.line[:min(len(c.line), 20)], func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, _, _, _, _ := trio(t)
				h.enter(c.line)
				h.shows(c.want)
				if got := h.m.draft().text; got != c.line {
					t.Errorf("the input holds %q, want %q", got, c.line)
				}
			})
		})
	}
}

func TestRoomCommandsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, _, _, _, _ := trio(t)
		h.enter("/join nosuch")
		h.shows("joining #nosuch…")
		h.pass(time.Minute)
		h.enter("/join nosuch")
		h.pass(api.DefaultWait)
		h.shows(`no room called "nosuch" is known`)
		h.enter("/join dev bruno")
		h.shows(`somebody in the room is called "bruno"`)
		h.enter("/join dev")
		for line, want := range map[string]string{
			"/nick bruno": `somebody in the room is called "bruno"`, "/nick": "say which", "/leave dev": "takes no name",
			"/nick " + strings.Repeat("x", api.MaxNick+1): "at most 32",
		} {
			h.press("ctrl+u")
			h.enter(line)
			h.shows(want)
		}
	})
}

// Names of rooms may hold spaces, and several rooms may have one name.
func TestJoinByName(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno, clara, dev := trio(t)
		ids := map[string]string{"dev": dev}
		for _, name := range []string{"dev null", "ops", "the long name"} {
			ids[name] = create(t, bruno, api.CreateRoomRequest{Name: name})
		}
		hidden := create(t, bruno, api.CreateRoomRequest{Name: "attic", Hidden: true})
		for _, c := range []struct{ line, in, nick string }{
			{"/join dev null", "dev null", "anna"},
			{"/join #DEV al", "dev", "al"},
			{`/join "the long name" a l`, "the long name", "a l"},
			{"/join " + hidden, "attic", "anna"},
			{"/join " + ids["ops"] + " op", "ops", "op"},
		} {
			h.typed("/join ")
			h.press("ctrl+u")
			h.enter(c.line)
			h.pass(time.Second)
			rooms, err := anna.Rooms(t.Context(), false)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(rooms, func(r api.Room) bool { return r.Name == c.in })
			if i < 0 || rooms[i].Nick != c.nick {
				t.Errorf("%s: in %+v", c.line, rooms)
			}
			h.shows("write to #" + c.in)
			h.enter("/leave")
		}

		twin := create(t, clara, api.CreateRoomRequest{Name: "dev"})
		h.pass(time.Minute)
		h.enter("/join dev")
		h.pass(api.DefaultWait)
		h.shows("use a room ID")
		h.press("ctrl+u")
		h.enter("/join")
		h.shows("#dev~"+dev[:4], "#dev~"+twin[:4])
		h.press("esc")
		h.enter("/join dev~" + twin[:4])
		h.pass(api.DefaultWait)
		h.enter("/join #dev~" + twin[:4])
		h.shows("clara")
		h.enter("/join #dev~" + dev[:4])
		h.shows("write to #dev~"+dev[:4], "  #dev~"+twin[:4])
	})
}

func TestBrowser(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno, clara, dev := trio(t)
		create(t, bruno, api.CreateRoomRequest{Name: "attic", Hidden: true})
		h.typed("half a line")
		h.m.browser = nil
		h.do(h.m.openBrowser())
		h.settle()
		h.shows("#dev", "1 room")
		h.hides("attic", "joined")

		// It keeps itself up to date, and the pointer where it is.
		ops := create(t, clara, api.CreateRoomRequest{Name: "a first"})
		join(t, clara, dev, "")
		h.pass(browseEvery)
		h.shows("▌ #dev", "a first", "     2")
		h.typed("fir")
		h.shows("▌ #a first")
		h.hides("#dev ")
		h.press("ctrl+u")
		h.press("up", "up", "down", "down", "pgup", "pgdown")
		h.shows("▌ #dev")
		h.send(tea.PasteMsg{Content: "a f\nx"})
		h.shows("▌ #a first")

		// Enter joins it, and what was being written is still there.
		h.press("enter")
		h.shows("write to #a first", "anna joined")
		if got := h.m.people.byKey[ops].draft.text; got != "" {
			t.Errorf("the draft came along: %q", got)
		}
		h.press("ctrl+n")
		h.press("ctrl+n")
		h.enter("/rooms")
		h.shows("joined")
		h.typed("first")
		h.press("enter")
		h.shows("write to #a first")
		if h.m.browser != nil {
			t.Error("the dialog is still open")
		}

		// Esc gives up a join; the dialog is asked nothing any more.
		h.enter("/rooms")
		h.typed("nosuch")
		h.press("enter", "enter")
		h.shows("joining nosuch…")
		h.press("esc")
		h.pass(time.Minute)
		h.hides("nosuch", "no room")
		at := h.m.listing.at
		h.pass(time.Minute)
		if h.m.listing.at != at {
			t.Error("it is still asked which rooms there are")
		}
		if rooms, err := anna.Rooms(t.Context(), false); err != nil || len(rooms) != 1 {
			t.Errorf("anna is in %v, %v", rooms, err)
		}
		h.enter("/rooms")
		h.press("ctrl+c")
		if !h.quit {
			t.Error("Ctrl+C did not quit")
		}
	})
}

// A nick that is taken is told in the dialog; a node that fails is, too.
func TestBrowserErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno := lan.Join("anna"), lan.Join("bruno")
		dev := create(t, bruno, api.CreateRoomRequest{Name: "dev", Nick: "anna"})
		svc := &closed{Service: anna}
		h := newHarness(t, svc, 80, 24, Options{})
		h.enter("/rooms")
		h.press("enter")
		h.shows("somebody in the room is called", "Esc, then /join\n #dev NICK")
		h.typed("d")
		h.hides("is called")
		svc.rooms = api.Errorf(api.CodeDamaged, "the database\x1b[2J is damaged")
		h.pass(browseEvery)
		h.shows("the database␛[2J is damaged", "#dev")
		svc.rooms = nil
		h.pass(browseEvery)
		h.hides("damaged")
		leave(t, bruno, dev)
		h.pass(browseEvery)
		h.shows("No room matches")
		h.press("backspace")
		h.shows("Nobody on the network has a room yet")
		h.press("enter", "esc")
		h.shows("write to bruno")
	})
}

// closed is a service whose directory fails.
type closed struct {
	api.Service
	rooms error
}

func (c *closed) Rooms(ctx context.Context, all bool) ([]api.Room, error) {
	if c.rooms != nil {
		return nil, c.rooms
	}
	return c.Service.Rooms(ctx, all)
}

func TestRoomCompletion(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, _, bruno, clara, dev := trio(t)
		create(t, bruno, api.CreateRoomRequest{Name: "depot two"})
		join(t, clara, dev, "berta")
		for _, c := range []struct {
			in    string // the room, if any
			typed string
			tabs  int
			want  string
		}{
			{"", "/jo", 1, "/join "},
			{"", "/join de", 1, "/join #depot two "},
			{"", "/join #DE", 2, "/join #dev "},
			{"dev", "/join de", 1, "/join #depot two "},
			{"dev", "b", 1, "berta: "},
			{"dev", "hi b", 2, "hi bruno "},
			{"dev", "hi b", 3, "hi berta "},
			{"dev", "@be", 1, "@berta "},
			{"dev", "in #d", 1, "in #dev "},
			{"dev", "an", 1, "an"},
			{"dev", "cl", 1, "clara: "},
			{"dev", "/msg cl", 1, "/msg clara "},
			{"dev", "/na", 1, "/names "},
		} {
			if c.in != "" {
				h.enter("/join " + c.in)
			}
			h.typed(c.typed)
			for range c.tabs {
				h.press("tab")
			}
			if got := h.m.draft().text; got != c.want {
				t.Errorf("%q and %d tabs: %q, want %q", c.typed, c.tabs, got, c.want)
			}
			h.press("ctrl+u")
		}
	})
}

// A room that one is put out of, or that is destroyed, gives way to what was
// shown before; what was being written is in the history.
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
				h, _, bruno, _, dev := trio(t)
				h.enter("/msg clara")
				h.enter("/join dev")
				h.typed("half a line")
				c.room.RoomID = dev
				h.send(changeMsg{Type: api.ChangeRoomLeft, Room: &c.room})
				h.shows(c.want, "write to clara")
				h.hides("  #dev")
				h.press("up")
				h.shows("› half a line")
				// What comes late from there opens nothing.
				conv := api.Conversation{ID: dev, Kind: api.KindRoom, Name: "dev", Unread: 3}
				msg := api.Message{ID: "x", Conversation: dev, Author: bruno.PeerID(), Text: "late", State: api.Received, Kind: api.MessageText, Nick: "bruno"}
				h.send(changeMsg{Type: api.ChangeConversation, Conversation: &conv}, changeMsg{Type: api.ChangeRoomLeft, Room: &c.room},
					changeMsg{Type: api.ChangeHidden, Hidden: &api.Hidden{Conversation: dev, ID: "y"}},
					changeMsg{Type: api.ChangeMember, Member: &api.MemberChange{RoomID: dev}})
				h.hides("  #dev")
				h.m.takeChange(api.Change{Type: api.ChangeMessage, Message: &msg})
				h.settle()
				h.hides("late")
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

// The rules may take a line away, and give it back.
func TestHidden(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno, _, dev := trio(t)
		h.enter("/join dev")
		sayIn(t, bruno, dev, "one", "two", "three")
		h.settle()
		ms, err := anna.Log(t.Context(), api.LogQuery{Target: dev})
		if err != nil {
			t.Fatal(err)
		}
		h.press("pgup")
		h.enter("/search two")
		h.shows("bruno  one", "two")
		h.send(changeMsg{Type: api.ChangeHidden, Hidden: &api.Hidden{Conversation: dev, ID: ms[1].ID}})
		h.hides("two")
		h.shows("one", "three")
		h.send(changeMsg{Type: api.ChangeMessage, Message: &ms[1]})
		h.shows("two")
		var got []string
		for _, l := range h.m.people.focus.log.lines {
			if api.Listed(l.Kind) {
				got = append(got, l.Text)
			}
		}
		if want := []string{"one", "two", "three"}; len(got) != 3 {
			t.Errorf("the lines are %q, want %q", got, want)
		}
	})
}

// Who comes and goes is no news: it is neither counted nor marked.
func TestRoomUnread(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno, clara, dev := trio(t)
		unread := func() int {
			cs, err := anna.Conversations(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return cs[slices.IndexFunc(cs, func(c api.Conversation) bool { return c.ID == dev })].Unread
		}
		h.enter("/join dev")
		h.send(tea.BlurMsg{})
		join(t, clara, dev, "")
		h.settle()
		h.shows("clara joined")
		h.hides("─ new ─")
		sayIn(t, bruno, dev, "psst")
		leave(t, clara, dev)
		h.settle()
		h.shows("─ new ─", "psst")
		if n := unread(); n != 1 {
			t.Errorf("%d unread, want 1", n)
		}
		h.send(tea.FocusMsg{})
		if n := unread(); n != 0 {
			t.Errorf("%d unread after a look, want 0", n)
		}
		h.enter("/msg bruno")
		sayIn(t, bruno, dev, "more", "and more")
		h.settle()
		h.shows("#dev           2")
		h.press("ctrl+o")
		h.shows("write to #dev", "─ new ─")
		if n := unread(); n != 0 {
			t.Errorf("%d unread when shown, want 0", n)
		}
	})
}

// History of a room loads as one scrolls, notices and all, and what was said
// apart finds its place.
func TestRoomScrollback(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno, clara, dev := trio(t)
		join(t, clara, dev, "")
		for i := range 3 * pageSize {
			sayIn(t, bruno, dev, fmt.Sprintf("line %03d", i))
			time.Sleep(time.Second)
		}
		h.enter("/join dev")
		h.settle()
		clara.SetOnline(false)
		sayIn(t, clara, dev, "said apart")
		time.Sleep(time.Second)
		sayIn(t, bruno, dev, "meanwhile")
		h.settle()
		clara.SetOnline(true)
		h.settle()
		s := h.screen()
		if at := strings.Index(s, "said apart"); at < 0 || at > strings.Index(s, "meanwhile") {
			t.Errorf("not in the order of saying:\n%s", s)
		}
		for range 60 {
			h.press("pgup")
		}
		h.shows("here begins what you have of #dev", "bruno joined", "clara joined", "line 000")
		sameLog(t, h.m, anna, dev)
	})
}

// sameLog checks that what is loaded of a room is the end of its log.
func sameLog(t testing.TB, m *model, n api.Service, room string) {
	t.Helper()
	want, err := n.Log(context.Background(), api.LogQuery{Target: room, All: true})
	if err != nil {
		t.Fatal(err)
	}
	lines := m.people.byKey[room].log.lines
	if m.people.byKey[room].log.whole && len(lines) != len(want) || len(lines) > len(want) {
		t.Fatalf("%d lines are loaded of %d", len(lines), len(want))
	}
	for i, l := range lines {
		if w := want[len(want)-len(lines)+i]; l.ID != w.ID || l.State != w.State || l.Nick != clean(w.Nick) {
			t.Fatalf("line %d is %+v, want %+v", i, l.Message, w)
		}
	}
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
		h.hides("#ops")
		h.shows("missed", "clara joined", "2 of 3 here", "○ bruno")
		leave(t, anna, dev)
		h.send(changeMsg{Type: api.ChangeLagged}, snapshot())
		h.hides("#dev")
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
