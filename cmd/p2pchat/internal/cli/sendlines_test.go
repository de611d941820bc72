package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// slowWatch lets its reader see nothing of the changes until released, so that
// the node has dropped them.
type slowWatch struct {
	api.Service
	release <-chan struct{}
}

func (s slowWatch) Watch(ctx context.Context, since uint64) iter.Seq2[api.Change, error] {
	return func(yield func(api.Change, error) bool) {
		for c, err := range s.Service.Watch(ctx, since) {
			if !yield(c, err) {
				return
			}
			select {
			case <-s.release:
			case <-ctx.Done():
				return
			}
		}
	}
}

// release closes a channel once so many messages were sent.
type releaseAfter struct {
	slowWatch
	sent, after int
	release     chan struct{}
}

func (r *releaseAfter) Send(ctx context.Context, q api.SendRequest) (api.Receipt, error) {
	receipt, err := r.slowWatch.Send(ctx, q)
	if r.sent++; r.sent == r.after {
		close(r.release)
	}
	return receipt, err
}

func TestLinesWhenChangesAreDropped(t *testing.T) {
	t.Parallel()
	const lines = 4 * apitest.Backlog
	lan := apitest.NewLAN()
	alice, bob := lan.Join("alice"), lan.Join("bob")
	say(t, bob, "alice", 0, 10)
	release := make(chan struct{})
	svc := &releaseAfter{slowWatch: slowWatch{alice, release}, after: lines, release: release}
	var in strings.Builder
	for i := range lines {
		fmt.Fprintf(&in, "line %d\n", i)
	}
	var out bytes.Buffer
	a := &app{asJSON: true, in: strings.NewReader(in.String()), out: &output{w: &out}}
	if err := a.sendLines(t.Context(), svc, "bob", time.Minute); err != nil {
		t.Fatal(err)
	}
	log, err := alice.Log(t.Context(), api.LogQuery{Target: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	results := bufio.NewScanner(&out)
	for i := range lines {
		var r api.Receipt
		if !results.Scan() {
			t.Fatalf("%d results, want %d", i, lines)
		}
		if err := json.Unmarshal(results.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		said := log[10+i]
		if r.State != api.Delivered || r.Acked != 1 || r.ID != said.ID || said.Text != fmt.Sprintf("line %d", i) {
			t.Fatalf("result %d is %+v for %q", i, r, said.Text)
		}
	}
}

// A name that appears while the first line waits for it gets every line.
func TestLinesWaitForTheName(t *testing.T) {
	t.Parallel()
	lan := apitest.NewLAN()
	alice := lan.Join("alice")
	joined := false
	svc := sendHook{alice, func(r api.SendRequest) {
		if r.Wait > 0 && !joined { // the second try, which waits
			joined = true
			go lan.Join("bob") // ends at once
		}
	}}
	var out bytes.Buffer
	a := &app{in: strings.NewReader("one\ntwo\n"), out: &output{w: &out}}
	if err := a.sendLines(t.Context(), svc, "bob", time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "delivered\ndelivered\n" {
		t.Errorf("results %q", got)
	}
}

type sendHook struct {
	api.Service
	before func(api.SendRequest)
}

func (s sendHook) Send(ctx context.Context, r api.SendRequest) (api.Receipt, error) {
	s.before(r)
	return s.Service.Send(ctx, r)
}

// Who interrupts the wait is told that what was sent stays queued.
func TestLinesInterrupted(t *testing.T) {
	t.Parallel()
	lan := apitest.NewLAN()
	alice := lan.Join("alice")
	lan.Join("carol").SetOnline(false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	in, typed := io.Pipe() // which stays open
	var out bytes.Buffer
	a := &app{in: in, out: &output{w: writerFunc(func(p []byte) (int, error) {
		cancel()
		return out.Write(p)
	})}}
	go func() { _, _ = io.WriteString(typed, "one\ntwo\n") }() // ends when both are read
	err := a.sendLines(ctx, alice, "carol", 20*time.Millisecond)
	if !api.IsCode(err, api.CodeNotDelivered) || !strings.Contains(err.Error(), "interrupted: ") || strings.Contains(err.Error(), "context") {
		t.Errorf("ended with %v", err)
	}
	if s := out.String(); s == "" || strings.ReplaceAll(s, "queued\n", "") != "" {
		t.Errorf("results %q", s)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestReadLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", api.MaxText)
	in := "one\r\n\n" + long + "\n" + long + "x\n" + strings.Repeat("y", 10*api.MaxText) + "\nlast"
	r := bufio.NewReaderSize(strings.NewReader(in), 16)
	for i, want := range []struct {
		line    string
		tooLong bool
	}{{"one", false}, {"", false}, {long, false}, {"", true}, {"", true}, {"last", false}} {
		line, tooLong, err := readLine(r)
		if err != nil || tooLong != want.tooLong || !tooLong && line != want.line {
			t.Errorf("line %d: %.20q (%d bytes), %v, %v", i, line, len(line), tooLong, err)
		}
	}
	if _, _, err := readLine(r); err == nil {
		t.Error("no end")
	}
}

// failing stores so many messages and then none.
type failing struct {
	api.Service
	left int
	err  error
}

func (f *failing) Send(ctx context.Context, r api.SendRequest) (api.Receipt, error) {
	if f.left == 0 {
		return api.Receipt{}, f.err
	}
	f.left--
	return f.Service.Send(ctx, r)
}

// Every line has a result, also those after what stops the sending.
func TestLinesAfterAFailure(t *testing.T) {
	t.Parallel()
	lan := apitest.NewLAN()
	alice := lan.Join("alice")
	lan.Join("bob")
	svc := &failing{alice, 2, api.Errorf(api.CodeDiskFull, "the disk is full")}
	var out bytes.Buffer
	a := &app{in: strings.NewReader("one\ntwo\nthree\nfour\n\nsix"), out: &output{w: &out}}
	err := a.sendLines(t.Context(), svc, "bob", 0)
	const rest = "not tried after an earlier line failed: the disk is full\n"
	lines := strings.SplitAfter(out.String(), "\n")
	if len(lines) != 7 || lines[2] != "failed: line 3: the disk is full\n" || lines[3] != "failed: line 4: "+rest || lines[5] != "failed: line 6: "+rest {
		t.Errorf("results %q", lines)
	}
	// The empty line is wrong usage, exit 2, the highest.
	if !api.IsCode(err, api.CodeBadText) {
		t.Errorf("ended with %v", err)
	}
}

// What is stored, and what is nowhere, is counted apart; only of the line that was
// tried is it not known which.
func TestLinesWhenTheNodeDies(t *testing.T) {
	t.Parallel()
	lan := apitest.NewLAN()
	alice := lan.Join("alice")
	lan.Join("bob").SetOnline(false)
	svc := &doing{Service: &failing{alice, 1, api.Errorf(api.CodeNoNode, "no node")}, remote: true}
	var out bytes.Buffer
	a := &app{in: strings.NewReader("one\ntwo\nthree\nfour"), out: &output{w: &out}}
	err := a.sendLines(t.Context(), svc, "bob", time.Millisecond)
	const rest = "not tried after an earlier line failed: no node\n"
	if got, want := out.String(), "queued\nfailed: line 2: no node; "+unknownStored+"\nfailed: line 3: "+rest+"failed: line 4: "+rest; got != want {
		t.Errorf("results %q, want %q", got, want)
	}
	if want := "3 of 4 lines were not sent, 1 stays queued: line 2: no node; " + unknownStored; !api.IsCode(err, api.CodeNotDelivered) || err.Error() != want {
		t.Errorf("ended with %v, want %s", err, want)
	}
}
