package tui

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// browser is the dialog that lists rooms and joins one. What it lists is the
// model's listing, which is asked for anew while it is open.
type browser struct {
	id      int
	filter  draft
	input   input
	chosen  string // ID of the room under the pointer
	top     int
	page    int    // rows shown last
	joining string // label of the room being joined, "" if none
	stop    context.CancelFunc
	err     string // why the last one was not, clean
}

// browseMsg says that the dialog asks again.
type browseMsg struct{ id int }

// openBrowser shows the dialog.
func (m *model) openBrowser() tea.Cmd {
	m.sheets++
	b := &browser{id: m.sheets, stop: func() {}}
	b.filter.setText("")
	b.steady(m.listing)
	m.show(b)
	return m.askListing()
}

func (b *browser) about() *talk           { return nil }
func (b *browser) number() int            { return b.id }
func (b *browser) close()                 { b.stop() }
func (b *browser) scroll(m *model, n int) { b.move(m.listing, n) }

func (b *browser) hint(m *model) string {
	return "Enter joins " + m.signs.more + " Up, Down choose " + m.signs.more + " Esc closes"
}

func (b *browser) refused(_ *model, msg joinedMsg) {
	b.joining, b.err = "", msg.why()
}

// steady keeps the pointer on a room that is listed.
func (b *browser) steady(l listing) {
	rows := l.matching(b.filter.text)
	if len(rows) > 0 && b.at(rows) < 0 {
		b.chosen = rows[0].RoomID
	}
}

func (b *browser) at(rows []api.Room) int {
	return slices.IndexFunc(rows, func(r api.Room) bool { return r.RoomID == b.chosen })
}

// move puts the pointer n rows lower.
func (b *browser) move(l listing, n int) {
	if rows := l.matching(b.filter.text); len(rows) > 0 {
		b.chosen = rows[max(0, min(b.at(rows)+n, len(rows)-1))].RoomID
	}
}

func (b *browser) paste(m *model, s string) {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	b.filter.insert(line)
	b.err = ""
	b.steady(m.listing)
}

// press takes a key while the dialog is open: all of them are its own.
func (b *browser) press(m *model, msg tea.KeyPressMsg) tea.Cmd {
	if n, ok := steer(msg, 1<<20, b.page); ok {
		b.move(m.listing, n)
		return nil
	}
	switch {
	case key.Matches(msg, keys.Close):
		m.closeDialog()
	case key.Matches(msg, keys.Send):
		return b.join(m)
	case key.Matches(msg, keys.Redraw):
		return tea.ClearScreen
	case key.Matches(msg, keys.Newline), key.Matches(msg, keys.Complete), key.Matches(msg, keys.CompleteBack),
		key.Matches(msg, keys.NextUnread), key.Matches(msg, keys.Help):
	default:
		before := b.filter.text
		if b.input.edit(&b.filter, m.width, 1<<20, msg) && b.filter.text != before {
			b.err = ""
			b.steady(m.listing)
		}
	}
	return nil
}

// join enters the room under the pointer, or one of the name that was typed
// when no room matches.
func (b *browser) join(m *model) tea.Cmd {
	if b.joining != "" {
		return nil
	}
	d := door{target: strings.TrimSpace(b.filter.text)}
	d.label = clean(d.target)
	if rows := m.listing.matching(b.filter.text); len(rows) > 0 {
		r := rows[max(b.at(rows), 0)]
		if t := m.people.byKey[r.RoomID]; t != nil {
			m.closeDialog()
			return m.focusOn(t)
		}
		d = door{target: r.RoomID, label: m.listing.label(r), invited: m.listing.invitation(r.RoomID) != nil}
		if r.Password {
			m.askPassword(d)
			return nil
		}
	}
	if d.target == "" {
		return nil
	}
	ctx, cancel := context.WithCancel(m.calls.ctx)
	b.joining, b.stop, b.err = d.label, cancel, ""
	id := b.id
	return m.calls.do(0, func(context.Context) tea.Msg {
		defer cancel()
		e, err := d.enter(ctx, m.svc, nil)
		return joinedMsg{dialog: id, door: d, entry: e, err: err}
	})
}

