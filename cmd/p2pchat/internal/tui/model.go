package tui

import (
	"errors"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"p2pchat/node/api"
)

// model is the whole state of the UI. Only Bubble Tea's loop touches it.
type model struct {
	svc      api.Service
	opts     Options
	calls    *calls
	now      func() time.Time // in the time zone of the person
	commands []command

	w, h   int // of the terminal
	width  measure
	dark   bool
	colour bool
	styles styles
	look   int // grows when styles do, so that cached rows are redone
	signs  signs

	self    api.Identity // clean
	away    bool         // as set here
	synced  bool         // a snapshot has arrived
	gone    bool         // the node does not answer
	trouble string       // or answers that it cannot read what it has; clean
	notices []string     // standing warnings, clean
	status  api.Status   // as of the last look
	looking bool         // Status has been asked for
	lookNow bool         // and is to be asked for again

	people     people
	input      input
	solo       draft // of the input while there is nobody to talk with
	completing *completion
	finder     *finder // the search, nil if there was none
	note       note
	sheet      *sheet
	sheets     int
	capture    *capture
	mouse      bool
	unfocused  bool // the terminal said that another window has the keyboard

	outbox  []outgoing
	sending bool
	marking bool                 // a MarkRead is under way
	pending []api.Message        // of conversations not known yet
	asking  bool                 // the list of conversations has been asked for
	goTo    string               // room to be shown as soon as there is its row
	listing listing              // rooms one could be in
	dialog  dialog               // over the messages, nil when none is open
	events  []happening          // what /notices lists
	noticed map[string]time.Time // when the last typing notice went to whom
}

// capture is a capture under way.
type capture struct {
	file  string
	stop  func()
	state string      // how far it is, clean
	news  chan string // 1: the newest state, taken or not
	ended chan struct{}
}

// tell replaces the news that nobody has taken yet.
func (c *capture) tell(s string) {
	select {
	case <-c.news:
	default:
	}
	select {
	case c.news <- s:
	default:
	}
}

func newModel(svc api.Service, o Options, c *calls) *model {
	m := &model{
		svc: svc, opts: o, calls: c, now: time.Now,
		commands: commandList(o),
		width:    ansi.WcWidth, dark: true, colour: true, signs: signsFor(o.environ()),
		people: newPeople(), noticed: map[string]time.Time{},
		solo: draft{column: -1},
	}
	m.restyle()
	return m
}

func (m *model) restyle() {
	m.look++
	m.styles = newStyles(m.dark, m.colour)
}

// tickTime is how often ages on the screen are brought up to date.
const tickTime = 10 * time.Second

type tickMsg struct{}

func (m *model) Init() tea.Cmd {
	var said tea.Cmd
	if len(m.opts.Notices) > 0 {
		said = m.tell(clean(strings.Join(m.opts.Notices, "; ")))
	}
	return tea.Batch(tea.RequestBackgroundColor, m.calls.later(tickTime, tickMsg{}), m.lookAtStatus(), said)
}

// Update takes one message, then does what the new state asks for.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	return m, tea.Batch(m.take(msg), m.settle())
}

func (m *model) take(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m.keyPress(msg)
	case tea.PasteMsg:
		if m.dialog != nil {
			m.dialog.paste(m, msg.Content)
			return nil
		}
		m.sheet = nil
		if !m.draft().insert(msg.Content) {
			return m.fail(api.Errorf(api.CodeTooLong, "pasting %d bytes here is too much: a message holds %d", len(msg.Content), api.MaxText))
		}
		return m.noticeTyping()
	case tea.MouseWheelMsg:
		switch msg.Button {
		case tea.MouseWheelUp:
			return m.scrollBy(3)
		case tea.MouseWheelDown:
			return m.scrollBy(-3)
		}
	case tea.MouseClickMsg:
		return m.click(msg.X, msg.Y)
	case tea.FocusMsg:
		m.unfocused = false
	case tea.BlurMsg:
		m.unfocused = true
		if t := m.people.focus; t != nil {
			t.log.fresh = ""
		}
	case tea.BackgroundColorMsg:
		m.dark = msg.IsDark()
		m.restyle()
	case tea.ColorProfileMsg:
		m.colour = msg.Profile > colorprofile.ASCII
		m.restyle()
	case tea.ModeReportMsg:
		// The renderer changes how it counts on the same message.
		if msg.Mode == ansi.ModeUnicodeCore &&
			(msg.Value == ansi.ModeReset || msg.Value == ansi.ModeSet || msg.Value == ansi.ModePermanentlySet) {
			m.width = ansi.GraphemeWidth
		}
	case tickMsg:
		return tea.Batch(m.calls.later(tickTime, tickMsg{}), m.lookAtStatus())
	case noteOverMsg:
		if m.note.id == msg.id {
			m.note.text = ""
		}
	case staleMsg: // a typing notice has run out: the screen shows it anyway
	default:
		return m.takeResult(msg)
	}
	return nil
}

// settle does what follows from the state, whatever changed it: loading what
// is shown, saying what was read, sending what waits.
func (m *model) settle() tea.Cmd {
	if t := m.people.byKey[m.goTo]; t != nil && m.goTo != "" {
		m.focusOn(t)
		m.goTo = ""
	}
	if m.people.focus == nil && m.synced {
		if t := m.firstFocus(); t != nil {
			t.draft = m.solo
			m.solo.setText("")
			m.focusOn(t)
		}
	}
	return tea.Batch(m.load(), m.loadMembers(), m.loadRules(), m.loadInvitations(), m.markRead(), m.sendNext())
}

