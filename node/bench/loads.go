package main

import (
	"slices"
	"sync/atomic"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// loads counts what comes in at hosts that share it: bytes of their streams, and
// GossipSub's payloads, whether seen before or not.
type loads struct {
	traffic  *metrics.BandwidthCounter
	payloads atomic.Int64
}

func newLoads() *loads { return &loads{traffic: metrics.NewBandwidthCounter()} }

func (l *loads) cargo() cargo {
	c := cargo{payloads: float64(l.payloads.Load())}
	for id, s := range l.traffic.GetBandwidthByProtocol() {
		c.all += float64(s.TotalIn)
		if slices.Contains(pubsub.GossipSubDefaultProtocols, id) {
			c.bytes += float64(s.TotalIn)
		}
	}
	return c
}

func (l *loads) RecvRPC(rpc *pubsub.RPC) { l.payloads.Add(int64(len(rpc.GetPublish()))) }

func (*loads) OnNewOutboundStream(peer.ID, protocol.ID) {}
func (*loads) OnClosedOutboundStream(peer.ID)           {}
func (*loads) Join(string)                              {}
func (*loads) Leave(string)                             {}
func (*loads) Graft(peer.ID, string)                    {}
func (*loads) Prune(peer.ID, string)                    {}
func (*loads) ValidateMessage(*pubsub.Message)          {}
func (*loads) DeliverMessage(*pubsub.Message)           {}
func (*loads) RejectMessage(*pubsub.Message, string)    {}
func (*loads) DuplicateMessage(*pubsub.Message)         {}
func (*loads) ThrottlePeer(peer.ID)                     {}
func (*loads) SendRPC(*pubsub.RPC, peer.ID)             {}
func (*loads) DropRPC(*pubsub.RPC, peer.ID)             {}
func (*loads) UndeliverableMessage(*pubsub.Message)     {}
