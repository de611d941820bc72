package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// Options are what the UI is told by whoever starts it. The zero value works.
type Options struct {
	// Input and Output are the terminal; nil means standard input and output.
	Input  io.Reader
	Output io.Writer
	// Environ is the environment as KEY=value (TERM, NO_COLOR, LANG, …); nil
	// means that of the process.
	Environ []string
	// Version of the program, shown in a corner.
	Version string
	// Notices are sentences to show at the start.
	Notices []string
	// Capture records the node's packets into a file until ctx ends, and
	// returns one sentence about what it recorded. Until then it may call tell,
	// which returns at once, with a few words on how far it is, such as
	// "120 packets". With secrets the file holds all that it takes to read what is
	// said. Nil: there is no /capture.
	Capture func(ctx context.Context, file string, secrets bool, tell func(string)) (summary string, err error)
}

func (o Options) environ() []string {
	if o.Environ == nil {
		return os.Environ()
	}
	return o.Environ
}

// Run shows the UI until the person leaves (nil) or ctx ends (its error). It
// handles no signals: whoever starts it ends ctx on them. It does not stop the
// node; whoever does says how many messages stay queued.
func Run(ctx context.Context, svc api.Service, o Options) error {
	c := newCalls(ctx)
	m := newModel(svc, o, c)
	p := newProgram(m, o.Input, o.Output, o.environ())
	watched := make(chan struct{})
	go func() { // ends when c does
		defer close(watched)
		watch(c.ctx, svc, p.Send)
	}()
	err := runProgram(ctx, p)
	c.close()
	<-watched

	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.Is(err, tea.ErrInterrupted):
		err = nil
	case err != nil:
		err = fmt.Errorf("terminal: %w", err)
	}
	return err
}

func newProgram(m tea.Model, in io.Reader, out io.Writer, environ []string) *tea.Program {
	opts := []tea.ProgramOption{tea.WithEnvironment(environ), tea.WithoutSignalHandler()}
	if in != nil {
		opts = append(opts, tea.WithInput(in))
	}
	if out != nil {
		opts = append(opts, tea.WithOutput(out))
	}
	return tea.NewProgram(m, opts...)
}

// runProgram runs p until it ends, by itself or because ctx does. A context
// given to Bubble Tea would kill p, and leave it reading from the terminal.
func runProgram(ctx context.Context, p *tea.Program) error {
	over, told := make(chan struct{}), make(chan struct{})
	go func() { // ends with p
		defer close(told)
		select {
		case <-ctx.Done():
			p.Quit()
		case <-over:
		}
	}()
	_, err := p.Run()
	close(over)
	<-told
	return err
}

// How long to wait before a node that is gone is looked for again.
const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// watch follows the changes of svc until ctx ends. When they end before, it
// says so and begins anew with a snapshot: numbers start again with the node.
func watch(ctx context.Context, svc api.Service, send func(tea.Msg)) {
	wait := firstRetry
	for {
		err := error(api.Errorf(api.CodeNoNode, "it has stopped"))
		for c, werr := range svc.Watch(ctx, 0) {
			if werr != nil {
				err = werr
				break
			}
			wait = firstRetry
			send(changeMsg(c))
		}
		if ctx.Err() != nil {
			return
		}
		send(goneMsg{err})
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, lastRetry)
	}
}
