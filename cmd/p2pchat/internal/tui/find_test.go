package tui

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// A message that was found is shown with what was said around it, and both ways
// from there the rest loads as one reaches it.
func TestFind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno, clara := lan.Join("anna"), lan.Join("bruno"), lan.Join("clara")
		dev := create(t, bruno, api.CreateRoomRequest{Name: "dev"})
		join(t, anna, dev, "")
		var texts []string
		for i := range 400 {
			texts = append(texts, fmt.Sprint("line ", i))
		}
		texts[150] = "the needle \x1b[31mis\u202e here"
		sayIn(t, bruno, dev, texts...)
		say(t, clara, anna, "no needle with me", "lunch?")
		h := newHarness(t, anna, 100, 24, Options{})
		h.settle()
		h.hides("needle")

		h.enter("/search needle")
		h.shows("2 messages, the newest first", "#dev", "bruno", "clara", "the needle ␛[31mis� here", "▌ ")
		h.press("down", "enter")
		h.shows("write to #dev", "the needle", "line 149", "line 151", "more below", "F4")
		if !h.m.people.focus.log.apart.on {
			t.Error("all of the room was loaded")
		}

		// What is said meanwhile does not tear a hole.
		sayIn(t, bruno, dev, "news")
		h.settle()
		h.hides("news")
		seen := []string{}
		collect := func(key string) {
			for range 400 {
				h.press(key)
				for _, row := range strings.Split(h.screen(), "\n") {
					if _, text, ok := strings.Cut(row, "line "); ok {
						seen = append(seen, strings.Fields(text)[0])
					}
				}
			}
		}
		collect("shift+down")
		h.shows("news")
		collect("shift+up")
		var all []string
		for i := range 400 {
			if i != 150 {
				all = append(all, fmt.Sprint(i))
			}
		}
		missing := 0
		for _, want := range all {
			found := false
			for _, s := range seen {
				found = found || s == want
			}
			if !found {
				missing++
			}
		}
		if missing > 0 {
			t.Errorf("%d of 400 lines were never on the screen", missing)
		}
		lg := &h.m.people.focus.log
		said := 0
		for _, l := range lg.lines {
			if api.Listed(l.Kind) {
				said++
			}
		}
		if said != 401 || lg.apart.on {
			t.Errorf("%d messages are loaded, want 401; apart: %v", said, lg.apart.on)
		}

		// Esc goes down, F4 back to what was found, and on to the other.
		h.press("esc")
		h.shows("news")
		h.press("f4")
		h.shows("▌ ", "2 messages")
		h.press("up", "enter")
		h.shows("write to clara", "no needle with me")
		h.press("f4", "esc")
		h.shows("lunch?")
	})
}

// Leaving what was found loads the newest again, however one does it.
func TestFindBack(t *testing.T) {
	for _, how := range []string{"esc", "ctrl+end", "say", "away and back", "clear"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				lan := apitest.NewLAN()
				anna, bruno := lan.Join("anna"), lan.Join("bruno")
				lan.Join("clara")
				texts := []string{"a needle"}
				for i := range 300 {
					texts = append(texts, fmt.Sprint("line ", i))
				}
				say(t, bruno, anna, texts...)
				h := newHarness(t, anna, 80, 24, Options{})
				h.settle()
				h.enter("/search needle")
				h.press("enter")
				h.shows("a needle", "more below", "begins here")
				say(t, bruno, anna, "news")
				h.settle()
				h.hides("news")
				switch how {
				case "say":
					h.enter("hello")
				case "away and back":
					h.press("ctrl+n", "ctrl+p")
				case "clear":
					h.enter("/clear")
					h.hides("needle")
					h.press("pgup", "ctrl+end")
				default:
					h.press(how)
				}
				h.shows("news", "line 299")
				h.hides("more below", "below")
			})
		})
	}
}

func TestFindWords(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno := pair(t)
		say(t, bruno, anna, strings.Repeat("padding ", 30)+"the Needle is far down "+strings.Repeat("in it ", 30))
		h.settle()
		h.press("f4")
		h.shows("words that were said anywhere", "Whole words")
		h.press("enter")
		h.shows("nothing is searched for")
		h.send(tea.PasteMsg{Content: "needle\nmore"})
		h.shows("Enter searches")
		h.press("enter")
		h.shows("Needle is far", "Enter goes there")
		h.typed("s")
		h.shows("Enter searches")
		h.press("enter")
		h.shows("Nothing was found")
		h.hides("Needle is far")
		h.press("ctrl+u")
		h.typed("from:nobody x")
		h.press("enter")
		h.shows("nobody called")
		h.press("esc")
		h.hides("nobody called")
		h.press("f4")
		h.shows("from:nobody x")
		h.press("ctrl+u")
		h.typed(`from:bruno "far down`)
		h.press("enter", "enter")
		h.shows("Needle is far down", "F4 to what was found")
	})
}

// A room one has left is searched too; there is nothing to jump to.
func TestFindLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno, _, dev := trio(t)
		h.enter("/join dev")
		sayIn(t, bruno, dev, "a needle")
		if _, err := anna.LeaveRoom(t.Context(), dev); err != nil {
			t.Fatal(err)
		}
		h.settle()
		h.enter("/search needle")
		h.shows("a needle", "a room you left")
		h.press("enter")
		h.shows("a room you are no longer in")
	})
}
