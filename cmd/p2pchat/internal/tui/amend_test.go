package tui

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// couple is anna's screen, with what bruno said and she answered.
func couple(t *testing.T, w, h int) (hn *harness, anna, bruno *apitest.FakeNode) {
	t.Helper()
	lan := apitest.NewLAN()
	anna, bruno = lan.Join("anna"), lan.Join("bruno")
	say(t, bruno, anna, "shall we meet at noon?")
	say(t, anna, bruno, "ok", "bring teh map")
	hn = newHarness(t, anna, w, h, Options{})
	hn.settle()
	return hn, anna, bruno
}

// newest is the newest message of a conversation as svc has it.
func newest(t *testing.T, svc api.Service, target string) api.Message {
	t.Helper()
	rows, err := svc.Log(t.Context(), api.LogQuery{Target: target, Last: 1})
	if err != nil || len(rows) != 1 {
		t.Fatalf("%+v, %v", rows, err)
	}
	return rows[0]
}

func TestEdit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno := couple(t, 80, 24)
		h.typed("half a thought")
		h.press("f3") // the newest is under the pointer
		h.shows("─ Messages ─", "bruno  shall we meet", "▌ 00:00 anna   bring teh map")
		h.press("enter")
		h.golden("message-80x24")
		h.press("down", "down", "enter")
		h.shows("editing anna: bring teh map", "› bring teh map")
		h.golden("editing-80x24")
		h.press("backspace", "backspace", "backspace", "backspace", "backspace", "backspace", "backspace")
		h.typed("the map")
		h.press("enter")
		h.shows("bring the map", "(edited)", "› half a thought")
		h.hides("editing", "teh")
		if m := newest(t, bruno, anna.PeerID()); m.Text != "bring the map" || m.Edited.IsZero() {
			t.Errorf("bruno has %+v", m)
		}
		h.press("ctrl+u")
		h.enter("/edit") // once more, and not
		h.shows("editing anna: bring the map", "› bring the map")
		h.press("esc")
		h.hides("editing")
		h.shows("› write to bruno")
		h.enter("/edit /me brings the map")
		h.shows("∗  anna brings the map")
		h.enter("/edit")
		h.shows("› /me brings the map")
		h.typed("s") // it is a text, whatever it begins with
		h.press("enter")
		if m := newest(t, bruno, anna.PeerID()); m.Kind != api.MessageAction || m.Text != "brings the maps" {
			t.Errorf("bruno has %+v", m)
		}
		edited := newest(t, anna, bruno.PeerID())
		if _, err := anna.Edit(t.Context(), api.AmendRequest{Target: bruno.PeerID(), ID: edited.ID, Text: "elsewhere"}); err != nil {
			t.Fatal(err)
		}
		h.settle()
		h.shows("elsewhere")
	})
}

func TestReply(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno := couple(t, 80, 24)
		h.enter("/reply")
		h.shows("replying to bruno: shall we meet at noon? · Esc cancels")
		h.golden("replying-80x24")
		h.press("esc")
		h.hides("replying")
		h.press("f3", "up", "up", "enter", "enter")
		h.shows("replying to bruno")
		h.enter("at one")
		h.hides("replying")
		h.shows("↱ bruno: shall we meet at noon?", "at one")
		first, err := anna.Log(t.Context(), api.LogQuery{Target: bruno.PeerID()})
		if err != nil {
			t.Fatal(err)
		}
		if m := newest(t, bruno, anna.PeerID()); m.ReplyTo != first[0].ID || m.Text != "at one" {
			t.Errorf("bruno has %+v", m)
		}
		h.enter("/reply or at two")
		if m := newest(t, bruno, anna.PeerID()); m.ReplyTo != first[0].ID || m.Text != "or at two" {
			t.Errorf("bruno has %+v", m)
		}
		// What is quoted follows what became of it.
		if _, err := bruno.Retract(t.Context(), api.AmendRequest{Target: anna.PeerID(), ID: first[0].ID}); err != nil {
			t.Fatal(err)
		}
		h.settle()
		h.shows("↱ bruno: (retracted)")
		h.hides("noon")
		h.enter("/reply x")
		h.shows("nothing of anybody else is loaded here")
	})
}

func TestReact(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno := couple(t, 80, 24)
		h.enter("/react 👍")
		h.shows("[👍]")
		first, err := anna.Log(t.Context(), api.LogQuery{Target: bruno.PeerID()})
		if err != nil {
			t.Fatal(err)
		}
		id := first[0].ID
		for _, with := range []string{"👍", "❤️", "\u202e\u200fx"} {
			if _, err := bruno.React(t.Context(), api.AmendRequest{Target: anna.PeerID(), ID: id, Text: with}); err != nil {
				t.Fatal(err)
			}
		}
		h.settle()
		h.shows("[👍 2]  ❤️")
		if strings.ContainsAny(h.screen(), "\u202e\u200f") {
			t.Error("a reaction reached the terminal raw")
		}
		h.golden("reactions-80x24")
		h.enter("/react")
		h.shows("▌ 👍", "take it away", "❤️", "another")
		h.golden("react-80x24")
		h.press("enter")
		h.shows("👍  ❤️")
		h.hides("[👍")
		h.enter("/react")
		h.press("pgdown", "enter") // another
		h.typed("well said")
		h.press("enter")
		h.shows("[well said]")
		h.enter("/react " + strings.Repeat("x", 33))
		h.shows("the reaction is 33 bytes long")
	})
}

func TestRetractOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno := couple(t, 80, 24)
		h.enter("/retract") // with one person there is only one's own
		h.shows("▌ 00:00 anna  bring teh map")
		h.hides("shall we meet")
		h.press("enter")
		h.shows("Take it back?", "anna: bring teh map", "▌ Keep it")
		h.golden("retract-own-80x24")
		h.press("enter") // the first is to keep it
		h.shows("bring teh map")
		h.enter("/retract")
		h.press("enter", "down", "enter")
		h.shows("(retracted)")
		h.hides("teh map")
		if m := newest(t, bruno, anna.PeerID()); !m.Retracted || m.Text != "" {
			t.Errorf("bruno has %+v", m)
		}
		h.press("f3") // what is gone is not offered
		h.hides("(retracted)")
		h.press("up", "enter", "down", "down", "enter") // bruno's
		h.shows("⚠ only its author can")
	})
}

// TestAmendedNarrow: on a small screen too every row fits.
func TestAmendedNarrow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno := couple(t, 40, 12)
		m := newest(t, anna, bruno.PeerID())
		for _, with := range []string{"👍", "❤️", "👩🏽‍🚒", "a long reaction in words 1234567"} {
			if _, err := bruno.React(t.Context(), api.AmendRequest{Target: anna.PeerID(), ID: m.ID, Text: with}); err != nil {
				t.Fatal(err)
			}
		}
		h.enter("/reply " + strings.Repeat("long ", 20))
		h.golden("amended-40x12")
		h.enter("/reply")
		for _, size := range [][2]int{{20, 4}, {30, 8}, {8, 3}, {40, 12}} {
			h.send(resized(size[0], size[1]))
			for _, row := range strings.Split(h.screen(), "\n") {
				if w := h.m.width.StringWidth(row); w > size[0] {
					t.Errorf("at %v a row has %d columns: %q", size, w, row)
				}
			}
		}
	})
}

// TestAmendedHistory: in what is loaded, edits, reactions and retractions show in
// what they are about and nowhere else, also where whole pages consist of them.
func TestAmendedHistory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno := lan.Join("anna"), lan.Join("bruno")
		dev := create(t, bruno, api.CreateRoomRequest{Name: "dev"})
		join(t, anna, dev, "")
		about := func(call func(context.Context, api.AmendRequest) (api.Receipt, error), id, text string, undo bool) {
			t.Helper()
			if _, err := call(t.Context(), api.AmendRequest{Target: dev, ID: id, Text: text, Undo: undo}); err != nil {
				t.Fatal(err)
			}
		}
		stir := func(id string) { // more than two pages of nothing to be seen
			for range pageSize + pageSize/5 {
				about(anna.React, id, "👍", false)
				about(anna.React, id, "👍", true)
			}
		}
		for i := range 30 {
			sayIn(t, bruno, dev, fmt.Sprint("early ", i))
		}
		stir(newest(t, bruno, dev).ID)
		sayIn(t, bruno, dev, "a needle")
		needle := newest(t, bruno, dev).ID
		sayIn(t, bruno, dev, "gone")
		about(bruno.Retract, newest(t, bruno, dev).ID, "", false)
		about(bruno.Edit, needle, "the needle", false)
		about(anna.React, needle, "❤️", false)
		stir(needle)
		sayIn(t, bruno, dev, "late")
		stir(needle)

		h := newHarness(t, anna, 100, 24, Options{})
		h.settle()
		h.shows("write to #dev", "early 29", "the needle", "(edited)  [❤️]", "(retracted)", "late")
		h.hides("(a message of a kind")
		seen := func() (texts []string) {
			for _, l := range h.m.people.focus.log.lines {
				if api.Listed(l.Kind) {
					texts = append(texts, l.Text)
				}
			}
			return texts
		}
		h.press("ctrl+home")
		h.shows("here begins what you have of #dev")
		if all := seen(); len(all) != 33 {
			t.Errorf("%d messages are loaded, want 33: %q", len(all), all)
		}
		h.press("ctrl+end")
		h.enter("/clear") // so that what was found is asked for
		h.enter("/search needle")
		h.press("enter")
		h.shows("early 29", "the needle", "(edited)  [❤️]", "(retracted)", "late")
		h.hides("(a message of a kind", "more below")
		if all := seen(); len(all) != 33 {
			t.Errorf("%d messages are loaded, want 33: %q", len(all), all)
		}
	})
}

// TestAmendedUnloaded: what becomes of a message further up than what is loaded
// shows when one scrolls there, and is no news.
func TestAmendedUnloaded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := apitest.NewLAN()
		anna, bruno := lan.Join("anna"), lan.Join("bruno")
		say(t, bruno, anna, "the first")
		first := newest(t, bruno, anna.PeerID())
		for i := range 3 * pageSize {
			say(t, bruno, anna, fmt.Sprint("line ", i))
		}
		h := newHarness(t, anna, 80, 24, Options{})
		h.settle()
		if _, err := bruno.Edit(t.Context(), api.AmendRequest{Target: anna.PeerID(), ID: first.ID, Text: "the very first"}); err != nil {
			t.Fatal(err)
		}
		h.settle()
		h.shows(fmt.Sprint("line ", 3*pageSize-1))
		h.hides("the very first")
		for range 5 {
			h.press("ctrl+home")
		}
		h.shows("begins here", "the very first", "(edited)")
	})
}
