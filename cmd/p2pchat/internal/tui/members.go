package tui

import (
	"cmp"
	"context"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// members are those in a room: asked for when the room is shown, kept up to
// date by changes. Everything but peer IDs is clean.
type members struct {
	rows []api.Member // present first, then by nick
	// nicks says whose a nick is, in lower case; "" if it is several people's.
	nicks map[string]string

	loaded  bool
	stale   bool // changes were missed
	loading bool
	since   []api.MemberChange // told of while the list was under way
}

func cleanMember(m api.Member) api.Member {
	m.Name, m.Nick, m.Warning = clean(m.Name), clean(m.Nick), clean(m.Warning)
	m.Standing, m.Role, m.Presence = clean(m.Standing), clean(m.Role), clean(m.Presence)
	return m
}

// set takes the whole list, and on top of it what was told since it was asked
// for: changes give whole rows, so that one which the list already knows does
// no harm.
func (ms *members) set(rows []api.Member) {
	ms.rows = nil
	for _, m := range rows {
		ms.put(api.MemberChange{Member: m})
	}
	for _, c := range ms.since {
		ms.put(c)
	}
	ms.since, ms.loading, ms.loaded = nil, false, true
	ms.sort()
}

func (ms *members) change(c api.MemberChange) {
	if ms.loading {
		ms.since = append(ms.since, c)
	}
	if ms.loaded {
		ms.put(c)
		ms.sort()
	}
}

func (ms *members) put(c api.MemberChange) {
	i := slices.IndexFunc(ms.rows, func(m api.Member) bool { return m.PeerID == c.Member.PeerID })
	switch {
	case i < 0 && !c.Gone:
		ms.rows = append(ms.rows, cleanMember(c.Member))
	case i >= 0 && c.Gone:
		ms.rows = slices.Delete(ms.rows, i, i+1)
	case i >= 0:
		ms.rows[i] = cleanMember(c.Member)
	}
}

func (ms *members) sort() {
	slices.SortFunc(ms.rows, func(a, b api.Member) int {
		return cmp.Or(absent(a)-absent(b), strings.Compare(strings.ToLower(a.Nick), strings.ToLower(b.Nick)), strings.Compare(a.PeerID, b.PeerID))
	})
	ms.nicks = make(map[string]string, len(ms.rows))
	for _, m := range ms.rows {
		nick := strings.ToLower(m.Nick)
		if _, taken := ms.nicks[nick]; taken {
			ms.nicks[nick] = ""
		} else {
			ms.nicks[nick] = m.PeerID
		}
	}
}

func absent(m api.Member) int {
	if m.Presence == api.PresenceOnline || m.Presence == api.PresenceAway {
		return 0
	}
	return 1
}

// distrust says that changes were missed, lost that nobody is known to be here.
func (ms *members) distrust() {
	ms.stale, ms.since = ms.loaded || ms.loading, nil
}

func (ms *members) lost() {
	for i := range ms.rows {
		if !ms.rows[i].Self {
			ms.rows[i].Presence = api.PresenceOffline
		}
	}
	ms.sort()
}

// twin tells whether somebody else in the room has the nick.
func (ms *members) twin(peerID, nick string) bool {
	owner, taken := ms.nicks[strings.ToLower(nick)]
	return taken && owner != peerID
}

func (ms *members) count() (all, here, away int) {
	for _, m := range ms.rows {
		all++
		switch m.Presence {
		case api.PresenceOnline:
			here++
		case api.PresenceAway:
			away++
		}
	}
	return all, here + away, away
}

type membersMsg struct {
	t    *talk
	rows []api.Member
	err  error
}

// loadMembers asks who is in the focused room, if that is not known.
func (m *model) loadMembers() tea.Cmd {
	t := m.people.focus
	if t == nil || t.room == nil || m.gone {
		return nil
	}
	ms := &t.room.members
	if ms.loading || ms.loaded && !ms.stale {
		return nil
	}
	ms.loading, ms.stale, ms.since = true, false, nil
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		rows, err := m.svc.Members(ctx, t.target)
		return membersMsg{t, rows, err}
	})
}

func (m *model) takeMembers(msg membersMsg) tea.Cmd {
	ms := &msg.t.room.members
	if msg.err != nil {
		ms.loading, ms.loaded, ms.since = false, true, nil // not again and again; the next snapshot will
		if m.people.byKey[msg.t.key] != msg.t {
			return nil // it was left meanwhile
		}
		return m.fail(msg.err)
	}
	ms.set(msg.rows)
	return nil
}
