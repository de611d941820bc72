package tui

import (
	"cmp"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"p2pchat/node/api"
)

// block is a message as rows of the pane, with what stands above it: a date,
// the new-message marker.
type block struct {
	key  blockKey
	rows []string
}

// blockKey is everything the rows depend on.
type blockKey struct {
	frame     frame
	text      string
	state     string
	kind      string
	name      string // the author's
	was       string // how the author was called before a change of nick
	begins    bool   // the first there is
	date, new bool   // a separator above
	follows   bool   // same author, shortly before: the name is not repeated
	hit       bool
	forked    bool
	retracted bool
	about     string // label of the room it is about
	quote     string // of what it answers
	chips     string // what became of it
}

// above is how many rows stand above the one with the author's name.
func (k blockKey) above() int {
	n := 0
	if k.begins {
		n += 2
	}
	if k.date {
		n++
	}
	if k.new {
		n++
	}
	return n
}

// frame is the shape of all messages of a pane.
type frame struct {
	width, name int // columns; name 0: the name stands before the text
	clock       bool
	measure     measure
	look        int // number of the styles in use
}

// Below these widths the time, and the column of names, are given up.
const (
	minNames = 44
	minClock = 30
	maxName  = 16
)

// frameFor shapes the focused conversation's pane.
func (m *model) frameFor(t *talk, width int) frame {
	f := frame{
		width: width, clock: width >= minClock, measure: m.width, look: m.look,
	}
	if width < minNames {
		return f
	}
	f.name = 4
	wide := func(name string) { f.name = max(f.name, m.width.StringWidth(name)) }
	if t.room == nil {
		wide(m.self.Name)
		wide(t.label())
	} else {
		for _, r := range t.room.members.rows {
			wide(m.memberLabel(t, r.PeerID, r.Nick, r.Name))
		}
	}
	f.name = min(f.name, maxName, width/4)
	return f
}

// rowsOf renders line i of t, from the cache if nothing changed.
func (m *model) rowsOf(t *talk, i int, f frame) []string {
	l := t.log.lines[i]
	var prev *line
	if i > 0 {
		prev = t.log.lines[i-1]
	}
	k := blockKey{
		frame: f, text: l.Text, state: l.State, kind: l.Kind, name: m.author(t, l), forked: l.Forked, retracted: l.Retracted, about: m.aboutRoom(t, l), chips: m.chips(l),
		date:   prev == nil || !sameDay(m.local(prev.Time), m.local(l.Time)),
		new:    l.ID == t.log.fresh,
		begins: prev == nil && t.log.whole,
		hit:    l == t.log.hit,
	}
	if l.ReplyTo != "" {
		k.quote = m.quote(t, l.ReplyTo)
	}
	k.follows = !k.date && !k.new && k.quote == "" && prev.Author == l.Author && prev.Log == l.Log &&
		prev.Kind == l.Kind && l.Kind == api.MessageText && l.Time.Sub(prev.Time.Time).Abs() < 5*time.Minute
	if l.Kind == api.MessageNick {
		k.was = t.log.calledBefore(i)
	}
	if l.block.rows == nil || l.block.key != k {
		l.block = block{k, m.renderLine(t, l, k)}
	}
	return l.block.rows
}

func sameDay(a, b time.Time) bool {
	return a.Year() == b.Year() && a.YearDay() == b.YearDay()
}

// local is a time of the service on the clock the person reads.
func (m *model) local(t api.Time) time.Time { return t.In(m.now().Location()) }

