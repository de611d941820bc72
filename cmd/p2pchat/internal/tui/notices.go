package tui

import (
	"cmp"

	"p2pchat/node/api"
)

// notice says in words what happened in a room; "" for a message that is none.
// was is how the author was called before.
func notice(l *line, name, was string) string {
	switch l.Kind {
	case api.MessageJoin:
		if l.Name != "" && l.Name != clean(l.Text) {
			return name + " (" + l.Name + ") joined"
		}
		return name + " joined"
	case api.MessageLeave:
		return name + " left"
	case api.MessageNick:
		return was + " is now called " + clean(l.Text)
	case api.MessageSubject:
		if l.Text == "" {
			return name + " took the subject away"
		}
		return name + " set the subject: " + clean(l.Text)
	case api.MessageGovern:
		return name + " " + cmp.Or(clean(l.Text), "changed the rules")
	case api.MessageEpoch:
		return name + " announced a new key"
	}
	return ""
}

// calledBefore is the nick of the author of line i until then, as far as what
// is loaded tells; else the username.
func (t *transcript) calledBefore(i int) string {
	l := t.lines[i]
	for j := i - 1; j >= 0; j-- {
		if p := t.lines[j]; p.Author == l.Author && (p.Kind == api.MessageJoin || p.Kind == api.MessageNick) {
			return clean(p.Text)
		}
	}
	return cmp.Or(l.Name, clean(l.Author))
}
