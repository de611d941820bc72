package tui

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// happening is something that was told at the bottom of the screen and should
// not be missed: /notices lists them.
type happening struct {
	at   time.Time
	text string // clean
}

// maxHappenings bounds what /notices lists.
const maxHappenings = 200

// announce tells what somebody else did. text must be clean.
func (m *model) announce(text string) tea.Cmd {
	m.events = append(m.events, happening{m.now(), text})
	if len(m.events) > maxHappenings {
		m.events = m.events[1:]
	}
	m.tell(text)
	return m.calls.later(errorTime, noteOverMsg{m.note.id}) // longer than a note
}

func cmdNotices(m *model, _ string) (tea.Cmd, error) {
	m.open("What happened", m.renderNotices)
	return nil, nil
}

// renderNotices lists what the node warns of, and what was announced, the newest
// first.
func (m *model) renderNotices(w int) []string {
	if len(m.events)+len(m.notices) == 0 {
		return wrapText(m.width, "Nothing yet. Invitations, requests for voice and what else concerns you are listed here.", w)
	}
	var rows []string
	for _, n := range m.notices { // of those that came before us nothing else tells
		if !slices.ContainsFunc(m.events, func(e happening) bool { return e.text == n }) {
			rows = append(rows, m.entries(w, 12, "now", n)...)
		}
	}
	for _, e := range slices.Backward(m.events) {
		rows = append(rows, m.entries(w, 12, m.local(api.Time{Time: e.at}).Format("2 Jan 15:04"), e.text)...)
	}
	return rows
}

// loggedWords is what whoever joins such a room is told.
func loggedWords(t *talk) string {
	return "members of " + t.label() + " keep readable logs of what is said in it"
}

// takeVoiceRequest tells a moderator that somebody wants to speak.
func (m *model) takeVoiceRequest(q api.VoiceRequest) tea.Cmd {
	t := m.people.byConv[q.RoomID]
	if t == nil || t.room == nil {
		return nil
	}
	if t.room.asking == nil {
		t.room.asking = map[string]bool{}
	}
	p := m.personIn(t, q.PeerID)
	if p.member == nil || p.role == api.RoleVisitor { // else he has it by now
		t.room.asking[q.PeerID] = true
	}
	label := p.label
	if p.member == nil && q.Name != "" {
		label = clean(q.Name)
	}
	if t == m.people.focus {
		return m.announce(label + " asks for voice in " + t.label() + "; /voice " + label + " gives it")
	}
	return m.announce(label + " asks for voice in " + t.label() + "; there, /voice " + label + " gives it")
}

// putOutMsg says what became of a room one is no longer in.
type putOutMsg struct {
	t     *talk
	row   api.Room
	state api.RoomState
	audit []api.AuditRow
	left  bool // by oneself, with another face
	other string
}

// takeRoomLeft takes a room off the list, and finds out why.
func (m *model) takeRoomLeft(r api.Room) tea.Cmd {
	t := m.people.byKey[r.RoomID]
	if t == nil || t.room == nil {
		return nil
	}
	t.room.Destroyed = r.Destroyed
	m.dropRoom(t)
	m.people.sort()
	return m.askWhyOut(t, r)
}

// askWhyOut finds out why one is no longer in a room, of which r was the last
// row.
func (m *model) askWhyOut(t *talk, r api.Room) tea.Cmd {
	if t.room.leaving { // its own answer says so
		return nil
	}
	self := m.self.PeerID
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		// What cannot be had is left out: that one is out is certain.
		msg := putOutMsg{t: t, row: r}
		msg.state, _ = m.svc.RoomState(ctx, t.target)
		msg.audit, _ = m.svc.Audit(ctx, t.target)
		log, _ := m.page(ctx, api.LogQuery{Target: t.target, Last: pageSize})
		for _, l := range log {
			if l.Author == self && (l.Kind == api.MessageJoin || l.Kind == api.MessageLeave) {
				msg.left = l.Kind == api.MessageLeave
			}
		}
		if msg.state.Alternate != "" {
			rooms, _ := m.svc.Rooms(ctx, true)
			for _, o := range rooms {
				if o.RoomID == msg.state.Alternate {
					msg.other = clean(o.Name)
				}
			}
		}
		return msg
	})
}

func (m *model) takePutOut(msg putOutMsg) tea.Cmd {
	msg.t.room.Destroyed = msg.row.Destroyed || msg.state.Destroyed
	msg.t.room.banned = m.standingOf(msg.state) == api.StandingOutcast
	return m.announce(m.putOutWords(msg))
}

