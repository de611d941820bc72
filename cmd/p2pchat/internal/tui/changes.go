package tui

import (
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// typingTime is how long a typing notice of the other side is shown.
const typingTime = 6 * time.Second

// changeMsg is one change of the service.
type changeMsg api.Change

// goneMsg says that following the changes ended: the node does not answer.
type goneMsg struct{ err error }

// takeChange applies a change.
func (m *model) takeChange(c api.Change) tea.Cmd {
	switch c.Type {
	case api.ChangeSnapshot:
		if c.Snapshot != nil {
			return m.takeSnapshot(*c.Snapshot)
		}
	case api.ChangePeer:
		if c.Peer != nil && c.Peer.PeerID != "" {
			m.people.setPeer(*c.Peer)
			m.people.sort()
		}
	case api.ChangePeerRemoved:
		m.people.remove(c.PeerID)
		m.people.sort()
	case api.ChangeConversation:
		if c.Conversation != nil && c.Conversation.ID != "" {
			m.people.setConversation(*c.Conversation)
			m.people.sort()
			return m.takePending()
		}
	case api.ChangeMessage:
		if c.Message != nil {
			return m.takeMessage(*c.Message)
		}
	case api.ChangeState:
		if c.State == nil {
			break
		}
		if t := m.people.byConv[c.State.Conversation]; t != nil {
			t.log.reach(*c.State)
			return m.lookAtStatus()
		}
	case api.ChangeTyping:
		if c.Typing == nil {
			break
		}
		if t := m.people.byConv[c.Typing.Conversation]; t != nil && c.Typing.PeerID == t.key {
			t.typing = m.now().Add(typingTime)
			return m.calls.later(typingTime, staleMsg{})
		}
	case api.ChangeHidden:
		if c.Hidden == nil {
			break
		}
		if t := m.people.byConv[c.Hidden.Conversation]; t != nil {
			t.log.hide(c.Hidden.ID)
		}
		m.pending = slices.DeleteFunc(m.pending, func(msg api.Message) bool { return msg.ID == c.Hidden.ID })
	case api.ChangeRoom:
		if c.Room != nil && c.Room.RoomID != "" {
			return m.takeRoom(*c.Room)
		}
	case api.ChangeRoomLeft:
		if c.Room != nil {
			return m.takeRoomLeft(*c.Room)
		}
	case api.ChangeMember:
		if c.Member == nil {
			break
		}
		if t := m.people.byConv[c.Member.RoomID]; t != nil && t.room != nil {
			t.room.members.change(*c.Member)
			if c.Member.Gone || c.Member.Member.Role != api.RoleVisitor {
				delete(t.room.asking, c.Member.Member.PeerID)
			}
		}
	case api.ChangeInvitation:
		if c.Invitation != nil {
			return m.takeInvitation(*c.Invitation)
		}
	case api.ChangeVoiceRequest:
		if c.VoiceRequest != nil {
			return m.takeVoiceRequest(*c.VoiceRequest)
		}
	case api.ChangeNotice:
		return m.announce(clean(c.Notice))
	case api.ChangeLagged: // a snapshot follows
	}
	return nil
}

// takeSnapshot replaces what is known of people and conversations; messages
// may have been missed, so what is loaded is looked at again.
func (m *model) takeSnapshot(s api.Snapshot) tea.Cmd {
	m.self = api.Identity{
		PeerID: clean(s.Self.PeerID), Name: clean(s.Self.Name), Fingerprint: clean(s.Self.Fingerprint),
	}
	m.notices = nil
	for _, n := range s.Notices {
		m.notices = append(m.notices, clean(n))
	}
	roster := map[string]bool{}
	for _, p := range s.Peers {
		if p.PeerID != "" {
			roster[p.PeerID] = true
			m.people.setPeer(p)
		}
	}
	joined := map[string]bool{}
	for _, r := range s.Rooms {
		if r.RoomID != "" {
			joined[r.RoomID] = true
			m.people.setRoom(r)
		}
	}
	for _, c := range s.Conversations {
		if c.ID != "" {
			m.people.setConversation(c)
		}
	}
	var cmds []tea.Cmd
	for _, t := range append([]*talk(nil), m.people.rows...) {
		if t.listed && !roster[t.key] {
			m.people.remove(t.key)
		}
		if t.room != nil {
			t.room.members.distrust()
			t.room.rules.stale = t.room.rules.loaded || t.room.rules.loading
			if !joined[t.key] {
				m.dropRoom(t)
				cmds = append(cmds, m.askWhyOut(t, t.room.Room))
				continue
			}
		}
		t.log.stale, t.log.marked = t.log.loaded || t.log.loading, ""
		t.typing = time.Time{}
	}
	m.listing.invited.stale = m.listing.invited.loaded || m.listing.invited.loading
	m.people.sort()
	if m.gone {
		cmds = append(cmds, m.tell("the node answers again"))
	}
	m.synced, m.gone, m.trouble = true, false, ""
	return tea.Batch(append(cmds, m.takePending(), m.lookAtStatus())...)
}

// takeMessage puts a message where it belongs.
func (m *model) takeMessage(msg api.Message) tea.Cmd {
	t := m.people.byConv[msg.Conversation]
	if t == nil && msg.Nick == "" && isSaid(msg.Kind) && stateRank[msg.State] == 0 && m.people.byKey[msg.Author] != nil && m.people.byKey[msg.Author].conv == "" {
		t = m.people.byKey[msg.Author] // the first word from somebody new
		t.conv = msg.Conversation
		m.people.byConv[t.conv] = t
	}
	if t == nil {
		m.pending = append(m.pending, msg)
		return m.askConversations()
	}
	isNew := t.log.append(msg)
	if t.room != nil && msg.Kind == api.MessageGovern {
		t.room.rules.stale = true
	}
	if isSaid(msg.Kind) && msg.Time.After(t.last) {
		t.last = msg.Time.Time
	}
	if stateRank[msg.State] == 0 { // somebody else's
		t.typing = time.Time{}
		if isNew && isSaid(msg.Kind) && t == m.people.focus && t.log.fresh == "" && (m.unfocused || t.log.bottom.line != nil) {
			t.log.fresh = msg.ID
		}
		return nil
	}
	return m.lookAtStatus()
}

// takePending tries again to place messages whose conversation was not known.
func (m *model) takePending() tea.Cmd {
	var cmds []tea.Cmd
	old := m.pending
	m.pending = nil
	for _, msg := range old {
		if m.people.byConv[msg.Conversation] != nil {
			cmds = append(cmds, m.takeMessage(msg))
		} else {
			m.pending = append(m.pending, msg)
		}
	}
	return tea.Batch(cmds...)
}
