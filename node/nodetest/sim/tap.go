package sim

import (
	"context"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/internal/gossip"
)

// Tap is an outsider's ear and mouth in a topic.
type Tap struct {
	topic *gossip.Topic

	mu    sync.Mutex
	heard [][]byte
}

// Publish says something in the topic.
func (t *Tap) Publish(ctx context.Context, payload []byte) error {
	return t.topic.Publish(ctx, payload)
}

// Peers is how many members of the topic are connected.
func (t *Tap) Peers() int { return len(t.topic.Peers()) }

// Heard are the payloads that others published.
func (t *Tap) Heard() [][]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.heard)
}

// Validate implements gossip.Handler.
func (t *Tap) Validate(_ context.Context, _ peer.ID, payload []byte) (gossip.Verdict, any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heard = append(t.heard, slices.Clone(payload))
	return gossip.Accept, nil
}

// Deliver implements gossip.Handler.
func (*Tap) Deliver(peer.ID, any) {}

// PeerJoined implements gossip.Handler.
func (*Tap) PeerJoined(peer.ID) {}

// PeerLeft implements gossip.Handler.
func (*Tap) PeerLeft(peer.ID) {}
