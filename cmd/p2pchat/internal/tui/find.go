package tui

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"p2pchat/node/api"
)

// foundAtMost is how many messages a search lists: the newest ones.
const foundAtMost = 200

// finder is the dialog that searches all conversations. It is kept when it is
// closed, so that one can go on to the next message found.
type finder struct {
	words draft
	input input
	top   int
	page  int // rows shown last

	asked string           // the words of rows, or of the search under way
	terms api.Search       // in them
	stop  func()           // ends that search
	busy  bool             // it is under way
	rows  []*line          // the newest first
	left  map[string]*talk // rooms that some were said in and one is no longer in, by ID
	at    int              // the row under the pointer
	err   string           // why there are none, clean
}

type foundMsg struct {
	of    *finder
	asked string
	found []api.Message
	left  map[string]api.RoomState // of rooms that one is no longer in, by ID
	err   error
}

// cmdSearch opens the dialog; with words it looks for them at once.
func cmdSearch(m *model, arg string) (tea.Cmd, error) {
	if _, err := api.ParseSearch(arg, m.now()); err != nil && arg != "" {
		return nil, err
	}
	m.openFinder()
	if arg == "" {
		return nil, nil
	}
	m.finder.words.setText(arg)
	return m.finder.search(m), nil
}

// openFinder shows what was found last under an empty input; Ctrl+Y puts the words
// back.
func (m *model) openFinder() {
	if m.finder == nil {
		m.finder = &finder{stop: func() {}}
	}
	f := m.finder
	if f.words.text != "" {
		f.input.yank = f.words.text
	}
	f.words.setText("")
	m.show(f)
}

func (f *finder) about() *talk { return nil }

func (f *finder) close() {
	f.stop()
	if f.busy {
		f.busy, f.asked = false, ""
	}
}

func (f *finder) scroll(_ *model, n int) { f.move(n) }

func (f *finder) move(n int) { f.at = max(0, min(f.at+n, len(f.rows)-1)) }

func (f *finder) hint(m *model) string {
	does := "Enter searches"
	if f.ready() {
		does = "Enter goes there"
	}
	return does + " " + m.signs.more + " Up, Down choose " + m.signs.more + " from:NAME in:ROOM after:7d " + m.signs.more + " Esc closes"
}

// current tells whether what is listed is what the input says; an empty one stands
// for what was asked last.
func (f *finder) current() bool {
	return f.asked != "" && (f.words.text == "" || f.words.text == f.asked)
}

// ready tells whether Enter goes to what is listed.
func (f *finder) ready() bool { return len(f.rows) > 0 && f.current() }

func (f *finder) paste(_ *model, s string) {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	f.words.insert(line)
	f.err = ""
}

func (f *finder) press(m *model, msg tea.KeyPressMsg) tea.Cmd {
	if n, ok := steer(msg, 1<<20, f.page); ok {
		f.move(n)
		return nil
	}
	switch {
	case key.Matches(msg, keys.Close):
		m.closeDialog()
	case key.Matches(msg, keys.Send) && f.ready():
		return m.jump(f.rows[f.at])
	case key.Matches(msg, keys.Send):
		return f.search(m)
	case key.Matches(msg, keys.Redraw):
		return tea.ClearScreen
	case key.Matches(msg, keys.Newline), key.Matches(msg, keys.Complete), key.Matches(msg, keys.CompleteBack),
		key.Matches(msg, keys.NextUnread), key.Matches(msg, keys.Help), key.Matches(msg, keys.Find):
	default:
		before := f.words.text
		if f.input.edit(&f.words, m.width, 1<<20, msg) && f.words.text != before {
			f.err = ""
		}
	}
	return nil
}

// search asks for what the input says.
func (f *finder) search(m *model) tea.Cmd {
	f.stop()
	f.rows, f.at, f.top, f.err, f.busy = nil, 0, 0, "", false
	f.asked = f.words.text
	terms, err := api.ParseSearch(f.asked, m.now())
	if err != nil {
		f.err = cleanError(err)
		return nil
	}
	f.terms = terms
	ctx, cancel := context.WithCancel(m.calls.ctx)
	f.stop, f.busy = cancel, true
	asked, listed := f.asked, maps.Clone(m.people.byConv)
	return m.calls.do(0, func(context.Context) tea.Msg {
		defer cancel()
		msg := foundMsg{of: f, asked: asked, left: map[string]api.RoomState{}}
		msg.found, msg.err = m.svc.Search(ctx, api.SearchQuery{Words: asked, Last: foundAtMost})
		for _, hit := range msg.found {
			id := hit.Conversation
			if _, known := msg.left[id]; known || listed[id] != nil {
				continue
			}
			if state, err := m.svc.RoomState(ctx, id); err == nil { // else it is found all the same
				msg.left[id] = state
			}
		}
		return msg
	})
}

func (m *model) takeFound(msg foundMsg) {
	f := msg.of
	if !f.busy || f.asked != msg.asked {
		return // nobody waits for it any more
	}
	f.busy = false
	if msg.err != nil {
		f.err = cleanError(msg.err)
		return
	}
	f.left = map[string]*talk{}
	for id, state := range msg.left {
		f.left[id] = m.people.leftRoom(id, state)
	}
	for _, found := range slices.Backward(msg.found) {
		f.rows = append(f.rows, newLine(found))
	}
}

