package tui

import (
	tea "charm.land/bubbletea/v2"

	"charm.land/bubbles/v2/key"
)

// dialog covers the messages and takes every key until it is closed: the list
// of rooms, a menu, a question, a form.
type dialog interface {
	press(m *model, msg tea.KeyPressMsg) tea.Cmd
	paste(m *model, text string)
	scroll(m *model, n int) // by n rows, down if n > 0
	// view renders h rows of w columns and says where the cursor is in them;
	// x < 0: nowhere.
	view(m *model, w, h int) (rows []string, x, y int)
	hint(m *model) string // what its keys do
	about() *talk         // the room it is about, nil for none
	close()               // ends what it started
}

// joiner is a dialog that waits for a join.
type joiner interface {
	dialog
	number() int
	refused(m *model, msg joinedMsg)
}

func (m *model) show(d dialog) {
	m.closeDialog()
	m.clearNote() // of what is covered, and over the keys of d
	m.sheet, m.completing = nil, nil
	m.dialog = d
}

func (m *model) closeDialog() {
	if m.dialog != nil {
		m.dialog.close()
		m.dialog = nil
	}
}

// steer says by how many of n rows, of which page fit, a key moves a pointer.
func steer(msg tea.KeyPressMsg, n, page int) (by int, ok bool) {
	switch {
	case key.Matches(msg, keys.Up), key.Matches(msg, keys.Prev):
		return -1, true
	case key.Matches(msg, keys.Down), key.Matches(msg, keys.Next):
		return 1, true
	case key.Matches(msg, keys.PageUp):
		return -max(page-1, 1), true
	case key.Matches(msg, keys.PageDown):
		return max(page-1, 1), true
	case key.Matches(msg, keys.Top):
		return -n, true
	case key.Matches(msg, keys.Bottom):
		return n, true
	}
	return 0, false
}

// window is the first of n rows to be shown of which page fit, so that row at
// stays in sight.
func window(top, at, page, n int) int {
	top = min(max(top, at-page+1, 0), max(at, 0))
	return max(0, min(top, n-page))
}
