package tui

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// Whatever happens in rooms, and whatever one looks at meanwhile: a face that
// followed it shows what one shows that starts afterwards from a snapshot.
func TestRoomsAddUp(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { testRoomsAddUp(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func testRoomsAddUp(t *testing.T, r *rand.Rand) {
	lan := apitest.NewLAN()
	anna := lan.Join("anna")
	others := []*apitest.FakeNode{lan.Join("bruno"), lan.Join("clara"), lan.Join("dmitri")}
	var rooms []string
	h := newHarness(t, anna, 100, 24, Options{})
	h.settle()
	n := 0
	for range 150 {
		n++
		time.Sleep(time.Second)
		other := others[r.IntN(len(others))]
		room := ""
		if len(rooms) > 0 {
			room = rooms[r.IntN(len(rooms))]
		}
		switch r.IntN(14) {
		case 0:
			if len(rooms) < 3 {
				rooms = append(rooms, create(t, other, api.CreateRoomRequest{Name: "dev"})) // all of one name
			}
		case 1, 2: // refused when nobody is near
			_, _ = other.JoinRoom(t.Context(), api.JoinRoomRequest{Room: room, Nick: fmt.Sprint("n", r.IntN(3))})
		case 3:
			_, _ = anna.JoinRoom(t.Context(), api.JoinRoomRequest{Room: room})
		case 4:
			_, _ = other.LeaveRoom(t.Context(), room)
		case 5:
			if r.IntN(3) == 0 {
				_, _ = anna.LeaveRoom(t.Context(), room)
			}
		case 6, 7, 8:
			_, _ = other.Send(t.Context(), api.SendRequest{Target: room, Text: fmt.Sprint("line ", n)})
		case 9:
			_, _ = anna.Send(t.Context(), api.SendRequest{Target: room, Text: fmt.Sprint("mine ", n)})
		case 10:
			other.SetOnline(r.IntN(2) == 0)
		case 11:
			if err := other.SetAway(t.Context(), r.IntN(2) == 0, ""); err != nil {
				t.Fatal(err)
			}
		case 12:
			h.press([]string{"ctrl+n", "ctrl+p", "ctrl+o", "pgup", "pgdown", "ctrl+end"}[r.IntN(6)])
		case 13:
			for c := range anna.Watch(t.Context(), 0) { // as after lagging
				h.send(changeMsg{Type: api.ChangeLagged}, changeMsg(c))
				break
			}
		}
		if r.IntN(2) == 0 {
			h.settle()
		}
	}
	h.settle()

	fresh := newHarness(t, anna, 100, 24, Options{})
	fresh.settle()
	compare(t, h, fresh, anna)
}

// compare looks at every room in both.
func compare(t *testing.T, h, fresh *harness, n *apitest.FakeNode) {
	keys := func(m *model) (out []string) {
		for _, tk := range m.people.rows {
			out = append(out, fmt.Sprint(tk.key, tk.label()))
		}
		return out
	}
	if got, want := keys(h.m), keys(fresh.m); !slices.Equal(got, want) {
		t.Fatalf("the list is %q, want %q", got, want)
	}
	for _, want := range fresh.m.people.rows {
		got := h.m.people.byKey[want.key]
		for _, x := range []struct {
			h  *harness
			tk *talk
		}{{h, got}, {fresh, want}} {
			x.h.m.focusOn(x.tk)
			x.h.send(staleMsg{})
			x.h.press("ctrl+end")
		}
		h.settle()
		if got.unread != want.unread {
			t.Errorf("%s: %d unread, want %d", want.label(), got.unread, want.unread)
		}
		if want.room == nil {
			continue
		}
		g, w := got.room.Room, want.room.Room
		g.Unread, w.Unread = 0, 0 // the conversation says it
		if g != w {
			t.Errorf("the room is %+v, want %+v", g, w)
		}
		if !slices.Equal(got.room.members.rows, want.room.members.rows) {
			t.Errorf("the members of %s are %+v, want %+v", want.label(), got.room.members.rows, want.room.members.rows)
		}
		sameLog(t, h.m, n, want.key)
		sameLog(t, fresh.m, n, want.key)
	}
}
