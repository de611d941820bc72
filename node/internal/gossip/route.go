package gossip

import (
	"iter"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// route decides what becomes of a valid message, ours or another's. It runs in
// pubsub's loop, after which that forwards the message unless it is local. It
// returns whether the message is to be delivered here.
func (t *Topic) route(m *pubsub.Message) bool {
	belongs, ours := t.service.cfg.Belongs, m.ReceivedFrom == t.service.self
	switch {
	case !ours && t.flooded(m.Data):
		t.hand(m, func(peer.ID) bool { return false })
	case belongs != nil: // the library asks when it grafts, not when it sends
		t.hand(m, func(p peer.ID) bool { return belongs(p, t.name) })
	}
	return !ours
}

// flooded tells whether everybody has a message of this payload already.
func (t *Topic) flooded(payload []byte) bool {
	claims := t.service.cfg.Flooded
	return claims != nil && int(t.others.Load())+1 >= t.service.SuppressAbove() && claims(payload)
}

// hand takes a message out of pubsub's hands: into the message cache, and to
// those recipients of the router's choice that are wanted.
func (t *Topic) hand(m *pubsub.Message, wanted func(peer.ID) bool) {
	m.Local = true
	t.service.router.PublishBatch([]*pubsub.Message{m}, &pubsub.BatchPublishOptions{Strategy: &recipients{wanted: wanted}})
}

// recipients schedules the RPCs of one message: to those that are wanted, at
// once.
type recipients struct {
	wanted func(peer.ID) bool
	peers  []peer.ID
	rpc    *pubsub.RPC // one for all
}

func (r *recipients) AddRPC(p peer.ID, _ string, rpc *pubsub.RPC) {
	if r.wanted(p) {
		r.peers, r.rpc = append(r.peers, p), rpc
	}
}

func (r *recipients) All() iter.Seq2[peer.ID, *pubsub.RPC] {
	return func(yield func(peer.ID, *pubsub.RPC) bool) {
		for _, p := range r.peers {
			if !yield(p, r.rpc) {
				return
			}
		}
	}
}
