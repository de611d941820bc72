package tui

import (
	"cmp"
	"context"
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

	asked string     // the words of rows, or of the search under way
	terms api.Search // in them
	stop  func()     // ends that search
	busy  bool       // it is under way
	rows  []*line    // the newest first
	at    int        // the row under the pointer
	err   string     // why there are none, clean
}

type foundMsg struct {
	of    *finder
	asked string
	found []api.Message
	err   error
}

// cmdSearch opens the dialog; with words it looks for them at once.
func cmdSearch(m *model, arg string) (tea.Cmd, error) {
	if _, err := api.ParseSearch(arg, m.now()); err != nil && arg != "" {
		return nil, err
	}
	if m.finder == nil {
		m.finder = &finder{stop: func() {}}
		m.finder.words.setText("")
	}
	m.show(m.finder)
	if arg == "" {
		return nil, nil
	}
	m.finder.words.setText(arg)
	return m.finder.search(m), nil
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

// ready tells whether what is listed is what was asked for.
func (f *finder) ready() bool { return len(f.rows) > 0 && f.asked == f.words.text }

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
		f.err = clean(err.Error())
		return nil
	}
	f.terms = terms
	ctx, cancel := context.WithCancel(m.calls.ctx)
	f.stop, f.busy = cancel, true
	asked := f.asked
	return m.calls.do(0, func(context.Context) tea.Msg {
		defer cancel()
		found, err := m.svc.Search(ctx, api.SearchQuery{Words: asked, Last: foundAtMost})
		return foundMsg{f, asked, found, err}
	})
}

func (m *model) takeFound(msg foundMsg) {
	f := msg.of
	if !f.busy || f.asked != msg.asked {
		return // nobody waits for it any more
	}
	f.busy = false
	if msg.err != nil {
		f.err = clean(msg.err.Error())
		return
	}
	for _, found := range slices.Backward(msg.found) {
		f.rows = append(f.rows, newLine(found))
	}
}

func (f *finder) view(m *model, w, h int) (rows []string, x, y int) {
	if h > 3 {
		rows = append(rows, m.separator("Search", w, m.styles.accent))
	}
	in, x, _ := f.input.view(&f.words, m.width, m.styles, m.signs.prompt, "words that were said anywhere", w, 1)
	y = len(rows)
	rows = append(rows, in...)
	text, st := f.news(m)
	below := wrapText(m.width, text, max(w-2, 1))
	below = below[:max(0, min(len(below), h-len(rows)-1, 3))]
	f.page = max(h-len(rows)-len(below), 0)
	f.top = window(f.top, f.at, f.page, len(f.rows))
	for i := f.top; i < len(f.rows) && i < f.top+f.page; i++ {
		rows = append(rows, m.viewFound(f, i, w))
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
	case f.asked == "" || f.asked != f.words.text:
		return `Whole words, all of which occur; word* for how it begins, "some words" for words in a row.`, m.styles.dim
	case len(f.rows) == 0:
		return "Nothing was found.", m.styles.dim
	case len(f.rows) == foundAtMost:
		return "The newest " + plural(foundAtMost, "message", "messages") + "; before:2026-01-31 finds older ones.", m.styles.dim
	}
	return plural(len(f.rows), "message", "messages") + ", the newest first", m.styles.dim
}

// viewFound is a row of the list: when, where, who, what.
func (m *model) viewFound(f *finder, i, w int) string {
	l := f.rows[i]
	pointer, st := " ", m.styles.plain
	if i == f.at {
		pointer, st = m.signs.pointer, m.styles.selected
	}
	where, who := "a room you left", cmp.Or(l.Nick, l.Name, clean(l.Author))
	if t := m.people.byConv[l.Conversation]; t != nil {
		where = t.label()
		who = m.author(t, l)
	}
	cells := []string{fit(m.width, who, min(16, w/5))}
	if w >= 44 {
		cells = []string{fit(m.width, where, min(16, w/6)), cells[0]}
	}
	if w >= 60 {
		layout := "_2 Jan 15:04"
		if when := m.local(l.Time); when.Year() != m.now().Year() {
			layout = "_2 Jan 2006 "
		}
		cells = append([]string{m.local(l.Time).Format(layout)}, cells...)
	}
	head := " " + strings.Join(cells, "  ") + "  "
	text := snippet(m.width, strings.Join(strings.Fields(l.Text), " "), f.terms, w-2-m.width.StringWidth(head))
	out, at := "", 0
	for _, s := range f.terms.Spans(text) {
		out += st.Render(text[at:s[0]]) + st.Bold(true).Underline(true).Render(text[s[0]:s[1]])
		at = s[1]
	}
	return pad(m.width, m.styles.accent.Render(pointer)+st.Render(head)+out+st.Render(text[at:]), w)
}

// snippet is text in width columns, so that the first term is among them.
func snippet(mw measure, text string, terms api.Search, width int) string {
	if spans := terms.Spans(text); len(spans) > 0 && mw.StringWidth(text[:spans[0][1]]) > width-1 {
		from := spans[0][0]
		for from > 0 && mw.StringWidth(text[from:spans[0][0]]) < width/3 {
			_, size := utf8.DecodeLastRuneInString(text[:from])
			from -= size
		}
		text = "…" + text[from:]
	}
	return clip(mw, text, max(width, 1))
}
