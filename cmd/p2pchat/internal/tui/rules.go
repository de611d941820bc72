package tui

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// rules are a room's settings and who stands where in it, asked for when the
// room is shown and after every act of government.
type rules struct {
	config  map[string]string // clean
	people  map[string]api.PersonState
	creator string
	depth   map[string]int // of owners: how many grants from the creator

	loaded, stale, loading bool
}

type rulesMsg struct {
	t     *talk
	state api.RoomState
	err   error
}

// loadRules asks for those of the focused room, if they are not known.
func (m *model) loadRules() tea.Cmd {
	t := m.people.focus
	if t == nil || t.room == nil || m.gone {
		return nil
	}
	r := &t.room.rules
	if r.loading || r.loaded && !r.stale {
		return nil
	}
	r.loading, r.stale = true, false
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		state, err := m.svc.RoomState(ctx, t.target)
		return rulesMsg{t, state, err}
	})
}

func (m *model) takeRules(msg rulesMsg) tea.Cmd {
	r := &msg.t.room.rules
	r.loading, r.loaded = false, true // on an error not again and again
	if msg.err != nil {
		if m.people.byKey[msg.t.key] != msg.t {
			return nil // it was left meanwhile
		}
		return m.fail(msg.err)
	}
	r.take(msg.state)
	return nil
}

func (r *rules) take(s api.RoomState) {
	r.config, r.people, r.creator = map[string]string{}, map[string]api.PersonState{}, s.Creator
	for k, v := range s.Config {
		r.config[k] = clean(v)
	}
	for _, p := range s.People {
		p.Standing, p.Voice = clean(p.Standing), clean(p.Voice)
		r.people[p.PeerID] = p
	}
	r.depth = ownerDepths(s.Canonical)
}

// ownerDepths reads how far owners are from the creator from the canonical
// state, whose lines say `standing PEER owner DEPTH by ID` of them.
func ownerDepths(canonical string) map[string]int {
	depth := map[string]int{}
	for row := range strings.Lines(canonical) {
		words := strings.Fields(row)
		if len(words) < 4 || words[0] != "standing" || words[2] != api.StandingOwner {
			continue
		}
		if n, err := strconv.Atoi(words[3]); err == nil {
			depth[words[1]] = n
		}
	}
	return depth
}

// person is somebody as a room sees him, in it or not.
type person struct {
	peerID   string
	label    string // as shown and typed, clean
	name     string // username, clean, may be empty
	standing string
	role     string // empty for who is not in the room
	voice    string // as in [api.PersonState]; empty if it is not known
	self     bool
	creator  bool
	depth    int // of an owner: grants from the creator
	member   *api.Member
}

// personIn is what a room says of somebody.
func (m *model) personIn(t *talk, peerID string) person {
	r := &t.room.rules
	p := person{
		peerID: peerID, label: m.called(peerID, ""), standing: api.StandingNone, self: peerID == m.self.PeerID,
		creator: r.creator != "" && peerID == r.creator, depth: r.depth[peerID],
	}
	if p.self {
		p.label, p.name = m.self.Name, m.self.Name
	}
	if o := m.people.byKey[peerID]; o != nil && o.room == nil {
		p.name = o.name
	}
	if s, ok := r.people[peerID]; ok {
		p.standing, p.voice = s.Standing, s.Voice
	}
	for i := range t.room.members.rows {
		if row := &t.room.members.rows[i]; row.PeerID == peerID {
			p.member, p.label, p.name, p.role = row, m.rowLabel(t, *row), row.Name, row.Role
			if row.Standing != "" {
				p.standing = row.Standing
			}
		}
	}
	return p
}

// self is what one is oneself in the room.
func (m *model) selfIn(t *talk) person {
	p := m.personIn(t, m.self.PeerID)
	if t.room.Standing != "" {
		p.standing = t.room.Standing
	}
	if t.room.Role != "" {
		p.role = t.room.Role
	}
	return p
}

// absentees are those who are not in the room and stand somewhere in it, by
// peer ID: the banned, above all.
func (m *model) absentees(t *talk) []person {
	var out []person
	for _, id := range slices.Sorted(maps.Keys(t.room.rules.people)) {
		if p := m.personIn(t, id); p.member == nil && p.standing != api.StandingNone {
			out = append(out, p)
		}
	}
	return out
}
