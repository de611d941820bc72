package tui

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// about is the message that what is being written is about: an answer to it, or
// its new text.
type about struct {
	id   string
	edit bool
	kept string // the draft as it was before the edit began
}

// amendable tells whether a line can be answered, edited, reacted to and retracted.
func (l *line) amendable() bool {
	return !l.Retracted && (l.Kind == api.MessageText || l.Kind == api.MessageAction || l.Kind == api.MessagePrivate)
}

// isAmendment tells whether all of a message shows in the one that it is about.
func isAmendment(msg api.Message) bool {
	switch msg.Kind {
	case api.MessageEdit, api.MessageRetraction, api.MessageReaction, api.MessageUnreaction:
		return true
	}
	return false
}

// amended tells whether anything became of a line.
func (l *line) amended() bool { return l.Retracted || !l.Edited.IsZero() || len(l.Reactions) > 0 }

// typed is the text of a line as it was written.
func (l *line) typed() string {
	if l.Kind == api.MessageAction {
		return api.ActionPrefix + l.Text
	}
	return l.Text
}

// openMessages lists the messages that are loaded, to choose one.
func (m *model) openMessages(t *talk) {
	m.show(&menu{
		t: t, title: "Messages", does: "chooses", last: true, chosen: m.foundID(t),
		empty: "Nothing is loaded here; PgUp loads older messages.",
		rows: func(m *model) []choice {
			var rows []choice
			for _, l := range t.log.lines {
				if l.amendable() {
					rows = append(rows, m.messageChoice(t, l, ""))
				}
			}
			return rows
		},
		enter: func(m *model, id string) tea.Cmd {
			m.openMessage(t, id)
			return nil
		},
	})
}

// messageChoice is a line as a row of a menu.
func (m *model) messageChoice(t *talk, l *line, why string) choice {
	return choice{
		id: l.ID, label: m.local(l.Time).Format("15:04") + " " + m.author(t, l), style: m.styles.sender(l.Author),
		tail: strings.Join(strings.Fields(l.Text), " "), why: why,
	}
}

// openMessage lists what one may do with a message.
func (m *model) openMessage(t *talk, id string) {
	m.show(&menu{
		t: t, title: "This message", does: "does it",
		head: func(m *model, w int) []string {
			return []string{clip(m.width, m.quote(t, id), w), ""}
		},
		rows: func(m *model) []choice {
			mute, notOurs := m.whyMute(t), ""
			if l := t.log.byID[id]; l == nil || l.Author != m.self.PeerID {
				notOurs = "only its author can"
			}
			why := func(reasons ...string) string {
				i := slices.IndexFunc(reasons, func(s string) bool { return s != "" })
				if i < 0 {
					return ""
				}
				return reasons[i]
			}
			return []choice{
				{id: "reply", label: "Reply", why: mute},
				{id: "react", label: "React", why: mute},
				{id: "edit", label: "Edit", why: why(notOurs, mute)},
				{id: "retract", label: "Take back", tail: "its text is deleted everywhere", why: why(notOurs, mute)},
			}
		},
		enter: func(m *model, do string) tea.Cmd {
			m.closeDialog()
			switch do {
			case "reply":
				m.beginReply(t, id)
			case "react":
				m.openReactions(t, id)
			case "edit":
				m.beginEdit(t, id)
			default:
				m.confirmRetract(t, id)
			}
			return nil
		},
	})
}

func (m *model) beginReply(t *talk, id string) {
	m.endAbout(t)
	t.about = &about{id: id}
}

// beginEdit puts the text of a message into the input.
func (m *model) beginEdit(t *talk, id string) {
	if l := t.log.byID[id]; l != nil {
		m.endAbout(t)
		t.about = &about{id: id, edit: true, kept: t.draft.text}
		t.draft.setText(l.typed())
	}
}

// endAbout has what is being written be about nothing. Of an edit the draft is
// what it was before.
func (m *model) endAbout(t *talk) {
	if a := t.about; a != nil && a.edit {
		t.draft.setText(a.kept)
	}
	t.about = nil
}

// aboutLine says above the input what is being written, "" if nothing particular.
func (m *model) aboutLine(t *talk) string {
	switch {
	case t.about == nil:
		return ""
	case t.about.edit:
		return m.quoted(t, "editing", t.about.id)
	}
	return m.quoted(t, "replying to", t.about.id)
}

