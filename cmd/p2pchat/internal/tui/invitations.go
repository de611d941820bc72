package tui

import (
	"context"
	"errors"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// invitations are those that wait for an answer.
type invitations struct {
	rows    []api.Invitation // clean but for the IDs, the newest last
	loaded  bool
	stale   bool
	loading bool
}

type (
	invitationsMsg struct {
		rows []api.Invitation
		err  error
	}
	declinedMsg struct {
		room  string
		label string
		err   error
	}
)

func cleanInvitation(i api.Invitation) api.Invitation {
	i.Room, i.Name, i.Reason = clean(i.Room), clean(i.Name), clean(i.Reason)
	return i
}

// put takes one; of one inviter into one room the newest counts.
func (in *invitations) put(i api.Invitation) {
	in.rows = slices.DeleteFunc(in.rows, func(o api.Invitation) bool { return o.RoomID == i.RoomID && o.PeerID == i.PeerID })
	in.rows = append(in.rows, cleanInvitation(i))
}

func (in *invitations) drop(room string) {
	in.rows = slices.DeleteFunc(in.rows, func(i api.Invitation) bool { return i.RoomID == room })
}

// invitation is the newest into a room, nil if there is none.
func (l *listing) invitation(room string) *api.Invitation {
	for i := len(l.invited.rows) - 1; i >= 0; i-- {
		if l.invited.rows[i].RoomID == room {
			return &l.invited.rows[i]
		}
	}
	return nil
}

// loadInvitations asks which wait, if that is not known.
func (m *model) loadInvitations() tea.Cmd {
	in := &m.listing.invited
	if !m.synced || m.gone || in.loading || in.loaded && !in.stale {
		return nil
	}
	in.loading, in.stale = true, false
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		rows, err := m.svc.Invitations(ctx)
		return invitationsMsg{rows, err}
	})
}

func (m *model) takeInvitations(msg invitationsMsg) tea.Cmd {
	in := &m.listing.invited
	first := !in.loaded
	in.loading, in.loaded = false, true
	if msg.err != nil {
		return m.fail(msg.err)
	}
	in.rows = nil
	for _, i := range msg.rows {
		if m.people.byKey[i.RoomID] == nil {
			in.put(i)
		}
	}
	m.listing.arrange()
	switch {
	case !first || len(in.rows) == 0:
		return nil
	case len(in.rows) == 1:
		return m.announce(m.inviteWords(in.rows[0]) + answerWords(in.rows[0]))
	}
	return m.announce(plural(len(in.rows), "invitation", "invitations") + " into rooms wait for your answer: /rooms lists them first")
}

// takeInvitation is told of a new one.
func (m *model) takeInvitation(i api.Invitation) tea.Cmd {
	if i.RoomID == "" || m.people.byKey[i.RoomID] != nil {
		return nil
	}
	in := &m.listing.invited
	in.stale = in.loading // the answer under way may be older
	in.put(i)
	m.listing.arrange()
	i = cleanInvitation(i)
	return m.announce(m.inviteWords(i) + answerWords(i))
}

// inviteWords says who invites where, and why.
func (m *model) inviteWords(i api.Invitation) string {
	s := m.called(i.PeerID, i.Name) + " invites you into " + roomLabel(i.Room, "", false)
	if i.Reason != "" {
		s += ": " + i.Reason
	}
	return s
}

func answerWords(i api.Invitation) string {
	label := roomLabel(i.Room, "", false)
	return "; /accept " + label + " or /decline " + label
}

// called is how somebody is called outside of rooms; name is what the service
// says, clean.
func (m *model) called(peerID, name string) string {
	if t := m.people.byKey[peerID]; t != nil && t.room == nil {
		return t.label()
	}
	if name == "" {
		return clean(peerID)
	}
	return name
}

// splitInvitation takes the room of an invitation off the front of what was
// typed; with one invitation none need be named.
func (m *model) splitInvitation(arg, usage string) (i api.Invitation, target, rest string, err error) {
	rows := m.listing.invited.rows
	switch {
	case len(rows) == 0:
		return i, "", "", errors.New("no invitation waits for an answer")
	case arg == "" && len(rows) == 1:
		return rows[0], rows[0].RoomID, "", nil
	case arg == "":
		return i, "", "", errors.New("say which room: " + usage)
	}
	best, ids := 0, map[string]bool{}
	for _, r := range rows {
		for _, n := range []string{r.Room, "#" + r.Room, r.RoomID, r.ID} {
			if len(n) < best || !startsWith(arg, n) {
				continue
			}
			if len(n) > best {
				best, ids = len(n), map[string]bool{}
			}
			ids[r.RoomID] = true
			i = r
		}
	}
	switch {
	case best == 0:
		word, _, _ := strings.Cut(arg, " ")
		return i, "", "", errors.New("nobody invites you into a room called " + clean(word) + ": /rooms lists the invitations first")
	case len(ids) > 1:
		return i, arg[:best], strings.TrimSpace(arg[best:]), nil // the service says which there are
	}
	return i, i.RoomID, strings.TrimSpace(arg[best:]), nil
}

// startsWith tells whether word stands at the beginning of arg, in whatever
// case, as a word of its own.
func startsWith(arg, word string) bool {
	return word != "" && begins(arg, word) && (len(arg) == len(word) || arg[len(word)] == ' ' || arg[len(word)] == '\n')
}

func cmdAccept(m *model, arg string) (tea.Cmd, error) {
	i, target, nick, err := m.splitInvitation(arg, "/accept ROOM [NICK]")
	if err != nil {
		return nil, err
	}
	return m.enter(door{target: target, label: roomLabel(i.Room, "", false), nick: nick, invited: true}), nil
}

func cmdDecline(m *model, arg string) (tea.Cmd, error) {
	i, target, reason, err := m.splitInvitation(arg, "/decline ROOM [REASON]")
	if err != nil {
		return nil, err
	}
	if err := api.CheckReason(reason); err != nil {
		return nil, err
	}
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		_, err := m.svc.AnswerInvitation(ctx, api.AnswerRequest{Room: target, Reason: reason})
		return declinedMsg{i.RoomID, roomLabel(i.Room, "", false), err}
	}), nil
}

func (m *model) takeDeclined(msg declinedMsg) tea.Cmd {
	if msg.err != nil {
		return m.fail(msg.err)
	}
	m.listing.invited.drop(msg.room)
	m.listing.arrange()
	return m.tell("you declined the invitation into " + msg.label)
}
