package tui

import (
	"errors"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
)

// menu is a dialog of which one row is chosen. What it lists is asked for on
// every frame, so that it is current.
type menu struct {
	t     *talk
	title string
	head  func(m *model, w int) []string // what stands above the rows; nil for nothing
	rows  func(m *model) []choice
	empty string // what it says when there are none
	enter func(m *model, id string) tea.Cmd
	does  string // what Enter does, for the bottom line

	chosen string // ID of the row under the pointer
	last   bool   // the pointer begins on the last row
	top    int
	page   int // rows shown last
}

// choice is a row of a menu. One that is not allowed says why.
type choice struct {
	id    string
	lead  string // a sign before the label, styled
	label string
	style lipgloss.Style // of the label
	tail  string
	why   string
}

func (u *menu) about() *talk           { return u.t }
func (u *menu) close()                 {}
func (u *menu) paste(*model, string)   {}
func (u *menu) scroll(m *model, n int) { u.move(u.rows(m), n) }

func (u *menu) hint(m *model) string {
	return "Enter " + u.does + " " + m.signs.more + " Up, Down choose " + m.signs.more + " Esc closes"
}

// at is the index of the chosen row; where that is gone, the nearest end.
func (u *menu) at(rows []choice) int {
	i := slices.IndexFunc(rows, func(c choice) bool { return c.id == u.chosen })
	if i < 0 && u.last {
		i = len(rows) - 1
	}
	return max(i, 0)
}

func (u *menu) move(rows []choice, n int) {
	if len(rows) > 0 {
		u.chosen = rows[max(0, min(u.at(rows)+n, len(rows)-1))].id
	}
}

func (u *menu) press(m *model, msg tea.KeyPressMsg) tea.Cmd {
	rows := u.rows(m)
	if n, ok := steer(msg, len(rows), u.page); ok {
		u.move(rows, n)
		return nil
	}
	switch {
	case key.Matches(msg, keys.Close):
		m.closeDialog()
	case key.Matches(msg, keys.Redraw):
		return tea.ClearScreen
	case key.Matches(msg, keys.Find):
		m.openFinder()
	case key.Matches(msg, keys.Send) && len(rows) > 0:
		c := rows[u.at(rows)]
		if c.why != "" {
			return m.fail(errors.New(c.why))
		}
		return u.enter(m, c.id)
	}
	return nil
}

func (u *menu) view(m *model, w, h int) (out []string, x, y int) {
	rows := u.rows(m)
	if h > 2 {
		out = append(out, m.separator(u.title, w, m.styles.accent))
	}
	if u.head != nil {
		head := u.head(m, max(w-2, 1))
		if room := h - len(out) - min(len(rows), 6); len(head) > room {
			head = head[:max(room, 0)]
		}
		for _, r := range head {
			out = append(out, pad(m.width, " "+r, w))
		}
	}
	if len(rows) == 0 {
		for _, r := range wrapText(m.width, u.empty, max(w-2, 1)) {
			out = append(out, m.styles.dim.Render(fit(m.width, " "+r, w)))
		}
	}
	u.page = max(h-len(out), 1)
	at := u.at(rows)
	u.top = window(u.top, at, u.page, len(rows))
	wide := 0
	for _, c := range rows {
		wide = max(wide, m.width.StringWidth(c.label))
	}
	wide = min(wide, max(w*2/5, 24), max(w-4, 1))
	for i := u.top; i < len(rows) && i < u.top+u.page; i++ {
		out = append(out, m.viewChoice(rows[i], i == at, wide, w))
	}
	for len(out) < h {
		out = append(out, strings.Repeat(" ", max(w, 0)))
	}
	return out[:max(h, 0)], -1, 0
}

func (m *model) viewChoice(c choice, chosen bool, wide, w int) string {
	pointer, label, tail := " ", c.style, m.styles.dim
	if c.why != "" {
		label = m.styles.dim
	}
	if chosen {
		pointer = m.signs.pointer
		label, tail = m.styles.selected.Inherit(label), m.styles.selected
	}
	row := m.styles.accent.Render(pointer) + " "
	if c.lead != "" {
		row += c.lead + " "
	}
	row += label.Render(fit(m.width, c.label, wide)) + "  "
	text, room := c.tail, w-m.width.StringWidth(row)
	if c.why != "" {
		why := m.signs.notice + " " + c.why
		if text != "" {
			text = clip(m.width, text, max(room-m.width.StringWidth(why)-1, room/3)) + " "
		}
		text += why
	}
	return pad(m.width, row+tail.Render(clip(m.width, text, room)), w)
}
