package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"p2pchat/node/api"
)

const (
	welcome      = "Welcome to p2pchat. Some questions make your account on this computer."
	nameText     = "Others on the network see this name."
	passwordText = "A password protects your key: without it nobody can be you. It does not protect stored messages, " +
		"and it cannot be reset."
	againText = "What you type is not shown, and a slip would lock you out for good."
)

// FirstRun asks on a terminal for the two things an account needs, a name and
// a password (nil for none, else it is asked for twice), and makes the account of
// them with create.
//
// check, which must be quick, says whether a name will do; its error is shown
// and the question stays. create may take seconds and should end soon after
// its context does; errors of the codes usage, bad-text and too-long lead back
// to the name, all others end the questions and are returned. The result is
// false, nil if the person gives up. in and out are the terminal; nil means
// standard input and output.
func FirstRun(ctx context.Context, in io.Reader, out io.Writer, check func(name string) error,
	create func(ctx context.Context, name string, password []byte) error,
) (created bool, err error) {
	c := newCalls(ctx)
	f := newForm(check, func() tea.Cmd { return nil })
	f.make = func() tea.Cmd {
		name, password := f.name.text, []byte(f.password.text)
		if len(password) == 0 {
			password = nil
		}
		return c.do(0, func(ctx context.Context) tea.Msg {
			err := create(ctx, name, password)
			created = err == nil
			return createdMsg{err}
		})
	}
	err = runProgram(ctx, newProgram(f, in, out, os.Environ()))
	c.close()
	switch {
	case created: // also when the person left while it was being made
		return true, nil
	case f.fatal != nil:
		return false, f.fatal
	case ctx.Err() != nil:
		return false, ctx.Err()
	case f.state == formLeft || err == nil || errors.Is(err, tea.ErrInterrupted):
		return false, nil
	}
	return false, fmt.Errorf("terminal: %w", err)
}

// form is the first-run screen: the questions below each other; what was
// answered stays on the terminal when it is done, the password hidden.
type form struct {
	name, password draft
	again          draft // the password once more; equal to it when it will do
	state          formState
	shown          bool // the password, as it is typed
	err            error
	fatal          error
	w              int

	check func(name string) error
	make  func() tea.Cmd
}

type formState int

const (
	formName formState = iota
	formPassword
	formAgain
	formBusy
	formDone
	formLeft
)

type createdMsg struct{ err error }

func newForm(check func(string) error, create func() tea.Cmd) *form {
	empty := draft{column: -1}
	return &form{name: empty, password: empty, again: empty, check: check, make: create}
}

func (f *form) Init() tea.Cmd { return nil }

func (f *form) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		f.w = msg.Width
	case createdMsg:
		switch {
		case msg.err == nil:
			f.state = formDone
			return f, tea.Quit
		case api.IsCode(msg.err, api.CodeUsage), api.IsCode(msg.err, api.CodeBadText), api.IsCode(msg.err, api.CodeTooLong):
			f.err, f.state = msg.err, formName
			return f, nil
		}
		f.fatal, f.state = msg.err, formLeft
		return f, tea.Quit
	case tea.PasteMsg:
		line, _, _ := strings.Cut(msg.Content, "\n")
		f.write(strings.TrimSuffix(line, "\r"))
	case tea.KeyPressMsg:
		return f, f.keyPress(msg)
	}
	return f, nil
}

func (f *form) keyPress(msg tea.KeyPressMsg) tea.Cmd {
	switch {
	case key.Matches(msg, keys.Quit), key.Matches(msg, keys.Close):
		f.state = formLeft
		return tea.Quit
	case f.state == formBusy:
	case key.Matches(msg, keys.Send), key.Matches(msg, keys.Newline): // typed ahead, Enter is a line feed
		return f.next()
	case key.Matches(msg, keys.Up) && f.state == formAgain:
		f.state = formPassword
		f.again.setText("")
	case key.Matches(msg, keys.Up) && f.state == formPassword:
		f.state = formName
	case key.Matches(msg, keys.Complete) && f.state != formName:
		f.shown = !f.shown
	case key.Matches(msg, keys.Up), key.Matches(msg, keys.Down):
	case msg.Text != "" && msg.Mod&(tea.ModCtrl|tea.ModAlt) == 0:
		f.write(msg.Text)
	default:
		var in input
		in.edit(f.field(), ansi.WcWidth, 1<<20, msg)
	}
	return nil
}

