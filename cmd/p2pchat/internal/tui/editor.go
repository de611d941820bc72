package tui

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// draft is text being written and the cursor in it. The cursor moves over
// grapheme clusters and lines are broken by what they measure on this
// terminal, which is why this is not bubbles' textarea: that one counts code
// points, so that an emoji of several is taken apart by Backspace and its line
// grows wider than the screen.
type draft struct {
	text   string // without control characters other than \n and \t
	cursor int    // byte offset in text, on a cluster's edge
	column int    // where Up and Down want to be, -1 for wherever they are
}

// maxDraft bounds what may be pasted: some more than can be sent, so that it
// can be cut down by hand.
const maxDraft = 4 * api.MaxText

// setText replaces the text; the cursor goes to its end.
func (d *draft) setText(s string) { *d = draft{text: s, cursor: len(s), column: -1} }

// typeable keeps what may stand in a message: no control characters, no
// invisible ones that change the order or the look of other text. Line ends
// become \n.
func typeable(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\u200c', r == '\u200d': // joiners, in emoji and some scripts
			return r
		case r == '\u2028', r == '\u2029':
			return '\n'
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r), r == utf8.RuneError:
			return -1
		}
		return r
	}, s)
}

// insert puts text at the cursor. It tells whether it fitted.
func (d *draft) insert(s string) bool {
	s = typeable(s)
	if len(d.text)+len(s) > maxDraft {
		return false
	}
	d.put(s)
	return true
}

// put is insert for text that is known to be harmless.
func (d *draft) put(s string) {
	d.text = d.text[:d.cursor] + s + d.text[d.cursor:]
	d.cursor += len(s)
	d.column = -1
}

// cut removes text[from:to] and returns it.
func (d *draft) cut(from, to int) string {
	s := d.text[from:to]
	d.text = d.text[:from] + d.text[to:]
	d.cursor = from
	d.column = -1
	return s
}

// edges are the byte offsets between clusters, 0 and len(text) included.
func (d *draft) edges(mw measure) []int {
	out := []int{0}
	at := 0
	for _, g := range glyphs(mw, d.text) {
		at += g.n
		out = append(out, at)
	}
	return out
}

// left and right are the edges beside the cursor.
func (d *draft) left(mw measure) int {
	prev := 0
	for _, e := range d.edges(mw) {
		if e >= d.cursor {
			break
		}
		prev = e
	}
	return prev
}

func (d *draft) right(mw measure) int {
	for _, e := range d.edges(mw) {
		if e > d.cursor {
			return e
		}
	}
	return len(d.text)
}

// wordLeft is where the word before the cursor begins, wordRight where the one
// after it ends.
func (d *draft) wordLeft() int {
	s := strings.TrimRightFunc(d.text[:d.cursor], unicode.IsSpace)
	i := strings.LastIndexFunc(s, unicode.IsSpace)
	if i < 0 {
		return 0
	}
	_, n := utf8.DecodeRuneInString(s[i:])
	return i + n
}

func (d *draft) wordRight() int {
	rest := d.text[d.cursor:]
	skipped := len(rest) - len(strings.TrimLeftFunc(rest, unicode.IsSpace))
	if i := strings.IndexFunc(rest[skipped:], unicode.IsSpace); i >= 0 {
		return d.cursor + skipped + i
	}
	return len(d.text)
}

// lineStart and lineEnd are the ends of the line the cursor is in.
func (d *draft) lineStart() int { return strings.LastIndexByte(d.text[:d.cursor], '\n') + 1 }

func (d *draft) lineEnd() int {
	if i := strings.IndexByte(d.text[d.cursor:], '\n'); i >= 0 {
		return d.cursor + i
	}
	return len(d.text)
}

// place is the wrapped text and where the cursor stands in it.
type place struct {
	glyphs   []glyph
	rows     []span
	row, col int // of the cursor, in cells
}

// place wraps the text to width columns. A cursor behind a full row, or behind
// the spaces that hang over it, stands in the last column.
func (d *draft) place(mw measure, width int) place {
	p := place{glyphs: glyphs(mw, d.text)}
	p.rows = wrap(p.glyphs, width)
	cur, at := len(p.glyphs), 0
	for i, g := range p.glyphs {
		if at >= d.cursor {
			cur = i
			break
		}
		at += g.n
	}
	for i, r := range p.rows {
		if cur < r.from || cur > r.to || cur == r.to && i+1 < len(p.rows) && p.rows[i+1].from == cur {
			continue
		}
		p.row = i
		for _, g := range p.glyphs[r.from:cur] {
			p.col += g.w
		}
		p.col = min(p.col, max(width-1, 0))
		break
	}
	return p
}

// move puts the cursor n wrapped rows lower, in the column it came from. It
// tells whether there was such a row.
func (d *draft) move(mw measure, width, n int) bool {
	p := d.place(mw, width)
	to := p.row + n
	if to < 0 || to >= len(p.rows) {
		return false
	}
	column := d.column
	if column < 0 {
		column = p.col
	}
	at := 0
	for _, g := range p.glyphs[:p.rows[to].from] {
		at += g.n
	}
	w := 0
	for i := p.rows[to].from; i < p.rows[to].to; i++ {
		g := p.glyphs[i]
		if w+g.w > column || i+1 == p.rows[to].to && to+1 < len(p.rows) && p.rows[to+1].from == i+1 {
			break
		}
		w += g.w
		at += g.n
	}
	d.cursor, d.column = at, column
	return true
}

