package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// door is a room that one wants to enter.
type door struct {
	target  string
	label   string // clean
	nick    string
	invited bool // it answers an invitation
}

// enter asks to be let in; password is nil for none.
func (d door) enter(ctx context.Context, svc api.Service, password []byte) (api.Entry, error) {
	if d.invited {
		return svc.AnswerInvitation(ctx, api.AnswerRequest{
			Room: d.target, Accept: true, Nick: d.nick, Wait: api.DefaultWait, Password: password,
		})
	}
	return svc.JoinRoom(ctx, api.JoinRoomRequest{Room: d.target, Nick: d.nick, Wait: api.DefaultWait, Password: password})
}

// enter enters a room; where one needs a password, it is asked for before, or
// after the first refusal.
func (m *model) enter(d door) tea.Cmd {
	for _, r := range m.listing.rows {
		if r.RoomID == d.target && r.Password && !r.Joined {
			m.askPassword(d)
			return nil
		}
	}
	return tea.Batch(m.tell("joining "+d.label+m.signs.queued), m.join(joinedMsg{door: d}, func(ctx context.Context) (api.Entry, error) {
		return d.enter(ctx, m.svc, nil)
	}))
}

// askPassword asks for the password of a room, and enters with it.
func (m *model) askPassword(d door) {
	m.put(&question{
		title: "The password of " + d.label, secret: true, ask: "password", does: "joins",
		text: d.label + " lets in who knows its password.",
		answer: func(m *model, q *question, text string) (tea.Cmd, error) {
			ctx, cancel := context.WithTimeout(m.calls.ctx, joinTime)
			q.busy, q.stop = "joining "+d.label, cancel
			id := q.id
			return m.calls.do(0, func(context.Context) tea.Msg {
				defer cancel()
				e, err := d.enter(ctx, m.svc, []byte(text))
				return joinedMsg{dialog: id, door: d, entry: e, err: err}
			}), nil
		},
	})
}
