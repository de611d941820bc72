package discovery_test

import (
	"context"
	"testing"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"p2pchat/node/internal/discovery"
	"p2pchat/node/internal/p2phost"
	"p2pchat/node/nodetest/lab"
)

// A node that is stopped at any moment of its start stops: the sockets it was
// about to listen on do not keep it.
func TestStoppedWhileStarting(t *testing.T) {
	lab.Require(t) // for multicast that reaches nobody
	h, err := p2phost.New(p2phost.Config{Key: keyOf(1), Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0")}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for i := range 100 {
		d, err := discovery.New(discovery.Config{Host: h, MDNS: true})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*20*time.Microsecond)
		done := make(chan error, 1) // the one result
		go func() { done <- d.Run(ctx) }()
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(lab.Patience()):
			t.Fatalf("stopped after %d µs, and still running", i*20)
		}
		cancel()
	}
}
