package tui

import (
	"slices"
	"strings"

	"p2pchat/node/api"
)

// govOptions are what the word before the cursor may become in a command that
// governs a room or answers an invitation; nil if it is none.
func (m *model) govOptions(d *draft, head string) *completion {
	name, arg, ok := strings.Cut(head, " ")
	if !ok {
		return nil
	}
	arg = strings.TrimLeft(arg, " ") // names may hold spaces
	c := &completion{from: len(head) - len(arg), to: d.cursor}
	t, err := m.here()
	switch name = strings.TrimPrefix(strings.ToLower(name), "/"); name {
	case "accept", "decline":
		for _, i := range m.listing.invited.rows {
			c.offer("#"+i.Room+" ", arg, strings.TrimPrefix(arg, "#") == arg)
		}
		return c
	case "create":
		from := strings.LastIndexByte(arg, ' ') + 1
		c.from += from
		for _, o := range []string{"--hidden", "--members-only", "--moderated", "--password"} {
			if word := arg[from:]; word != "" && begins(o, word) {
				c.options = append(c.options, o+" ")
			}
		}
		return c
	case "config":
		from := strings.LastIndexByte(arg, ' ') + 1
		c.from += from
		c.options = settingOptions(arg[from:])
		return c
	case "who", "pm", "invite", "grant", "retract", api.ActVoice, api.ActDevoice, api.ActKick, api.ActBan, api.ActUnban:
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	if name == "grant" {
		if who, rest := m.knownWho(t, arg); who != "" && (rest != "" || strings.HasSuffix(arg, " ")) {
			c.from = len(head) - len(rest)
			for _, s := range standings {
				if begins(s, rest) && s != rest {
					c.options = append(c.options, s+" ")
				}
			}
			return c
		}
	}
	for _, label := range m.whoOptions(t, name) {
		c.offer(label+" ", strings.TrimPrefix(arg, "@"), false)
	}
	return c
}

// whoOptions are the people a command is likely meant for, those first.
func (m *model) whoOptions(t *talk, name string) []string {
	var out []string
	put := func(label string) {
		if !slices.Contains(out, label) {
			out = append(out, label)
		}
	}
	if name == api.ActUnban {
		for _, p := range m.absentees(t) {
			if p.standing == api.StandingOutcast {
				put(p.label)
			}
		}
		return out
	}
	in := map[string]bool{}
	for _, r := range t.room.members.rows {
		in[r.PeerID] = true
		if name == "invite" || r.Self {
			continue
		}
		if name == api.ActVoice && t.room.asking[r.PeerID] {
			out = slices.Insert(out, 0, m.rowLabel(t, r))
			continue
		}
		put(m.rowLabel(t, r))
	}
	if name == "pm" || name == api.ActKick || name == "retract" {
		return out
	}
	for _, p := range m.people.rows {
		if p.room == nil && !in[p.key] {
			put(p.label())
		}
	}
	return out
}

// offer adds an option that begins with word, with or without its first
// character.
func (c *completion) offer(o, word string, short bool) {
	if (begins(o, word) || short && begins(o[1:], word)) && !slices.Contains(c.options, o) {
		c.options = append(c.options, o)
	}
}

// settingOptions are the settings, or the values of one, that begin with word.
func settingOptions(word string) []string {
	var out []string
	k, v, inValue := strings.Cut(word, "=")
	for _, s := range api.RoomSettings() {
		switch {
		case !inValue && begins(s.Key, word):
			out = append(out, s.Key+"=")
		case inValue && s.Key == k:
			for _, o := range s.Values {
				if begins(o, v) {
					out = append(out, k+"="+o+" ")
				}
			}
		}
	}
	return out
}
