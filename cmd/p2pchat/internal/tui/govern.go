package tui

import (
	"context"
	"errors"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// governCommands are the slash commands that govern a room. In the help, what
// one may not do in the room that is shown is greyed, with the reason.
func governCommands() []command {
	return []command{
		{"who", "[WHO]", "what you may do with somebody here; alone it lists everybody", cmdWho},
		{"pm", "WHO TEXT", "say something to one person of this room", cmdPM},
		{"invite", "WHO [REASON]", "ask somebody into this room", cmdInvite},
		{"accept", "[ROOM [NICK]]", "accept an invitation", cmdAccept},
		{"decline", "[ROOM [REASON]]", "decline an invitation", cmdDecline},
		{"voice-request", "", "ask the moderators to let you speak", cmdVoiceRequest},
		{"subject", "TEXT", "set the subject of this room; - takes it away", cmdSubject},
		{"voice", "WHO [REASON]", "let somebody speak", cmdGovern(api.ActVoice)},
		{"devoice", "WHO [REASON]", "silence somebody", cmdGovern(api.ActDevoice)},
		{"kick", "WHO [REASON]", "put somebody out, who may come back", cmdGovern(api.ActKick)},
		{"ban", "WHO [REASON]", "put somebody out, and keep him out", cmdGovern(api.ActBan)},
		{"unban", "WHO [REASON]", "lift a ban", cmdGovern(api.ActUnban)},
		{"grant", "WHO STANDING [REASON]", "make somebody member, moderator, admin or owner; none takes it away", cmdGrant},
		{"config", "[KEY=VALUE …]", "the settings of this room, the password among them", cmdConfig},
		{"destroy", "[--alternate ROOM] [REASON]", "end this room for all; asks first", cmdDestroy},
		{"audit", "", "who did what in this room, and whether it counts", cmdAudit},
		{"notices", "", "what happened: invitations, requests for voice, …", cmdNotices},
	}
}

// whyNotCommand says why a command is of no use in t, or "".
func (m *model) whyNotCommand(name string) string {
	t := m.people.focus
	if t == nil || t.room == nil {
		return ""
	}
	switch name {
	case api.ActVoice, api.ActDevoice, api.ActKick, api.ActBan, api.ActUnban, api.ActDestroy:
		return whyNot(t.room.Standing, name)
	case "grant":
		return whyNot(t.room.Standing, grant(api.StandingMember))
	case "config":
		return whyNot(t.room.Standing, actConfigure)
	case "subject":
		return m.whyNoSubject(t)
	case "invite":
		return m.whyNoInvite(t, api.StandingMember)
	case "voice-request":
		if t.room.Role != api.RoleVisitor && t.room.Role != "" {
			return "you may speak here already"
		}
	case "me":
		return m.whyMute(t)
	}
	return ""
}

// splitWho takes a person of t off the front of arg. who is his peer ID where
// it is known, else what was typed, of which the service makes what it can.
// Nicks may hold spaces, so the longest that is known wins.
func (m *model) splitWho(t *talk, arg, usage string) (who, rest string, err error) {
	if arg == "" {
		return "", "", errors.New("say whom: " + usage)
	}
	if quoted, ok := strings.CutPrefix(arg, `"`); ok {
		name, rest, closed := strings.Cut(quoted, `"`)
		if !closed || strings.TrimSpace(name) == "" {
			return "", "", errors.New(`a name that begins with " ends with one: ` + usage)
		}
		if who, left := m.knownWho(t, name); who != "" && left == "" {
			return who, strings.TrimSpace(rest), nil
		}
		return name, strings.TrimSpace(rest), nil
	}
	if who, rest := m.knownWho(t, arg); who != "" {
		return who, rest, nil
	}
	name, rest, _ := strings.Cut(arg, " ")
	return name, strings.TrimSpace(rest), nil
}

// knownWho finds whose name is the longest that arg begins with: a nick in the
// room before names elsewhere. who is what was typed where it is several
// people's, and empty if it is nobody's.
func (m *model) knownWho(t *talk, arg string) (who, rest string) {
	best, ids := 0, map[string]bool{}
	take := func(peerID string, names ...string) {
		for _, n := range names {
			if n == "" || len(n) < best || !startsWith(arg, n) {
				continue
			}
			if len(n) > best {
				best = len(n)
				clear(ids)
			}
			ids[peerID] = true
		}
	}
	for _, r := range t.room.members.rows {
		label := m.rowLabel(t, r)
		take(r.PeerID, label, r.Nick, "@"+label, "@"+r.Nick, clean(r.PeerID))
	}
	nicks := best
	names := func(peerID string, names ...string) {
		for _, n := range names {
			if len(n) > nicks {
				take(peerID, n, "@"+n)
			}
		}
	}
	for _, r := range t.room.members.rows {
		names(r.PeerID, r.Name)
	}
	for _, p := range m.people.rows {
		if p.room == nil {
			names(p.key, p.label(), p.name, clean(p.key))
		}
	}
	for id := range t.room.rules.people {
		names(id, clean(id))
	}
	switch len(ids) {
	case 0:
		return "", ""
	case 1:
		for id := range ids {
			who = id
		}
	default:
		who = arg[:best]
	}
	return who, strings.TrimSpace(arg[best:])
}

// govern runs an act, which the transcript then tells of.
func (m *model) govern(r api.GovernRequest) tea.Cmd {
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		_, err := m.svc.Govern(ctx, r)
		return doneMsg{err: err}
	})
}

