package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// What calls to the service come back with.
type (
	pageMsg struct {
		t     *talk
		older bool
		first string // the oldest loaded message when it was asked for
		asked int
		page  []api.Message
		err   error
	}
	sentMsg struct {
		out     outgoing
		receipt api.Receipt
		err     error
	}
	markedMsg struct {
		t   *talk
		err error
	}
	conversationsMsg struct {
		list []api.Conversation
		err  error
	}
	statusMsg struct {
		status api.Status
		err    error
	}
	statusSheetMsg struct {
		id     int
		status api.Status
		err    error
	}
	findingsMsg struct {
		id       int
		findings []api.Finding
		err      error
	}
	awayMsg struct {
		away bool
		err  error
	}
	captureMsg struct {
		summary string
		err     error
	}
	captureNewsMsg struct {
		of    *capture
		state string
	}
	doneMsg struct { // something without an answer
		text string // clean
		err  error
	}
	noteOverMsg struct{ id int }
	staleMsg    struct{}
)

// outgoing is a message on its way to the service.
type outgoing struct {
	t     *talk
	text  string
	typed string // as it goes back into the input if it fails
	about *about // nil: about nothing
}

// takeResult takes what comes from outside the terminal.
func (m *model) takeResult(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case changeMsg:
		return m.takeChange(api.Change(msg))
	case goneMsg:
		trouble := ""
		if api.IsCode(msg.err, api.CodeDamaged) { // it answers, and cannot read
			trouble = cleanError(msg.err)
		}
		known := m.gone && trouble == m.trouble
		m.gone, m.trouble = true, trouble
		if known {
			return nil
		}
		for _, t := range m.people.rows { // who is there is not known now
			t.peer.State, t.peer.RTT, t.typing = api.Offline, nil, time.Time{}
			if t.room != nil {
				t.room.members.lost()
			}
		}
		m.people.sort()
		if trouble != "" {
			return m.fail(msg.err)
		}
		return m.fail(api.Errorf(api.CodeNoNode, "the node does not answer (%w); looking for it", msg.err))
	case pageMsg:
		return m.takePage(msg)
	case foundMsg:
		m.takeFound(msg)
	case aroundMsg:
		return m.takeAround(msg)
	case newerMsg:
		return m.takeNewer(msg)
	case sentMsg:
		return m.takeSent(msg)
	case markedMsg:
		m.marking = false
		if msg.err != nil {
			return m.fail(msg.err)
		}
	case conversationsMsg:
		m.asking = false
		for _, c := range msg.list {
			if c.ID != "" {
				m.people.setConversation(c)
			}
		}
		m.people.sort()
		cmd := m.takePending()
		m.pending = nil // nobody knows them
		return cmd
	case statusMsg:
		m.looking = false
		if msg.err == nil {
			m.status = msg.status
			m.notices = nil
			for _, n := range msg.status.Notices {
				m.notices = append(m.notices, clean(n))
			}
		}
		if m.lookNow {
			return m.lookAtStatus()
		}
	case statusSheetMsg:
		if msg.err != nil {
			m.fill(msg.id, m.sorry(msg.err))
			break
		}
		m.fill(msg.id, m.renderStatus(msg.status))
	case findingsMsg:
		if msg.err != nil {
			m.fill(msg.id, m.sorry(msg.err))
			break
		}
		m.fill(msg.id, m.renderFindings(msg.findings))
		if m.sheet == nil || m.sheet.id != msg.id {
			return m.tell("doctor is done: /doctor shows it")
		}
	case verifiedMsg:
		if msg.err != nil {
			m.fill(msg.sheet, m.sorry(msg.err))
			break
		}
		m.fill(msg.sheet, m.renderVerify(msg.t))
	case membersMsg:
		return m.takeMembers(msg)
	case listingMsg:
		return m.takeListing(msg)
	case browseMsg:
		if b, ok := m.dialog.(*browser); ok && b.id == msg.id {
			return m.askListing()
		}
	case joinedMsg:
		return m.takeJoined(msg)
	case leftMsg:
		return m.takeLeft(msg)
	case putOutMsg:
		return m.takePutOut(msg)
	case rulesMsg:
		return m.takeRules(msg)
	case invitationsMsg:
		return m.takeInvitations(msg)
	case declinedMsg:
		return m.takeDeclined(msg)
	case configuredMsg:
		return m.takeConfigured(msg)
	case auditMsg:
		m.takeAudit(msg)
	case awayMsg:
		if msg.err != nil {
			return m.fail(msg.err)
		}
		m.away = msg.away
	case captureNewsMsg:
		msg.of.state = clean(msg.state)
		return m.captureNews(msg.of)
	case captureMsg:
		file := clean(m.capture.file)
		m.capture = nil
		if msg.err != nil {
			return m.fail(msg.err)
		}
		return m.tell(strings.TrimSpace("captured into " + file + ". " + clean(msg.summary)))
	case doneMsg:
		if msg.err != nil {
			return m.fail(msg.err)
		}
		if msg.text != "" { // else what it did may have been announced before its answer
			return m.tell(msg.text)
		}
	}
	return nil
}

