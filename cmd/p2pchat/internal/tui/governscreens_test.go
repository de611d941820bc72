package tui

import (
	"testing"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

func TestGovernScreens(t *testing.T) {
	for _, x := range []struct {
		name string
		w, h int
		act  func(t *testing.T, c court) *harness
	}{
		{"members-80x24", 80, 24, func(_ *testing.T, c court) *harness {
			c.enter("/grant bruno moderator")
			c.enter("/ban emma")
			c.enter("/devoice clara")
			c.press("f2", "down")
			return c.harness
		}},
		{"actions-80x24", 80, 24, func(_ *testing.T, c court) *harness {
			c.enter("/who bruno")
			c.press("down", "down")
			return c.harness
		}},
		{"actions-moderator-80x24", 80, 24, func(t *testing.T, c court) *harness {
			c.enter("/grant bruno moderator")
			b := c.as(t, c.bruno)
			b.press("f2", "enter")
			return b
		}},
		{"actions-40x12", 40, 12, func(_ *testing.T, c court) *harness {
			c.enter("/who clara")
			return c.harness
		}},
		{"actions-20x4", 20, 4, func(_ *testing.T, c court) *harness {
			c.enter("/who clara")
			return c.harness
		}},
		{"config-80x24", 80, 24, func(_ *testing.T, c court) *harness {
			c.enter("/config")
			c.press("down", "down", "down", "down", "right")
			return c.harness
		}},
		{"config-text-80x24", 80, 24, func(_ *testing.T, c court) *harness {
			c.enter("/config")
			c.press("down")
			c.typed("where the developers talk, and everybody else who wants to know")
			return c.harness
		}},
		{"config-refused-80x24", 80, 24, func(t *testing.T, c court) *harness {
			b := c.as(t, c.bruno)
			b.enter("/config")
			b.press("down", "right")
			b.typed("x")
			return b
		}},
		{"config-unsaved-40x12", 40, 12, func(_ *testing.T, c court) *harness {
			c.enter("/config")
			c.press("end")
			c.typed("!")
			c.press("esc")
			return c.harness
		}},
		{"audit-80x24", 80, 24, func(_ *testing.T, c court) *harness {
			c.enter("/grant bruno admin")
			c.enter("/kick clara loud: very loud, and that for the whole afternoon, in spite of two warnings")
			c.enter("/config moderated=true slow_mode=5s")
			c.enter("/audit")
			return c.harness
		}},
		{"audit-20x4", 20, 4, func(_ *testing.T, c court) *harness {
			c.enter("/audit")
			return c.harness
		}},
		{"help-visitor-80x24", 80, 24, func(t *testing.T, c court) *harness {
			c.enter("/config moderated=true")
			b := c.as(t, c.bruno)
			b.enter("/help")
			b.press("pgdown")
			return b
		}},
		{"destroy-80x24", 80, 24, func(_ *testing.T, c court) *harness {
			c.enter("/destroy we are done")
			c.typed("de")
			return c.harness
		}},
		{"retract-80x24", 80, 24, func(t *testing.T, c court) *harness {
			sayIn(t, c.bruno, c.dev, "buy\ncheap watches", "and pills")
			sayIn(t, c.clara, c.dev, "hm")
			c.settle()
			c.enter("/retract")
			return c.harness
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCourt(t, 110, 24, api.CreateRoomRequest{})
				h := x.act(t, c)
				h.send(resized(x.w, x.h))
				h.golden(x.name)
			})
		})
	}
}

// An act that was overruled stands in the audit view with the reason why it
// does not count.
func TestAuditWhyNot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCourt(t, 110, 30, api.CreateRoomRequest{})
		c.enter("/grant bruno admin")
		c.bruno.SetOnline(false)
		c.settle()
		c.enter("/grant bruno none")
		if _, err := c.bruno.Govern(t.Context(), api.GovernRequest{Room: c.dev, Act: api.ActBan, Who: c.clara.PeerID()}); err != nil {
			t.Fatal(err)
		}
		c.bruno.SetOnline(true)
		c.settle()
		c.enter("/audit")
		c.shows("bruno  ⚠ banned clara", "does not count: as admin", "without having heard of it")
	})
}

