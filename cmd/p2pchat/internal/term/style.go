package term

import (
	"io"
	"os"

	"golang.org/x/term"
)

// IsTerminal tells whether v (a reader or writer) is a terminal.
func IsTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Columns is the width of the terminal v, 0 if it is none.
func Columns(v any) int {
	f, ok := v.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// Style colours text for one output. The zero Style leaves it as it is; the
// colours only repeat what the words say.
type Style struct{ on bool }

// StyleFor colours if w is a terminal that is not dumb and NO_COLOR
// (https://no-color.org) is empty.
func StyleFor(w io.Writer) Style {
	return Style{on: IsTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (s Style) sgr(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold, Faint, Red, Green and Yellow return cleaned text in that style.
func (s Style) Bold(text string) string   { return s.sgr("1", text) }
func (s Style) Faint(text string) string  { return s.sgr("2", text) }
func (s Style) Red(text string) string    { return s.sgr("31", text) }
func (s Style) Green(text string) string  { return s.sgr("32", text) }
func (s Style) Yellow(text string) string { return s.sgr("33", text) }
