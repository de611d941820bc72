package room

import (
	"fmt"

	"p2pchat/protocol/event"
)

// mirror is what somebody knows of a Room who looks only at what the effects
// name.
type mirror struct {
	room     *Room
	verdicts map[event.ID]Verdict
	eff      map[event.ID]bool
	people   [crowd]climate
}

func newMirror(r *Room) *mirror {
	m := &mirror{room: r, verdicts: map[event.ID]Verdict{}, eff: map[event.ID]bool{event.ID(r.ID()): true}}
	m.everyone()
	return m
}

func (m *mirror) everyone() {
	for i, id := range crowdIDs {
		m.people[i] = m.room.climateOf(m.room.find(id))
	}
}

func (m *mirror) apply(fx Effects) {
	for _, id := range fx.Dropped {
		delete(m.verdicts, id)
	}
	for _, id := range fx.Visibility {
		if v, ok := m.room.Verdict(id); ok {
			m.verdicts[id] = v
		}
	}
	for _, id := range fx.Governed {
		m.eff[id] = m.room.all.eff.has(m.room.byID[id].index)
	}
	for i, id := range crowdIDs {
		for _, p := range fx.People {
			if p == id {
				m.people[i] = m.room.climateOf(m.room.find(id))
			}
		}
	}
	if fx.Everyone {
		m.everyone()
	}
}

func (m *mirror) differs() string {
	for id, x := range m.room.messages {
		if v, ok := m.verdicts[id]; !ok || v != x.verdict {
			return fmt.Sprintf("a message is %s, not %s", x.verdict.Status, v.Status)
		}
	}
	if len(m.verdicts) != m.room.size() {
		return fmt.Sprintf("%d messages, not %d", m.room.size(), len(m.verdicts))
	}
	for _, c := range m.room.controls {
		if m.eff[c.id] != m.room.all.eff.has(c.index) {
			return "a control event's effect"
		}
	}
	was := m.people
	if m.everyone(); was != m.people {
		return fmt.Sprintf("people: %v, not %v", m.people, was)
	}
	return ""
}
