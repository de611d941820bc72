package tui

import (
	"fmt"
	"strings"
	"time"
)

// note is what the bottom line says until something else is to be said.
type note struct {
	text string // clean
	bad  bool
	id   int
}

// How long a note stays.
const (
	noteTime  = 8 * time.Second
	errorTime = 30 * time.Second
)

// viewTop renders the line on top: oneself, the person talked with, and what
// is going on.
func (m *model) viewTop(l layout) string {
	s := &m.styles
	right := m.topRight(l)
	rightWidth := m.width.StringWidth(right)

	left := ""
	if l.people > 0 {
		left = s.barName.Render(fit(m.width, " "+m.selfLabel(), l.people)) + s.bar.Render(" ")
	}
	room := l.w - m.width.StringWidth(left) - rightWidth
	if room < 10 {
		right, rightWidth = "", 0
		room = l.w - m.width.StringWidth(left)
	}
	mid := m.title(l, room)
	return left + mid + right
}

func (m *model) selfLabel() string {
	if m.away {
		return m.signs.away + " " + m.self.Name + " (away)"
	}
	return m.self.Name
}

// title names the focused conversation in exactly room columns.
func (m *model) title(l layout, room int) string {
	s := &m.styles
	t := m.people.focus
	if t == nil {
		name := ""
		if l.people == 0 {
			name = " " + m.selfLabel()
		}
		return s.bar.Render(fit(m.width, name, room))
	}
	if t.room != nil {
		name := clip(m.width, " "+t.label(), room)
		text := "  " + t.room.title(m.signs.more)
		if t.fetching > 0 {
			text = fmt.Sprintf("  fetching the past: %d of %d%s", t.fetched, t.fetching, " "+m.signs.more+" "+t.room.title(m.signs.more))
		}
		return s.barName.Render(name) + s.bar.Render(fit(m.width, text, room-m.width.StringWidth(name)))
	}
	sign, word, _ := m.presence(t.peer)
	name := clip(m.width, " "+sign+" "+t.label(), room)
	rest := []string{word + marksOf(t.peer)}
	if t.peer.Status != "" && !t.peer.Blocked {
		rest = append(rest, t.peer.Status)
	}
	if l.details == 0 {
		if a, ok := addressOf(t.peer); ok && t.online() {
			rest = append(rest, a.host)
		}
		if r := rtt(t.peer); r != "" && t.online() {
			rest = append(rest, r)
		}
	}
	out := s.barName.Render(name)
	used := m.width.StringWidth(name)
	if l.details == 0 && t.peer.Warning != "" {
		w := clip(m.width, " "+m.signs.warning+" "+t.peer.Warning, room-used)
		out += s.barWarn.Render(w)
		used += m.width.StringWidth(w)
		rest = rest[:1]
	}
	text := "  " + strings.Join(rest, " "+m.signs.more+" ")
	return out + s.bar.Render(fit(m.width, text, room-used))
}

// topRight is what is going on: a node that is gone, a capture, messages not
// delivered yet, unread ones elsewhere, how many people are there.
func (m *model) topRight(l layout) string {
	s := &m.styles
	var parts []string
	warn := func(text string) { parts = append(parts, s.barWarn.Render(text)) }
	tell := func(text string) { parts = append(parts, s.bar.Render(text)) }
	switch {
	case m.trouble != "":
		warn("cannot read")
	case m.gone:
		warn("no node")
	}
	if m.capture != nil {
		state := "capture"
		if m.capture.state != "" && l.w >= minPeople {
			state = m.capture.state
		}
		warn(m.signs.rec + " " + clip(m.width, state, 24))
	}
	if n := m.status.Queued; n != nil && *n > 0 {
		tell(fmt.Sprintf("%d queued", *n))
	}
	if n := m.people.unread(); n > 0 && l.people == 0 {
		tell(fmt.Sprintf("%d new", n))
	}
	if l.w >= minPeople && m.synced {
		tell(fmt.Sprintf("%d online", m.people.online()))
	}
	if len(parts) == 0 {
		return ""
	}
	return s.bar.Render(" ") + strings.Join(parts, s.bar.Render(" "+m.signs.more+" ")) + s.bar.Render(" ")
}

