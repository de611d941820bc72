package gossip

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// unlucky is a host that cannot open its first streams, as when the connection
// they would be on is just being closed.
type unlucky struct {
	host.Host
	left *atomic.Int32
}

func (h unlucky) NewStream(ctx context.Context, p peer.ID, protos ...protocol.ID) (network.Stream, error) {
	if h.left.Add(-1) >= 0 {
		return nil, errors.New("connection closed")
	}
	return h.Host.NewStream(ctx, p, protos...)
}

// TestStreamThatCannotBeOpened: a stream that cannot be opened at once is opened
// later, though no other connection comes.
func TestStreamThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	var left atomic.Int32
	left.Store(2)
	a := join(b, func(c *Config) { c.Host = unlucky{c.Host, &left} })
	c := join(b, nil)
	connect(t, a.host, c.host)
	b.until("both are on the topic for each other", func() bool { return a.present[c.id()] && c.present[a.id()] })
	a.publish("heard in spite of all")
	c.has("heard in spite of all")
	c.publish("and the other way")
	a.has("and the other way")
}

// TestDialledAtOnce: two sides dial each other at the same time, and then the
// connection that the higher ID dialled is closed, as discovery does it. Each
// hears the other.
func TestDialledAtOnce(t *testing.T) {
	t.Parallel()
	b := newBoard(t)
	twice := 0
	for range 20 {
		a, c := join(b, nil), join(b, nil)
		if a.id() > c.id() {
			a, c = c, a
		}
		var wg sync.WaitGroup
		for _, pair := range [][2]*member{{a, c}, {c, a}} {
			wg.Go(func() { connect(t, pair[0].host, pair[1].host) })
		}
		wg.Wait()
		conns := a.host.Network().ConnsToPeer(c.id())
		for _, conn := range conns {
			if len(conns) > 1 && conn.Stat().Direction == network.DirInbound {
				twice++
				_ = conn.Close()
			}
		}
		for deadline := time.Now().Add(giveUp); !get(b, func() bool { return a.present[c.id()] && c.present[a.id()] }); {
			if time.Now().After(deadline) {
				t.Fatal("the two are not on the topic for each other")
			}
			connect(t, a.host, c.host) // where none of the two was left
			time.Sleep(10 * time.Millisecond)
		}
		a.publish(a.own("hello"))
		c.has(a.own("hello"))
		c.publish(c.own("hello"))
		a.has(c.own("hello"))
		_ = a.host.Close()
	}
	t.Logf("%d of 20 dialled each other at once", twice)
}
