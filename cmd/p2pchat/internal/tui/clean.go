package tui

import (
	"regexp"

	"p2pchat/cmd/p2pchat/internal/term"
)

// clean makes a foreign one-line field safe to show: a name, a status line,
// an address, an error.
func clean(s string) string { return term.Clean(s) }

// cleanText makes foreign text safe to show; it may keep newlines and tabs.
func cleanText(s string) string { return term.CleanText(s) }

// inShell are commands that messages of the node name, and what stands for them here.
var inShell = []struct {
	said *regexp.Regexp
	here string
}{
	{regexp.MustCompile("you have blocked (.+): unblock him first \\(`p2pchat unblock`\\)"), "you have blocked $1: unblock him first (/unblock $1)"},
	{regexp.MustCompile("`p2pchat room join '(.+?)'`"), `/join "$1"`},
	{regexp.MustCompile("`p2pchat room join ROOM`"), "/join ROOM"},
	{regexp.MustCompile("`p2pchat (room )?retract`"), "/retract"},
	{regexp.MustCompile("`p2pchat log --ids` lists their IDs"), "F3 lists them"},
	{regexp.MustCompile("`p2pchat (rooms --all|room invites)`"), "/rooms"},
	{regexp.MustCompile("`p2pchat peers`"), "/peers"},
	{regexp.MustCompile("`p2pchat peers add MULTIADDR`"), "/add MULTIADDR"},
}

// advice is what the service says, with the commands to use here.
func advice(s string) string {
	for _, c := range inShell {
		s = c.said.ReplaceAllString(s, c.here)
	}
	return s
}

// cleanError makes an error safe to show in one line.
func cleanError(err error) string { return clean(advice(err.Error())) }