// viewRule renders the line above the input: who is typing, and how much
// stands below the pane.
func (m *model) viewRule(l layout) string {
	left, right := "", ""
	if t := m.people.focus; t != nil && m.sheet == nil && m.dialog == nil {
		if about := m.aboutLine(t); about != "" {
			left = " " + clip(m.width, about, max(l.w/2, l.w-30)) + " " + m.signs.more + " Esc cancels "
		} else if m.typing(t) {
			left = " " + t.label() + " is typing" + m.signs.queued + " "
		}
		if n := len(t.log.lines) - 1 - t.log.at(); n > 0 && !t.log.apart.on {
			right = fmt.Sprintf(" %s %d below ", m.signs.down, n)
		} else if t.log.bottom.line != nil || t.log.apart.on {
			right = " " + m.signs.down + " more below "
		}
	}
	left = clip(m.width, left, l.w-4)
	right = clip(m.width, right, l.w-4-m.width.StringWidth(left))
	dash := func(n int) string { return m.styles.border.Render(strings.Repeat(m.signs.rule, max(0, n))) }
	lead := 0
	if left != "" {
		lead = 1
	}
	middle := l.w - m.width.StringWidth(left) - m.width.StringWidth(right) - lead - 1
	return pad(m.width, dash(lead)+m.styles.accent.Render(left)+dash(middle)+m.styles.bold.Render(right)+dash(1), l.w)
}

// noteRows is the note as it is shown, nil if there is none.
func (m *model) noteRows() []string {
	if m.note.text == "" {
		return nil
	}
	text := m.note.text
	if m.note.bad {
		text = m.signs.warning + " " + text
	}
	return wrapText(m.width, text, max(m.w-2, 1))
}

// viewFoot renders the bottom: the last note, else what keys do.
func (m *model) viewFoot(l layout) []string {
	s := &m.styles
	if rows := m.noteRows(); rows != nil {
		if len(rows) > l.foot {
			rows = rows[:l.foot]
			rows[l.foot-1] = clip(m.width, rows[l.foot-1]+" …", l.w-2)
		}
		style := s.plain
		if m.note.bad {
			style = s.bad.Bold(true)
		}
		for i, r := range rows {
			rows[i] = style.Render(fit(m.width, " "+r, l.w))
		}
		return rows
	}
	hint := "/help " + m.signs.more + " Tab completes " + m.signs.more + " Ctrl+N next conversation " +
		m.signs.more + " PgUp scrolls " + m.signs.more + " Ctrl+C quits"
	if m.sheet != nil {
		hint = "Esc closes " + m.signs.more + " PgUp, PgDn scroll"
	}
	if m.dialog != nil {
		hint = m.dialog.hint(m)
	}
	brand := "p2pchat"
	if m.opts.Version != "" {
		brand += " " + clean(m.opts.Version)
	}
	hint = " " + hint
	space := l.w - m.width.StringWidth(hint) - m.width.StringWidth(brand) - 1
	if space < 2 {
		return []string{s.dim.Render(fit(m.width, hint, l.w))}
	}
	return []string{s.dim.Render(hint + strings.Repeat(" ", space) + brand + " ")}
}

// noticeRows is the first standing warning, and how many more there are.
func (m *model) noticeRows() []string {
	if len(m.notices) == 0 {
		return nil
	}
	text := m.signs.warning + " " + m.notices[0]
	if n := len(m.notices) - 1; n > 0 {
		text = fmt.Sprintf("%s (1 of %d, /status shows all) %s", m.signs.warning, n+1, m.notices[0])
	}
	return wrapText(m.width, text, max(m.w-2, 1))
}

func (m *model) viewNotices(l layout) []string {
	rows := m.noticeRows()
	if len(rows) > l.notices {
		rows = rows[:l.notices]
		rows[l.notices-1] = clip(m.width, rows[l.notices-1]+" …", l.w-2)
	}
	for i, r := range rows {
		rows[i] = m.styles.warn.Bold(true).Render(fit(m.width, " "+r, l.w))
	}
	return rows
}