// sorry is the content of a sheet whose question failed.
func (m *model) sorry(err error) func(w int) []string {
	return func(w int) []string { return wrapText(m.width, cleanError(err), w) }
}

// tell shows a sentence below the input, fail an error. text must be clean.
func (m *model) tell(text string) tea.Cmd {
	m.note = note{text: text, id: m.note.id + 1}
	return m.calls.later(noteTime, noteOverMsg{m.note.id})
}

func (m *model) fail(err error) tea.Cmd {
	m.note = note{text: cleanError(err), bad: true, id: m.note.id + 1}
	return m.calls.later(errorTime, noteOverMsg{m.note.id})
}

func (m *model) clearNote() { m.note = note{id: m.note.id + 1} }

// load asks for the newest messages of the focused conversation if they are
// not there or may be out of date.
func (m *model) load() tea.Cmd {
	t := m.people.focus
	if t == nil || t.log.loading || m.gone || t.log.apart.on || t.log.loaded && !t.log.stale {
		return nil
	}
	t.log.ask()
	return m.askPage(t, "")
}

// loadOlder asks for what came before the first loaded message.
func (m *model) loadOlder(t *talk) tea.Cmd {
	if t.log.loading || t.log.whole || m.gone || !t.log.loaded {
		return nil
	}
	return m.askPage(t, t.log.first())
}

func (m *model) askPage(t *talk, before string) tea.Cmd {
	t.log.loading = true
	asked := max(pageSize, 2*m.h)
	older := t.log.loaded && (before != "" || len(t.log.lines) == 0)
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		page, err := m.page(ctx, api.LogQuery{Target: t.target, Last: asked, Before: before})
		return pageMsg{t, older, before, asked, page, err}
	})
}

// page asks for messages that have a line: those that q asks for, whatever their
// kind, less edits, reactions and retractions, which show in what they are about.
// Pages that hold many of these are followed by others, so that fewer than q.Last
// are all there are; there may be more.
func (m *model) page(ctx context.Context, q api.LogQuery) ([]api.Message, error) {
	q.All = true
	var page []api.Message
	for {
		next, err := m.svc.Log(ctx, q)
		if err != nil {
			return nil, err
		}
		shown := slices.DeleteFunc(slices.Clone(next), isAmendment)
		if q.After != "" {
			page = append(page, shown...)
		} else {
			page = append(shown, page...)
		}
		if len(next) < q.Last || len(page) >= q.Last {
			return page, nil
		}
		if q.After != "" {
			q.After = next[len(next)-1].ID
		} else {
			q.Before = next[0].ID
		}
	}
}

func (m *model) takePage(p pageMsg) tea.Cmd {
	lg := &p.t.log
	lg.loading = false
	if p.err != nil {
		if !p.older {
			lg.loaded = true // not again and again; the next snapshot will
		}
		return m.fail(p.err)
	}
	if len(p.page) > 0 {
		if newest := p.page[len(p.page)-1]; isSaid(newest.Kind) && newest.Time.After(p.t.last) {
			p.t.last = newest.Time.Time
		}
	}
	if p.older {
		if lg.first() == p.first { // else it was cleared or loaded anew meanwhile
			lg.older(p.page, p.asked)
		}
		return nil
	}
	if lg.apart.on { // it went elsewhere meanwhile
		return nil
	}
	lg.newest(p.page, p.asked)
	if p.t == m.people.focus && p.t.entered > 0 {
		lg.setFresh(p.t.entered)
	}
	p.t.entered = 0
	return nil
}

