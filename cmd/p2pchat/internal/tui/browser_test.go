package tui

import (
	"context"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

func TestBrowser(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, anna, bruno, clara, dev := trio(t)
		create(t, bruno, api.CreateRoomRequest{Name: "attic", Hidden: true})
		h.typed("half a line")
		h.m.closeDialog()
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
		if h.m.dialog != nil {
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
		h.shows("⚠ somebody", "Esc, then /join #dev NICK")
		h.press("esc")
		h.enter("/join dev")
		h.shows("⚠ somebody", "; /join #dev NICK")
		h.enter("/rooms")
		h.press("enter")
		h.typed("d")
		h.hides("⚠ somebody")
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
