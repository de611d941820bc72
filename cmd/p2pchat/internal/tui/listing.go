package tui

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// listing is what was last heard of the rooms one could be in: what the dialog
// shows, and what Tab knows.
type listing struct {
	heard  []api.Room // clean but for the IDs, by name
	rows   []api.Room // of these those one can join, and those one is invited into
	twins  map[string]bool
	at     time.Time // when it was asked for last
	asking bool
	known  bool // there was an answer
	err    string

	invited invitations
}

type listingMsg struct {
	rooms []api.Room
	err   error
}

// askListing asks which rooms there are, unless an answer is awaited already.
func (m *model) askListing() tea.Cmd {
	if m.listing.asking {
		return nil
	}
	m.listing.asking, m.listing.at = true, m.now()
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		rooms, err := m.svc.Rooms(ctx, true)
		return listingMsg{rooms, err}
	})
}

// How often the dialog asks anew, and how old a list Tab makes do with.
const (
	browseEvery = 3 * time.Second
	listingAge  = 10 * time.Second
)

// lookForRooms asks for rooms while somebody types that he wants to join one,
// so that Tab knows them.
func (m *model) lookForRooms(text string) tea.Cmd {
	if !strings.HasPrefix(text, "/join ") || m.gone || m.listing.known && m.now().Sub(m.listing.at) < listingAge {
		return nil
	}
	return m.askListing()
}

func (m *model) takeListing(msg listingMsg) tea.Cmd {
	l := &m.listing
	l.asking, l.err = false, ""
	if msg.err != nil {
		l.err = cleanError(msg.err)
	} else {
		l.set(msg.rooms)
	}
	b, ok := m.dialog.(*browser)
	if !ok {
		return nil
	}
	b.steady(*l)
	return m.calls.later(browseEvery, browseMsg{b.id})
}

// set takes the service's list.
func (l *listing) set(rooms []api.Room) {
	l.known, l.heard = true, nil
	for _, r := range rooms {
		if r.RoomID != "" {
			l.heard = append(l.heard, cleanRoom(r))
		}
	}
	l.arrange()
}

// arrange puts the rooms one is invited into first, and leaves out what nobody
// can join: hidden rooms of others, and what was destroyed.
func (l *listing) arrange() {
	l.rows, l.twins = nil, map[string]bool{}
	seen := map[string]bool{}
	put := func(r api.Room) {
		name := look(r.Name)
		l.twins[name] = seen[name] || l.twins[name]
		seen[name] = true
		l.rows = append(l.rows, r)
	}
	asked := map[string]bool{}
	for _, i := range l.invited.rows {
		if asked[i.RoomID] {
			continue
		}
		asked[i.RoomID] = true
		r := api.Room{RoomID: i.RoomID, Name: i.Room}
		for _, o := range l.heard {
			if o.RoomID == i.RoomID {
				r = o
			}
		}
		put(r)
	}
	for _, r := range l.heard {
		if !asked[r.RoomID] && !r.Destroyed && (r.Visible || r.Joined) {
			put(r)
		}
	}
}

// state says in words what a newcomer should know of a room.
func (l *listing) state(r api.Room) string {
	if i := l.invitation(r.RoomID); i != nil && !r.Joined {
		if !r.Visible { // what kind of room it is is not known
			return "invited"
		}
		return strings.TrimSuffix("invited, "+roomState(r), ", ")
	}
	return roomState(r)
}

func (l *listing) label(r api.Room) string {
	return roomLabel(r.Name, r.RoomID, l.twins[look(r.Name)])
}

// matching are the rooms that hold every word of filter in their name, subject
// or description, or the one with that ID.
func (l *listing) matching(filter string) []api.Room {
	words := strings.Fields(strings.ToLower(filter))
	var out []api.Room
	for _, r := range l.rows {
		text := strings.ToLower(strings.Join([]string{l.label(r), r.Subject, r.Description}, "\n"))
		if containsAll(text, words) || strings.EqualFold(r.RoomID, strings.TrimSpace(filter)) {
			out = append(out, r)
		}
	}
	return out
}
