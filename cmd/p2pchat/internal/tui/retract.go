package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// cmdRetract lists messages, those of one person if one is named, the newest
// under the pointer; Enter takes back the one under it. So nobody retracts
// something that was said while he typed.
func cmdRetract(m *model, arg string) (tea.Cmd, error) {
	t, err := m.here()
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
			return m.govern(api.GovernRequest{Room: t.target, Act: api.ActRetract, ID: id, Reason: reason})
		},
	})
	return nil, nil
}

// retractable are the loaded messages of somebody, of all if who is empty.
func (m *model) retractable(t *talk, who string) []choice {
	var rows []choice
	me := m.selfIn(t)
	for _, l := range t.log.lines {
		if !api.Listed(l.Kind) || l.Retracted || who != "" && l.Author != who {
			continue
		}
		rows = append(rows, choice{
			id: l.ID, label: m.local(l.Time).Format("15:04") + " " + m.author(t, l), style: m.styles.sender(l.Author),
			tail: strings.Join(strings.Fields(l.Text), " "), why: whyNotTo(me, m.personIn(t, l.Author), api.ActRetract),
		})
	}
	return rows
}
