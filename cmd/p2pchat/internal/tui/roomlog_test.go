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
)

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
		h.enter("/search two")
		h.press("enter")
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
