package sim

import (
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"p2pchat/node/internal/gossip"
)

// Traffic counts what GossipSub did on a node, or on several.
type Traffic struct {
	Delivered  int   // messages of others, the first time
	Payload    int64 // bytes in them
	Duplicates int   // the same ones again
	Bytes      int64 // of the RPCs that came in
	QueueFull  int   // RPCs that were not sent, a peer's queue being full
	Throttled  int   // messages that were not looked at, too many waiting
	Unread     int   // messages that nobody took in time
	Rejected   int   // messages that were malformed or false
}

// Add adds what another node did.
func (t *Traffic) Add(o Traffic) {
	t.Delivered += o.Delivered
	t.Payload += o.Payload
	t.Duplicates += o.Duplicates
	t.Bytes += o.Bytes
	t.QueueFull += o.QueueFull
	t.Throttled += o.Throttled
	t.Unread += o.Unread
	t.Rejected += o.Rejected
}

// tracer counts, and can make validation slow.
type tracer struct {
	gossip.Untraced
	mu   sync.Mutex
	self peer.ID
	got  Traffic
	slow time.Duration // the next validation takes this long
}

func (t *tracer) count(f func(*Traffic)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.got)
}

func (t *tracer) DeliverMessage(m *pubsub.Message) {
	if m.ReceivedFrom != t.self {
		t.count(func(g *Traffic) { g.Delivered++; g.Payload += int64(len(m.Data)) })
	}
}

func (t *tracer) DuplicateMessage(*pubsub.Message) { t.count(func(g *Traffic) { g.Duplicates++ }) }

func (t *tracer) RecvRPC(rpc *pubsub.RPC) {
	t.count(func(g *Traffic) { g.Bytes += int64(proto.Size(&rpc.RPC)) })
}

func (t *tracer) DropRPC(*pubsub.RPC, peer.ID) { t.count(func(g *Traffic) { g.QueueFull++ }) }

func (t *tracer) RejectMessage(_ *pubsub.Message, reason string) {
	t.count(func(g *Traffic) {
		switch reason {
		case pubsub.RejectValidationQueueFull, pubsub.RejectValidationThrottled:
			g.Throttled++
		case pubsub.RejectValidationFailed:
			g.Rejected++
		}
	})
}

func (t *tracer) UndeliverableMessage(*pubsub.Message) { t.count(func(g *Traffic) { g.Unread++ }) }

// ValidateMessage is called where messages are validated, one after another,
// once they are marked as seen.
func (t *tracer) ValidateMessage(m *pubsub.Message) {
	if m.ReceivedFrom == t.self {
		return
	}
	t.mu.Lock()
	wait := t.slow
	t.slow = 0
	t.mu.Unlock()
	time.Sleep(wait)
}
