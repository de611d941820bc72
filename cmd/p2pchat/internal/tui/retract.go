package tui

import (
	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// cmdRetract lists messages, those of one person if one is named, the newest
// under the pointer; Enter takes back the one under it, or asks first if it is our
// own. So nobody retracts something that was said while he typed.
func cmdRetract(m *model, arg string) (tea.Cmd, error) {
	t, err := m.here()
	if direct := m.people.focus; err != nil && direct != nil && arg == "" {
		t, err = direct, nil
	}
	if err != nil {
		return nil, err
	}
	who, reason, title := "", "", "Retract a message"
	if arg != "" {
		if who, reason, err = m.splitWho(t, arg, "/retract [WHO [REASON]]"); err != nil {
			return nil, err
		}
		if m.personIn(t, who).member == nil && m.people.byKey[who] == nil {
			return nil, api.Errorf(api.CodeNotFound, "nobody called %q is known here", clean(who))
		}
		title = "Retract a message of " + m.personIn(t, who).label
		if err := api.CheckReason(reason); err != nil {
			return nil, err
		}
	}
	m.show(&menu{
		t: t, title: title, does: "retracts", last: true,
		empty: "There is nothing to retract in what is loaded; PgUp in the room loads older messages.",
		rows:  func(m *model) []choice { return m.retractable(t, who) },
		enter: func(m *model, id string) tea.Cmd {
			m.closeDialog()
			if l := t.log.byID[id]; l != nil && l.Author == m.self.PeerID {
				m.confirmRetract(t, id)
				return nil
			}
			return m.govern(api.GovernRequest{Room: t.target, Act: api.ActRetract, ID: id, Reason: reason})
		},
	})
	return nil, nil
}

// retractable are the loaded messages of somebody, of all if who is empty.
func (m *model) retractable(t *talk, who string) []choice {
	var rows []choice
	for _, l := range t.log.lines {
		ours := l.Author == m.self.PeerID
		switch {
		case !api.Listed(l.Kind), l.Retracted, who != "" && l.Author != who:
		case ours && l.amendable():
			rows = append(rows, m.messageChoice(t, l, m.whyMute(t)))
		case !ours && t.room != nil:
			rows = append(rows, m.messageChoice(t, l, whyNotTo(m.selfIn(t), m.personIn(t, l.Author), api.ActRetract)))
		}
	}
	return rows
}