// renderLine lays out one message:
//
//	15:04 name text that wraps under                            ✓✓
//	           itself
func (m *model) renderLine(t *talk, l *line, k blockKey) []string {
	f := k.frame
	var rows []string
	if k.begins {
		begins := " the conversation with " + t.label() + " begins here"
		if t.room != nil {
			begins = " here begins what you have of " + t.label()
		}
		rows = append(rows, m.styles.dim.Render(fit(m.width, begins, f.width)),
			strings.Repeat(" ", f.width))
	}
	if k.date {
		rows = append(rows, m.separator(m.local(l.Time).Format("Monday, 2 January 2006"), f.width, m.styles.dim))
	}
	if k.new {
		rows = append(rows, m.separator("new", f.width, m.styles.accent))
	}

	mine := stateRank[l.State] > 0 && api.Listed(l.Kind)
	name, who := k.name, m.styles.sender(l.Author)
	body, style := l.Text, m.styles.plain
	sign := "" // in the place of the name
	switch notice := notice(l, name, k); {
	case notice != "":
		body, style, who, sign = notice, m.styles.dim, m.styles.dim, m.signs.notice
	case l.Retracted:
		body, style = retractedText, m.styles.dim
	case l.Kind == api.MessageText:
	case l.Kind == api.MessagePrivate:
		body = "(privately in " + k.about + ") " + l.Text
	case l.Kind == api.MessageAction:
		body, style = name+" "+l.Text, who.Bold(false).Italic(true)
		sign = m.signs.action
	default:
		body, style = "(a message of a kind that this version does not know)", m.styles.dim
	}
	if k.hit {
		style = m.styles.hit
	}

	indent := 1
	head := " "
	if f.clock {
		head += m.styles.dim.Render(m.local(l.Time).Format("15:04")) + " "
		indent += 6
	}
	switch {
	case f.name > 0 && k.follows:
		head += strings.Repeat(" ", f.name+2)
		indent += f.name + 2
	case f.name > 0:
		short := clipLabel(f.measure, cmp.Or(sign, name), f.name)
		head += strings.Repeat(" ", max(0, f.name-f.measure.StringWidth(short))) + who.Render(short) + "  "
		indent += f.name + 2
	case sign != "":
		body = sign + " " + body
	case !k.follows:
		short := clip(f.measure, name, max(f.width/3, 4))
		head += who.Render(short) + " "
		indent += f.measure.StringWidth(short) + 1
	}
	room := f.width - indent - 3
	if room < 8 { // a very narrow pane: the text starts on the next row
		rows = append(rows, m.styledRow(head, f))
		indent, head = 1, " "
		room = max(f.width-indent-3, 1)
	}
	if k.quote != "" {
		rows = append(rows, m.styledRow(head+m.styles.dim.Render(clip(f.measure, m.signs.answers+" "+k.quote, room)), f))
		head = strings.Repeat(" ", indent)
	}
	texts := wrapText(f.measure, body, room)
	for i, s := range texts {
		row := head
		if i > 0 {
			row = strings.Repeat(" ", indent)
		}
		row += style.Render(s)
		if mine && i == len(texts)-1 {
			mark, markStyle := m.delivery(l.State)
			row = pad(f.measure, row, f.width-3) + strings.Repeat(" ", max(0, 2-f.measure.StringWidth(mark))) + markStyle.Render(mark)
		}
		rows = append(rows, m.styledRow(row, f))
	}
	if k.chips != "" {
		for _, s := range wrapText(f.measure, k.chips, room) {
			rows = append(rows, m.styledRow(strings.Repeat(" ", indent)+m.styles.dim.Render(s), f))
		}
	}
	for _, remark := range remarks(l) {
		for _, s := range wrapText(f.measure, remark, max(f.width-indent-1, 1)) {
			rows = append(rows, m.styledRow(strings.Repeat(" ", indent)+m.styles.warn.Render(s), f))
		}
	}
	return rows
}

func (m *model) styledRow(s string, f frame) string { return pad(f.measure, s, f.width) }

// author is the name over a message.
func (m *model) author(t *talk, l *line) string {
	name := l.Name
	switch {
	case t.room != nil && l.Kind == api.MessageJoin: // by what he was called then
		return m.memberLabel(t, l.Author, clean(l.Text), l.Name)
	case t.room != nil:
		return m.memberLabel(t, l.Author, l.Nick, l.Name)
	case l.Author == m.self.PeerID:
		name = m.self.Name
	case l.Author == t.key:
		name = t.label()
	}
	return cmp.Or(name, clean(l.Author))
}

// retractedText stands in the place of a message that its author or a moderator
// took back.
const retractedText = "(retracted)"

// aboutRoom is the room that a message between two people is about, as shown.
func (m *model) aboutRoom(t *talk, l *line) string {
	if t.room != nil || l.Room == "" {
		return ""
	}
	if r := m.people.byKey[l.Room]; r != nil && r.room != nil {
		return r.label()
	}
	for _, r := range m.listing.heard {
		if r.RoomID == l.Room {
			return m.listing.label(r)
		}
	}
	return "a room (" + clean(l.Room[:min(8, len(l.Room))]) + ")"
}

// remarks are what a reader should know about a message's origin.
func remarks(l *line) []string {
	var out []string
	if l.Skewed {
		out = append(out, "(the sender's clock was more than 5 minutes off)")
	}
	if l.Forked {
		out = append(out, "(signed twice: the sender's log also has another message in this place)")
	}
	return out
}

