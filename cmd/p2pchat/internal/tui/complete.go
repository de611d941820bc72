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
	if arg, ok := strings.CutPrefix(head, "/msg "); ok {
		from = len(head) - len(strings.TrimLeft(arg, " ")) // names may hold spaces
	} else if from == 0 {
		after = ": "
	}
	c := &completion{from: from, to: d.cursor}
	word, at := strings.CutPrefix(head[from:], "@")
	if word == "" && !at && !strings.HasPrefix(head, "/msg ") {
		return c // Tab on nothing would name anybody
	}
	for _, t := range m.people.rows {
		if t.kind == api.KindDirect && len(t.label()) >= len(word) && strings.EqualFold(t.label()[:len(word)], word) {
			o := t.label() + after
			if at {
				o = "@" + t.label() + " "
			}
			c.options = append(c.options, o)
		}
	}
	// The person one talks with is the one most often named.
	if t := m.people.focus; t != nil {
		slices.SortStableFunc(c.options, func(a, b string) int {
			return rankOf(b, t.label()) - rankOf(a, t.label())
		})
	}
	return c
}

func rankOf(option, name string) int {
	if strings.HasPrefix(strings.TrimPrefix(option, "@"), name) {
		return 1
	}
	return 0
}
