package gossip

import (
	"fmt"
	"strings"
	"testing"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
)

func TestSubscribersAreBounded(t *testing.T) {
	t.Parallel()
	here := map[peer.ID]bool{}
	s := newSubscribers(func(p peer.ID) bool { return here[p] })
	sub := func(topic string, on bool) []*pb.RPC_SubOpts {
		return []*pb.RPC_SubOpts{{Topicid: &topic, Subscribe: &on}}
	}
	for i := range maxTopics {
		if out, err := s.FilterIncomingSubscriptions("a", sub(fmt.Sprint(i), true)); err != nil || len(out) != 1 {
			t.Fatalf("topic %d: %v, %v", i, out, err)
		}
	}
	if _, err := s.FilterIncomingSubscriptions("a", sub("one more", true)); err == nil {
		t.Error("one topic too many is noted")
	}
	if _, err := s.FilterIncomingSubscriptions("a", sub("5", true)); err != nil {
		t.Errorf("one said twice: %v", err)
	}
	if _, err := s.FilterIncomingSubscriptions("a", sub("5", false)); err != nil {
		t.Errorf("one left: %v", err)
	}
	if _, err := s.FilterIncomingSubscriptions("a", sub("one more", true)); err != nil {
		t.Errorf("one in the place of another: %v", err)
	}
	if _, err := s.FilterIncomingSubscriptions("b", sub(strings.Repeat("x", maxTopicName+1), true)); err == nil {
		t.Error("a name too long is noted")
	}
	// Who is gone makes room.
	for i := range maxSubscribers {
		_, _ = s.FilterIncomingSubscriptions(peer.ID(fmt.Sprint("p", i)), sub("t", true))
	}
	if _, err := s.FilterIncomingSubscriptions("new", sub("t", true)); err != nil {
		t.Errorf("nobody new is heard: %v", err)
	}
}
