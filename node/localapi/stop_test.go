package localapi_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
	"p2pchat/node/localapi"
)

// A server that stops ends what its clients watch, tells the one that waits for
// a receipt that its message is stored, and leaves no socket.
func TestStopWithClients(t *testing.T) {
	t.Parallel()
	const watchers = 60
	f, alice, _ := apitest.NewFixture()
	f.BobLeaves()
	dir, _, stop := serve(t, alice)
	c := dial(t, dir)

	var watching, begun, told sync.WaitGroup
	begun.Add(watchers)
	told.Add(watchers)
	for range watchers {
		watching.Go(func() {
			for change, err := range c.Watch(t.Context(), 0) {
				if err != nil {
					t.Errorf("watch ended with %v", err)
				}
				switch change.Type {
				case api.ChangeSnapshot:
					begun.Done()
				case api.ChangeMessage:
					told.Done()
				}
			}
		})
	}
	begun.Wait()

	type result struct {
		receipt api.Receipt
		err     error
	}
	sent := make(chan result, 1) // the one result
	go func() {                  // ends when the server stops
		r, err := c.Send(t.Context(), api.SendRequest{Target: "bob", Text: "hi", Wait: time.Hour})
		sent <- result{r, err}
	}()
	told.Wait()
	stop()
	watching.Wait()
	if got := <-sent; got.err != nil || got.receipt.State != api.Queued || got.receipt.ID == "" {
		t.Errorf("send while the server stopped: %+v, %v", got.receipt, got.err)
	}
	<-c.Done()
	if _, err := c.Whoami(t.Context()); !api.IsCode(err, api.CodeNoNode) {
		t.Errorf("call to a stopped server: %v", err)
	}
	for _, err := range c.Watch(t.Context(), 0) {
		if !api.IsCode(err, api.CodeNoNode) {
			t.Errorf("watch of a stopped server: %v", err)
		}
	}
	if _, err := localapi.Dial(t.Context(), dir); !api.IsCode(err, api.CodeNoNode) {
		t.Errorf("dial of a stopped server: %v", err)
	}
}

// A watcher that does not read holds neither the node nor its end.
func TestStopWithStuckWatcher(t *testing.T) {
	t.Parallel()
	f, alice, _ := apitest.NewFixture()
	f.BobLeaves()
	dir, server, stop := serve(t, alice)
	stuck := connect(t, dir)
	stuck.write("POST /v1/watch HTTP/1.1\r\nHost: api.p2pchat\r\nContent-Length: 0\r\n\r\n")
	stuck.readUntil(`"snapshot"`)
	text := strings.Repeat("x", api.MaxText)
	for range 2 * apitest.Backlog { // 8 MiB, more than any socket buffer
		if _, err := alice.Send(t.Context(), api.SendRequest{Target: "bob", Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	if server.Attached() != 1 {
		t.Errorf("%d attached, want the watcher", server.Attached())
	}
	stop()
}

func TestShutdownIsAnswered(t *testing.T) {
	t.Parallel()
	_, alice, _ := apitest.NewFixture()
	dir, _, stop := serve(t, alice)
	go func() { // ends with the node
		<-alice.Stopped()
		stop()
	}()
	c := dial(t, dir)
	if err := c.Shutdown(t.Context()); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	<-c.Done()
}

func TestDrain(t *testing.T) {
	t.Parallel()
	_, alice, _ := apitest.NewFixture()
	dir, server, _ := serve(t, alice)
	first, second := dial(t, dir), dial(t, dir)

	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []*localapi.Client{first, second} {
		if err := server.Drain(over); !errors.Is(err, context.Canceled) {
			t.Fatalf("drain with a client attached: %v", err)
		}
		if _, err := c.Whoami(t.Context()); err != nil {
			t.Errorf("call while the server waits: %v", err)
		}
		c.Close()
	}
	if err := server.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if server.Attached() != 0 {
		t.Errorf("%d attached after drain", server.Attached())
	}
	if _, err := localapi.Dial(t.Context(), dir); !api.IsCode(err, api.CodeNoNode) {
		t.Errorf("dial after drain: %v", err)
	}
}

// Commands that start while a short-lived node finishes are served to their
// end, or told at once that there is no node.
func TestDrainWhileCommandsStart(t *testing.T) {
	t.Parallel()
	_, alice, bob := apitest.NewFixture()
	dir, server, stop := serve(t, alice)
	starter := dial(t, dir)

	const commands = 40
	results := make(chan error, commands) // one each
	for range commands {
		go func() { // ends with its calls
			c, err := localapi.Dial(t.Context(), dir)
			if err != nil {
				if !api.IsCode(err, api.CodeNoNode) {
					t.Errorf("dial: %v", err)
				}
				results <- err
				return
			}
			defer c.Close()
			for range 3 {
				if _, err := c.Send(t.Context(), api.SendRequest{Target: bob.PeerID(), Text: "hi", Wait: time.Hour}); err != nil {
					t.Errorf("a command that attached was not served: %v", err)
				}
			}
			results <- nil
		}()
	}
	starter.Close()
	if err := server.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	served := 0
	for range commands {
		if err := <-results; err == nil {
			served++
		}
	}
	log, err := bob.Log(t.Context(), api.LogQuery{Target: "alice"})
	if err != nil || len(log) != 3*served {
		t.Errorf("%d commands were served, bob has %d messages (%v)", served, len(log), err)
	}
}