func (f *finder) view(m *model, w, h int) (rows []string, x, y int) {
	if h > 3 {
		rows = append(rows, m.separator("Search", w, m.styles.accent))
	}
	in, x, _ := f.input.view(&f.words, m.width, m.styles, m.signs.prompt, cmp.Or(clean(f.asked), "words that were said anywhere"), w, 1)
	y = len(rows)
	rows = append(rows, in...)
	text, st := f.news(m)
	below := wrapText(m.width, text, max(w-2, 1))
	below = below[:max(0, min(len(below), h-len(rows)-1, 3))]
	f.page = max(h-len(rows)-len(below), 0)
	f.top = window(f.top, f.at, f.page, len(f.rows))
	wide := m.columnsFound(f, w)
	for i := f.top; i < len(f.rows) && i < f.top+f.page; i++ {
		rows = append(rows, m.viewFound(f, i, wide, w))
	}
	for len(rows) < h-len(below) {
		rows = append(rows, strings.Repeat(" ", w))
	}
	for _, r := range below {
		rows = append(rows, st.Render(fit(m.width, " "+r, w)))
	}
	return rows[:min(len(rows), h)], x, max(min(y, h-1), 0)
}

// news are the words at the bottom of the dialog.
func (f *finder) news(m *model) (text string, st lipgloss.Style) {
	switch {
	case f.busy:
		return "searching" + m.signs.queued, m.styles.accent
	case f.err != "":
		return m.signs.warning + " " + f.err, m.styles.bad.Bold(true)
	case !f.current():
		return `Whole words, all of which occur; word* for how it begins, "some words" for words in a row.`, m.styles.dim
	case len(f.rows) == 0:
		return "Nothing was found.", m.styles.dim
	case len(f.rows) == foundAtMost:
		oldest := f.rows[len(f.rows)-1].Time.UTC().Format("2006-01-02T15:04:05.000Z")
		return "The newest " + plural(foundAtMost, "message", "messages") + "; before:" + oldest + " finds older ones.", m.styles.dim
	}
	return plural(len(f.rows), "message", "messages") + ", the newest first", m.styles.dim
}

// saidIn is the conversation of a message that was found, nil if nothing is known
// of it.
func (m *model) saidIn(l *line) *talk {
	if t := m.people.byConv[l.Conversation]; t != nil {
		return t
	}
	return m.finder.left[l.Conversation]
}

// cellsFound says when, where and by whom a message was said that was found.
func (m *model) cellsFound(l *line, w int) [3]string {
	when := m.local(l.Time)
	layout := "_2 Jan 15:04"
	switch now := m.now(); {
	case w < 30:
		layout = ""
	case w < 60 && sameDay(when, now):
		layout = "15:04"
	case w < 60 && when.Year() == now.Year():
		layout = "_2 Jan"
	case w < 60:
		layout = "2006"
	case when.Year() != now.Year():
		layout = "_2 Jan 2006"
	}
	where, who := "elsewhere", cmp.Or(l.Nick, l.Name, clean(l.Author))
	if t := m.saidIn(l); t != nil {
		where, who = t.label(), m.author(t, l)
	}
	if w < 44 {
		where = ""
	}
	return [3]string{when.Format(layout), where, who}
}

// columnsFound are how wide these are, 0 for none: no wider than they need be.
func (m *model) columnsFound(f *finder, w int) (wide [3]int) {
	for _, l := range f.rows {
		for i, cell := range m.cellsFound(l, w) {
			wide[i] = max(wide[i], m.width.StringWidth(cell))
		}
	}
	wide[1], wide[2] = min(wide[1], 16, w/6), min(wide[2], 16, w/5)
	return wide
}

// viewFound is a row of the list: when, where, who, what.
func (m *model) viewFound(f *finder, i int, wide [3]int, w int) string {
	l := f.rows[i]
	pointer, st := " ", m.styles.plain
	if i == f.at {
		pointer, st = m.signs.pointer, m.styles.selected
	}
	head := " "
	for i, cell := range m.cellsFound(l, w) {
		if wide[i] > 0 {
			head += fit(m.width, cell, wide[i]) + "  "
		}
	}
	text := snippet(m.width, strings.Join(strings.Fields(l.Text), " "), f.terms, w-1-m.width.StringWidth(head))
	out, at := "", 0
	for _, s := range f.terms.Spans(text) {
		out += st.Render(text[at:s[0]]) + st.Bold(true).Underline(true).Render(text[s[0]:s[1]])
		at = s[1]
	}
	return pad(m.width, m.styles.accent.Render(pointer)+st.Render(head)+out+st.Render(text[at:]), w)
}

// snippet is text in width columns, so that the first term is among them.
func snippet(mw measure, text string, terms api.Search, width int) string {
	spans := terms.Spans(text)
	if len(spans) == 0 || mw.StringWidth(text[:spans[0][1]]) <= width-1 || mw.StringWidth(text) <= width {
		return clip(mw, text, max(width, 1))
	}
	// What stands before it takes a third, or what the rest leaves.
	from := spans[0][0]
	for from > 0 {
		_, size := utf8.DecodeLastRuneInString(text[:from])
		if mw.StringWidth(text[from:spans[0][0]]) >= width/3 && mw.StringWidth(text[from-size:]) > width-1 {
			break
		}
		from -= size
	}
	return clip(mw, "…"+text[from:], max(width, 1))
}
