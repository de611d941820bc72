package p2phost

import (
	"context"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A host that knows only one peer lets that one in, and dials and admits
// nobody else, over both transports.
func TestOnly(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"} {
		t.Run(listen, func(t *testing.T) {
			t.Parallel()
			friend := newHost(t, Config{Listen: addrs(t, listen)})
			stranger := newHost(t, Config{Listen: addrs(t, listen)})
			closed := newHost(t, Config{Listen: addrs(t, listen), Only: []peer.ID{friend.ID()}})
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			at := func(h *Host) peer.AddrInfo { return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()} }

			if err := closed.Connect(ctx, at(stranger)); err == nil {
				t.Error("it dials a stranger")
			}
			// A refusal may come after the handshake, from the stranger's view.
			if err := stranger.Connect(ctx, at(closed)); err == nil {
				if _, err := stranger.NewStream(ctx, closed.ID(), "/ipfs/ping/1.0.0"); err == nil {
					t.Error("it speaks with a stranger")
				}
			}
			if err := friend.Connect(ctx, at(closed)); err != nil {
				t.Errorf("the friend: %v", err)
			}
			if got := closed.Conns(); len(got) != 1 || got[0].Peer != friend.ID() {
				t.Errorf("connections: %v", got)
			}
		})
	}
}