func TestGovernCompletion(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCourt(t, 110, 24, api.CreateRoomRequest{})
		c.enter("/ban emma")
		for _, x := range []struct {
			typed string
			tabs  int
			want  string
		}{
			{"/kick b", 1, "/kick bruno "},
			{"/kick ", 2, "/kick clara "},
			{"/kick e", 1, "/kick e"},
			{"/unban ", 1, "/unban emma "},
			{"/invite e", 1, "/invite emma "},
			{"/grant bruno ", 1, "/grant bruno member "},
			{"/grant bruno ad", 1, "/grant bruno admin "},
			{"/config mod", 1, "/config moderated="},
			{"/config moderated=", 2, "/config moderated=true "},
			{"/config name=x acc", 1, "/config name=x access="},
			{"/create x --m", 2, "/create x --moderated "},
		} {
			c.typed(x.typed)
			for range x.tabs {
				c.press("tab")
			}
			if got := c.m.draft().text; got != x.want {
				t.Errorf("%q and %d tabs: %q, want %q", x.typed, x.tabs, got, x.want)
			}
			c.press("ctrl+u")
		}
	})
}

// The menu of a member writes commands; what was being written is kept, and a
// greyed row says why.
func TestActionsMenu(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCourt(t, 110, 24, api.CreateRoomRequest{})
		c.typed("half a line")
		c.press("f2", "down", "enter") // bruno
		c.shows("bruno in #dev", "fingerprint")
		for range 20 {
			c.press("down")
		}
		c.press("up", "enter") // kick, above ban
		c.shows("› /kick bruno")
		c.typed("bye")
		c.press("enter")
		c.shows("anna kicked bruno: bye")
		c.press("up", "up")
		c.shows("› half a line")
		c.press("ctrl+u")
		c.enter("/who anna")
		c.press("down", "down", "enter")
		c.shows("⚠ nobody can touch who made the room")
		c.press("esc")
		c.enter("/who clara")
		c.press("down", "enter")
		c.shows("write to clara")
		c.enter("/join dev")
		c.send(tea.MouseClickMsg{X: 100, Y: 1}) // how many they are
		c.hides("clara in #dev")
		c.send(tea.MouseClickMsg{X: 100, Y: 3})
		c.shows("clara in #dev")
	})
}

// A dialog about a room goes with the room.
func TestDialogGoesWithRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, open := range []string{"/who", "/config", "/who clara"} {
			c := newCourt(t, 110, 24, api.CreateRoomRequest{})
			b := c.as(t, c.bruno)
			b.enter(open)
			c.enter("/ban bruno")
			b.settle()
			if b.m.dialog != nil {
				t.Errorf("%s: the dialog stays", open)
			}
			b.shows("anna banned you")
		}
	})
}

// Names that would take over the terminal stand in dialogs, too.
func TestGovernHostile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, evil := lan.Join("anna"), lan.Join("ev\x1b[2Jil")
		id := create(t, anna, api.CreateRoomRequest{Name: "dev"})
		h := newHarness(t, anna, 80, 24, Options{})
		h.settle()
		h.enter("/join dev")
		h.send(
			changeMsg{Type: api.ChangeMember, Member: &api.MemberChange{RoomID: id, Member: api.Member{
				PeerID: evil.PeerID(), Name: "ev\x1b[2Jil", Nick: "b\x1b[2Job", Role: api.RoleVisitor, Standing: "no\x1bne", Presence: api.PresenceOnline,
			}}},
			changeMsg{Type: api.ChangeVoiceRequest, VoiceRequest: &api.VoiceRequest{RoomID: id, PeerID: evil.PeerID(), Name: "ev\x1b[2Jil"}},
			changeMsg{Type: api.ChangeInvitation, Invitation: &api.Invitation{RoomID: "ab\x1b[2J", Room: "x\x1b[2J", PeerID: "p\x1b[2J", Reason: "\x1b]0;y\x07"}},
		)
		for _, cmd := range []string{"/who", "/who b␛[2Job", "/notices", "/rooms", "/names"} {
			h.press("esc")
			h.enter(cmd)
			if wrong := checkScreen(h.m); wrong != "" {
				t.Errorf("%s: %s", cmd, wrong)
			}
		}
		// What is pasted into a dialog is one line, and safe to show.
		for _, cmd := range []string{"/config", "/create x --password", "/destroy"} {
			h.press("esc", "esc")
			h.enter(cmd)
			h.send(tea.PasteMsg{Content: "one\rtwo\tand\u2028three\u202e\x1b[2J"})
			h.press("tab", "shift+tab")
			if wrong := checkScreen(h.m); wrong != "" {
				t.Errorf("%s: %s", cmd, wrong)
			}
			h.press("tab")
			if wrong := checkScreen(h.m); wrong != "" {
				t.Errorf("%s, shown: %s", cmd, wrong)
			}
		}
	})
}
