package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// room is what a conversation of many has besides its messages.
type room struct {
	api.Room // clean
	members  members
	rules    rules
	leaving  bool            // asked for here
	left     bool            // one is not in it, and looks at what was said
	banned   bool            // and may not come back
	asking   map[string]bool // peer IDs of those who asked for voice and have none yet
}

// roomLabel is a room's name as shown; of several with one name, with the
// start of the ID.
func roomLabel(name, id string, twin bool) string {
	if twin {
		return "#" + name + "~" + clean(id[:min(4, len(id))])
	}
	return "#" + name
}

// leftRoom is one that one is no longer in: it has no row, and can be looked at.
func (p *people) leftRoom(id string, s api.RoomState) *talk {
	t := newTalk(id, api.KindRoom)
	t.conv, t.name = id, clean(s.Config["name"])
	t.room.left, t.room.Destroyed = true, s.Destroyed
	t.twin = slices.ContainsFunc(p.rows, func(o *talk) bool { return o.room != nil && look(o.name) == look(t.name) })
	return t
}

// cleanRoom leaves the ID as it is: the service is asked with it.
func cleanRoom(r api.Room) api.Room {
	r.Name, r.Subject, r.Description, r.Nick = clean(r.Name), clean(r.Subject), clean(r.Description), clean(r.Nick)
	r.Access, r.Standing, r.Role = clean(r.Access), clean(r.Standing), clean(r.Role)
	return r
}

// setRoom takes the row of a room one is in.
func (p *people) setRoom(r api.Room) {
	t := p.byKey[r.RoomID]
	if t == nil {
		t = p.add(r.RoomID, api.KindRoom)
		t.conv, t.unread, t.named = r.RoomID, r.Unread, r.Mentions // later its conversation tells
		p.byConv[t.conv] = t
		if f := p.focus; f != nil && f.key == t.key { // which one had left, and looked at
			t.draft, p.focus = f.draft, t
		}
	}
	if t.room == nil {
		return // a peer ID: no such service
	}
	t.room.Room = cleanRoom(r)
	t.name = t.room.Name
}

// takeRoom takes the row of a room, and says so when it begins to be logged here.
func (m *model) takeRoom(r api.Room) tea.Cmd {
	logged := false
	if t := m.people.byKey[r.RoomID]; t != nil && t.room != nil {
		logged = t.room.Logging
	}
	m.people.setRoom(r)
	m.people.sort()
	cmd := m.takePending()
	t := m.people.byKey[r.RoomID]
	if t.room == nil {
		return cmd
	}
	m.listing.invited.drop(r.RoomID)
	m.listing.arrange()
	if r.Logging && !logged {
		return tea.Batch(cmd, m.announce(loggedWords(t)))
	}
	return cmd
}

// dropRoom takes a room off the list. When it is on the screen and one did not ask to
// leave, it stays there: whoever is just writing means it for that room, and for no
// other. Else the conversation before takes its place, or its neighbour in the list.
func (m *model) dropRoom(t *talk) {
	at := m.people.index(t)
	m.people.forget(t)
	if m.dialog != nil && m.dialog.about() == t {
		m.closeDialog()
	}
	if t != m.people.focus {
		return
	}
	m.input.remember(t.draft.text) // Up brings it back
	if !t.room.leaving {
		t.room.left, m.completing = true, nil
		return
	}
	next := m.people.previous
	if n := len(m.people.rows); next == nil && n > 0 {
		next = m.people.rows[min(max(at, 0), n-1)]
	}
	m.people.focus, m.people.previous = nil, nil
	m.sheet, m.completing = nil, nil
	if next != nil {
		m.focusOn(next)
	}
}

// roomState says in words what a newcomer should know of a room.
func roomState(r api.Room) string {
	var words []string
	if r.Joined {
		words = append(words, "joined")
	}
	if r.Access == api.AccessMembersOnly {
		words = append(words, "members only")
	}
	if r.Password {
		words = append(words, "password")
	}
	if r.Moderated {
		words = append(words, "moderated")
	}
	if !r.Visible {
		words = append(words, "hidden")
	}
	return strings.Join(words, ", ")
}

// counts says how many are in the room, and how many of them are here.
func (r *room) counts() string {
	all, here, _ := r.members.count()
	if all == 0 {
		return plural(r.Occupants, "member", "members")
	}
	return fmt.Sprintf("%d of %d here", here, all)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// roomTitle is what stands beside the room's name on top.
func (r *room) title(sep string) string {
	if r.left {
		return "you are no longer in it"
	}
	words := []string{r.counts()}
	if r.Role != "" && r.Role != api.RoleParticipant && r.Role != api.RoleNone {
		words = append(words, "you: "+r.Role)
	}
	if r.Logging {
		words = append(words, "logged")
	}
	if subject := cmp.Or(r.Subject, r.Description); subject != "" {
		words = append(words, subject)
	}
	return strings.Join(words, " "+sep+" ")
}
