package p2phost

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// ConnInfo describes one open connection.
type ConnInfo struct {
	Peer      peer.ID
	Transport string // QUIC or TCP
	Incoming  bool   // the other side dialled
	Remote    ma.Multiaddr
	Opened    time.Time
}

// Conns lists the open connections, by peer, oldest first.
func (h *Host) Conns() []ConnInfo {
	var out []ConnInfo
	for _, c := range h.Network().Conns() {
		if !c.IsClosed() {
			out = append(out, Info(c))
		}
	}
	slices.SortFunc(out, func(a, b ConnInfo) int {
		return cmp.Or(cmp.Compare(a.Peer, b.Peer), a.Opened.Compare(b.Opened))
	})
	return out
}

// Info describes a connection.
func Info(c network.Conn) ConnInfo {
	stat := c.Stat()
	return ConnInfo{
		Peer:      c.RemotePeer(),
		Transport: c.ConnState().Transport,
		Incoming:  stat.Direction == network.DirInbound,
		Remote:    c.RemoteMultiaddr(),
		Opened:    stat.Opened,
	}
}
