package localapi_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
	"p2pchat/node/localapi"
)

// serve puts svc on a socket of its own until the test ends or stop is called,
// and returns the data directory.
func serve(t *testing.T, svc api.Service) (dir string, server *localapi.Server, stop func()) {
	t.Helper()
	dir = t.TempDir()
	l, err := localapi.Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	server = localapi.NewServer(svc, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	over := make(chan struct{})
	go func() { // ends with ctx
		defer close(over)
		if err := server.Serve(ctx, l); err != nil {
			t.Errorf("serve: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-over
	})
	t.Cleanup(stop)
	return dir, server, stop
}

func dial(t *testing.T, dir string) *localapi.Client {
	t.Helper()
	c, err := localapi.Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestContract(t *testing.T) {
	t.Parallel()
	apitest.Run(t, func(t *testing.T) apitest.Fixture {
		f, _, _ := apitest.NewFixture()
		remote := func(svc api.Service) api.Service {
			dir, _, _ := serve(t, svc)
			return dial(t, dir)
		}
		join := f.Join
		f.Alice, f.Bob = remote(f.Alice), remote(f.Bob)
		bob, returns := f.Bob, f.BobReturns
		f.BobReturns = func() api.Service { returns(); return bob }
		f.Join = func(name string) api.Service { return remote(join(name)) }
		return f
	})
}
