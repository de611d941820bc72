package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// errKeep leaves in the input what a command has put there.
var errKeep = errors.New("the input is as it should be")

// command is a slash command. An error leaves the text in the input.
type command struct {
	name, args, help string
	run              func(m *model, arg string) (tea.Cmd, error)
}

// commandList is every command that exists with these options; /help lists
// it in this order.
func commandList(o Options) []command {
	list := []command{
		{"help", "", "commands, keys and signs", cmdHelp},
		{"msg", "NAME [TEXT]", "talk with somebody, also with one who is not there", cmdMsg},
		{"me", "TEXT", "say what you do: /me waves", cmdMe},
		{"away", "[TEXT]", "tell others that you are away", cmdAway},
		{"back", "", "you are back", cmdBack},
	}
	list = append(list, amendCommands()...)
	list = append(list, roomCommands()...)
	list = append(list, governCommands()...)
	list = append(list, []command{
		{"peers", "", "everybody known, with addresses", cmdPeers},
		{"add", "MULTIADDR", "connect to an address, such as /ip4/10.0.0.2/tcp/47700/p2p/ID", cmdAdd},
		{"verify", "[NAME] [--undo]", "mark somebody whose fingerprint you have compared", cmdVerify},
		{"block", "[NAME]", "take nothing from somebody, and hide what he says in rooms", cmdBlock},
		{"unblock", "[NAME]", "take the block away; what he said is shown again", cmdUnblock},
		{"whoami", "", "your name, peer ID and fingerprint", cmdWhoami},
		{"status", "", "this node: addresses, connections, what is queued", cmdStatus},
		{"doctor", "", "why don't I see the others? looks at network and storage", cmdDoctor},
	}...)
	if o.Capture != nil {
		list = append(list,
			command{"capture", "FILE", "record this node's packets for Wireshark, as .pcapng or .pcap; FILE --secrets: so that they can be read", cmdCapture},
			command{"stop-capture", "", "end the capture", cmdStopCapture})
	}
	return append(list,
		command{"search", "[WORDS]", "find what was said, in all conversations; from:NAME in:ROOM before: after:", cmdSearch},
		command{"clear", "", "empty the screen; PgUp brings it back", cmdClear},
		command{"mouse", "", "turn the mouse on or off: wheel and clicks, or selecting text", cmdMouse},
		command{"quit", "", "leave", cmdQuit})
}

func (m *model) command(name string) *command {
	for i := range m.commands {
		if m.commands[i].name == name {
			return &m.commands[i]
		}
	}
	return nil
}

// submit sends the draft or runs it as a command.
func (m *model) submit() tea.Cmd {
	d := m.draft()
	text := d.text
	if strings.TrimSpace(text) == "" {
		return nil
	}
	m.clearNote()
	var cmd tea.Cmd
	var err error
	t, next := m.people.focus, ""
	switch {
	case t != nil && t.about != nil && (t.about.edit || !strings.HasPrefix(text, "/") || strings.HasPrefix(text, api.ActionPrefix)):
		next = t.about.kept
		cmd, err = m.sayAbout(t, text)
	case strings.HasPrefix(text, "//"):
		plain := text[1:]
		if strings.HasPrefix(plain, api.ActionPrefix) {
			// The service would take it for an action: a space in front is
			// the only way to say these words.
			plain = " " + plain
		}
		cmd, err = m.say(m.people.focus, plain)
	case strings.HasPrefix(text, "/"):
		name, arg := text[1:], ""
		if i := strings.IndexAny(name, " \n\t"); i >= 0 {
			name, arg = name[:i], name[i+1:]
		}
		c := m.command(strings.ToLower(name))
		if c == nil {
			return m.fail(fmt.Errorf("there is no command /%s: /help lists them; type // to say text that begins with a slash", clip(m.width, clean(name), 40)))
		}
		cmd, err = c.run(m, strings.TrimSpace(arg))
	default:
		cmd, err = m.say(m.people.focus, text)
	}
	if errors.Is(err, errKeep) {
		m.input.remember(text)
		return cmd
	}
	if err != nil {
		return m.fail(err)
	}
	m.input.remember(text)
	d.setText(next)
	return cmd
}

// say puts a message into the queue of what is to be sent.
func (m *model) say(t *talk, text string) (tea.Cmd, error) {
	if t == nil {
		return nil, errors.New("there is nobody to talk with yet; /doctor says why, /add connects to an address")
	}
	return m.queue(outgoing{t: t, text: text})
}

// queue puts what is to be said into the queue.
func (m *model) queue(out outgoing) (tea.Cmd, error) {
	t := out.t
	if why := m.whyMute(t); why != "" {
		return nil, errors.New(why)
	}
	out.typed = out.text
	out.text = strings.TrimRight(out.text, "\n")
	if err := api.CheckText(out.text); err != nil {
		return nil, err
	}
	t.log.fresh = "" // whoever writes has read, and wants to see it
	t.log.back()
	delete(m.noticed, t.key) // the next word is news again
	m.outbox = append(m.outbox, out)
	return m.sendNext(), nil
}

func cmdHelp(m *model, _ string) (tea.Cmd, error) {
	m.open("Help", m.renderHelp)
	return nil, nil
}

func cmdPeers(m *model, _ string) (tea.Cmd, error) {
	m.open("People", m.renderPeers)
	return nil, nil
}

func cmdWhoami(m *model, _ string) (tea.Cmd, error) {
	m.open("You", m.renderWhoami)
	return nil, nil
}

