package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
	"p2pchat/node/localapi"
)

// ownNode is what a command starts when no node runs.
type ownNode struct{ *apitest.FakeNode }

func (n ownNode) Done() <-chan struct{}        { return n.Stopped() }
func (ownNode) WaitIdle(context.Context) error { return nil }
func (ownNode) Close() error                   { return nil }

type ownBackend struct {
	Backend
	node ownNode
}

func (ownBackend) AccountState(string) (exists, locked bool, err error) { return true, false, nil }
func (b ownBackend) Start(context.Context, NodeConfig) (Node, error)    { return b.node, nil }

// socket offers svc on dir until the function it returns is called.
func socket(t *testing.T, dir string, svc api.Service) (stop func()) {
	t.Helper()
	l, err := localapi.Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)                                                                  // 1: its one result
	go func() { served <- localapi.NewServer(svc, slog.New(slog.DiscardHandler)).Serve(ctx, l) }() // ends with ctx
	stopped := false
	stop = func() {
		cancel()
		if !stopped {
			stopped = true
			if err := <-served; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

// reopening is a command line whose own node would be the one returned.
func reopening(t *testing.T) (a *app, own *apitest.FakeNode, stdout *bytes.Buffer) {
	t.Helper()
	lan := apitest.NewLAN()
	own = lan.Join("alice")
	lan.Join("bob")
	stdout = &bytes.Buffer{}
	return &app{
		data: t.TempDir(), in: strings.NewReader(""), out: &output{w: stdout}, err: io.Discard,
		deps: Deps{Backend: ownBackend{node: ownNode{own}}},
	}, own, stdout
}

// A node that stops between attaching and the first request has not taken it.
func TestSendWhenTheNodeStops(t *testing.T) {
	t.Parallel()
	a, own, _ := reopening(t)
	stop := socket(t, a.data, apitest.NewLAN().Join("alice"))
	tries := 0
	err := a.withService(t.Context(), func(ctx context.Context, svc api.Service) error {
		tries++
		stop()
		_, err := svc.Send(ctx, api.SendRequest{Target: "bob", Text: "hi"})
		return err
	})
	if err != nil || tries != 2 {
		t.Errorf("%d tries: %v", tries, err)
	}
	if log, err := own.Log(t.Context(), api.LogQuery{Target: "bob"}); err != nil || len(log) != 1 {
		t.Errorf("log %v, %v", log, err)
	}
}

// lostAnswer calls asked when it was asked to send, and ends with the caller.
type lostAnswer struct {
	api.Service
	asked func()
	times int
}

func (l *lostAnswer) Send(ctx context.Context, _ api.SendRequest) (api.Receipt, error) {
	l.times++
	l.asked()
	<-ctx.Done()
	return api.Receipt{}, ctx.Err()
}

// A request that was taken is not sent again, whatever became of it.
func TestSendOfUnknownFate(t *testing.T) {
	t.Parallel()
	for _, interrupt := range []bool{false, true} {
		a, own, stdout := reopening(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		lan := apitest.NewLAN()
		svc := &lostAnswer{Service: lan.Join("alice")}
		lan.Join("bob")
		stop := socket(t, a.data, svc)
		done := make(chan struct{})
		svc.asked = func() {
			go func() { // ends with the node or at once
				defer close(done)
				if interrupt {
					cancel()
				} else {
					stop()
				}
			}()
		}
		err := a.sendOne(ctx, "bob", "hi", time.Minute)
		<-done
		stop()
		if want := !interrupt; err == nil || api.IsCode(err, api.CodeNoNode) != want || errors.Is(err, context.Canceled) == want {
			t.Errorf("interrupted %v: %v", interrupt, err)
		} else if s := err.Error(); !strings.Contains(s, "not known whether the message was stored") || strings.Contains(s, "http") {
			t.Errorf("interrupted %v: said %q", interrupt, s)
		}
		log, err := own.Log(t.Context(), api.LogQuery{Target: "bob"})
		if svc.times != 1 || err != nil || len(log) != 0 || stdout.Len() != 0 {
			t.Errorf("interrupted %v: asked %d times, log %v, %v, printed %q", interrupt, svc.times, log, err, stdout)
		}
	}
}

// A message that was stored is told, also if the wait for its receipt was cut
// short.
func TestSendInterrupted(t *testing.T) {
	t.Parallel()
	a, own, stdout := reopening(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a.asJSON = true
	a.deps.Backend = cutBackend{ownBackend{node: ownNode{own}}, cancel}
	err := a.sendOne(ctx, "bob", "hi", time.Minute)
	if !api.IsCode(err, api.CodeNotDelivered) || !strings.Contains(stdout.String(), `"state":"queued"`) {
		t.Errorf("printed %q, %v", stdout, err)
	}
}

// waiting says when it is waited for a receipt, or for a name.
type waiting struct {
	api.Service
	begun func()
}

func (w waiting) Await(ctx context.Context, sent api.Receipt, wait time.Duration) (api.Receipt, error) {
	w.begun()
	return w.Service.Await(ctx, sent, wait)
}

func (w waiting) Send(ctx context.Context, r api.SendRequest) (api.Receipt, error) {
	if r.Wait > 0 {
		w.begun()
	}
	return w.Service.Send(ctx, r)
}

// Who interrupts the wait is told whether the message is stored, or he would send it
// again.
func TestInterruptedWhileWaiting(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target  string
		code    api.Code
		said    string
		printed string
	}{
		{"carol", api.CodeNotDelivered, "interrupted before its receipt came: it stays queued and goes out when the other side is there", "queued\n"},
		{"frank", api.CodeNotFound, `interrupted: nobody and no room called "frank" is known yet, and nothing was sent`, ""},
	} {
		a, _, stdout := reopening(t)
		lan := apitest.NewLAN()
		alice := lan.Join("alice")
		lan.Join("carol").SetOnline(false)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		socket(t, a.data, waiting{alice, cancel})
		err := a.sendOne(ctx, c.target, "hi", time.Hour)
		if !api.IsCode(err, c.code) || err.Error() != c.said || stdout.String() != c.printed {
			t.Errorf("to %s: printed %q, %v", c.target, stdout, err)
		}
		if log, err := alice.Log(t.Context(), api.LogQuery{Target: "carol"}); err != nil || len(log) != strings.Count(c.printed, "\n") {
			t.Errorf("to %s: log %v, %v", c.target, log, err)
		}
	}
}

type cutBackend struct {
	ownBackend
	cancel func()
}

func (b cutBackend) Start(context.Context, NodeConfig) (Node, error) {
	return cutNode{b.node, b.cancel}, nil
}

// cutNode stores and is interrupted.
type cutNode struct {
	ownNode
	cancel func()
}

func (n cutNode) Send(ctx context.Context, _ api.SendRequest) (api.Receipt, error) {
	n.cancel()
	return api.Receipt{ID: "1", Conversation: "2", State: api.Queued, Members: 1}, ctx.Err()
}
