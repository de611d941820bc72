package sim

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	libp2p "github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"p2pchat/node/internal/gossip"
	"p2pchat/node/internal/p2phost"
	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

// Outsider is a host on the network that is no node: it speaks the raw
// protocols, as well or badly as a test has it.
type Outsider struct {
	*p2phost.Host
	Key    identity.Key
	gossip *gossip.Service
}

// AddOutsider puts one on the network. Close stops it.
func (n *Net) AddOutsider(ctx context.Context) (*Outsider, error) {
	key, err := identity.NewKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	addr := n.nextAddr()
	h, err := p2phost.New(p2phost.Config{
		Key: key.Libp2p(), Listen: []ma.Multiaddr{listenAt(addr)}, Options: []libp2p.Option{n.Lan.option(addr)},
	})
	if err != nil {
		return nil, err
	}
	g, err := gossip.New(context.WithoutCancel(ctx), gossip.Config{Host: h, Logger: n.log})
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return &Outsider{h, key, g}, nil
}

// Close takes it off the network.
func (o *Outsider) Close() error {
	o.gossip.Close()
	return o.Host.Close()
}

// Meet connects to a node.
func (o *Outsider) Meet(ctx context.Context, n *Node) error {
	info, err := peer.AddrInfoFromP2pAddr(n.Addr())
	if err != nil {
		return err
	}
	return o.Connect(ctx, *info)
}

// Topic enters the topic of a room, given by its ID, as anybody can who knows
// that.
func (o *Outsider) Topic(room string) (*Tap, error) {
	id, err := event.ParseID(room)
	if err != nil {
		return nil, fmt.Errorf("a room's ID: %w", err)
	}
	t := &Tap{}
	t.topic, err = o.gossip.Join(envelope.Topic(event.Conversation(id)), t)
	return t, err
}