func cmdMsg(m *model, arg string) (tea.Cmd, error) {
	if arg == "" {
		return nil, errors.New("say whom to: /msg NAME [TEXT]")
	}
	t, text, err := m.people.split(arg)
	if err != nil {
		return nil, err
	}
	var cmd tea.Cmd
	if text != "" {
		if cmd, err = m.say(t, text); err != nil {
			return nil, err
		}
	}
	return tea.Batch(cmd, m.focusOn(t)), nil
}

func cmdMe(m *model, arg string) (tea.Cmd, error) {
	if arg == "" {
		return nil, errors.New("say what you do: /me TEXT")
	}
	return m.say(m.people.focus, api.ActionPrefix+arg)
}

func cmdAway(m *model, arg string) (tea.Cmd, error) {
	text := strings.Join(strings.Fields(arg), " ")
	if err := api.CheckStatus(text); err != nil {
		return nil, err
	}
	return m.setAway(true, text), nil
}

func cmdBack(m *model, _ string) (tea.Cmd, error) { return m.setAway(false, ""), nil }

func (m *model) setAway(away bool, text string) tea.Cmd {
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		return awayMsg{away, m.svc.SetAway(ctx, away, text)}
	})
}

func cmdAdd(m *model, arg string) (tea.Cmd, error) {
	if arg == "" {
		return nil, errors.New("say which address: /add MULTIADDR, such as /ip4/10.0.0.2/tcp/47700/p2p/ID")
	}
	return tea.Batch(m.tell("connecting to "+clean(arg)+m.signs.queued), m.calls.do(dialTime, func(ctx context.Context) tea.Msg {
		err := m.svc.AddPeer(ctx, arg)
		return doneMsg{"remembered " + clean(arg) + "; who answers there appears on the left", err}
	})), nil
}

func cmdStatus(m *model, _ string) (tea.Cmd, error) {
	id := m.open("This node", m.wait("asking the node"))
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		st, err := m.svc.Status(ctx)
		return statusSheetMsg{id, st, err}
	}), nil
}

func cmdDoctor(m *model, _ string) (tea.Cmd, error) {
	id := m.open("Doctor", m.wait("looking at interfaces, multicast, ports and storage; this takes a few seconds"))
	return m.calls.do(doctorTime, func(ctx context.Context) tea.Msg {
		fs, err := m.svc.Diagnose(ctx)
		return findingsMsg{id, fs, err}
	}), nil
}

// wait is the content of a sheet until there is something to show.
func (m *model) wait(text string) func(w int) []string {
	return func(w int) []string { return wrapText(m.width, text+m.signs.queued, w) }
}

func cmdCapture(m *model, arg string) (tea.Cmd, error) {
	arg, secrets := strings.CutSuffix(" "+arg, " --secrets")
	arg = strings.TrimSpace(arg)
	switch {
	case arg == "":
		return nil, errors.New("say which file: /capture FILE, ending in .pcapng or .pcap")
	case m.capture != nil:
		return nil, fmt.Errorf("a capture into %s is running: /stop-capture ends it", clean(m.capture.file))
	}
	file := arg
	if rest, ok := strings.CutPrefix(file, "~/"); ok { // there is no shell to do it
		if home, err := os.UserHomeDir(); err == nil {
			file = filepath.Join(home, rest)
		}
	}
	ctx, cancel := context.WithCancel(m.calls.ctx)
	c := &capture{file: file, stop: cancel, news: make(chan string, 1), ended: make(chan struct{})}
	m.capture = c
	what := "capturing into " + clean(file)
	if secrets {
		what = "capturing with the keys into " + clean(file) +
			": whoever has the file reads all that is said, by others too; connections are opened anew, at the end again"
	}
	return tea.Batch(m.tell(what+"; /stop-capture ends it"), m.captureNews(c),
		m.calls.do(0, func(context.Context) tea.Msg {
			defer cancel()
			defer close(c.ended)
			summary, err := m.opts.Capture(ctx, file, secrets, c.tell)
			return captureMsg{summary, err}
		})), nil
}

// captureNews waits for the next news of a capture.
func (m *model) captureNews(c *capture) tea.Cmd {
	return m.calls.do(0, func(ctx context.Context) tea.Msg {
		select {
		case s := <-c.news:
			return captureNewsMsg{c, s}
		case <-c.ended:
		case <-ctx.Done():
		}
		return nil
	})
}

func cmdStopCapture(m *model, _ string) (tea.Cmd, error) {
	if m.capture == nil {
		return nil, errors.New("no capture is running")
	}
	m.capture.stop()
	return nil, nil
}

func containsAll(s string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(s, w) {
			return false
		}
	}
	return true
}

func cmdClear(m *model, _ string) (tea.Cmd, error) {
	if t := m.people.focus; t != nil {
		t.log.clear()
	}
	return nil, nil
}

func cmdMouse(m *model, _ string) (tea.Cmd, error) {
	m.mouse = !m.mouse
	if m.mouse {
		return m.tell("mouse on: the wheel scrolls, a click chooses; /mouse again to select text"), nil
	}
	return m.tell("mouse off"), nil
}

func cmdQuit(m *model, _ string) (tea.Cmd, error) { return tea.Quit, nil }

// How long calls to the service may take.
const (
	callTime   = 10 * time.Second
	sendTime   = 30 * time.Second // a commit on a busy disk
	dialTime   = 30 * time.Second
	doctorTime = time.Minute
)
