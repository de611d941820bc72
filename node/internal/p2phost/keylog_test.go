package p2phost

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	libp2p "github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// heard collects lines.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) tell(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line)
}

func (h *heard) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lines)
}

func TestKeyLogForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l KeyLog
		say := func(s string) { fmt.Fprintln(&l, s) }
		said := func() []string {
			var h heard
			complete, stop := l.Listen(h.tell)
			if complete {
				t.Error("a log that forgets is complete")
			}
			stop()
			return h.all()
		}
		say("A")
		time.Sleep(keyLogKeeps - time.Second)
		say("B")
		if got := said(); !slices.Equal(got, []string{"A", "B"}) {
			t.Errorf("kept %q", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := said(); !slices.Equal(got, []string{"B"}) {
			t.Errorf("kept %q after the time of the first", got)
		}
		time.Sleep(keyLogKeeps)
		synctest.Wait()
		if len(l.kept) != 0 || l.forget != nil {
			t.Errorf("kept %v", l.kept)
		}
		say("C")
		l.close()
		say("D")
		if len(l.kept) != 0 {
			t.Errorf("kept after the end: %v", l.kept)
		}
	})
}

func TestKeyLogListeners(t *testing.T) {
	t.Parallel()
	l := KeyLog{all: true}
	defer l.close()
	var a, b heard
	fmt.Fprintln(&l, "1")
	complete, stopA := l.Listen(a.tell)
	if !complete {
		t.Error("a log that keeps all is not complete")
	}
	fmt.Fprintln(&l, "2")
	_, stopB := l.Listen(b.tell)
	fmt.Fprintln(&l, "3")
	stopA()
	fmt.Fprintln(&l, "4")
	if !l.heard() {
		t.Error("nobody listens though one of two does")
	}
	if stopB(); l.heard() {
		t.Error("somebody listens when the last has gone")
	}
	if got := a.all(); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("the first heard %q", got)
	}
	if got := b.all(); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
		t.Errorf("the second heard %q", got)
	}
}

// Both ends of a connection log the same keys, enough to decrypt it.
func TestKeysOfConnections(t *testing.T) {
	t.Parallel()
	for transport, listen := range map[string]string{TCP: "/ip4/127.0.0.1/tcp/0", QUIC: "/ip4/127.0.0.1/udp/0/quic-v1"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			a, b := newHost(t, Config{Listen: addrs(t, listen)}), newHost(t, Config{Listen: addrs(t, listen)})
			var of [2]heard
			for i, h := range []*Host{a, b} {
				_, stop := h.Keys.Listen(of[i].tell)
				defer stop()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := a.Connect(ctx, peer.AddrInfo{ID: b.ID(), Addrs: b.Addrs()}); err != nil {
				t.Fatal(err)
			}
			mine := of[0].all()
			for _, label := range []string{
				"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0",
			} {
				i := slices.IndexFunc(mine, func(s string) bool { return strings.HasPrefix(s, label+" ") })
				if i < 0 || len(strings.Fields(mine[i])) != 3 || !slices.Contains(of[1].all(), mine[i]) {
					t.Errorf("%s: the dialler has %q, the other %q", label, mine, of[1].all())
				}
			}
		})
	}
}

// Who speaks Noise only is refused while somebody listens, and not before or after.
func TestNoNoiseWhileHeard(t *testing.T) {
	t.Parallel()
	h := newHost(t, Config{Listen: addrs(t, "/ip4/127.0.0.1/tcp/0")})
	other, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Security(noise.ID, noise.New),
		libp2p.Transport(tcp.NewTCPTransport), libp2p.DisableRelay(), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	dial := func(what string, fine bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		h.swarm.Backoff().Clear(other.ID())
		err := h.Connect(ctx, peer.AddrInfo{ID: other.ID(), Addrs: other.Addrs()})
		if fine != (err == nil) {
			t.Errorf("%s: dial: %v", what, err)
		}
		if !fine && (err == nil || !strings.Contains(err.Error(), "only TLS can be decrypted")) {
			t.Errorf("%s: the error does not say why: %v", what, err)
		}
		h.Network().ClosePeer(other.ID())
		other.Network().ClosePeer(h.ID()) // who has not noticed yet would take it for the next
	}
	dial("before", true)
	_, stop := h.Keys.Listen(func(string) {})
	dial("meanwhile", false)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := other.Connect(ctx, peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}); err == nil {
		t.Error("meanwhile an incoming connection with Noise was let in")
	}
	stop()
	dial("after", true)
}