func (f *form) field() *draft {
	switch f.state {
	case formPassword:
		return &f.password
	case formAgain:
		return &f.again
	}
	return &f.name
}

// write adds what was typed. A password is taken as it is typed, less control
// characters.
func (f *form) write(s string) {
	switch f.state {
	case formName:
		f.err = nil
		f.name.insert(s)
	case formPassword, formAgain:
		f.err = nil
		f.field().put(secretText(s))
	}
}

// next takes an answer.
func (f *form) next() tea.Cmd {
	f.err = nil
	if f.state == formName {
		f.name.setText(strings.TrimSpace(f.name.text))
		if f.err = f.check(f.name.text); f.err == nil {
			f.state = formPassword
		}
		return nil
	}
	f.shown = false
	switch same := f.password.text == f.again.text; {
	case same: // also where there is none, and where the name was refused since
		f.state = formBusy
		return f.make()
	case f.state == formPassword:
		f.again.setText("")
		f.state = formAgain
	default:
		f.err = errors.New("the two are not the same: choose the password anew")
		f.password.setText("")
		f.again.setText("")
		f.state = formPassword
	}
	return nil
}

func (f *form) View() tea.View {
	const mw = ansi.WcWidth
	w := max(min(f.w, 72), 20)
	bold, dim := lipgloss.NewStyle().Bold(true), lipgloss.NewStyle().Faint(true)
	var v tea.View
	var rows []string
	put := func(st lipgloss.Style, text string) {
		for _, r := range wrapText(mw, text, w) {
			rows = append(rows, st.Render(r))
		}
	}
	ask := func(label, text, shown string, at int) {
		// Long answers scroll: the end beside the cursor stays in view.
		gs := glyphs(mw, shown[:at])
		from, room := 0, max(w-mw.StringWidth(label)-3, 4)
		for wide := mw.StringWidth(shown[:at]); wide > room; from++ {
			wide -= gs[from].w
		}
		skip := 0
		for _, g := range gs[:from] {
			skip += g.n
		}
		rows = append(rows, bold.Render(label)+"  "+clip(mw, shown[skip:], room+1))
		v.Cursor = tea.NewCursor(mw.StringWidth(label)+2+mw.StringWidth(shown[skip:at]), len(rows)-1)
		put(dim, text)
	}
	rows = append(rows, "")
	put(bold, welcome)
	failed := func() {
		if f.err != nil {
			put(lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Color("9")), "! "+clean(f.err.Error()))
		}
	}
	secret := func(d draft) (string, int) {
		if f.shown {
			d = unmasked(d)
		} else {
			d = masked(mw, d)
		}
		return d.text, d.cursor
	}
	rows = append(rows, "")
	ask("Your name", nameText, f.name.text, f.name.cursor)
	if f.state == formName {
		failed()
	}
	if f.state > formName && f.state != formLeft {
		shown, at := secret(f.password)
		switch {
		case f.state == formDone && shown == "":
			shown = "none"
		case f.state >= formBusy:
			shown, at = "********"[:min(8, len(shown))], 0 // its length is nobody's business
		}
		rows = append(rows, "")
		ask("Password ", passwordText+" Enter without one for none; Tab shows what you type.", shown, at)
		failed()
	}
	if f.state == formAgain {
		shown, at := secret(f.again)
		rows = append(rows, "")
		ask("Once more", againText, shown, at)
	}
	if f.state == formBusy {
		put(bold, "making your account…")
	}
	if f.state >= formBusy {
		v.Cursor = nil
	}
	v.SetContent(strings.Join(rows, "\n") + "\n")
	return v
}
