package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) sendCmd() *cobra.Command {
	var stdin, lines bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "send TARGET TEXT | send TARGET --stdin | send TARGET --lines",
		Short: "Send a message and wait for its receipt",
		Long: `Send a message and wait for its receipt: delivered means that the other side
has stored it. What was not delivered in time stays queued (exit 3) and goes out
when both are there, also if the wait is interrupted. A name that is not known yet
is waited for (else exit 5).

TARGET is a person: a name, '@name', 'user:name' or a peer ID; or a room one has
joined: a name, '#name', 'room:name' or a room ID. In a room delivered means that
at least one other member has stored the message; where nobody else ever joined,
it is queued, and that is no failure. Text that starts with '-'
needs '--' before it. With --lines, every line of standard input is a message,
there is one result per line in the same order, and the exit code is the highest.`,
		Example: `  p2pchat send '@alice' 'Hi! server, need help'
  p2pchat send '#dev' 'good morning'
  p2pchat send '@alice' --json --wait 30s -- '-5 degrees'
  dmesg | p2pchat send '@alice' --stdin
  tail -f 'access.log' | p2pchat send '@alice' --lines`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case stdin && lines:
				return usagef("--stdin and --lines exclude each other")
			case wait < 0:
				return usagef("--wait %s is negative", wait)
			case stdin || lines:
				return exactly("TARGET")(cmd, args)
			}
			return exactly("TARGET", "TEXT (or --stdin)")(cmd, args)
		},
		ValidArgsFunction: a.completeTargets(1),
		RunE: a.run(func(ctx context.Context, args []string) error {
			switch {
			case lines:
				return a.withService(ctx, func(ctx context.Context, svc api.Service) error {
					return a.sendLines(ctx, svc, args[0], wait)
				})
			case stdin:
				text, err := readText(newUntilDone(ctx, a.in))
				if err != nil {
					return err
				}
				return a.sendOne(ctx, args[0], text, wait)
			}
			return a.sendOne(ctx, args[0], args[1], wait)
		}),
	}
	f := cmd.Flags()
	f.BoolVar(&stdin, "stdin", false, "send standard input as one message, less a final newline")
	f.BoolVar(&lines, "lines", false, "send each line of standard input as a message")
	f.DurationVar(&wait, "wait", api.DefaultWait, "wait for the receipt up to `DURATION`; 0 to only queue the message")
	noCompletion(cmd, "wait")
	return cmd
}

// readText reads one message, less a final newline.
func readText(r io.Reader) (string, error) {
	const newline = 2 // bytes, at most
	b, err := io.ReadAll(io.LimitReader(r, api.MaxText+newline+1))
	if err != nil {
		return "", err
	}
	b = trimNewline(b)
	if len(b) > api.MaxText {
		return "", api.Errorf(api.CodeTooLong, "the text is longer than the limit of %d bytes", api.MaxText)
	}
	return string(b), nil
}

func (a *app) sendOne(ctx context.Context, target, text string, wait time.Duration) error {
	return a.sendAndWait(ctx, text, wait, func(ctx context.Context, svc api.Service) (api.Receipt, error) {
		return store(ctx, svc, api.SendRequest{Target: target, Text: text}, wait)
	})
}

// store has a message stored, which does not wait for its receipt. Only for a name
// that is not known yet it waits.
func store(ctx context.Context, svc api.Service, r api.SendRequest, wait time.Duration) (api.Receipt, error) {
	receipt, err := svc.Send(ctx, r)
	if wait > 0 && api.IsCode(err, api.CodeNotFound) {
		r.Wait = wait
		return svc.Send(ctx, r)
	}
	return receipt, err
}

// sendAndWait has one message stored and prints its receipt.
func (a *app) sendAndWait(
	ctx context.Context, text string, wait time.Duration, send func(context.Context, api.Service) (api.Receipt, error),
) error {
	// Before a node is started for it.
	if err := api.CheckText(text); err != nil {
		return err
	}
	return a.withService(ctx, func(ctx context.Context, svc api.Service) error {
		return a.receive(ctx, svc, wait, send)
	})
}

// receive has a message stored, waits for its receipt, prints that, and says if it
// waited in vain. The two are asked for apart, so that whoever interrupts the wait
// is told that the message is stored.
func (a *app) receive(
	ctx context.Context, svc api.Service, wait time.Duration, send func(context.Context, api.Service) (api.Receipt, error),
) error {
	deadline := time.Now().Add(wait)
	r, err := send(ctx, svc)
	if r.ID == "" && err != nil {
		return err
	}
	if left := time.Until(deadline); err == nil && left > 0 && missed(r, wait) {
		var last api.Receipt
		if last, err = svc.Await(ctx, r, left); last.ID != "" {
			r = last
		}
	}
	if failed := a.printReceipt(r); failed != nil || !missed(r, wait) {
		return failed
	}
	stays := "it stays queued and goes out when " + whoReturns(r)
	switch {
	case errors.Is(err, context.Canceled):
		return api.Errorf(api.CodeNotDelivered, "interrupted before its receipt came: %s", stays)
	case err != nil:
		return api.Errorf(api.AsError(err).Code, "%w; the message is stored: %s", err, stays)
	}
	return api.Errorf(api.CodeNotDelivered, "not delivered within %v: %s", wait, stays)
}

func (a *app) printReceipt(r api.Receipt) error {
	if r.State == api.Read { // seen already: more than was asked for
		r.State = api.Delivered
	}
	if a.asJSON {
		return a.object(r)
	}
	return a.printf("%s\n", term.Clean(r.State))
}

// whoReturns says for whom a message waits.
func whoReturns(r api.Receipt) string {
	if r.Members > 1 {
		return "one of the others is there"
	}
	return "the other side is there"
}

// delivered tells whether somebody else has stored the message.
func delivered(state string) bool { return state == api.Delivered || state == api.Read }

// missed tells whether a receipt was waited for in vain. Where nobody else
// takes part there is nothing to wait for.
func missed(r api.Receipt, wait time.Duration) bool {
	return wait > 0 && r.Members > 0 && !delivered(r.State)
}
