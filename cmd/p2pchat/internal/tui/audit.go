package tui

import (
	"context"
	"slices"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

type auditMsg struct {
	id   int // of the sheet
	t    *talk
	rows []api.AuditRow
	err  error
}

func cmdAudit(m *model, _ string) (tea.Cmd, error) {
	t, err := m.here()
	if err != nil {
		return nil, err
	}
	id := m.open("Who did what in "+t.label(), m.wait("looking it up"))
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		rows, err := m.svc.Audit(ctx, t.target)
		return auditMsg{id, t, rows, err}
	}), nil
}

func (m *model) takeAudit(msg auditMsg) {
	if msg.err != nil {
		m.fill(msg.id, m.sorry(msg.err))
		return
	}
	m.fill(msg.id, m.renderAudit(msg.t, msg.rows))
}

// renderAudit lists acts of government, the newest first: when, who, what, and
// below it under which authority, or why it does not count.
func (m *model) renderAudit(t *talk, rows []api.AuditRow) func(w int) []string {
	return func(w int) []string {
		out := []string{m.styles.dim.Render(clip(m.width, plural(len(rows), "act", "acts")+", the newest first; no clock decides what counts", w)), ""}
		wide := 3
		for _, r := range rows {
			wide = max(wide, m.width.StringWidth(m.personIn(t, r.PeerID).label))
		}
		wide = min(wide, maxName, max(w/4, 1))
		for _, r := range slices.Backward(rows) {
			when := m.local(r.Time).Format("2 Jan 15:04")
			name := m.personIn(t, r.PeerID).label
			if r.Name != "" && m.personIn(t, r.PeerID).member == nil {
				name = m.called(r.PeerID, clean(r.Name))
			}
			lead := fit(m.width, when, 12) + " "
			indent := 13 + wide + 2
			if w-indent < 16 { // a narrow screen
				lead, indent = "", wide+2
			}
			st, sign := m.styles.ok, m.signs.delivered
			if !r.Effective {
				st, sign = m.styles.warn, m.signs.warning
			}
			for i, s := range wrapText(m.width, plainAct(r.Did), max(w-indent-2, 1)) {
				row := pad(m.width, "", indent+2)
				if i == 0 {
					row = m.styles.dim.Render(lead) + m.styles.sender(r.PeerID).Render(fit(m.width, clipLabel(m.width, name, wide), wide)) + "  " + st.Render(sign) + " "
				}
				out = append(out, row+s)
			}
			why := clean(r.Why)
			if !r.Effective {
				why = "does not count: " + why
			}
			for _, s := range wrapText(m.width, why, max(w-indent-2, 1)) {
				out = append(out, pad(m.width, "", indent+2)+m.styles.dim.Render(s))
			}
		}
		return out
	}
}
