package tui

import (
	"cmp"
	"context"
	"errors"
	"strings"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// roomCommands are the slash commands about rooms.
func roomCommands() []command {
	return []command{
		{"rooms", "", "the rooms there are; Enter joins one", cmdRooms},
		{"join", "[NAME [NICK]]", "join a room by its name or ID, or choose one", cmdJoin},
		{"create", "NAME [--hidden] [--members-only] [--moderated] [--password]", "make a room; a hidden one is on no list", cmdCreate},
		{"leave", "", "leave this room; what was said stays stored here", cmdLeave},
		{"nick", "NICK", "be called something else in this room", cmdNick},
		{"names", "", "who is in this room, and what kind of room it is", cmdNames},
	}
}

type (
	joinedMsg struct {
		dialog int    // the dialog that asked, 0 if a command did
		door   door   // what was asked for; the zero door for a room of one's own
		said   string // what is to be told when it worked, clean
		stay   bool   // what is shown stays so
		entry  api.Entry
		err    error
	}
	leftMsg struct {
		t   *talk
		err error
	}
)

// joinTime bounds a join, the wait for a member who lets one in included.
const joinTime = api.DefaultWait + callTime

func cmdRooms(m *model, _ string) (tea.Cmd, error) { return m.openBrowser(), nil }

func cmdJoin(m *model, arg string) (tea.Cmd, error) {
	if arg == "" {
		return m.openBrowser(), nil
	}
	target, label, nick, err := m.splitRoom(arg)
	if err != nil {
		return nil, err
	}
	if t := m.people.byKey[target]; t != nil && nick == "" {
		return m.focusOn(t), nil
	}
	return m.enter(door{target: target, label: label, nick: nick}), nil
}

// join runs what ends with being in a room.
func (m *model) join(msg joinedMsg, f func(context.Context) (api.Entry, error)) tea.Cmd {
	return m.calls.do(joinTime, func(ctx context.Context) tea.Msg {
		msg.entry, msg.err = f(ctx)
		return msg
	})
}

// why says why it failed, and of a nick that is taken how to join under another.
func (msg joinedMsg) why() string {
	text := cleanError(msg.err)
	if !api.IsCode(msg.err, api.CodeNickConflict) || msg.door.label == "" {
		return text
	}
	text += "; "
	if msg.dialog != 0 {
		text += "Esc, then "
	}
	return text + "/join " + msg.door.label + " NICK"
}

func (m *model) takeJoined(msg joinedMsg) tea.Cmd {
	if j, ok := m.dialog.(joiner); msg.dialog != 0 {
		if !ok || j.number() != msg.dialog {
			return nil // closed; if it worked all the same, the list on the left shows it
		}
		if _, asked := m.dialog.(*question); msg.err != nil && (asked || !api.IsCode(msg.err, api.CodeNotAuthorized)) {
			j.refused(m, msg)
			return nil
		}
		m.closeDialog()
	}
	switch {
	case api.IsCode(msg.err, api.CodeNotAuthorized) && msg.door.target != "":
		m.clearNote()
		m.askPassword(msg.door)
		return nil
	case msg.err != nil:
		return m.fail(errors.New(msg.why()))
	}
	if !msg.stay {
		m.goTo = msg.entry.RoomID
	}
	m.listing.invited.drop(msg.entry.RoomID)
	m.listing.arrange()
	if t := m.people.byKey[msg.entry.RoomID]; msg.said == "" && !msg.stay && t != nil && t.room != nil && t.room.Logging {
		return m.tell(loggedWords(t))
	}
	if msg.said == "" {
		m.clearNote() // of what was under way
		return nil
	}
	return m.tell(msg.said)
}

// createUsage is how /create is called.
const createUsage = "/create NAME [--hidden] [--members-only] [--moderated] [--password]"

func cmdCreate(m *model, arg string) (tea.Cmd, error) {
	var words []string
	var r api.CreateRoomRequest
	password := false
	for _, w := range strings.Fields(arg) {
		switch {
		case w == "--hidden":
			r.Hidden = true
		case w == "--members-only":
			r.MembersOnly = true
		case w == "--moderated":
			r.Moderated = true
		case w == "--password":
			password = true
		case strings.HasPrefix(w, "--"):
			return nil, errors.New("there is no " + clean(w) + ": " + createUsage)
		default:
			words = append(words, w)
		}
	}
	r.Name = strings.TrimPrefix(strings.Join(words, " "), "#")
	if r.Name == "" {
		return nil, errors.New("say how it is called: " + createUsage)
	}
	if err := api.CheckRoomName(r.Name); err != nil {
		return nil, err
	}
	label := "#" + clean(r.Name)
	msg := joinedMsg{said: "you made " + label + "; others find it with /rooms"}
	switch {
	case r.MembersOnly:
		msg.said = "you made " + label + "; /invite NAME makes somebody a member and asks him in"
	case r.Hidden:
		msg.said = "you made " + label + ", which is on no list: /invite asks others in, or give them its ID, which /names shows"
	}
	if !password {
		return m.join(msg, func(ctx context.Context) (api.Entry, error) { return m.svc.CreateRoom(ctx, r) }), nil
	}
	m.put(&question{
		title: "The password of " + label, secret: true, ask: "password", does: "makes the room",
		text: "Who wants to join must know it. Nobody can look it up later: keep it, and tell it to those who shall come.",
		answer: func(m *model, q *question, text string) (tea.Cmd, error) {
			if text == "" {
				return nil, errors.New("a password of nothing is none: leave --password away for that")
			}
			q.busy, msg.dialog, r.Password = "making the room", q.id, []byte(text)
			return m.join(msg, func(ctx context.Context) (api.Entry, error) { return m.svc.CreateRoom(ctx, r) }), nil
		},
	})
	return nil, nil
}

// here is the focused room, which one is in.
func (m *model) here() (*talk, error) {
	switch t := m.people.focus; {
	case t == nil || t.room == nil:
		return nil, errors.New("this is no room: choose one on the left, or /join one")
	case t.room.left:
		return nil, errors.New(m.whyMute(t))
	default:
		return t, nil
	}
}

func cmdLeave(m *model, arg string) (tea.Cmd, error) {
	t, err := m.here()
	if err != nil {
		return nil, err
	}
	if arg != "" {
		return nil, errors.New("/leave leaves the room that is shown, and takes no name")
	}
	t.room.leaving = true
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		_, err := m.svc.LeaveRoom(ctx, t.target)
		return leftMsg{t, err}
	}), nil
}

