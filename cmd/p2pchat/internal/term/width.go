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
