package tui

import (
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

func (m *model) layout() layout {
	room := m.input.room(m.width, m.signs.prompt, max(m.w, 1))
	rows := len(m.draft().place(m.width, room).rows)
	t := m.people.focus
	return newLayout(m.w, m.h, rows, len(m.noteRows()), len(m.noticeRows()), t != nil && t.room != nil)
}

// View draws the screen.
func (m *model) View() tea.View {
	var v tea.View
	v.AltScreen = true
	v.ReportFocus = true
	if m.mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	v.WindowTitle = "p2pchat"
	if n := m.people.unread(); n > 0 {
		v.WindowTitle = "(" + strconv.Itoa(n) + ") p2pchat"
	}
	if m.w <= 0 || m.h <= 0 {
		return v // the size is not known yet
	}
	rows, x, y := m.screen()
	v.Content = strings.Join(rows, "\n")
	if m.sheet == nil && x >= 0 {
		v.Cursor = tea.NewCursor(x, y)
		v.Cursor.Shape = tea.CursorBar
	}
	return v
}

// screen is all rows of the screen, and where the cursor is.
func (m *model) screen() (rows []string, x, y int) {
	l := m.layout()
	if l.top {
		rows = append(rows, m.viewTop(l))
	}
	if l.notices > 0 {
		rows = append(rows, m.viewNotices(l)...)
	}
	above := len(rows)
	body, bx, by := m.viewBody(l)
	rows = append(rows, body...)
	if l.rule {
		rows = append(rows, m.viewRule(l))
	}
	in, x, y := m.input.view(m.draft(), m.width, m.styles, m.signs.prompt, m.inputHint(), l.w, l.input)
	y += len(rows)
	rows = append(rows, in...)
	if m.dialog != nil {
		x, y = bx, above+by
	}
	if l.foot > 0 {
		rows = append(rows, m.viewFoot(l)...)
	}
	for i, r := range rows { // whatever happened: never wider than the screen
		if m.width.StringWidth(r) > l.w {
			rows[i] = cut(m.width, r, l.w)
		}
		if m.signs.plain {
			rows[i] = strings.ReplaceAll(rows[i], "…", ".")
		}
	}
	return rows, min(x, l.w-1), min(y, l.h-1)
}

func (m *model) inputHint() string {
	t := m.people.focus
	switch {
	case t == nil:
		return "type /help"
	case !t.online() && t.kind == api.KindDirect:
		return "write to " + t.label() + ": it is delivered when " + t.label() + " is back"
	case m.whyMute(t) != "":
		return m.whyMute(t)
	}
	return "write to " + t.label()
}

// viewBody renders what covers the panes, or these side by side. A dialog has
// the cursor at x, y.
func (m *model) viewBody(l layout) (rows []string, x, y int) {
	switch {
	case m.dialog != nil:
		return m.dialog.view(m, l.w, l.body)
	case m.sheet != nil:
		return m.viewSheet(l.w, l.body), 0, 0
	}
	t := m.people.focus
	var mid []string
	switch {
	case !m.synced && m.trouble != "":
		mid = m.middle(wrapText(m.width, m.trouble, min(l.mid-4, 56)), l.mid, l.body)
	case !m.synced:
		mid = m.middle(m.wait("starting")(l.mid-2), l.mid, l.body)
	case t == nil:
		mid = m.middle(wrapText(m.width, lonely, min(l.mid-4, 56)), l.mid, l.body)
	case t.log.loaded && len(t.log.lines) == 0 && t.log.whole: // in a room somebody joined
		mid = m.middle(wrapText(m.width, "Nothing has been said yet. Say hello to "+t.label()+".", min(l.mid-4, 56)), l.mid, l.body)
	default:
		mid = m.viewTranscript(t, l.mid, l.body)
	}
	bar := m.styles.border.Render(m.signs.bar)
	var left, right []string
	if l.people > 0 {
		left = m.viewPeople(l.people, l.body)
	}
	switch {
	case l.details > 0 && t != nil && t.room != nil:
		right = m.viewMembers(t, l.details, l.body)
	case l.details > 0:
		right = m.viewDetails(t, l.details, l.body)
	}
	rows = make([]string, l.body)
	for i := range rows {
		if left != nil {
			rows[i] = pad(m.width, left[i], l.people) + bar
		}
		rows[i] += pad(m.width, mid[i], l.mid)
		if right != nil {
			rows[i] += bar + pad(m.width, right[i], l.details)
		}
	}
	return rows, 0, 0
}

// lonely is what a person reads who sees nobody.
const lonely = "Nobody else is here yet. p2pchat finds others on the same network by itself: start it on another machine. " +
	"If somebody should be here, /doctor looks for the reason, and /add connects to an address."

// middle puts text into the middle of a pane.
func (m *model) middle(text []string, w, h int) []string {
	wide := 0
	for _, r := range text {
		wide = max(wide, m.width.StringWidth(r))
	}
	rows := make([]string, h)
	top := max(0, (h-len(text))/2)
	for i := range rows {
		row := ""
		if j := i - top; j >= 0 && j < len(text) {
			row = strings.Repeat(" ", max(0, (w-wide)/2)) + m.styles.dim.Render(text[j])
		}
		rows[i] = pad(m.width, row, w)
	}
	return rows
}
