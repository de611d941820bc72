package gossip

import (
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// forgetting is told by pubsub's loop which peers it forgets.
type forgetting struct{ forgot func(peer.ID) }

// OnClosedOutboundStream implements [pubsub.RawTracer].
func (f forgetting) OnClosedOutboundStream(p peer.ID) { f.forgot(p) }

func (forgetting) OnNewOutboundStream(peer.ID, protocol.ID) {}
func (forgetting) Join(string)                              {}
func (forgetting) Leave(string)                             {}
func (forgetting) Graft(peer.ID, string)                    {}
func (forgetting) Prune(peer.ID, string)                    {}
func (forgetting) ValidateMessage(*pubsub.Message)          {}
func (forgetting) DeliverMessage(*pubsub.Message)           {}
func (forgetting) RejectMessage(*pubsub.Message, string)    {}
func (forgetting) DuplicateMessage(*pubsub.Message)         {}
func (forgetting) ThrottlePeer(peer.ID)                     {}
func (forgetting) RecvRPC(*pubsub.RPC)                      {}
func (forgetting) SendRPC(*pubsub.RPC, peer.ID)             {}
func (forgetting) DropRPC(*pubsub.RPC, peer.ID)             {}
func (forgetting) UndeliverableMessage(*pubsub.Message)     {}