// markRead tells the service what stands on the screen. One call at a time:
// the next one says it for all that came meanwhile.
func (m *model) markRead() tea.Cmd {
	t := m.people.focus
	if t == nil || m.marking || m.unfocused || m.gone || m.sheet != nil || m.dialog != nil || !t.log.loaded || t.log.apart.on || m.w <= 0 {
		return nil
	}
	l := t.log.lastReceived(t.log.at())
	if l == nil || l.ID == t.log.marked {
		return nil
	}
	if was := t.log.byID[t.log.marked]; was != nil {
		for i := range t.log.lines { // never back to an older one
			if t.log.lines[i] == l {
				return nil
			}
			if t.log.lines[i] == was {
				break
			}
		}
	}
	t.log.marked, m.marking = l.ID, true
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		return markedMsg{t, m.svc.MarkRead(ctx, t.target, l.ID)}
	})
}

// sendNext hands the oldest waiting message to the service: one at a time, so
// that they arrive in the order in which they were written.
func (m *model) sendNext() tea.Cmd {
	if m.sending || len(m.outbox) == 0 {
		return nil
	}
	m.sending = true
	out := m.outbox[0]
	m.outbox = m.outbox[1:]
	return m.calls.do(sendTime, func(ctx context.Context) tea.Msg {
		var r api.Receipt
		var err error
		switch {
		case out.about == nil:
			r, err = m.svc.Send(ctx, api.SendRequest{Target: out.t.target, Text: out.text})
		case out.about.edit:
			r, err = m.svc.Edit(ctx, api.AmendRequest{Target: out.t.target, ID: out.about.id, Text: out.text})
		default:
			r, err = m.svc.Send(ctx, api.SendRequest{Target: out.t.target, Text: out.text, ReplyTo: out.about.id})
		}
		return sentMsg{out, r, err}
	})
}

func (m *model) takeSent(s sentMsg) tea.Cmd {
	m.sending = false
	if s.err != nil {
		if s.out.t.draft.text == "" {
			s.out.t.draft.setText(s.out.typed)
			s.out.t.about = s.out.about
		} // else it is in the history
		if t := s.out.t; t.room != nil && api.IsCode(s.err, api.CodeTooFast) && t.draft.text == s.out.typed {
			return m.fail(fmt.Errorf("%s is in %w; then Enter says it", t.label(), s.err))
		}
		return m.fail(s.err)
	}
	if t := s.out.t; t.conv == "" && s.receipt.Conversation != "" {
		t.conv = s.receipt.Conversation
		m.people.byConv[t.conv] = t
		return tea.Batch(m.takePending(), m.lookAtStatus())
	}
	return m.lookAtStatus()
}

func (m *model) askConversations() tea.Cmd {
	if m.asking {
		return nil
	}
	m.asking = true
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		list, err := m.svc.Conversations(ctx)
		return conversationsMsg{list, err}
	})
}

// lookAtStatus asks how much is queued; while an answer is awaited, once more
// after it.
func (m *model) lookAtStatus() tea.Cmd {
	m.lookNow = m.looking
	if m.looking || m.gone {
		return nil
	}
	m.looking = true
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		st, err := m.svc.Status(ctx)
		return statusMsg{st, err}
	})
}

// typingEvery is how often the other side is told that one is typing.
const typingEvery = 4 * time.Second

// noticeTyping tells the focused person that one is typing to them.
func (m *model) noticeTyping() tea.Cmd {
	t := m.people.focus
	if t == nil || !t.online() || m.gone { // in a room nobody is told
		return nil
	}
	text := t.draft.text
	if text == "" || strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//") && !strings.HasPrefix(text, api.ActionPrefix) {
		return nil
	}
	if now := m.now(); now.Sub(m.noticed[t.key]) >= typingEvery {
		m.noticed[t.key] = now
		return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
			_ = m.svc.Typing(ctx, t.target) // a courtesy: nothing is lost without it
			return nil
		})
	}
	return nil
}
