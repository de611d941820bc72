package gossip

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// TestStreamsLost: the streams of one side or of both end while their connection
// lives. Each learns the other's topics again.
func TestStreamsLost(t *testing.T) {
	t.Parallel()
	for what, lost := range map[string]network.Direction{
		"ours": network.DirOutbound, "theirs": network.DirInbound, "both": network.DirUnknown,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := newBoard(t)
			a, c := join(b, nil), join(b, nil)
			connect(t, a.host, c.host)
			for i := range 3 {
				hear(t, a, c, fmt.Sprint("to the other ", i))
				hear(t, c, a, fmt.Sprint("to the one ", i))
				resetStreams(a, c, lost)
			}
			hear(t, a, c, "to the other")
			hear(t, c, a, "to the one")
		})
	}
}

// hear has a member say something now and then until another has heard it.
func hear(t *testing.T, from, to *member, text string) {
	t.Helper()
	for start, i := time.Now(), 0; ; i++ {
		said := from.own(fmt.Sprint(text, i))
		from.publish(said)
		time.Sleep(10 * time.Millisecond) // what is said while nobody is known is lost by right, and said anew
		if get(to.board, func() bool { return slices.Contains(to.delivered, said) }) {
			return
		}
		if time.Since(start) > giveUp {
			t.Fatalf("never heard: %s", text)
		}
	}
}

// resetStreams resets a's gossip streams to c of a direction, or all.
func resetStreams(a, c *member, dir network.Direction) {
	for _, conn := range a.host.Network().ConnsToPeer(c.id()) {
		for _, s := range conn.GetStreams() {
			if strings.Contains(string(s.Protocol()), "meshsub") && (dir == network.DirUnknown || s.Stat().Direction == dir) {
				_ = s.Reset()
			}
		}
	}
}
