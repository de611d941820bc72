package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"p2pchat/node/internal/p2phost"
	"p2pchat/protocol/identity"
)

const (
	// twinSilence is how long another node with our key counts as running
	// after it was last met; nodes announce themselves at least every 75 s.
	twinSilence = 150 * time.Second
	twinDial    = 3 * time.Second
	// A node that says goodbye may answer for a moment more.
	twinGoodbyes     = 5
	twinGoodbyePause = time.Second
)

// twins watches for another node with our key. What is heard on the LAN is a
// hint anybody can give: only who proves the key in a handshake counts.
type twins struct {
	n    *Node
	wg   sync.WaitGroup
	mu   sync.Mutex
	busy bool
	at   []ma.Multiaddr // where it was met
	gone *time.Timer    // fires when it has been silent for too long
}

func newTwins(n *Node) *twins {
	t := &twins{n: n}
	t.gone = time.AfterFunc(twinSilence, func() { n.notices.set(causeTwin, "") })
	t.gone.Stop()
	return t
}

// heard looks whether there is a twin at addrs.
func (t *twins) heard(addrs []ma.Multiaddr) {
	t.check(func(ctx context.Context) {
		if !t.n.holdsOurKey(ctx, addrs) {
			return
		}
		t.mu.Lock()
		t.at = addrs
		t.mu.Unlock()
		t.gone.Reset(twinSilence)
		t.n.notice(causeTwin, fmt.Sprintf("another node with this account's key runs at %s: nothing can be sent until one of the two stops", hosts(addrs)))
	})
}

// hosts names the machines of addresses.
func hosts(addrs []ma.Multiaddr) string {
	var all []string
	for _, a := range addrs {
		host := a.String()
		if at, _, ok := endpoint(a); ok {
			host = at.Addr().String()
		}
		if !slices.Contains(all, host) {
			all = append(all, host)
		}
	}
	return strings.Join(all, " and ")
}

// parted looks whether the twin is really gone.
func (t *twins) parted() {
	t.mu.Lock()
	addrs := t.at
	t.mu.Unlock()
	t.check(func(ctx context.Context) {
		for range twinGoodbyes {
			if !t.n.holdsOurKey(ctx, addrs) {
				t.n.notices.set(causeTwin, "")
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(twinGoodbyePause):
			}
		}
	})
}

// check runs f beside, unless another check runs.
func (t *twins) check(f func(context.Context)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy || t.n.ctx.Err() != nil {
		return
	}
	t.busy = true
	t.wg.Go(func() { // ends with f, which the node's context ends
		f(t.n.ctx)
		t.mu.Lock()
		t.busy = false
		t.mu.Unlock()
	})
}

// stop waits for a check that runs.
func (t *twins) stop() {
	t.mu.Lock()
	t.busy = true // none begins any more
	t.mu.Unlock()
	t.gone.Stop()
	t.wg.Wait()
}

// holdsOurKey tells whether somebody other than this node answers at addrs and
// proves in the handshake that he has our key. A host of a moment asks, since
// no host connects to its own peer ID.
func (n *Node) holdsOurKey(ctx context.Context, addrs []ma.Multiaddr) bool {
	own := n.host.Addrs()
	addrs = slices.DeleteFunc(slices.Clone(addrs), func(a ma.Multiaddr) bool {
		return slices.ContainsFunc(own, a.Equal)
	})
	if len(addrs) == 0 {
		return false
	}
	key, err := identity.NewKey(rand.Reader)
	if err != nil {
		return false
	}
	h, err := p2phost.New(p2phost.Config{
		Key: key.Libp2p(), Version: n.cfg.Version, Log: n.cfg.Logger, DialOnly: true,
	})
	if err != nil {
		return false
	}
	defer h.Close()
	ctx, cancel := context.WithTimeout(ctx, twinDial)
	defer cancel()
	return h.Connect(ctx, peer.AddrInfo{ID: n.key.ID(), Addrs: addrs}) == nil
}