// quoted is what is done to a message, and to which, in a row.
func (m *model) quoted(t *talk, does, id string) string {
	return clip(m.width, does+" "+m.quote(t, id), max(m.w-4, 1))
}

// quote is who said what, in one line.
func (m *model) quote(t *talk, id string) string {
	l := t.log.byID[id]
	switch {
	case l == nil:
		return "an earlier message"
	case l.Retracted:
		return m.author(t, l) + ": " + retractedText
	case l.Kind == api.MessageAction:
		return m.author(t, l) + " " + strings.Join(strings.Fields(l.Text), " ")
	}
	return m.author(t, l) + ": " + strings.Join(strings.Fields(l.Text), " ")
}

// sayAbout says the draft's text about what was chosen.
func (m *model) sayAbout(t *talk, text string) (tea.Cmd, error) {
	cmd, err := m.queue(outgoing{t: t, text: text, about: t.about})
	if err == nil {
		t.about = nil
	}
	return cmd, err
}

// confirmRetract asks before a text is gone.
func (m *model) confirmRetract(t *talk, id string) {
	m.show(&menu{
		t: t, title: "Take it back?", does: "chooses",
		head: func(m *model, w int) []string {
			const what = "Its text is deleted here and by everybody who hears of it. This cannot be undone."
			return slices.Concat([]string{clip(m.width, m.quote(t, id), w), ""}, wrapText(m.width, what, w), []string{""})
		},
		rows: func(*model) []choice {
			return []choice{{id: "keep", label: "Keep it"}, {id: "retract", label: "Take it back"}}
		},
		enter: func(m *model, do string) tea.Cmd {
			m.closeDialog()
			if do == "keep" {
				return nil
			}
			return m.amend("taken back", m.svc.Retract, api.AmendRequest{Target: t.target, ID: id})
		},
	})
}

// usualReactions are offered; others are typed.
var (
	usualReactions = []string{"👍", "❤️", "😂", "🎉", "😮", "😢"}
	plainReactions = []string{"+1", "-1", ":)", ":(", "ok", "thanks"}
)

// openReactions offers reactions to a message; one that is made already is taken
// away.
func (m *model) openReactions(t *talk, id string) {
	const other = "other"
	usual := usualReactions
	if m.signs.plain {
		usual = plainReactions
	}
	m.show(&menu{
		t: t, title: "React", does: "chooses",
		head: func(m *model, w int) []string { return []string{clip(m.width, m.quote(t, id), w), ""} },
		rows: func(m *model) []choice {
			var rows []choice
			for _, mine := range m.myReactions(t, id) {
				rows = append(rows, choice{id: "-" + mine, label: clean(mine), tail: "take it away"})
			}
			for _, r := range usual {
				if !slices.Contains(m.myReactions(t, id), r) {
					rows = append(rows, choice{id: "+" + r, label: r})
				}
			}
			return append(rows, choice{id: other, label: "another", tail: "to be typed"})
		},
		enter: func(m *model, with string) tea.Cmd {
			m.closeDialog()
			if with == other {
				m.askReaction(t, id)
				return nil
			}
			return m.react(t, id, with[1:], with[0] == '-')
		},
	})
}

// myReactions are those we made to a message, as they were made.
func (m *model) myReactions(t *talk, id string) []string {
	var mine []string
	if l := t.log.byID[id]; l != nil {
		for _, r := range l.Reactions {
			if slices.Contains(r.By, m.self.PeerID) {
				mine = append(mine, r.Text)
			}
		}
	}
	return mine
}

func (m *model) askReaction(t *talk, id string) {
	m.put(&question{
		t: t, title: "React", text: m.quote(t, id), ask: "an emoji, or a short word", does: "reacts",
		answer: func(m *model, _ *question, text string) (tea.Cmd, error) {
			if err := api.CheckReaction(text); err != nil {
				return nil, err
			}
			m.closeDialog()
			return m.react(t, id, text, false), nil
		},
	})
}

func (m *model) react(t *talk, id, with string, undo bool) tea.Cmd {
	said := "reacted " + clean(with) + " to"
	if undo {
		said = "took " + clean(with) + " away from"
	}
	return m.amend(m.quoted(t, said, id), m.svc.React, api.AmendRequest{Target: t.target, ID: id, Text: with, Undo: undo})
}

