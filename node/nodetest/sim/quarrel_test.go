package sim

import (
	"fmt"
	"testing"
	"time"

	"p2pchat/node/api"
)

// Admins and moderators kick, ban, grant and reconfigure against each other
// while cables are cut and nodes restart. Once the owner has made peace and
// everybody is back, all show the same.
func TestQuarrels(t *testing.T) {
	for i := range *seeds {
		s := *seed + uint64(i)
		t.Run(fmt.Sprint("seed=", s), func(t *testing.T) {
			inBubble(t, s, func(t *testing.T, n *Net) {
				m := newMischief(t, n, s)
				m.governed = true
				for i, who := range m.all[1:] {
					standing := []string{api.StandingAdmin, api.StandingModerator, api.StandingMember}[i%3]
					m.govern(m.all[0], api.GovernRequest{Act: api.ActGrant, Who: who.ID, Standing: standing})
				}
				m.happens(90, func() {
					if m.random.IntN(2) == 0 {
						m.step()
					} else {
						m.quarrel()
					}
				})
				m.end()
				m.peace()
			})
		})
	}
}

// govern has by do something in the room, which may be refused.
func (m *mischief) govern(by *Node, q api.GovernRequest) {
	m.t.Helper()
	q.Room = m.room
	_, err := by.Govern(m.t.Context(), q)
	m.note("%s: %s %s %s: %v", by.Name, q.Act, m.name(q.Who), q.Standing, err)
	m.done(err)
}

func (m *mischief) name(id string) string {
	for _, n := range m.all {
		if n.ID == id {
			return n.Name
		}
	}
	return id
}

func (m *mischief) configure(by *Node, key, value string) {
	m.t.Helper()
	_, err := by.Configure(m.t.Context(), api.ConfigureRequest{Room: m.room, Set: []api.Setting{{Key: key, Value: value}}})
	m.note("%s: %s=%s: %v", by.Name, key, value, err)
	m.done(err)
}

// quarrel has somebody govern. The owner, the first, is left alone, and stays
// (see step): somebody has to be there to let the others in.
func (m *mischief) quarrel() {
	m.t.Helper()
	by := m.one(m.inside)
	if by == nil {
		return
	}
	pick := func(of ...string) string { return of[m.random.IntN(len(of))] }
	who := m.all[1+m.random.IntN(len(m.all)-1)].ID
	switch m.random.IntN(8) {
	case 0:
		m.configure(by, "moderated", pick("true", "false"))
	case 1:
		m.configure(by, "access", pick(api.AccessOpen, api.AccessMembersOnly))
	case 2:
		_, err := by.SetSubject(m.t.Context(), m.room, fmt.Sprintf("step %d, %s", m.count, by.Name))
		m.done(err)
	case 3:
		m.govern(by, api.GovernRequest{Act: api.ActGrant, Who: who, Standing: pick(
			api.StandingNone, api.StandingMember, api.StandingModerator, api.StandingAdmin)})
	case 4:
		lines, err := by.Lines(m.t.Context(), m.room)
		check(m.t, err)
		if l := lines[m.random.IntN(len(lines))]; l.Kind == "text" {
			m.govern(by, api.GovernRequest{Act: api.ActRetract, ID: l.ID})
		}
	default:
		m.govern(by, api.GovernRequest{Act: pick(api.ActKick, api.ActBan, api.ActUnban, api.ActVoice, api.ActDevoice), Who: who})
	}
}

// peace is what the owner makes, once he has heard of everything. Then all show
// the same, though not all that was said.
func (m *mischief) peace() {
	m.t.Helper()
	owner := m.all[0]
	time.Sleep(time.Minute)
	m.configure(owner, "access", api.AccessOpen)
	m.configure(owner, "moderated", "false")
	for _, n := range m.all[1:] {
		m.govern(owner, api.GovernRequest{Act: api.ActGrant, Who: n.ID, Standing: api.StandingMember})
		m.govern(owner, api.GovernRequest{Act: api.ActVoice, Who: n.ID})
	}
	time.Sleep(time.Minute)
	m.governed = false // nobody has a reason to refuse anything
	for _, n := range m.all[1:] {
		m.join(n, time.Minute)
	}
	m.said = nil
	for _, n := range m.all {
		m.say(n, n.Name+" is back")
	}
	m.same(3 * time.Minute)
}
