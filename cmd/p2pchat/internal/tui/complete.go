package tui

import (
	"slices"
	"strings"

	"p2pchat/node/api"
)

// completion is a run of Tab presses: the word they replace and what it may
// become.
type completion struct {
	from    int // byte offset of the word in the draft
	to      int // end of what stands there now
	options []string
	at      int
}

// complete handles Tab (n 1) and Shift+Tab (n -1).
func (m *model) complete(n int) {
	d := m.draft()
	c := m.completing
	if c == nil || c.to != d.cursor || len(c.options) < 2 {
		if c = m.options(d); len(c.options) == 0 {
			return
		}
		if n < 0 {
			c.at = len(c.options) - 1
		}
	} else {
		c.at = (c.at + n + len(c.options)) % len(c.options)
	}
	word := c.options[c.at]
	d.text = d.text[:c.from] + word + d.text[c.to:]
	c.to = c.from + len(word)
	d.cursor, d.column = c.to, -1
	m.completing = c
	if len(c.options) > 1 {
		var shown []string
		for i, o := range c.options {
			o = strings.TrimSpace(o)
			if i == c.at {
				o = "[" + o + "]"
			}
			shown = append(shown, o)
		}
		m.note = note{text: strings.Join(shown, " "), id: m.note.id + 1}
	}
}

// options are what the word before the cursor may become, best first.
func (m *model) options(d *draft) *completion {
	head := d.text[:d.cursor]
	if name, ok := strings.CutPrefix(head, "/"); ok && !strings.ContainsAny(head, " \n\t") {
		c := &completion{from: 0, to: d.cursor}
		for _, k := range m.commands {
			if strings.HasPrefix(k.name, strings.ToLower(name)) {
				c.options = append(c.options, "/"+k.name+" ")
			}
		}
		return c
	}
	after := " "
	from := strings.LastIndexAny(head, " \n\t") + 1
	if arg, ok := strings.CutPrefix(head, "/join "); ok {
		arg = strings.TrimLeft(arg, " ") // names may hold spaces
		return &completion{from: len(head) - len(arg), to: d.cursor, options: m.roomOptions(arg, true)}
	}
	if c := m.govOptions(d, head); c != nil {
		return c
	}
	who, named := whoTyped(head)
	if named {
		from = len(head) - len(who)
	} else if from == 0 {
		after = ": "
	}
	c := &completion{from: from, to: d.cursor}
	if word := head[from:]; strings.HasPrefix(word, "#") {
		c.options = m.roomOptions(word, false)
		return c
	}
	word, at := strings.CutPrefix(head[from:], "@")
	if word == "" && !at && !named {
		return c // Tab on nothing would name anybody
	}
	offer := func(label string) {
		o := label + after
		if at {
			o = "@" + label + " "
		}
		if begins(label, word) && !slices.Contains(c.options, o) {
			c.options = append(c.options, o)
		}
	}
	if t := m.people.focus; t != nil && t.room != nil && !named {
		for _, r := range t.room.members.rows { // those one talks with come first
			if !r.Self {
				offer(m.rowLabel(t, r))
			}
		}
	}
	for _, t := range m.people.rows {
		if t.kind == api.KindDirect {
			offer(t.label())
		}
	}
	// The person one talks with is the one most often named.
	if t := m.people.focus; t != nil && t.room == nil {
		slices.SortStableFunc(c.options, func(a, b string) int {
			return rankOf(b, t.label()) - rankOf(a, t.label())
		})
	}
	return c
}

// whoTyped is what was typed of a name after a command that takes one.
func whoTyped(head string) (who string, ok bool) {
	for _, command := range []string{"/msg ", "/verify ", "/block ", "/unblock "} {
		if arg, ok := strings.CutPrefix(head, command); ok {
			return strings.TrimLeft(arg, " "), true // names may hold spaces
		}
	}
	return "", false
}

// begins tells whether label begins with word, in whatever case.
func begins(label, word string) bool {
	return len(label) >= len(word) && strings.EqualFold(label[:len(word)], word)
}

// roomOptions are the rooms whose name begins with word, with or without "#":
// those on the left, and for /join all others, before which those one is in
// would only be in the way.
func (m *model) roomOptions(word string, join bool) []string {
	var out []string
	offer := func(label string) {
		if o := label + " "; (begins(label, word) || join && begins(label[1:], word)) && !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	if join {
		for _, r := range m.listing.rows {
			if m.people.byKey[r.RoomID] == nil {
				offer(m.listing.label(r))
			}
		}
	}
	for _, t := range m.people.rows {
		if t.room != nil {
			offer(t.label())
		}
	}
	return out
}

func rankOf(option, name string) int {
	if strings.HasPrefix(strings.TrimPrefix(option, "@"), name) {
		return 1
	}
	return 0
}
