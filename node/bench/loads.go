package main

import (
	"slices"
	"sync/atomic"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/metrics"

	"p2pchat/node/internal/gossip"
)

// loads counts what comes in at hosts that share it: bytes of their streams, and
// GossipSub's payloads, whether seen before or not.
type loads struct {
	gossip.Untraced
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
