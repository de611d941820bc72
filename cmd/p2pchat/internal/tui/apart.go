package tui

import (
	"context"
	"errors"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// apart is where a transcript stands that was taken to a message that was found:
// around that, and not down to the newest.
type apart struct {
	on     bool
	sought string // ID of the message, until what stands around it is loaded
	missed bool   // something newer was told of since it was asked for
}

// around takes what stands before and after l, instead of what was loaded.
func (t *transcript) around(before []api.Message, l *line, after []api.Message, asked int) {
	missed := t.apart.missed
	t.clear()
	t.early, t.loaded, t.whole = nil, true, len(before) < asked
	t.apart = apart{on: true, missed: missed}
	t.extend(before)
	t.put(l)
	t.newer(after, asked)
	clear(t.hidden)
}

// newer takes a page of what came after the last loaded message.
func (t *transcript) newer(page []api.Message, asked int) {
	t.extend(page)
	t.apart.on = len(page) >= asked || t.apart.missed
}

func (t *transcript) extend(page []api.Message) {
	for _, m := range page {
		if !t.hidden[m.ID] {
			t.put(newLine(m))
		}
	}
}

func (t *transcript) put(l *line) {
	t.lift(l)
	t.byID[l.ID] = l
	t.lines = append(t.lines, l)
}

// back leaves what was searched for, down to the newest message.
func (t *transcript) back() {
	if t.apart.on {
		t.clear()
		t.stale = true
	}
	t.apart.sought, t.hit, t.bottom = "", nil, anchor{}
}

// aroundMsg is what stands around a message.
type aroundMsg struct {
	t             *talk
	hit           *line
	before, after []api.Message
	asked         int
	err           error
}

// newerMsg is what came after a message.
type newerMsg struct {
	t     *talk
	last  string // its ID
	asked int
	page  []api.Message
	err   error
}

// jump shows a message that was found, with what was said around it.
func (m *model) jump(l *line) tea.Cmd {
	t := m.saidIn(l)
	if t == nil {
		return m.fail(errors.New("nothing is known here any more of where that was said"))
	}
	m.closeDialog()
	cmd := m.focusOn(t)
	if shown := t.log.byID[l.ID]; shown != nil && t.log.loaded {
		return tea.Batch(cmd, m.showHit(t, shown))
	}
	t.log.apart.sought, t.log.apart.missed = l.ID, false
	asked := max(pageSize/2, m.h)
	return tea.Batch(cmd, m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		msg := aroundMsg{t: t, hit: l, asked: asked}
		if msg.before, msg.err = m.page(ctx, api.LogQuery{Target: t.target, Last: asked, Before: l.ID}); msg.err == nil {
			msg.after, msg.err = m.page(ctx, api.LogQuery{Target: t.target, Last: asked, After: l.ID})
		}
		return msg
	}))
}

func (m *model) takeAround(msg aroundMsg) tea.Cmd {
	lg := &msg.t.log
	if lg.apart.sought != msg.hit.ID {
		return nil // one went elsewhere
	}
	lg.apart.sought = ""
	if msg.err != nil {
		return m.fail(msg.err)
	}
	lg.around(msg.before, msg.hit, msg.after, msg.asked)
	return m.showHit(msg.t, msg.hit)
}

func (m *model) showHit(t *talk, l *line) tea.Cmd {
	t.log.hit = l
	lay := m.layout()
	m.reveal(t, l, lay.mid, lay.body)
	return m.tell("Esc goes back down, F4 to what was found")
}

// found is what a search has taken the screen to, nil when one is down at the newest
// message again and it is out of sight.
func (m *model) found(t *talk) *line {
	if l := t.log.hit; l != nil && (t.log.apart.on || t.log.bottom.line != nil || m.inSight(t, l)) {
		return l
	}
	return nil
}

func (m *model) foundID(t *talk) string {
	if l := m.found(t); l != nil {
		return l.ID
	}
	return ""
}

// loadNewer asks for what came after the last loaded message, where that is not
// the newest.
func (m *model) loadNewer(t *talk) tea.Cmd {
	if !t.log.apart.on || t.log.loading || m.gone || len(t.log.lines) == 0 {
		return nil
	}
	t.log.loading, t.log.apart.missed = true, false
	msg := newerMsg{t: t, last: t.log.lines[len(t.log.lines)-1].ID, asked: max(pageSize, 2*m.h)}
	return m.calls.do(callTime, func(ctx context.Context) tea.Msg {
		msg.page, msg.err = m.page(ctx, api.LogQuery{Target: t.target, Last: msg.asked, After: msg.last})
		return msg
	})
}

func (m *model) takeNewer(msg newerMsg) tea.Cmd {
	lg := &msg.t.log
	lg.loading = false
	if msg.err != nil {
		return m.fail(msg.err)
	}
	n := len(lg.lines)
	if !lg.apart.on || n == 0 || lg.lines[n-1].ID != msg.last {
		return nil
	}
	if lg.bottom.line == nil { // what stood at the bottom stays there
		lg.bottom = anchor{lg.lines[n-1], 1 << 20}
	}
	lg.newer(msg.page, msg.asked)
	clear(lg.hidden)
	return nil
}
