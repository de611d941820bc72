package tui

import (
	"errors"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"p2pchat/node/api"
)

func cmdWho(m *model, arg string) (tea.Cmd, error) {
	t, err := m.here()
	if err != nil {
		return nil, err
	}
	if arg == "" {
		m.openMembers(t)
		return nil, nil
	}
	who, rest, err := m.splitWho(t, arg, "/who [WHO]")
	if err != nil {
		return nil, err
	}
	if p := m.personIn(t, who); rest != "" || p.member == nil && m.people.byKey[who] == nil && p.standing == api.StandingNone {
		return nil, errors.New("nobody called " + clean(arg) + " is known; /who lists who is here")
	}
	m.openActions(t, who)
	return nil, nil
}

// openMembers lists who is in the room, and who is not and stands somewhere in
// it; Enter goes on to what may be done with him.
func (m *model) openMembers(t *talk) {
	m.show(&menu{
		t: t, title: "Who is in " + t.label(), does: "says what you may do", empty: "asking who is here" + m.signs.queued,
		rows: func(m *model) []choice {
			var rows []choice
			for _, r := range t.room.members.rows {
				sign, st := m.memberSign(r)
				rows = append(rows, choice{
					id: r.PeerID, lead: st.Render(sign), label: m.rowLabel(t, r), style: m.styles.sender(r.PeerID),
					tail: strings.Join(m.memberWords(t, r), ", "),
				})
			}
			for _, p := range m.absentees(t) {
				rows = append(rows, choice{id: p.peerID, lead: " ", label: p.label, style: m.styles.dim, tail: m.standingWords(p)})
			}
			return rows
		},
		enter: func(m *model, id string) tea.Cmd {
			m.openActions(t, id)
			return nil
		},
	})
}

// memberWords are what is to be said of a member: presence, role, standing,
// username.
func (m *model) memberWords(t *talk, r api.Member) []string {
	words := []string{r.Presence, r.Role}
	if r.Standing != r.Role && r.Standing != api.StandingNone && r.Standing != "" {
		words = append(words, "standing "+r.Standing)
	}
	switch voice := t.room.rules.people[r.PeerID].Voice; voice {
	case "devoiced":
		words = append(words, "voice taken")
	case "voice":
		words = append(words, "has voice")
	}
	if t.room.asking[r.PeerID] {
		words = append(words, "asks for voice")
	}
	if r.Name != r.Nick && r.Name != "" {
		words = append(words, "user "+r.Name)
	}
	if r.Self {
		words = append(words, "you")
	}
	return words
}

// standingWords say what somebody is who is not in the room.
func (m *model) standingWords(p person) string {
	if p.standing == api.StandingOutcast {
		return "banned"
	}
	return p.standing + ", not in the room"
}

// act is a row of the menu of what may be done with somebody.
type act struct {
	key   string // of privileges, or "pm", "msg" or "invite"
	label string
	line  string // the command it puts into the input, without the name
}

// openActions lists what may be done with somebody. Enter writes the command,
// so that a reason may be added, and another Enter does it.
func (m *model) openActions(t *talk, peerID string) {
	p := m.personIn(t, peerID)
	m.show(&menu{
		t: t, title: p.label + " in " + t.label(), does: "writes the command",
		head: func(m *model, w int) []string { return m.actionsHead(t, m.personIn(t, peerID), w) },
		rows: func(m *model) []choice {
			me, p := m.selfIn(t), m.personIn(t, peerID)
			var rows []choice
			for _, a := range actsOn(p) {
				rows = append(rows, choice{id: a.line, label: a.label, style: lipgloss.NewStyle(), why: m.whyNotHere(t, me, p, a)})
			}
			return rows
		},
		enter: func(m *model, line string) tea.Cmd {
			m.closeDialog()
			if o := m.people.byKey[peerID]; line == "/msg" && o != nil {
				return m.focusOn(o)
			}
			m.input.remember(t.draft.text) // Up brings it back
			t.draft.setText(commandFor(line, m.personIn(t, peerID)))
			m.input.at, m.completing = len(m.input.history), nil
			return m.focusOn(t)
		},
	})
}

// commandFor is a command with a person's name in it: "/grant %s admin".
func commandFor(line string, p person) string {
	name, rest, _ := strings.Cut(line, "%s")
	return name + p.label + rest + " "
}

// actsOn are what may be done with p, most harmless first.
func actsOn(p person) []act {
	acts := []act{{"pm", "write privately", "/pm %s"}, {"msg", "talk outside of the room", "/msg"}}
	if p.member == nil {
		acts[0] = act{"invite", "invite", "/invite %s"}
	}
	acts = append(
		acts,
		act{api.ActVoice, "give voice", "/voice %s"},
		act{api.ActDevoice, "take voice", "/devoice %s"},
		act{api.ActRetract, "retract a message", "/retract %s"},
		act{grant(api.StandingMember), "make member", "/grant %s member"},
		act{grant(api.StandingModerator), "make moderator", "/grant %s moderator"},
		act{grant(api.StandingAdmin), "make admin", "/grant %s admin"},
		act{grant(api.StandingOwner), "make owner", "/grant %s owner"},
	)
	if p.standing == api.StandingOutcast {
		return append(acts, act{api.ActUnban, "lift the ban", "/unban %s"})
	}
	return append(
		acts,
		act{grant(api.StandingNone), "take the standing", "/grant %s none"},
		act{api.ActKick, "kick", "/kick %s"},
		act{api.ActBan, "ban", "/ban %s"},
	)
}

// whyNotHere says why a row is greyed.
func (m *model) whyNotHere(t *talk, me, p person, a act) string {
	switch a.key {
	case "pm":
		return m.whyNoPrivate(t, p)
	case "invite":
		return m.whyNoInvite(t, p.standing)
	case "msg":
		switch {
		case p.self:
			return "that is you"
		case m.people.byKey[p.peerID] == nil:
			return p.label + " has not been met outside of the room yet"
		}
		return ""
	}
	if why := whyNotTo(me, p, a.key); why != "" {
		return why
	}
	return idle(p, a.key)
}

// actionsHead says who it is.
func (m *model) actionsHead(t *talk, p person, w int) []string {
	const col = 12
	var rows []string
	put := func(label, text string) {
		if text != "" {
			rows = append(rows, m.entries(w, col, label, text)...)
		}
	}
	if p.member != nil {
		put("is here as", strings.Join(m.memberWords(t, *p.member), ", "))
	} else {
		put("stands", m.standingWords(p))
	}
	if p.creator {
		put("", "made the room")
	}
	if o := m.people.byKey[p.peerID]; o != nil && o.room == nil {
		put("fingerprint", o.peer.Fingerprint)
	} else if p.self {
		put("fingerprint", m.self.Fingerprint)
	}
	if p.member != nil && p.member.Warning != "" {
		for _, r := range wrapText(m.width, m.signs.warning+" "+p.member.Warning, w) {
			rows = append(rows, m.styles.warn.Render(r))
		}
	}
	return append(rows, "")
}