// separator is a word in the middle of a horizontal rule.
func (m *model) separator(word string, width int, style lipgloss.Style) string {
	word = clip(m.width, word, width-4)
	side := max(0, width-m.width.StringWidth(word)-4)
	left := side / 2
	return pad(m.width, " "+style.Render(strings.Repeat(m.signs.rule, left)+" "+word+" "+
		strings.Repeat(m.signs.rule, side-left)), width)
}

// viewTranscript renders the messages of t: h rows of w columns, the newest at
// the bottom. Where there is a column of names, the first message that begins in
// the pane has its author's, also where that stands already above the pane.
func (m *model) viewTranscript(t *talk, w, h int) []string {
	blank := strings.Repeat(" ", max(w, 0))
	var rows []string // bottom first
	var top *line     // the last of which the row with the name is among them
	topRow := 0       // and which that is
	f := m.frameFor(t, w)
	for i := t.log.at(); i >= 0 && len(rows) < h; i-- {
		block := m.rowsOf(t, i, f)
		last := len(block) - 1
		if l := t.log.bottom.line; l != nil && l == t.log.lines[i] {
			last = min(t.log.bottom.row, last)
		}
		for r := last; r >= 0 && len(rows) < h; r-- {
			if l := t.log.lines[i]; r == l.block.key.above() {
				top, topRow = l, len(rows)
			}
			rows = append(rows, block[r])
		}
	}
	if top != nil && f.name > 0 && top.block.key.follows {
		k := top.block.key
		k.follows = false
		rows[topRow] = m.renderLine(t, top, k)[0]
	}
	if len(rows) < h && t.log.loading {
		rows = append(rows, m.styles.dim.Render(fit(m.width, " loading"+m.signs.queued, w)))
	}
	for len(rows) < h {
		rows = append(rows, blank)
	}
	rows = rows[:h]
	out := make([]string, h)
	for i, r := range rows {
		out[h-1-i] = r
	}
	return out
}

// inSight tells whether l stands in the pane, whole or in part.
func (m *model) inSight(t *talk, l *line) bool {
	lay := m.layout()
	f := m.frameFor(t, lay.mid)
	for i, left := t.log.at(), lay.body; i >= 0 && left > 0; i-- {
		if t.log.lines[i] == l {
			return true
		}
		rows := len(m.rowsOf(t, i, f))
		if t.log.lines[i] == t.log.bottom.line {
			rows = min(t.log.bottom.row+1, rows)
		}
		left -= rows
	}
	return false
}

// scroll moves the pane of h rows by n rows, up if n > 0. It tells whether
// older messages are wanted to go on.
func (m *model) scroll(t *talk, w, h, n int) (wantOlder bool) {
	lg := &t.log
	if len(lg.lines) == 0 {
		return n > 0 && !lg.whole
	}
	h = max(h, 1) // a row stays in the pane, also in one too low to show it
	f := m.frameFor(t, w)
	i := lg.at()
	row := len(m.rowsOf(t, i, f)) - 1
	if lg.bottom.line != nil {
		row = min(lg.bottom.row, row)
	}
	if n < 0 {
		for ; n < 0; n++ {
			if row < len(m.rowsOf(t, i, f))-1 {
				row++
			} else if i < len(lg.lines)-1 {
				i, row = i+1, 0
			} else {
				break
			}
		}
	} else {
		above := row + 1 - h // rows above the pane
		for j := i - 1; j >= 0 && above < n+h; j-- {
			above += len(m.rowsOf(t, j, f))
		}
		wantOlder = above < n+h && !lg.whole
		for n = min(n, above); n > 0; n-- {
			if row > 0 {
				row--
			} else {
				i--
				row = len(m.rowsOf(t, i, f)) - 1
			}
		}
	}
	lg.bottom = anchor{lg.lines[i], row}
	if i == len(lg.lines)-1 && row == len(m.rowsOf(t, i, f))-1 {
		lg.bottom = anchor{}
	}
	return wantOlder
}

// reveal scrolls so that line l stands in the pane, near its middle.
func (m *model) reveal(t *talk, l *line, w, h int) {
	f := m.frameFor(t, w)
	for i, x := range t.log.lines {
		if x == l {
			t.log.bottom = anchor{l, len(m.rowsOf(t, i, f)) - 1}
			m.scroll(t, w, h, -h/2)
			return
		}
	}
}
