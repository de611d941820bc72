package tui

import (
	"context"
	"errors"
	"strings"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// person is who is named in arg, or without a name the one talked with; rest is
// what stands behind.
func (m *model) person(arg, usage string) (t *talk, rest string, err error) {
	if name, _, _ := strings.Cut(arg, " "); name == "" || strings.HasPrefix(name, "--") {
		if t = m.people.focus; t == nil || t.room != nil {
			return nil, "", errors.New("say whom: " + usage)
		}
		return t, arg, nil
	}
	if t, rest, err = m.people.split(arg); err == nil && t.room != nil {
		err = errors.New(t.label() + " is a room: " + usage)
	}
	return t, rest, err
}

func cmdVerify(m *model, arg string) (tea.Cmd, error) {
	const usage = "/verify NAME [--undo]"
	t, rest, err := m.person(arg, usage)
	if err != nil {
		return nil, err
	}
	if rest != "" && rest != "--undo" {
		return nil, errors.New("there is no " + clean(rest) + ": " + usage)
	}
	if rest != "" {
		said := t.label() + " is no longer marked as verified"
		return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
			_, err := m.svc.Verify(ctx, t.target, true)
			return doneMsg{said, err}
		}), nil
	}
	id := m.open("Verify", m.wait("marking"))
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		_, err := m.svc.Verify(ctx, t.target, false)
		return verifiedMsg{id, t, err}
	}), nil
}

func cmdBlock(m *model, arg string) (tea.Cmd, error) { return m.block(arg, "/block NAME", false) }

func cmdUnblock(m *model, arg string) (tea.Cmd, error) { return m.block(arg, "/unblock NAME", true) }

func (m *model) block(arg, usage string, undo bool) (tea.Cmd, error) {
	t, rest, err := m.person(arg, usage)
	var who, label string
	switch {
	case api.IsCode(err, api.CodeNotFound) && !strings.ContainsAny(arg, " \n"):
		who, label = arg, clean(arg) // the service knows peer IDs of those who were never here
	case err != nil:
		return nil, err
	case rest != "":
		return nil, errors.New("there is no " + clean(rest) + ": " + usage)
	default:
		who, label = t.target, t.label()
	}
	said := label + " is blocked: what he sends is not taken, and what he says in rooms is hidden; /unblock undoes it"
	if undo {
		said = label + " is not blocked any more"
	}
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		_, err := m.svc.Block(ctx, who, undo)
		return doneMsg{said, err}
	}), nil
}

// marksOf is how one has marked somebody, to stand behind another word.
func marksOf(p api.Peer) string {
	marks := ""
	if p.Verified {
		marks += ", verified"
	}
	if p.Blocked {
		marks += ", blocked"
	}
	return marks
}

// verifiedMsg says that somebody was marked as verified, or why not.
type verifiedMsg struct {
	sheet int
	t     *talk
	err   error
}

// renderVerify shows what is to be compared.
func (m *model) renderVerify(t *talk) func(w int) []string {
	return func(w int) []string {
		col := min(max(m.width.StringWidth(t.label()), m.width.StringWidth(m.self.Name), 4), 20)
		rows := m.entries(w, col, t.label(), t.peer.Fingerprint)
		rows = append(rows, m.entries(w, col, m.self.Name, m.self.Fingerprint)...)
		rows = append(rows, "")
		return append(rows, wrapText(m.width, t.label()+" is marked as verified. Read both lines to each other, face to face or on the phone: "+
			"his machine shows the same two with /verify. If they differ, /verify "+t.label()+" --undo takes the mark away.", w)...)
	}
}
