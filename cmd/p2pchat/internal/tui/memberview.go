package tui

import (
	"cmp"
	"strings"

	"charm.land/lipgloss/v2"

	"p2pchat/node/api"
)

// memberLabel is a nick as shown: with the start of the fingerprint when
// somebody else in the room has it, and with the username or the peer ID when
// there is none.
func (m *model) memberLabel(t *talk, peerID, nick, name string) string {
	if nick == "" {
		return cmp.Or(name, clean(peerID))
	}
	if t.room.members.twin(peerID, nick) {
		nick += "~" + m.printOf(peerID)
	}
	return nick
}

// printOf is the start of somebody's fingerprint.
func (m *model) printOf(peerID string) string {
	if peerID == m.self.PeerID {
		return shortPrint(api.Peer{PeerID: m.self.PeerID, Fingerprint: m.self.Fingerprint})
	}
	if t := m.people.byKey[peerID]; t != nil && t.room == nil {
		return shortPrint(t.peer)
	}
	return shortPrint(api.Peer{PeerID: clean(peerID)})
}

// rowLabel is a member's nick; a nick that only looks like another's comes
// with the fingerprint, too.
func (m *model) rowLabel(t *talk, r api.Member) string {
	label := m.memberLabel(t, r.PeerID, r.Nick, r.Name)
	if r.Warning != "" && label == r.Nick {
		label += "~" + m.printOf(r.PeerID)
	}
	return label
}

// roleWord marks a role in a narrow column, and the standing of those who have
// one and no role to show for it; who may just speak has none.
func (r *room) roleWord(m api.Member) string {
	switch {
	case r.asking[m.PeerID]:
		return "asks"
	case m.Role == api.RoleModerator:
		return "mod"
	case m.Role == api.RoleParticipant && m.Standing == api.StandingMember:
		return "member"
	case m.Role == api.RoleParticipant, m.Role == api.RoleNone:
		return ""
	}
	return m.Role
}

func (m *model) memberSign(r api.Member) (string, lipgloss.Style) {
	switch r.Presence {
	case api.PresenceOnline:
		return m.signs.online, m.styles.ok
	case api.PresenceAway:
		return m.signs.away, m.styles.away
	}
	return m.signs.offline, m.styles.dim
}

// viewMembers renders the right pane of a room in h rows of w columns.
func (m *model) viewMembers(t *talk, w, h int) []string {
	ms := &t.room.members
	rows := []string{pad(m.width, m.styles.dim.Render(clip(m.width, " "+t.room.counts(), w)), w)}
	for i, r := range ms.rows {
		if left := len(ms.rows) - i; len(rows) == h-1 && left > 1 {
			rows = append(rows, m.styles.dim.Render(fit(m.width, " "+m.signs.down+" "+plural(left, "more", "more")+": /names", w)))
			break
		}
		if len(rows) >= h {
			break
		}
		rows = append(rows, m.viewMember(t, r, w))
	}
	for len(rows) < h {
		rows = append(rows, strings.Repeat(" ", max(w, 0)))
	}
	return rows[:h]
}

// viewMember renders one row: presence, nick, role.
func (m *model) viewMember(t *talk, r api.Member, w int) string {
	sign, st := m.memberSign(r)
	name := m.styles.sender(r.PeerID)
	if absent(r) == 1 {
		name = m.styles.dim
	}
	role := t.room.roleWord(r)
	if role != "" {
		role = " " + role
	}
	space := w - 4 - m.width.StringWidth(role)
	label, mark := m.rowLabel(t, r), ""
	if r.Warning != "" || t.room.members.twin(r.PeerID, r.Nick) {
		mark = " " + m.signs.warning
	}
	if need := m.width.StringWidth(label + mark); space < min(need, 10) || mark != "" && space < need {
		role, space = "", w-4 // who it is matters more
	}
	label = clipLabel(m.width, label, space-m.width.StringWidth(mark)) + mark
	return pad(m.width, " "+st.Render(sign)+" "+name.Render(fit(m.width, label, space))+m.styles.dim.Render(role)+" ", w)
}

// renderNames is the sheet of /names: the room, and everybody in it.
func (m *model) renderNames(t *talk) func(w int) []string {
	return func(w int) []string {
		const col = 12
		ms, r := &t.room.members, t.room
		var rows []string
		put := func(label, text string) {
			if text != "" {
				rows = append(rows, m.entries(w, col, label, text)...)
			}
		}
		put("subject", r.Subject)
		put("about", r.Description)
		put("room ID", clean(r.RoomID))
		put("kind", kindOf(r.Room))
		if !ms.loaded {
			return append(rows, wrapText(m.width, "asking who is here"+m.signs.queued, w)...)
		}
		rows = append(rows, "", m.heading(plural(len(ms.rows), "member", "members")))
		wide := 4
		for _, mem := range ms.rows {
			wide = max(wide, m.width.StringWidth(m.rowLabel(t, mem)))
		}
		wide = min(wide, max(w/2, 1))
		for _, mem := range ms.rows {
			sign, st := m.memberSign(mem)
			rows = append(rows, st.Render(sign)+" "+m.styles.sender(mem.PeerID).Render(fit(m.width, m.rowLabel(t, mem), wide))+
				"  "+clip(m.width, strings.Join(m.memberWords(t, mem), ", "), w-wide-4))
			if mem.Warning != "" {
				for _, s := range wrapText(m.width, mem.Warning, max(w-4, 1)) {
					rows = append(rows, m.styles.warn.Render("  "+m.signs.warning+" "+s))
				}
			}
		}
		return rows
	}
}

// kindOf says in words what kind of room it is.
func kindOf(r api.Room) string {
	words := []string{"listed for everybody"}
	if !r.Visible {
		words[0] = "hidden: others join by its ID"
	}
	if r.Access == api.AccessMembersOnly {
		words = append(words, "members only")
	}
	if r.Moderated {
		words = append(words, "moderated")
	}
	if r.Password {
		words = append(words, "password")
	}
	if r.Logging {
		words = append(words, "members keep readable logs")
	}
	return strings.Join(words, ", ")
}