// firstFocus is whom the UI shows first: who wrote, who was talked with last,
// who is there.
func (m *model) firstFocus() *talk {
	var best *talk
	for _, t := range m.people.rows {
		switch {
		case best == nil:
			best = t
		case (t.unread > 0) != (best.unread > 0):
			if t.unread > 0 {
				best = t
			}
		case t.last.After(best.last):
			best = t
		}
	}
	return best
}

// focusOn shows the conversation t.
func (m *model) focusOn(t *talk) tea.Cmd {
	if t == nil || t == m.people.focus {
		return nil
	}
	if old := m.people.focus; old != nil {
		old.log.fresh = ""
		old.log.back()
		if old.room != nil && old.room.left {
			m.input.remember(old.draft.text) // nothing leads back to it
		}
	}
	if old := m.people.focus; m.people.index(old) >= 0 {
		m.people.previous = old
	}
	m.people.focus, m.goTo = t, ""
	m.sheet, m.completing = nil, nil
	m.input.at, m.input.first = len(m.input.history), 0
	t.log.bottom = anchor{}
	t.entered = t.unread
	if t.log.loaded && !t.log.stale {
		t.log.setFresh(t.unread)
		t.entered = 0
	}
	return nil
}

// draft is what is being edited.
func (m *model) draft() *draft {
	if t := m.people.focus; t != nil {
		return &t.draft
	}
	return &m.solo
}

func (m *model) typing(t *talk) bool { return m.now().Before(t.typing) }

func (m *model) keyPress(msg tea.KeyPressMsg) tea.Cmd {
	if key.Matches(msg, keys.Quit) {
		return tea.Quit
	}
	if m.dialog != nil {
		return m.dialog.press(m, msg)
	}
	if m.sheet != nil && m.sheetKey(msg) {
		return nil
	}
	if !key.Matches(msg, keys.Complete) && !key.Matches(msg, keys.CompleteBack) {
		m.completing = nil
	}
	switch {
	case key.Matches(msg, keys.Send):
		return m.submit()
	case key.Matches(msg, keys.Complete):
		m.complete(1)
	case key.Matches(msg, keys.CompleteBack):
		m.complete(-1)
	case key.Matches(msg, keys.Next):
		return m.focusOn(m.people.step(1))
	case key.Matches(msg, keys.Prev):
		return m.focusOn(m.people.step(-1))
	case key.Matches(msg, keys.NextUnread):
		return m.focusOn(m.people.nextUnread())
	case key.Matches(msg, keys.PageUp):
		return m.scrollBy(max(m.layout().body-2, 1))
	case key.Matches(msg, keys.PageDown):
		return m.scrollBy(-max(m.layout().body-2, 1))
	case key.Matches(msg, keys.Top):
		return m.scrollBy(1 << 20)
	case key.Matches(msg, keys.Bottom):
		if t := m.people.focus; t != nil && m.sheet == nil {
			t.log.back()
		}
		return m.scrollBy(-1 << 20)
	case key.Matches(msg, keys.Members):
		t, err := m.here()
		if err != nil {
			return m.fail(err)
		}
		m.openMembers(t)
	case key.Matches(msg, keys.Messages):
		if m.people.focus == nil {
			return m.fail(errors.New("there is no message yet"))
		}
		m.openMessages(m.people.focus)
	case key.Matches(msg, keys.Help):
		m.open("Help", m.renderHelp)
	case key.Matches(msg, keys.Close):
		m.clearNote()
		if t := m.people.focus; t != nil {
			m.endAbout(t)
			t.log.back()
		}
	case key.Matches(msg, keys.Find):
		m.openFinder()
	case key.Matches(msg, keys.Redraw):
		return tea.ClearScreen
	default:
		d := m.draft()
		before := d.text
		room := m.input.room(m.width, m.signs.prompt, m.layout().w)
		if m.input.edit(d, m.width, room, msg) && d.text != before {
			return tea.Batch(m.noticeTyping(), m.lookForRooms(d.text))
		}
	}
	return nil
}

func (m *model) scrollBy(n int) tea.Cmd {
	if m.dialog != nil {
		m.dialog.scroll(m, -n)
		return nil
	}
	if m.sheet != nil {
		m.sheet.top -= n
		return nil
	}
	t := m.people.focus
	if t == nil {
		return nil
	}
	l := m.layout()
	if m.scroll(t, l.mid, l.body, n) {
		return m.loadOlder(t)
	}
	if n < 0 && t.log.bottom.line == nil {
		return m.loadNewer(t)
	}
	return nil
}

// click chooses a row of the left pane, or a member in the right one.
func (m *model) click(x, y int) tea.Cmd {
	l := m.layout()
	first := l.notices
	if l.top {
		first++
	}
	if m.dialog != nil {
		return nil
	}
	if i := y - first + m.people.top; x < l.people && y >= first && y < first+l.body && i < len(m.people.rows) {
		return m.focusOn(m.people.rows[i])
	}
	t := m.people.focus
	if t == nil || t.room == nil || m.sheet != nil || l.details == 0 || x < l.w-l.details || y >= first+l.body {
		return nil
	}
	// Above them stands how many there are.
	if i := y - first - 1; i >= 0 && i < len(t.room.members.rows) && (i < l.body-2 || len(t.room.members.rows) < l.body) {
		m.openActions(t, t.room.members.rows[i].PeerID)
	}
	return nil
}
