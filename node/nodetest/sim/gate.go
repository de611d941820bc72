package sim

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"p2pchat/node/internal/antientropy"
)

var errShut = errors.New("sync is off in this test")

// gate is a host that opens no stream of sync while that is off, for tests of
// what gossip does alone.
type gate struct {
	host.Host
	off *atomic.Bool
}

func (g gate) NewStream(ctx context.Context, p peer.ID, ids ...protocol.ID) (network.Stream, error) {
	if g.off.Load() && slices.Contains(ids, antientropy.Protocol) {
		return nil, errShut
	}
	return g.Host.NewStream(ctx, p, ids...)
}
