package tui

import (
	"context"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
)

// calls runs what would block the model – calls to the service, a capture –
// beside it, and knows when all of it has ended.
type calls struct {
	ctx    context.Context // ends with the UI
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

func newCalls(ctx context.Context) *calls {
	c := &calls{}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

// begin says whether something may still be started.
func (c *calls) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.wg.Add(1)
	return true
}

// close cancels what is under way and waits for it.
func (c *calls) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
}

// do makes a command of f, which must end soon after its context does. A
// timeout of 0 leaves it to the context of the UI.
func (c *calls) do(timeout time.Duration, f func(context.Context) tea.Msg) tea.Cmd {
	return func() tea.Msg {
		if !c.begin() {
			return nil
		}
		defer c.wg.Done()
		ctx := c.ctx
		if timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		return f(ctx)
	}
}

// later makes a command that gives msg after d.
func (c *calls) later(d time.Duration, msg tea.Msg) tea.Cmd {
	return c.do(0, func(ctx context.Context) tea.Msg {
		select {
		case <-time.After(d):
			return msg
		case <-ctx.Done():
			return nil
		}
	})
}