// putOutWords says why one is no longer in a room.
func (m *model) putOutWords(msg putOutMsg) string {
	label := msg.t.label()
	var act api.AuditRow // the last that may be why
	for _, r := range msg.audit {
		ours := r.Target == m.self.PeerID && (r.Act == "kick" || r.Act == "set")
		if r.Effective && (ours || r.Act == "destroy" || r.Act == "configure" && r.Did == `set access to "members-only"`) && r.PeerID != "" {
			act = r
		}
	}
	who := m.called(act.PeerID, clean(act.Name))
	because := func(s, reason string) string {
		if reason != "" {
			s += ": " + clean(reason)
		}
		return s
	}
	switch {
	case msg.row.Destroyed || msg.state.Destroyed:
		s := label + " was destroyed"
		if act.Act == "destroy" {
			s = who + " destroyed " + label
		}
		s = because(s, msg.state.Reason)
		switch {
		case msg.other != "":
			s += "; in its place there is #" + msg.other + ": /join #" + msg.other
		case msg.state.Alternate != "":
			s += "; in its place: /join " + clean(msg.state.Alternate)
		}
		return s
	case msg.left:
		return "you left " + label
	case act.Act == "kick":
		return because(who+" kicked you out of "+label, m.reasonOf(act, msg.row.Nick)) + "; /join " + label + " goes back in"
	case act.Act == "set" && m.standingOf(msg.state) == api.StandingOutcast:
		return because(who+" banned you from "+label, m.reasonOf(act, msg.row.Nick))
	case act.Act == "set" && msg.row.Access == api.AccessMembersOnly:
		return because(who+" took your membership of "+label, m.reasonOf(act, msg.row.Nick))
	case act.Act == "configure":
		return label + " is for members only now, and you are no member; " + who + " changed that"
	}
	return "you are no longer in " + label
}

func (m *model) standingOf(s api.RoomState) string {
	for _, p := range s.People {
		if p.PeerID == m.self.PeerID {
			return p.Standing
		}
	}
	return api.StandingNone
}

// reasonOf is the reason behind what was done to oneself, which follows one's
// name.
func (m *model) reasonOf(r api.AuditRow, nick string) string {
	for _, name := range []string{m.self.Name, nick, m.self.PeerID} {
		if _, after, ok := strings.Cut(r.Did, " "+name+": "); ok && name != "" {
			return after
		}
	}
	return ""
}

// plainAct says an act of government, as the service words it, the way people
// would: a change of a setting by what it means.
func plainAct(did string) string {
	key, quoted, ok := strings.Cut(strings.TrimPrefix(did, "set "), " to ")
	var value string
	if !ok || !strings.HasPrefix(did, "set ") || json.Unmarshal([]byte(quoted), &value) != nil {
		return clean(did)
	}
	if words, ok := settingActs[key+"="+value]; ok {
		return words
	}
	value = clean(value)
	switch key {
	case "name":
		return "called the room " + value
	case "description":
		return cmp.Or(strings.TrimSuffix("described the room: "+value, ": "), did)
	case "password_generation":
		return "set a new password"
	case "slow_mode":
		return "set slow mode to " + value
	case "max_occupants":
		return "let in at most " + value
	case "history":
		return "has newcomers get of the history: " + value
	}
	return "set " + clean(strings.ReplaceAll(key, "_", " ")) + " to " + value
}

var settingActs = map[string]string{
	"visible=true":            "put the room on the lists",
	"visible=false":           "took the room off the lists",
	"access=open":             "opened the room to everybody",
	"access=members-only":     "closed the room to all but members",
	"moderated=true":          "made the room moderated: who has no standing needs voice",
	"moderated=false":         "made the room unmoderated",
	"password_generation=0":   "took the password away",
	"persistent=true":         "made the room stay when nobody is in it",
	"persistent=false":        "made the room temporary",
	"logging=true":            "turned logging on: members keep readable logs",
	"logging=false":           "turned logging off",
	"subject_by=moderators":   "left the subject to moderators",
	"subject_by=participants": "let all who may speak set the subject",
	"invite_by=participants":  "let all who may speak invite",
	"invite_by=moderators":    "left inviting to moderators",
	"invite_by=everyone":      "let everybody invite",
	"pm_by=everyone":          "allowed private messages",
	"pm_by=moderators":        "allowed private messages to and from moderators only",
	"pm_by=nobody":            "ended private messages",
	"slow_mode=0s":            "ended slow mode",
	"max_occupants=0":         "let in any number of people",
}
