package gossip

import (
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// forgetting is told by pubsub's loop which peers it forgets.
type forgetting struct {
	Untraced
	forgot func(peer.ID)
}

// OnClosedOutboundStream implements [pubsub.RawTracer].
func (f forgetting) OnClosedOutboundStream(p peer.ID) { f.forgot(p) }

// Untraced is a [pubsub.RawTracer] that wants to know nothing, for others to be
// built on.
type Untraced struct{}

var _ pubsub.RawTracer = Untraced{}

func (Untraced) OnNewOutboundStream(peer.ID, protocol.ID) {}
func (Untraced) OnClosedOutboundStream(peer.ID)           {}
func (Untraced) Join(string)                              {}
func (Untraced) Leave(string)                             {}
func (Untraced) Graft(peer.ID, string)                    {}
func (Untraced) Prune(peer.ID, string)                    {}
func (Untraced) ValidateMessage(*pubsub.Message)          {}
func (Untraced) DeliverMessage(*pubsub.Message)           {}
func (Untraced) RejectMessage(*pubsub.Message, string)    {}
func (Untraced) DuplicateMessage(*pubsub.Message)         {}
func (Untraced) ThrottlePeer(peer.ID)                     {}
func (Untraced) RecvRPC(*pubsub.RPC)                      {}
func (Untraced) SendRPC(*pubsub.RPC, peer.ID)             {}
func (Untraced) DropRPC(*pubsub.RPC, peer.ID)             {}
func (Untraced) UndeliverableMessage(*pubsub.Message)     {}
