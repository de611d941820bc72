package tui

import (
	"cmp"
	"strings"

	"p2pchat/node/api"
)

// notice says in words what happened in a room; "" for a message that is none.
func notice(l *line, name string, k blockKey) string {
	switch l.Kind {
	case api.MessageJoin:
		if l.Name != "" && l.Name != clean(l.Text) {
			return name + " (" + l.Name + ") joined"
		}
		return name + " joined"
	case api.MessageLeave:
		return name + " left"
	case api.MessageNick:
		return k.was + " is now called " + clean(l.Text)
	case api.MessageSubject:
		if l.Text == "" {
			return name + " took the subject away"
		}
		return name + " set the subject: " + clean(l.Text)
	case api.MessageGovern:
		return name + " " + cmp.Or(plainAct(l.Text), "changed the rules")
	case api.MessageEpoch:
		return name + " announced a new key"
	case api.MessageInvite:
		if l.State == api.Received {
			return name + " invited you into #" + clean(l.Text)
		}
		return name + " sent an invitation into #" + clean(l.Text)
	case api.MessageAnswer:
		answer, reason, why := strings.Cut(clean(l.Text), ": ")
		if why {
			reason = ": " + reason
		}
		return name + " " + answer + " the invitation into " + k.about + reason
	case api.MessageVoiceRequest:
		return name + " asked for voice in " + k.about
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
