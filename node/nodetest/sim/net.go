package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node"
)

// Options of a [Net]. The zero value is good.
type Options struct {
	// Seed decides what is lost and how late packets come.
	Seed   uint64
	Logger *slog.Logger // nil: nobody reads
}

// Net is a number of nodes on one network.
type Net struct {
	Lan *Lan

	log *slog.Logger
	dir string

	mu    sync.Mutex
	nodes []*Node
	addrs int // given away
}

// New starts a network without nodes.
func New(o Options) (*Net, error) {
	dir, err := scratch()
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Net{Lan: newLan(random(o.Seed)), log: o.Logger, dir: dir}, nil
}

// random repeats itself for a seed.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// scratch makes a directory for the nodes' stores, in memory if the machine has
// a file system there: a hundred nodes sync ten thousand commits.
func scratch() (string, error) {
	const memory = "/dev/shm"
	if dir, err := os.MkdirTemp(memory, "p2pchat-sim-*"); err == nil {
		return dir, nil
	}
	return os.MkdirTemp("", "p2pchat-sim-*")
}

// Close stops every node and the network, and removes the stores.
func (n *Net) Close() error {
	var errs []error
	for _, x := range n.Nodes() {
		errs = append(errs, x.Stop())
	}
	n.Lan.net.Close()
	return errors.Join(append(errs, os.RemoveAll(n.dir))...)
}

// Nodes lists the nodes in the order in which they were made.
func (n *Net) Nodes() []*Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*Node(nil), n.nodes...)
}

// Add makes an account and starts its node, which keeps connected to peers.
func (n *Net) Add(ctx context.Context, name string, peers ...*Node) (*Node, error) {
	x, err := n.Account(ctx, name)
	if err != nil {
		return nil, err
	}
	return x, x.Start(ctx, peers...)
}

// Account makes a node and does not start it.
func (n *Net) Account(ctx context.Context, name string) (*Node, error) {
	x := &Node{Name: name, net: n, addr: n.nextAddr(), dir: filepath.Join(n.dir, name)}
	id, err := node.CreateAccount(ctx, x.dir, name, nil)
	if err != nil {
		return nil, fmt.Errorf("make the account %s: %w", name, err)
	}
	self, err := peer.Decode(id.PeerID)
	if err != nil {
		return nil, err
	}
	x.ID, x.tracer = id.PeerID, &tracer{self: self}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes = append(n.nodes, x)
	return x, nil
}

// nextAddr is an address nobody has.
func (n *Net) nextAddr() netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := subnet.Addr().As4()
	n.addrs++
	binary.BigEndian.PutUint16(a[2:], uint16(1<<8+n.addrs))
	return netip.AddrFrom4(a)
}
