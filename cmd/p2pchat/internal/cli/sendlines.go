package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

// window is how many lines may wait for their receipts at a time; each costs
// some hundred bytes, its text not among them.
const window = 4096

// pendingLine is a line that was committed, or could not be.
type pendingLine struct {
	receipt  api.Receipt
	deadline time.Time
	err      *api.Error
}

// failedLine is the result of a line that could not be sent.
type failedLine struct {
	ID           *string   `json:"id"`
	Conversation *string   `json:"conversation"`
	State        *string   `json:"state"`
	Acked        int       `json:"acked"`
	Members      int       `json:"members"`
	Error        errorBody `json:"error"`
}

// sendLines sends each line as a message. Lines are committed one after the
// other, which keeps their order, while the receipts of earlier ones are still
// under way; a [tracker] matches them. Results come in the order of the lines.
func (a *app) sendLines(ctx context.Context, svc api.Service, target string, wait time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := newTracker(svc, target)
	if wait > 0 {
		if err := t.start(ctx); err != nil {
			return err
		}
		defer t.wait()
		defer cancel()
	}

	pending := make(chan pendingLine, window)
	fatal := make(chan error, 1) // 1: the sender's one result
	go func() {                  // ends with the input, an error, or ctx
		defer close(pending)
		fatal <- sendEach(ctx, svc, newUntilDone(ctx, a.in), target, wait, pending)
	}()

	var total, unsent, queued, at int
	var worst, late *api.Error // why line at was not sent, and why others stay queued
	for p := range pending {
		total++
		if p.err != nil {
			unsent++
			if worst == nil || p.err.Code.Exit() > worst.Code.Exit() {
				worst, at = p.err, total
			}
			if err := a.printFailedLine(total, p.err); err != nil {
				return err
			}
			continue
		}
		r := p.receipt
		if wait > 0 && r.Members > 0 && !delivered(r.State) {
			r = t.await(ctx, r, p.deadline)
		}
		if err := a.printReceipt(r); err != nil {
			return err
		}
		if missed(r, wait) {
			queued++
			if ctx.Err() != nil {
				late = api.Errorf(api.CodeNotDelivered, "interrupted before the receipt came")
			} else if late == nil {
				late = api.Errorf(api.CodeNotDelivered, "not delivered within %v", wait)
			}
		}
	}
	err := <-fatal
	if err != nil && (unsent+queued == 0 || !errors.Is(err, context.Canceled)) {
		return err
	}
	how := ""
	if err != nil {
		how = "interrupted: "
	}
	if unsent == 0 && queued > 0 {
		return api.Errorf(late.Code, "%s%d of %d lines %s queued: %w", how, queued, total, plural(queued, "stays", "stay"), late)
	}
	if unsent == 0 {
		return nil
	}
	how += fmt.Sprintf("%d of %d lines %s not sent", unsent, total, plural(unsent, "was", "were"))
	code := worst.Code
	if queued > 0 {
		how += fmt.Sprintf(", %d %s queued", queued, plural(queued, "stays", "stay"))
		if late.Code.Exit() > code.Exit() {
			code = late.Code
		}
	}
	return api.Errorf(code, "%s: line %d: %w", how, at, worst)
}

func (a *app) printFailedLine(number int, e *api.Error) error {
	if a.asJSON {
		return a.object(failedLine{Error: bodyOf(e)})
	}
	return a.printf("failed: %s\n", term.Clean(fmt.Sprintf("line %d: %s", number, e.Message)))
}

// sendEach commits line after line. What is wrong with one line is that line's
// result; anything else is also that of all further lines, which are not tried
// any more, so that none goes out behind a hole. It returns an error if it did
// not get to the end of the input.
func sendEach(ctx context.Context, svc api.Service, in io.Reader, target string, wait time.Duration, pending chan<- pendingLine) error {
	lines := bufio.NewReaderSize(in, 64<<10)
	var broken *api.Error // why no further line is tried
	for {
		line, tooLong, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
		p := pendingLine{deadline: time.Now().Add(wait)}
		if tooLong {
			p.err = api.Errorf(api.CodeTooLong, "the line is longer than the limit of %d bytes", api.MaxText)
		} else if err := api.CheckText(line); err != nil {
			p.err = api.AsError(err)
		} else if broken != nil {
			p.err = broken
		} else if p.receipt, err = store(ctx, svc, api.SendRequest{Target: target, Text: line}, wait); err != nil && p.receipt.ID == "" {
			p.err = classify(err)
			if p.err.Code != api.CodeTooLong && p.err.Code != api.CodeBadText {
				// What is not known is so of the line that was tried.
				why, _, _ := strings.Cut(p.err.Message, unknownStored)
				broken = api.Errorf(p.err.Code, "not tried after an earlier line failed: %s", strings.TrimRight(why, ";: ")).Because(p.err)
				broken.Candidates = p.err.Candidates
			}
		}
		select {
		case pending <- p: // also after ctx has ended: what was stored is told
			continue
		default:
		}
		select {
		case pending <- p:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readLine reads one line without its end (LF or CRLF). Of a line that is too
// long for a message it skips the rest.
func readLine(r *bufio.Reader) (line string, tooLong bool, err error) {
	var buf []byte
	for {
		part, err := r.ReadSlice('\n')
		if !tooLong {
			buf = append(buf, part...)
			tooLong = len(trimNewline(buf)) > api.MaxText
		}
		switch {
		case err == nil:
			return string(trimNewline(buf)), tooLong, nil
		case errors.Is(err, io.EOF) && (len(buf) > 0 || tooLong):
			return string(buf), tooLong, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", false, err
		}
	}
}
