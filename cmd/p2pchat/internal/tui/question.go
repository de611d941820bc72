package tui

import (
	"context"
	"strings"
	"unicode"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// question is a dialog with one line to be filled in: a password, which is
// masked and kept nowhere, or a word that confirms.
type question struct {
	id    int
	t     *talk
	title string
	text  string // what it is about, clean
	ask   string // the hint in the empty line
	does  string // what Enter does, for the bottom line

	secret, shown bool // a password, and whether it can be read
	draft         draft
	input         input
	busy          string // what is under way, clean
	err           string // why it did not work, clean
	stop          context.CancelFunc

	// answer takes the line. Its error is shown, and the question stays; else
	// it closes the question, or says that it is busy.
	answer func(m *model, q *question, text string) (tea.Cmd, error)
}

// put shows the question.
func (m *model) put(q *question) {
	m.sheets++
	q.id, q.stop, q.draft = m.sheets, func() {}, draft{column: -1}
	m.show(q)
}

func (q *question) about() *talk       { return q.t }
func (q *question) number() int        { return q.id }
func (q *question) scroll(*model, int) {}

func (q *question) close() {
	q.stop()
	q.draft, q.input = draft{}, input{}
}

func (q *question) refused(_ *model, msg joinedMsg) {
	q.busy, q.err = "", msg.why()
	if api.IsCode(msg.err, api.CodeNotAuthorized) {
		q.draft = draft{column: -1}                    // nobody edits what he cannot read
		q.err = "not let in: that is not the password" // whatever went wrong, nobody is told more
	}
}

func (q *question) hint(m *model) string {
	hint := "Enter " + q.does + " " + m.signs.more + " "
	if q.secret {
		hint += "Tab shows what you type " + m.signs.more + " "
	}
	return hint + "Esc closes"
}

func (q *question) paste(_ *model, text string) {
	line, _, _ := strings.Cut(text, "\n")
	q.write(strings.TrimSuffix(line, "\r"))
}

func (q *question) write(s string) {
	if q.busy != "" {
		return
	}
	q.err = ""
	if q.secret {
		q.draft.put(secretText(s))
		return
	}
	q.draft.insert(oneLine(s))
}

// secretText is what of typed text goes into a password: all but control
// characters.
func secretText(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

// oneLine is typed text with spaces for ends of lines and tabs.
func oneLine(s string) string { return strings.NewReplacer("\n", " ", "\t", " ").Replace(typeable(s)) }

// unmasked is d as it can be shown.
func unmasked(d draft) draft {
	before := clean(d.text[:d.cursor])
	return draft{text: before + clean(d.text[d.cursor:]), cursor: len(before), column: -1}
}

// masked is d with a star for each character.
func masked(mw measure, d draft) draft {
	return draft{
		text:   strings.Repeat("*", len(glyphs(mw, d.text))),
		cursor: len(glyphs(mw, d.text[:d.cursor])), column: -1,
	}
}

func (q *question) press(m *model, msg tea.KeyPressMsg) tea.Cmd {
	switch {
	case key.Matches(msg, keys.Close):
		m.closeDialog()
	case key.Matches(msg, keys.Redraw):
		return tea.ClearScreen
	case q.busy != "":
	case key.Matches(msg, keys.Send), key.Matches(msg, keys.Newline):
		q.err = ""
		cmd, err := q.answer(m, q, q.draft.text)
		if err != nil {
			q.err = cleanError(err)
		}
		return cmd
	case key.Matches(msg, keys.Complete):
		q.shown = !q.shown
	case key.Matches(msg, keys.Up), key.Matches(msg, keys.Down):
	case msg.Text != "" && msg.Mod&(tea.ModCtrl|tea.ModAlt) == 0:
		q.write(msg.Text)
	default:
		q.input.edit(&q.draft, m.width, 1<<20, msg)
	}
	return nil
}

func (q *question) view(m *model, w, h int) (rows []string, x, y int) {
	rows = append(rows, m.separator(q.title, w, m.styles.accent), "")
	for _, r := range wrapText(m.width, q.text, max(w-2, 1)) {
		rows = append(rows, " "+r)
	}
	rows = append(rows, "")
	var below []string
	switch {
	case q.busy != "":
		below = append(below, m.styles.accent.Render(clip(m.width, " "+q.busy+m.signs.queued, w)))
	case q.err != "":
		for _, r := range wrapText(m.width, m.signs.warning+" "+q.err, max(w-2, 1)) {
			below = append(below, m.styles.bad.Bold(true).Render(" "+r))
		}
	}
	if room := max(h-2-len(below), 0); len(rows) > room { // the line and what went wrong matter most
		rows = rows[:room]
	}
	shown := unmasked(q.draft)
	if q.secret && !q.shown {
		shown = masked(m.width, q.draft)
	}
	if q.busy != "" && q.secret {
		shown.setText("********") // its length is nobody's business
	}
	in, x, _ := q.input.view(&shown, m.width, m.styles, m.signs.prompt, q.ask, w, 1)
	y = len(rows)
	rows = append(rows, in...)
	rows = append(rows, below...)
	for len(rows) < h {
		rows = append(rows, "")
	}
	rows = rows[:max(h, 0)]
	for i, r := range rows {
		rows[i] = pad(m.width, r, w)
	}
	if q.busy != "" {
		x = -1
	}
	return rows, x, max(min(y, h-1), 0)
}