// input is the editor of the focused conversation's draft, with what was
// written before and what was deleted last.
type input struct {
	history []string // oldest first
	at      int      // index in history; len(history) is the draft itself
	kept    string   // the draft while history is shown
	yank    string
	first   int // first row shown
}

// maxHistory is how many lines Up can go back to.
const maxHistory = 200

// remember adds a line that was sent.
func (in *input) remember(s string) {
	if s != "" && (len(in.history) == 0 || in.history[len(in.history)-1] != s) {
		in.history = append(in.history, s)
		if len(in.history) > maxHistory {
			in.history = in.history[1:]
		}
	}
	in.at, in.kept = len(in.history), ""
}

// recall shows the line n steps later in history.
func (in *input) recall(d *draft, n int) {
	to := in.at + n
	if to < 0 || to > len(in.history) {
		return
	}
	if in.at == len(in.history) {
		in.kept = d.text
	}
	in.at = to
	if to == len(in.history) {
		d.setText(in.kept)
	} else {
		d.setText(in.history[to])
	}
}

// edit applies a key to d. It tells whether the key was one of the editor's.
func (in *input) edit(d *draft, mw measure, width int, msg tea.KeyPressMsg) bool {
	to := func(at int) { d.cursor, d.column = at, -1 }
	switch {
	case key.Matches(msg, keys.Left):
		to(d.left(mw))
	case key.Matches(msg, keys.Right):
		to(d.right(mw))
	case key.Matches(msg, keys.WordLeft):
		to(d.wordLeft())
	case key.Matches(msg, keys.WordRight):
		to(d.wordRight())
	case key.Matches(msg, keys.LineStart):
		to(d.lineStart())
	case key.Matches(msg, keys.LineEnd):
		to(d.lineEnd())
	case key.Matches(msg, keys.Up):
		if !d.move(mw, width, -1) {
			in.recall(d, -1)
		}
	case key.Matches(msg, keys.Down):
		if !d.move(mw, width, 1) {
			in.recall(d, 1)
		}
	case key.Matches(msg, keys.Backspace):
		d.cut(d.left(mw), d.cursor)
	case key.Matches(msg, keys.Delete):
		d.cut(d.cursor, d.right(mw))
	case key.Matches(msg, keys.DeleteWord):
		in.yank = d.cut(d.wordLeft(), d.cursor)
	case key.Matches(msg, keys.DeleteWordRight):
		in.yank = d.cut(d.cursor, d.wordRight())
	case key.Matches(msg, keys.DeleteToStart):
		in.yank = d.cut(d.lineStart(), d.cursor)
	case key.Matches(msg, keys.DeleteToEnd):
		in.yank = d.cut(d.cursor, d.lineEnd())
	case key.Matches(msg, keys.Yank):
		d.insert(in.yank)
	case key.Matches(msg, keys.Newline):
		d.insert("\n")
	case msg.Text != "" && msg.Mod&(tea.ModCtrl|tea.ModAlt|tea.ModMeta|tea.ModSuper) == 0:
		d.insert(msg.Text)
	case afterEsc(msg) != "":
		d.insert(afterEsc(msg))
	default:
		return false
	}
	return true
}

// afterEsc is the character of Alt and a key without a meaning of its own,
// else "". Esc and a key pressed soon after arrive as the same bytes, within
// tmux up to half a second after; the character must not be lost, least of all
// a slash.
func afterEsc(msg tea.KeyPressMsg) string {
	if msg.Mod&^tea.ModShift != tea.ModAlt || !unicode.IsPrint(msg.Code) {
		return ""
	}
	if msg.Mod&tea.ModShift != 0 {
		return string(unicode.ToUpper(msg.Code))
	}
	return string(msg.Code)
}

// view renders rows rows of w columns and says where the cursor is in them.
func (in *input) view(d *draft, mw measure, s styles, prompt, hint string, w, rows int) (out []string, x, y int) {
	lead := prompt + " "
	room := max(w-mw.StringWidth(lead)-2, 1)
	p := d.place(mw, room)
	in.first = min(max(in.first, p.row-rows+1), p.row)
	in.first = max(0, min(in.first, len(p.rows)-rows))
	for i := range rows {
		row := " " + strings.Repeat(" ", mw.StringWidth(lead))
		if i == 0 {
			row = " " + s.accent.Render(lead)
		}
		switch at := in.first + i; {
		case d.text == "" && i == 0:
			row += s.dim.Render(clip(mw, hint, room))
		case at < len(p.rows):
			row += p.rows[at].text(p.glyphs, room)
		}
		out = append(out, pad(mw, row, w))
	}
	return out, 1 + mw.StringWidth(lead) + p.col, p.row - in.first
}

// room is how wide the text of an input of w columns is.
func (in *input) room(mw measure, prompt string, w int) int {
	return max(w-mw.StringWidth(prompt)-3, 1)
}
