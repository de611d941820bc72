package tui

import (
	"strings"

	"p2pchat/node/api"
)

// viewDetails renders the right pane: who the person talked with is, in h rows
// of w columns.
func (m *model) viewDetails(t *talk, w, h int) []string {
	s := &m.styles
	var rows []string
	put := func(row string) { rows = append(rows, pad(m.width, " "+row, w)) }
	field := func(label, value string, lines ...string) {
		if value == "" {
			return
		}
		put("")
		put(s.dim.Render(clip(m.width, label, w-2)))
		for _, v := range append([]string{value}, lines...) {
			for _, r := range wrapText(m.width, v, w-3) {
				put(" " + r)
			}
		}
	}
	if t != nil {
		sign, word, st := m.presence(t.peer)
		put(s.sender(t.key).Render(clip(m.width, t.label(), w-2)))
		if t.peer.Verified {
			word += ", verified"
		}
		put(st.Render(sign) + " " + clip(m.width, word, w-4))
		if t.peer.Blocked {
			put(s.warn.Render(clip(m.width, "blocked", w-2)))
		}
		if t.peer.Status != "" && !t.peer.Blocked {
			for _, r := range wrapText(m.width, t.peer.Status, w-3) {
				put(s.away.Render(r))
			}
		}
		if t.peer.Warning != "" {
			put("")
			for i, r := range wrapText(m.width, t.peer.Warning, w-5) {
				lead := "  "
				if i == 0 {
					lead = m.signs.warning + " "
				}
				put(s.warn.Render(lead + r))
			}
		}
		field("fingerprint", t.peer.Fingerprint)
		if a, ok := addressOf(t.peer); ok {
			field("address", a.String(), a.transport)
		}
		field("found by", via(t.peer.Via))
		field("round trip", rtt(t.peer))
		field("last seen", m.seen(t.peer))
		if rooms := m.roomsOf(t.key); len(rooms) > 0 {
			field("in rooms", rooms[0], rooms[1:]...)
		}
	}
	for len(rows) < h {
		rows = append(rows, strings.Repeat(" ", max(w, 0)))
	}
	return rows[:h]
}

// roomsOf are the rooms, of those whose members are known, that somebody is in,
// and what he is there.
func (m *model) roomsOf(peerID string) []string {
	var out []string
	for _, t := range m.people.rows {
		if t.room == nil {
			continue
		}
		for _, r := range t.room.members.rows {
			if r.PeerID != peerID {
				continue
			}
			words := r.Role
			if r.Standing != r.Role && r.Standing != api.StandingNone && r.Standing != "" {
				words += ", " + r.Standing
			}
			out = append(out, t.label()+": "+words)
		}
	}
	return out
}

// via says in words how a peer was found.
func via(v string) string {
	switch v {
	case "mdns":
		return "mDNS"
	case "static":
		return "an address given here"
	case "exchange":
		return "another peer"
	case "incoming":
		return "it called us"
	}
	return v
}
