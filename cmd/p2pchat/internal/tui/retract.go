package tui

import (
	"errors"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// cmdRetract lists messages, those of one person if one is named, the newest
// under the pointer; Enter takes back the one under it, or asks first if it is our
// own. So nobody retracts something that was said while he typed.
func cmdRetract(m *model, arg string) (tea.Cmd, error) {
	t, err := m.here()
	switch shown := m.people.focus; {
	case err == nil || shown == nil:
	case arg == "":
		t, err = shown, nil
	case shown.room == nil:
		err = errors.New("with one person you take back only what you said; /retract alone lists it")
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
		if why := whyNot(m.selfIn(t).standing, api.ActRetract); why != "" && who != m.self.PeerID {
			return nil, errors.New(why + "; /retract alone lists what you said")
		}
		title = "Retract a message of " + m.personIn(t, who).label
		if err := api.CheckReason(reason); err != nil {
			return nil, err
		}
	}
	m.show(&menu{
		t: t, title: title, does: "retracts", last: true, chosen: m.foundID(t),
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

// retractable are the loaded messages of somebody, of all if who is empty; those of
// others only for whoever may take back any.
func (m *model) retractable(t *talk, who string) []choice {
	var rows []choice
	moderates := t.room != nil && whyNot(m.selfIn(t).standing, api.ActRetract) == ""
	for _, l := range t.log.lines {
		ours := l.Author == m.self.PeerID
		switch {
		case !api.Listed(l.Kind), l.Retracted, who != "" && l.Author != who:
		case ours && l.amendable():
			rows = append(rows, m.messageChoice(t, l, m.whyMute(t)))
		case !ours && moderates:
			rows = append(rows, m.messageChoice(t, l, whyNotTo(m.selfIn(t), m.personIn(t, l.Author), api.ActRetract)))
		}
	}
	return rows
}
