package sim

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"time"

	libp2p "github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	ma "github.com/multiformats/go-multiaddr"

	"p2pchat/node"
	"p2pchat/node/api"
	"p2pchat/node/internal/discovery"
	"p2pchat/protocol/identity"
)

// Node is a node of a [Net]. While it runs, it is a [node.Node].
type Node struct {
	*node.Node // nil while it is stopped
	Name       string
	ID         string // peer ID

	net     *Net
	dir     string
	addr    netip.Addr
	lock    *node.Lock
	key     identity.Key // once it was started
	syncOff atomic.Bool
	wrong   atomic.Int64 // by how many nanoseconds its clock is
	tracer  *tracer
}

const port = 47700

func listenAt(a netip.Addr) ma.Multiaddr {
	return ma.StringCast(fmt.Sprintf("/ip4/%s/udp/%d/quic-v1", a, port))
}

// Addr is where others dial it.
func (n *Node) Addr() ma.Multiaddr {
	return listenAt(n.addr).Encapsulate(ma.StringCast("/p2p/" + n.ID))
}

// Start runs the node, which keeps connected to peers.
func (n *Node) Start(ctx context.Context, peers ...*Node) error {
	if n.Node != nil {
		return fmt.Errorf("start %s: it is running", n.Name)
	}
	var static []ma.Multiaddr
	for _, p := range peers {
		static = append(static, p.Addr())
	}
	lock, key, err := node.Unlock(n.dir, nil)
	if err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	running, err := node.Start(ctx, node.Config{
		Dir: n.dir, Key: key, Version: "sim", Listen: []ma.Multiaddr{listenAt(n.addr)}, Peers: static, NoMDNS: true,
		Logger: n.net.log.With("node", n.Name),
		Seams: node.Seams{
			Host:    []libp2p.Option{n.net.Lan.option(n.addr)},
			Streams: func(h host.Host) host.Host { return gate{h, &n.syncOff} },
			Gossip:  n.tracer,
			Now:     func() time.Time { return time.Now().Add(time.Duration(n.wrong.Load())) },
			// So that also a short story has rules that read again what they gave up.
			CompactAfter: 8,
			Interfaces: func() ([]discovery.Interface, error) {
				return []discovery.Interface{{
					Name: "sim0", Index: 1, Kind: discovery.Wired, Up: true, Running: true, Multicast: true,
					Addrs: []netip.Prefix{netip.PrefixFrom(n.addr, subnet.Bits())}, Used: true,
				}}, nil
			},
		},
	})
	if err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", n.Name, err), lock.Release())
	}
	n.Node, n.lock, n.key = running, lock, key
	return nil
}

// Stop stops the node cleanly. A cut before it makes that a crash to the others.
func (n *Node) Stop() error {
	if n.Node == nil {
		return nil
	}
	err := errors.Join(n.Close(), n.lock.Release())
	n.Node = nil
	return err
}

// SetClock has the node's clock be wrong by so much, from now on.
func (n *Node) SetClock(wrong time.Duration) { n.wrong.Store(int64(wrong)) }

// Sync switches sync on or off on this node; runs that others open are served.
func (n *Node) Sync(on bool) { n.syncOff.Store(!on) }

// SlowValidation has the next message take d to be validated, while others wait.
func (n *Node) SlowValidation(d time.Duration) {
	n.tracer.mu.Lock()
	defer n.tracer.mu.Unlock()
	n.tracer.slow = d
}

// Traffic is what GossipSub did here since the node was made.
func (n *Node) Traffic() (t Traffic) {
	n.tracer.count(func(g *Traffic) { t = *g })
	return t
}

// Lines are the messages of a room as its log shows them.
func (n *Node) Lines(ctx context.Context, room string) ([]api.Message, error) {
	return n.Log(ctx, api.LogQuery{Target: room, All: true})
}

// Say says text in a room and does not wait for anybody.
func (n *Node) Say(ctx context.Context, room, text string) error {
	_, err := n.Send(ctx, api.SendRequest{Target: room, Text: text})
	return err
}

func (n *Node) database() string { return filepath.Join(n.dir, "p2pchat.db") }
