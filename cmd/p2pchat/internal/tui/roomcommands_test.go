package tui

import (
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
)

func TestRoomCommandErrors(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"/leave", "this is no room"},
		{"/names", "this is no room"},
		{"/nick al", "this is no room"},
		{"/create", "say how it is called"},
		{"/create --moderatd x", "there is no --moderatd"},
		{"/create " + strings.Repeat("x", api.MaxRoomName+1), "at most 64"},
		{`/join "dev`, `ends with one`},
		{"/kick bruno", "this is no room"},
		{"/accept", "no invitation waits"},
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
		h.shows("⚠ somebody")
		h.enter("/join dev")
		for line, want := range map[string]string{
			"/nick bruno": "⚠ somebody", "/nick": "say which", "/leave dev": "takes no name",
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

// TestLook: names that look alike in a list are told apart there.
func TestLook(t *testing.T) {
	for _, name := range []string{"DEV", "dev ", " dev", "ｄｅｖ"} {
		if look(name) != look("dev") {
			t.Errorf("%q looks like dev", name)
		}
	}
	if look("dev") == look("dev2") {
		t.Error("dev2 does not look like dev")
	}
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
