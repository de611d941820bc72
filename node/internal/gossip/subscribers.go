package gossip

import (
	"fmt"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// maxTopics bounds the topics that a peer may say he is in, maxTopicName the
	// length of their names, in bytes: pubsub remembers every one of them for as
	// long as the connection lasts.
	maxTopics    = 1024
	maxTopicName = 128
	// maxSubscribers bounds the peers whose topics are counted.
	maxSubscribers = 4096
)

// subscribers counts what peers say they are in. It belongs to pubsub's loop.
type subscribers struct {
	topics map[peer.ID]map[string]bool
	here   func(peer.ID) bool // connected
}

func newSubscribers(here func(peer.ID) bool) *subscribers {
	return &subscribers{topics: map[peer.ID]map[string]bool{}, here: here}
}

// CanSubscribe implements [pubsub.SubscriptionFilter].
func (s *subscribers) CanSubscribe(topic string) bool { return len(topic) <= maxTopicName }

// FilterIncomingSubscriptions implements [pubsub.SubscriptionFilter]. What is
// beyond the limits is not noted, nor is the rest of the packet.
func (s *subscribers) FilterIncomingSubscriptions(p peer.ID, subs []*pb.RPC_SubOpts) ([]*pb.RPC_SubOpts, error) {
	in := s.topics[p]
	if in == nil {
		if len(s.topics) >= maxSubscribers {
			for o := range s.topics {
				if !s.here(o) {
					delete(s.topics, o)
				}
			}
		}
		if len(s.topics) >= maxSubscribers {
			return nil, pubsub.ErrTooManySubscriptions
		}
		in = map[string]bool{}
		s.topics[p] = in
	}
	out := subs[:0:0]
	for _, sub := range subs {
		switch topic := sub.GetTopicid(); {
		case len(topic) > maxTopicName:
			return nil, fmt.Errorf("topic name of %d bytes, at most %d", len(topic), maxTopicName)
		case !sub.GetSubscribe():
			delete(in, topic)
		case !in[topic] && len(in) >= maxTopics:
			return nil, pubsub.ErrTooManySubscriptions
		default:
			in[topic] = true
		}
		out = append(out, sub)
	}
	return out, nil
}
