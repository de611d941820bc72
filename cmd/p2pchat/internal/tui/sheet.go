package tui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// sheet is text that covers the messages until it is closed: help, the list of
// peers, what doctor found.
type sheet struct {
	id    int
	title string
	// render gives the rows for a width; it is asked on every frame, so that
	// what it shows is current.
	render func(w int) []string
	top    int // first row shown
	page   int // rows shown last
}

// open shows a sheet and returns its number.
func (m *model) open(title string, render func(w int) []string) int {
	m.sheets++
	m.clearNote() // it would stand over the keys
	m.sheet = &sheet{id: m.sheets, title: title, render: render}
	return m.sheets
}

// fill replaces the content of a sheet if it is still open.
func (m *model) fill(id int, render func(w int) []string) {
	if m.sheet != nil && m.sheet.id == id {
		m.sheet.render = render
	}
}

// sheetKey handles a key while a sheet is open. It tells whether the key was
// the sheet's; any other key closes it, so that nothing typed is lost.
func (m *model) sheetKey(msg tea.KeyPressMsg) bool {
	s := m.sheet
	switch {
	case key.Matches(msg, keys.Up):
		s.top--
	case key.Matches(msg, keys.Down):
		s.top++
	case key.Matches(msg, keys.PageUp):
		s.top -= max(s.page-1, 1)
	case key.Matches(msg, keys.PageDown):
		s.top += max(s.page-1, 1)
	case key.Matches(msg, keys.LineStart), key.Matches(msg, keys.Top):
		s.top = 0
	case key.Matches(msg, keys.LineEnd), key.Matches(msg, keys.Bottom):
		s.top = 1 << 20 // cut to what there is when it is shown
	case key.Matches(msg, keys.Close), key.Matches(msg, keys.Send), key.Matches(msg, keys.Help):
		m.sheet = nil
	default:
		m.sheet = nil
		return false
	}
	return true
}

// viewSheet renders the open sheet in h rows of w columns.
func (m *model) viewSheet(w, h int) []string {
	s := m.sheet
	body := s.render(max(w-2, 1))
	rows := []string{m.separator(s.title, w, m.styles.accent)}
	s.page = h - len(rows)
	s.top = max(0, min(s.top, len(body)-s.page))
	for i := s.top; i < len(body) && len(rows) < h; i++ {
		rows = append(rows, pad(m.width, " "+body[i], w))
	}
	if s.top+s.page < len(body) && h > 2 {
		rows[h-1] = pad(m.width, m.styles.dim.Render(" "+m.signs.down+" more"), w)
	}
	for len(rows) < h {
		rows = append(rows, strings.Repeat(" ", max(w, 0)))
	}
	return rows[:max(h, 0)]
}
