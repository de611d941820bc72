package node

import (
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"

	ma "github.com/multiformats/go-multiaddr"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// newAccount makes an account without a password in a new directory.
func newAccount(t testing.TB, name string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if _, err := CreateAccount(t.Context(), dir, name, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// start runs the account in dir on the loopback interface, over one transport,
// without multicast. It stops with the test if not before.
func start(t testing.TB, dir string, peers ...testNode) testNode {
	t.Helper()
	return startWith(t, dir, Seams{}, peers...)
}

// startWith is start with something of the node in the test's hands.
func startWith(t testing.TB, dir string, seams Seams, peers ...testNode) testNode {
	t.Helper()
	lock, key, err := Unlock(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	var static []ma.Multiaddr
	for _, p := range peers {
		static = append(static, p.testAddr(t))
	}
	n, err := Start(t.Context(), Config{
		Dir: dir, Key: key, Version: "test", NoMDNS: true, Peers: static, Logger: testLog(), Seams: seams,
		Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/udp/0/quic-v1")},
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := func() {
		if err := n.Close(); err != nil {
			t.Errorf("stop: %v", err)
		}
		_ = lock.Release()
	}
	once := sync.OnceFunc(stop)
	t.Cleanup(once)
	return testNode{n, once}
}

// testNode is a node that can be stopped before its test ends.
type testNode struct {
	*Node
	halt func()
}

func (n testNode) testAddr(t testing.TB) ma.Multiaddr {
	t.Helper()
	addrs := n.host.Addrs()
	if len(addrs) == 0 {
		t.Fatal("the node has no address")
	}
	return addrs[0].Encapsulate(ma.StringCast("/p2p/" + n.key.ID().String()))
}

func testLog() *slog.Logger {
	if os.Getenv("P2PCHAT_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

// TestContract runs the service's contract against real nodes.
func TestContract(t *testing.T) {
	t.Parallel()
	apitest.Run(t, func(t *testing.T) apitest.Fixture {
		alice := start(t, newAccount(t, "alice"))
		bobDir := newAccount(t, "bob")
		bob := start(t, bobDir, alice)
		all := []testNode{alice, bob}
		return apitest.Fixture{
			Alice: alice, Bob: bob, Backlog: hubSize,
			BobLeaves:  func() { bob.halt() },
			BobReturns: func() api.Service { bob = start(t, bobDir, alice); return bob },
			Join: func(name string) api.Service {
				n := start(t, newAccount(t, name), all...)
				all = append(all, n)
				return n
			},
		}
	})
}