func (m *model) takeLeft(msg leftMsg) tea.Cmd {
	if msg.err != nil {
		msg.t.room.leaving = false
		return m.fail(msg.err)
	}
	return m.tell("you left " + msg.t.label() + "; /join goes back in")
}

func cmdNick(m *model, arg string) (tea.Cmd, error) {
	t, err := m.here()
	if err != nil {
		return nil, err
	}
	if arg == "" {
		return nil, errors.New("say which: /nick NICK")
	}
	if err := api.CheckNick(arg); err != nil {
		return nil, err
	}
	return m.join(joinedMsg{stay: true}, func(ctx context.Context) (api.Entry, error) {
		return m.svc.JoinRoom(ctx, api.JoinRoomRequest{Room: t.target, Nick: arg, Wait: api.DefaultWait})
	}), nil
}

func cmdNames(m *model, _ string) (tea.Cmd, error) {
	t, err := m.here()
	if err != nil {
		return nil, err
	}
	m.open(t.label(), m.renderNames(t))
	return nil, nil
}

// splitRoom takes a room off the front of what was typed after /join: names
// may hold spaces, so the longest that is known wins, else what stands in
// quotes, else the first word. The rest is the nick. target is the room's ID
// when it is known.
func (m *model) splitRoom(arg string) (target, label, nick string, err error) {
	if quoted, ok := strings.CutPrefix(arg, `"`); ok {
		name, rest, closed := strings.Cut(quoted, `"`)
		if !closed || strings.TrimSpace(name) == "" {
			return "", "", "", errors.New(`a name that begins with " ends with one: /join "NAME" [NICK]`)
		}
		arg, nick = name, strings.TrimSpace(rest)
		target, label, rest = m.knownRoom(arg)
		if target == "" || rest != "" {
			return arg, "#" + clean(strings.TrimPrefix(arg, "#")), nick, nil
		}
		return target, label, nick, nil
	}
	if target, label, nick = m.knownRoom(arg); target != "" {
		return target, label, nick, nil
	}
	name, rest, _ := strings.Cut(arg, " ")
	return name, "#" + clean(strings.TrimPrefix(name, "#")), strings.TrimSpace(rest), nil
}

// knownRoom finds the room whose name is the longest that arg begins with;
// target is its ID, or the name if several have it, or "".
func (m *model) knownRoom(arg string) (target, label, rest string) {
	best, ids := 0, map[string]bool{}
	take := func(id, name, shown string) {
		for _, n := range []string{name, "#" + name, shown} {
			fits := n != "" && len(arg) >= len(n) && strings.EqualFold(arg[:len(n)], n) && (len(arg) == len(n) || arg[len(n)] == ' ')
			if !fits || len(n) < best {
				continue
			}
			if len(n) > best {
				best = len(n)
				clear(ids)
			}
			ids[id] = true
			target, label = id, shown
		}
	}
	for _, t := range m.people.rows {
		if t.room != nil {
			take(t.key, t.name, t.label())
		}
	}
	joined := len(ids) > 0
	for _, r := range m.listing.rows {
		// Of rooms of one name, those one is in come first.
		if n := len(r.Name); !joined || n+1 > best {
			take(r.RoomID, r.Name, m.listing.label(r))
		}
	}
	if best == 0 {
		return "", "", ""
	}
	if len(ids) > 1 {
		target = arg[:best]
	}
	return target, cmp.Or(label, "#"+clean(target)), strings.TrimSpace(arg[best:])
}
