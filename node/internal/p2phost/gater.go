package p2phost

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// only is a connection gater that lets these peers in and nobody else. Who it
// is, an incoming connection tells in its handshake.
type only []peer.ID

func (o only) InterceptPeerDial(p peer.ID) bool                 { return slices.Contains(o, p) }
func (o only) InterceptAddrDial(p peer.ID, _ ma.Multiaddr) bool { return slices.Contains(o, p) }
func (only) InterceptAccept(network.ConnMultiaddrs) bool        { return true }

func (o only) InterceptSecured(_ network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	return slices.Contains(o, p)
}

func (only) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