// cmdGovern is the command of an act on a person.
func cmdGovern(act string) func(m *model, arg string) (tea.Cmd, error) {
	return func(m *model, arg string) (tea.Cmd, error) {
		t, err := m.here()
		if err != nil {
			return nil, err
		}
		who, reason, err := m.splitWho(t, arg, "/"+act+" WHO [REASON]")
		if err != nil {
			return nil, err
		}
		if err := api.CheckReason(reason); err != nil {
			return nil, err
		}
		return m.govern(api.GovernRequest{Room: t.target, Act: act, Who: who, Reason: reason}), nil
	}
}

// standings are what may be granted.
var standings = []string{api.StandingMember, api.StandingModerator, api.StandingAdmin, api.StandingOwner, api.StandingNone}

func cmdGrant(m *model, arg string) (tea.Cmd, error) {
	const usage = "/grant WHO STANDING [REASON]"
	t, err := m.here()
	if err != nil {
		return nil, err
	}
	who, rest, err := m.splitWho(t, arg, usage)
	if err != nil {
		return nil, err
	}
	standing, reason, _ := strings.Cut(rest, " ")
	standing, reason = strings.ToLower(standing), strings.TrimSpace(reason)
	if !slices.Contains(standings, standing) {
		return nil, errors.New("say which standing: " + usage + "; there are " + strings.Join(standings, ", "))
	}
	if err := api.CheckReason(reason); err != nil {
		return nil, err
	}
	return m.govern(api.GovernRequest{Room: t.target, Act: api.ActGrant, Who: who, Standing: standing, Reason: reason}), nil
}

func cmdInvite(m *model, arg string) (tea.Cmd, error) {
	t, err := m.here()
	if err != nil {
		return nil, err
	}
	who, reason, err := m.splitWho(t, arg, "/invite WHO [REASON]")
	if err != nil {
		return nil, err
	}
	if err := api.CheckReason(reason); err != nil {
		return nil, err
	}
	said := "you invited " + m.nameFor(t, who) + " into " + t.label()
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		_, err := m.svc.Invite(ctx, t.target, who, reason)
		return doneMsg{said, err}
	}), nil
}

func cmdPM(m *model, arg string) (tea.Cmd, error) {
	const usage = "/pm WHO TEXT"
	t, err := m.here()
	if err != nil {
		return nil, err
	}
	who, text, err := m.splitWho(t, arg, usage)
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, errors.New("say what: " + usage)
	}
	if err := api.CheckText(text); err != nil {
		return nil, err
	}
	name := m.nameFor(t, who)
	said := "you wrote to " + name + " privately: it stands in the conversation with him, /msg " + name + " shows it"
	return m.calls.do(sendTime, func(ctx context.Context) tea.Msg {
		_, err := m.svc.SendPrivate(ctx, t.target, who, text, 0)
		return doneMsg{said, err}
	}), nil
}

// nameFor is how people call who was found by splitWho, outside of the room.
func (m *model) nameFor(t *talk, who string) string {
	if o := m.people.byKey[who]; o != nil && o.room == nil {
		return o.label()
	}
	return clean(m.personIn(t, who).label)
}

func cmdVoiceRequest(m *model, _ string) (tea.Cmd, error) {
	t, err := m.here()
	if err != nil {
		return nil, err
	}
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		_, err := m.svc.RequestVoice(ctx, t.target)
		return doneMsg{"the moderators are asked for voice; those who are away will read it when they are back", err}
	}), nil
}

func cmdSubject(m *model, arg string) (tea.Cmd, error) {
	t, err := m.here()
	if err != nil {
		return nil, err
	}
	switch arg {
	case "":
		return nil, errors.New("say which: /subject TEXT; /subject - takes it away")
	case "-":
		arg = ""
	}
	if err := api.CheckSubject(arg); err != nil {
		return nil, err
	}
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		_, err := m.svc.SetSubject(ctx, t.target, arg)
		return doneMsg{err: err}
	}), nil
}

func cmdDestroy(m *model, arg string) (tea.Cmd, error) {
	t, err := m.here()
	if err != nil {
		return nil, err
	}
	r := api.GovernRequest{Room: t.target, Act: api.ActDestroy, Reason: arg}
	text := "This ends " + t.label() + " for all its members, for ever. Nobody can undo it."
	if rest, ok := strings.CutPrefix(arg, "--alternate"); ok {
		target, label, reason, err := m.splitRoom(strings.TrimSpace(rest))
		if err != nil || target == "" {
			return nil, errors.New("say which room takes its place: /destroy --alternate ROOM [REASON]")
		}
		r.Alternate, r.Reason = target, reason
		text += " They are told to go to " + label + "."
	}
	if err := api.CheckReason(r.Reason); err != nil {
		return nil, err
	}
	if why := whyNot(t.room.Standing, api.ActDestroy); why != "" && t.room.Standing != "" {
		return nil, errors.New(why)
	}
	if r.Reason != "" {
		text += " The reason that they read: " + clean(r.Reason)
	}
	m.put(&question{
		t: t, title: "Destroy " + t.label(), text: text + "\n\nTo go on, type its name: " + t.name,
		ask: "its name", does: "destroys the room",
		answer: func(m *model, _ *question, name string) (tea.Cmd, error) {
			if strings.TrimPrefix(strings.TrimSpace(name), "#") != t.name {
				return nil, errors.New("that is not its name: " + t.name)
			}
			m.closeDialog()
			return m.govern(r), nil
		},
	})
	return nil, nil
}
