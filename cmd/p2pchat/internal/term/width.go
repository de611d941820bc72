package term

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Width is the number of terminal columns of cleaned s, by grapheme clusters.
func Width(s string) int { return ansi.StringWidth(s) }

// Truncate cuts cleaned s to at most width columns, the last of them an
// ellipsis if anything was cut.
func Truncate(s string, width int) string { return ansi.Truncate(s, width, "…") }

// Pad appends spaces to cleaned s up to width columns.
func Pad(s string, width int) string {
	if n := width - Width(s); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}

// Wrap breaks cleaned s, between words where possible, into at most lines
// lines of at most width columns. If that is not enough, the last one ends in
// an ellipsis.
func Wrap(s string, width, lines int) []string {
	all := strings.Split(ansi.Wrap(s, width, ""), "\n")
	if len(all) > lines {
		all = all[:lines]
		all[lines-1] = Truncate(all[lines-1]+"…", width)
	}
	return all
}