// amend asks the service for something about a message.
func (m *model) amend(said string, call func(context.Context, api.AmendRequest) (api.Receipt, error), r api.AmendRequest) tea.Cmd {
	return m.calls.do(sendTime, func(ctx context.Context) tea.Msg {
		_, err := call(ctx, r)
		return doneMsg{said, err}
	})
}

func amendCommands() []command {
	return []command{
		{"reply", "[TEXT]", "answer somebody's newest message; F3 chooses others", cmdReply},
		{"edit", "[TEXT]", "change your newest message", cmdEdit},
		{"react", "[EMOJI]", "react to somebody's newest message, or take it back", cmdReact},
		{"retract", "[WHO [REASON]]", "take back a message, which you choose", cmdRetract},
	}
}

// meant is the line that a command is about that names none, one of ours or of the
// others: what a search found as long as that is shown, else the newest. Nothing is
// done to the newest of some window that a search has left behind, nor to what was
// found and is no longer on the screen.
func (m *model) meant(ours bool) (*talk, *line, error) {
	t := m.people.focus
	if t == nil {
		return nil, nil, errors.New("there is no message yet")
	}
	const instead = "; Esc goes down to the newest message, F3 chooses one"
	if l := m.found(t); l != nil || t.log.apart.on {
		switch {
		case l == nil || !m.inSight(t, l):
			return nil, nil, errors.New("what was found is no longer on the screen" + instead)
		case !l.amendable():
			return nil, nil, errors.New("what was found was taken back" + instead)
		case ours && l.Author != m.self.PeerID:
			return nil, nil, errors.New("what was found is not yours" + instead)
		case !ours && l.Author == m.self.PeerID:
			return nil, nil, errors.New("what was found is your own" + instead)
		}
		return t, l, nil
	}
	for _, l := range slices.Backward(t.log.lines) {
		if l.amendable() && ours == (l.Author == m.self.PeerID) {
			return t, l, nil
		}
	}
	if ours {
		return nil, nil, errors.New("nothing of yours is loaded here; PgUp loads older messages")
	}
	return nil, nil, errors.New("nothing of anybody else is loaded here; PgUp loads older messages")
}

// sayOf says text about l, and which that is if it is not on the screen or does not
// stay there: what is said is shown at the bottom.
func (m *model) sayOf(t *talk, l *line, text, does string, edit bool) (tea.Cmd, error) {
	which := ""
	if l == t.log.hit || !m.inSight(t, l) {
		which = m.quoted(t, does, l.ID)
	}
	cmd, err := m.queue(outgoing{t: t, text: text, about: &about{id: l.ID, edit: edit}})
	if err != nil || which == "" {
		return cmd, err
	}
	return tea.Batch(cmd, m.tell(which)), nil
}

func cmdReply(m *model, arg string) (tea.Cmd, error) {
	t, l, err := m.meant(false)
	if err != nil {
		return nil, err
	}
	if arg == "" {
		m.beginReply(t, l.ID)
		return nil, nil
	}
	return m.sayOf(t, l, arg, "replying to", false)
}

func cmdEdit(m *model, arg string) (tea.Cmd, error) {
	t, l, err := m.meant(true)
	if err != nil {
		return nil, err
	}
	if arg == "" {
		t.draft.setText("") // the command
		m.beginEdit(t, l.ID)
		return nil, errKeep
	}
	return m.sayOf(t, l, arg, "editing", true)
}

func cmdReact(m *model, arg string) (tea.Cmd, error) {
	t, l, err := m.meant(false)
	if err != nil {
		return nil, err
	}
	if arg == "" {
		m.openReactions(t, l.ID)
		return nil, nil
	}
	if err := api.CheckReaction(arg); err != nil {
		return nil, err
	}
	return m.react(t, l.ID, arg, slices.Contains(m.myReactions(t, l.ID), arg)), nil
}

// chips is what stands under a line of what became of it, "" if nothing did.
func (m *model) chips(l *line) string {
	var out []string
	if !l.Edited.IsZero() {
		out = append(out, "(edited)")
	}
	for _, r := range l.Reactions {
		chip := clean(r.Text)
		if len(r.By) > 1 {
			chip += " " + strconv.Itoa(len(r.By))
		}
		if slices.Contains(r.By, m.self.PeerID) {
			chip = "[" + chip + "]"
		}
		out = append(out, chip)
	}
	return strings.Join(out, "  ")
}