func (b *browser) view(m *model, w, h int) (rows []string, x, y int) {
	list := m.listing.matching(b.filter.text)
	below := b.news(m, list, w)
	below = below[:max(0, min(len(below), h-2, 3))]
	if h > 3+len(below) {
		rows = append(rows, m.separator("Rooms", w, m.styles.accent))
	}
	in, x, _ := b.input.view(&b.filter, m.width, m.styles, m.signs.prompt, "type to filter", w, 1)
	y = len(rows)
	rows = append(rows, in...)
	columns := m.browserColumns(list, w)
	if h > 4+len(below) {
		rows = append(rows, m.styles.dim.Render(fit(m.width, "  "+columns.line(m.width, [4]string{"name", "people", "", "subject"}), w)))
	}
	b.page = max(h-len(rows)-len(below), 0)
	at := b.at(list)
	b.top = window(b.top, at, b.page, len(list))
	for i := b.top; i < len(list) && i < b.top+b.page; i++ {
		r := list[i]
		cells := [4]string{m.listing.label(r), strconv.Itoa(r.Occupants), m.listing.state(r), cmp.Or(r.Subject, r.Description)}
		pointer, st := " ", m.styles.plain
		if i == at {
			pointer, st = m.signs.pointer, m.styles.selected
		}
		rows = append(rows, m.styles.accent.Render(pointer)+st.Render(fit(m.width, " "+columns.line(m.width, cells), w-1)))
	}
	for len(rows) < h-len(below) {
		rows = append(rows, strings.Repeat(" ", w))
	}
	rows = append(rows, below...)
	return rows[:min(len(rows), h)], x, max(min(y, h-1), 0)
}

// news are the rows at the bottom of the dialog: what is going on, what went
// wrong, who invites, what Enter does.
func (b *browser) news(m *model, list []api.Room, w int) []string {
	l, found := &m.listing, len(list)
	var invited *api.Invitation
	if at := b.at(list); at >= 0 {
		invited = l.invitation(list[at].RoomID)
	}
	text, st := "", m.styles.dim
	switch {
	case b.joining != "":
		text, st = "joining "+b.joining+m.signs.queued, m.styles.accent
	case b.err != "" || l.err != "":
		text, st = m.signs.warning+" "+cmp.Or(b.err, l.err), m.styles.bad.Bold(true)
	case invited != nil:
		text = m.inviteWords(*invited) + ". Enter accepts, /decline " + roomLabel(invited.Room, "", false) + " declines"
	case !l.known:
		text = "asking the others which rooms there are" + m.signs.queued
	case len(l.rows) == 0 && b.filter.text == "":
		text = "Nobody on the network has a room yet: /create NAME makes one."
	case found == 0:
		text = "No room matches. Enter asks the others for one of this name or ID."
	default:
		text = plural(found, "room", "rooms")
	}
	rows := wrapText(m.width, text, max(w-2, 1))
	for i, r := range rows {
		rows[i] = st.Render(fit(m.width, " "+r, w))
	}
	return rows
}

// browserColumns are the widths of name, people, state and subject; 0 for one
// that does not fit.
type browserColumns [4]int

func (m *model) browserColumns(list []api.Room, w int) browserColumns {
	c := browserColumns{4, 6, 0, 0}
	for _, r := range list {
		c[0] = max(c[0], m.width.StringWidth(m.listing.label(r)))
		c[2] = max(c[2], m.width.StringWidth(m.listing.state(r)))
	}
	c[0] = max(min(c[0], w/3, 32), min(w-2, 12))
	left := w - 3 - c[0]
	for i := 1; i < 3; i++ {
		if c[i] > 0 && c[i]+2 > left {
			c[i] = 0
		}
		if c[i] > 0 {
			left -= c[i] + 2
		}
	}
	if left >= 10 {
		c[3] = left - 2
	}
	return c
}

func (c browserColumns) line(mw measure, cells [4]string) string {
	var out []string
	for i, w := range c {
		switch {
		case w == 0:
		case i == 1:
			cell := clip(mw, cells[i], w)
			out = append(out, strings.Repeat(" ", max(0, w-mw.StringWidth(cell)))+cell)
		default:
			out = append(out, fit(mw, cells[i], w))
		}
	}
	return strings.Join(out, "  ")
}
