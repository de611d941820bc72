package gossip

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	// settleFor is how long a connection that the other side's may yet replace
	// is left alone, settleAtMost how long one waits for duplicates to go.
	settleFor    = 250 * time.Millisecond
	settleAtMost = 2 * time.Second
	settlePoll   = 10 * time.Millisecond
)

// settled is a host that opens streams only on connections that last. Where two
// sides dial each other at once one connection is closed soon. If pubsub's
// stream was on that one, pubsub forgets the topics of the other side, which has
// no reason to tell them again as long as its own stream lives, and nothing is
// sent there any more; if the stream was not open yet, pubsub gives up.
type settled struct{ host.Host }

func (h settled) NewStream(ctx context.Context, p peer.ID, protos ...protocol.ID) (network.Stream, error) {
	for {
		if err := h.settle(ctx, p); err != nil {
			return nil, err
		}
		s, err := h.Host.NewStream(ctx, p, protos...)
		switch {
		case err == nil && h.lasts(s.Conn()):
			return s, nil
		case err == nil: // another connection came between
			_ = s.Reset()
			continue
		case ctx.Err() != nil || h.Network().Connectedness(p) != network.Connected || !h.speaks(p, protos):
			return nil, err
		}
		if err := pause(ctx, settleFor); err != nil {
			return nil, err
		}
	}
}

// settle returns when there is one connection to p and it lasts, or nobody
// closes the others.
func (h settled) settle(ctx context.Context, p peer.ID) error {
	for deadline := time.Now().Add(settleAtMost); time.Now().Before(deadline); {
		conns := h.Network().ConnsToPeer(p)
		if len(conns) == 0 {
			return network.ErrNoConn
		}
		if len(conns) == 1 && h.lasts(conns[0]) {
			return nil
		}
		if err := pause(ctx, settlePoll); err != nil {
			return err
		}
	}
	return nil
}

// lasts tells whether a connection is going to stay: the lower ID dialled it,
// or it is not new.
func (h settled) lasts(c network.Conn) bool {
	st := c.Stat()
	byLower := (st.Direction == network.DirOutbound) == (h.ID() < c.RemotePeer())
	return byLower || time.Since(st.Opened) >= settleFor
}

func (h settled) speaks(p peer.ID, protos []protocol.ID) bool {
	known, err := h.Peerstore().SupportsProtocols(p, protos...)
	return err == nil && len(known) > 0
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
