package tui

import "p2pchat/cmd/p2pchat/internal/term"

// clean makes a foreign one-line field safe to show: a name, a status line,
// an address, an error.
func clean(s string) string { return term.Clean(s) }

// cleanText makes foreign text safe to show; it may keep newlines and tabs.
func cleanText(s string) string { return term.CleanText(s) }
