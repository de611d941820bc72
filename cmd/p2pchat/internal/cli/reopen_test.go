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
		svc := &lostAnswer{Service: apitest.NewLAN().Join("alice")}
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
	if !errors.Is(err, context.Canceled) || !strings.Contains(stdout.String(), `"state":"queued"`) {
		t.Errorf("printed %q, %v", stdout, err)
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
