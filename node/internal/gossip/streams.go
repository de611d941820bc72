package gossip

import (
	"context"
	"sync"
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

	// renewAtMost is how long our stream waits for the one that a peer is to
	// open anew. Both may wait for each other: then the lower ID does not wait
	// for long.
	renewAtMost      = 2 * time.Second
	renewAtMostLower = settleFor
)

// streams is a host as pubsub is to see it. A peer tells its topics once, at the
// start of its stream, and pubsub forgets them when that stream ends, and also
// when ours does. Nothing is sent to a peer who is forgotten, and it has no
// reason to tell its topics again. Therefore
//
//   - streams are opened on connections that last only: where two sides dial each
//     other at once, one connection is closed soon;
//   - when ours ended though the peer's lives, the peer's is reset, so that it
//     opens another. That may be while an old connection to a peer that was
//     restarted runs into its timeout. Ours is opened after it: the peer forgets
//     us just then;
//   - the end of a peer's stream is told before anything of its next one.
type streams struct {
	host.Host
	mu    sync.Mutex
	heard map[peer.ID]*heard         // the newest of each peer
	due   map[peer.ID]network.Stream // its last one, which we reset
}

// heard is a peer's stream.
type heard struct {
	network.Stream
	over chan struct{} // closed when pubsub was told of its end
}

func newStreams(h host.Host) *streams {
	return &streams{Host: h, heard: map[peer.ID]*heard{}, due: map[peer.ID]network.Stream{}}
}

// SetStreamHandler implements [host.Host].
func (h *streams) SetStreamHandler(id protocol.ID, handle network.StreamHandler) {
	h.Host.SetStreamHandler(id, func(s network.Stream) {
		p := s.Conn().RemotePeer()
		is := &heard{Stream: s, over: make(chan struct{})}
		h.mu.Lock()
		was := h.heard[p]
		h.heard[p] = is
		delete(h.due, p)
		h.mu.Unlock()
		if was != nil {
			_ = was.Reset()
			<-was.over
		}
		handle(s) // as long as the stream lives
		h.mu.Lock()
		if h.heard[p] == is {
			delete(h.heard, p)
		}
		h.mu.Unlock()
		close(is.over)
	})
}

// forgot is called when pubsub's stream to p ended and it forgot p's topics. It
// does not block.
func (h *streams) forgot(p peer.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.heard[p]
	if s == nil || s.Conn().IsClosed() {
		return
	}
	h.due[p] = s
	go func() { _ = s.Reset() }() // ends when that is written
}

// renewed waits until p has opened the stream it is to open, but not for ever.
func (h *streams) renewed(ctx context.Context, p peer.ID) error {
	most := renewAtMost
	if h.ID() < p {
		most = renewAtMostLower
	}
	for deadline := time.Now().Add(most); ; {
		h.mu.Lock()
		s := h.due[p]
		if s != nil && (s.Conn().IsClosed() || time.Now().After(deadline)) {
			delete(h.due, p)
			s = nil
		}
		h.mu.Unlock()
		if s == nil {
			return nil
		}
		if err := pause(ctx, settlePoll); err != nil {
			return err
		}
	}
}

// NewStream implements [host.Host].
func (h *streams) NewStream(ctx context.Context, p peer.ID, protos ...protocol.ID) (network.Stream, error) {
	if err := h.renewed(ctx, p); err != nil {
		return nil, err
	}
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
func (h *streams) settle(ctx context.Context, p peer.ID) error {
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
func (h *streams) lasts(c network.Conn) bool {
	st := c.Stat()
	byLower := (st.Direction == network.DirOutbound) == (h.ID() < c.RemotePeer())
	return byLower || time.Since(st.Opened) >= settleFor
}

func (h *streams) speaks(p peer.ID, protos []protocol.ID) bool {
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
