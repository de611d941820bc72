package tui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// measure is how the terminal counts columns. Bubble Tea's renderer starts
// with one column per code point's wcwidth and changes to whole grapheme
// clusters when the terminal confirms mode 2027; the model follows it
// (tea.ModeReportMsg), because a line that the two count differently would
// push everything to its right out of place.
type measure = ansi.Method

// tabWidth is what a tab in a message or in the input is shown as.
const tabWidth = 4

// glyph is one grapheme cluster: what the cursor moves over as one.
type glyph struct {
	s     string // what is shown
	n     int    // bytes in the text it stands for
	w     int    // columns
	space bool   // a line may be broken after it
	nl    bool   // a line must be broken here; s is empty
}

// glyphs splits clean text into grapheme clusters.
func glyphs(mw measure, text string) []glyph {
	gs := make([]glyph, 0, len(text))
	for len(text) > 0 {
		switch text[0] {
		case '\n':
			gs = append(gs, glyph{n: 1, nl: true})
			text = text[1:]
			continue
		case '\t':
			gs = append(gs, glyph{s: strings.Repeat(" ", tabWidth), n: 1, w: tabWidth, space: true})
			text = text[1:]
			continue
		case ' ':
			if len(text) == 1 || text[1] < 0x80 {
				gs = append(gs, glyph{s: " ", n: 1, w: 1, space: true})
				text = text[1:]
				continue
			}
		}
		c, w := ansi.FirstGraphemeCluster(text, mw)
		gs = append(gs, glyph{s: c, n: len(c), w: w, space: c == " "})
		text = text[len(c):]
	}
	return gs
}

// span is a row of wrapped text: glyphs[from:to], without the newline or the
// spaces that ended it being counted in its width.
type span struct{ from, to int }

// wrap breaks gs into rows of at most width columns: at newlines, else after
// the last space that fits, else within a word. Spaces at a break hang over
// the edge of the row they end; leading ones are kept. There is always at
// least one row.
func wrap(gs []glyph, width int) []span {
	width = max(width, 1)
	var rows []span
	start, w, brk := 0, 0, 0 // brk: a row may end before this glyph
	for i, g := range gs {
		switch {
		case g.nl:
			rows = append(rows, span{start, i})
			start, w, brk = i+1, 0, i+1
			continue
		case w+g.w > width && g.space:
			w = width + 1 // hangs over: what follows starts a row
		case w+g.w > width:
			if brk > start {
				rows = append(rows, span{start, brk})
				start = brk
				w = 0
				for _, h := range gs[start:i] {
					w += h.w
				}
			}
			if w+g.w > width && i > start { // within a word
				rows = append(rows, span{start, i})
				start, w = i, 0
			}
			w += g.w
		default:
			w += g.w
		}
		if g.space {
			brk = i + 1
		}
	}
	return append(rows, span{start, len(gs)})
}

// text joins a row's glyphs, cut to width columns, without trailing spaces.
func (r span) text(gs []glyph, width int) string {
	var b strings.Builder
	w := 0
	for _, g := range gs[r.from:r.to] {
		if w+g.w > width {
			break
		}
		w += g.w
		b.WriteString(g.s)
	}
	return strings.TrimRight(b.String(), " ")
}

// wrapText is wrap for text that is only shown.
func wrapText(mw measure, text string, width int) []string {
	gs := glyphs(mw, text)
	rows := wrap(gs, width)
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.text(gs, width)
	}
	return out
}

// clip cuts clean one-line text to width columns, with an ellipsis if
// something was cut.
func clip(mw measure, s string, width int) string {
	if width <= 0 {
		return ""
	}
	if mw.StringWidth(s) <= width {
		return s
	}
	r := span{0, 0}
	gs := glyphs(mw, s)
	r.to = len(gs)
	if width == 1 {
		return "…"
	}
	return r.text(gs, width-1) + "…"
}

// clipLabel is clip for a name, of which the fingerprint behind it stays.
func clipLabel(mw measure, s string, width int) string {
	i := strings.LastIndexByte(s, '~')
	if rest := width - mw.StringWidth(s[max(i, 0):]); i > 0 && len(s)-i == len("~1a2b") && rest >= 2 {
		return clip(mw, s[:i], rest) + s[i:]
	}
	return clip(mw, s, width)
}

// pad adds spaces to s, which may be styled, up to width columns; longer
// lines are cut.
func pad(mw measure, s string, width int) string {
	if width <= 0 {
		return ""
	}
	w := mw.StringWidth(s)
	if w > width {
		s = cut(mw, s, width)
		w = mw.StringWidth(s)
	}
	s += strings.Repeat(" ", max(0, width-w))
	for mw.StringWidth(s) < width { // the first space became part of the last cluster
		s += " "
	}
	return s
}

// cut cuts styled text, whose only control sequences are those of colours, to
// width columns. (ansi.Truncate counts a letter and a mark that follows it
// apart, so that what it returns may measure more.)
func cut(mw measure, s string, width int) string {
	var b strings.Builder
	w, full := 0, false
	for len(s) > 0 {
		text := s
		if i := strings.IndexByte(s, ansi.ESC); i == 0 {
			colour, rest, _ := strings.Cut(s, "m")
			b.WriteString(colour + "m")
			s = rest
			continue
		} else if i > 0 {
			text = s[:i]
		}
		s = s[len(text):]
		for _, g := range glyphs(mw, text) {
			if full = full || w+g.w > width; full {
				break
			}
			w += g.w
			b.WriteString(g.s)
		}
	}
	return b.String()
}

// fit is clip, then pad.
func fit(mw measure, s string, width int) string { return pad(mw, clip(mw, s, width), width) }
