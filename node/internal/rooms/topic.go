package rooms

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

const (
	// coalesce is how long events gather that are said faster than 200 a
	// second: below that each goes out at once.
	coalesce      = 5 * time.Millisecond
	goodbyeWithin = time.Second
)

// topicHandler is a room as its topic sees it.
type topicHandler struct{ r *Room }

// arrived is what a payload held.
type arrived struct {
	content *envelope.Content
}

// Validate opens an envelope and checks what is in it, once. Rejected is only
// what no honest peer publishes or forwards; under an unknown epoch nothing can
// be told.
func (h topicHandler) Validate(from peer.ID, payload []byte) (Verdict, any) {
	env, err := envelope.Decode(payload)
	if err != nil {
		return Reject, nil
	}
	key, ok := (*h.r.keys.Load())[env.Epoch]
	if !ok {
		s := stashed{epoch: env.Epoch, from: from, payload: payload}
		select {
		case h.r.work <- func() { h.r.keyMissing(s) }:
		default: // busy: sync brings what was in it
		}
		return Ignore, nil
	}
	content, err := env.Open(h.r.id, key)
	if err != nil {
		return Reject, nil
	}
	if p := content.Presence; p != nil {
		if p.Room != h.r.id || p.Verify() != nil {
			return Reject, nil
		}
	}
	if len(content.Events) > 0 {
		if err := h.r.check(content.Events); err != nil {
			return Reject, nil
		}
	}
	return Accept, arrived{content}
}

// Says tells whether what Validate accepted holds something that people said, and
// not only who is here.
func Says(data any) bool {
	a, _ := data.(arrived)
	return a.content != nil && slices.ContainsFunc(a.content.Events, func(e *event.Event) bool {
		return e.Lane == event.LaneMessage && (e.Kind.Amendable() || e.Kind.Amends())
	})
}

// Deliver queues what was validated.
func (h topicHandler) Deliver(from peer.ID, data any) {
	a, ok := data.(arrived)
	if !ok {
		return
	}
	if len(a.content.Events) > 0 {
		h.r.arrive(newArrival(from, a.content.Events, nil))
	}
	if a.content.Presence != nil {
		h.r.post(func() { h.r.heard(a.content.Presence.Presence, time.Now()) })
	}
}

// takeContent is Deliver for the room's own goroutine.
func (r *Room) takeContent(from peer.ID, data any) {
	a, ok := data.(arrived)
	if !ok {
		return
	}
	if len(a.content.Events) > 0 {
		r.arrive(newArrival(from, a.content.Events, nil))
	}
	if a.content.Presence != nil {
		r.heard(a.content.Presence.Presence, time.Now())
	}
}

// PeerJoined is told when somebody connected is in the topic too.
func (h topicHandler) PeerJoined(p peer.ID) {
	h.r.post(func() {
		h.r.peerHere(p)
		h.r.svc.cfg.Sync.Kick(h.r.id, p)
		h.r.tellWhy(p, false)
	})
}

// PeerLeft is told when he left it, or the connection is gone.
func (h topicHandler) PeerLeft(p peer.ID) { h.r.post(func() { h.r.peerGone(p) }) }

// keyMissing stashes what is sealed under an epoch whose key we lack. Keys are
// asked for only of epochs that a stored event names; otherwise that event may
// be missing.
func (r *Room) keyMissing(s stashed) {
	if _, held := (*r.keys.Load())[s.epoch]; held { // it came meanwhile
		if verdict, data := (topicHandler{r}).Validate(s.from, s.payload); verdict == Accept {
			r.takeContent(s.from, data)
		}
		return
	}
	r.stash.put(s)
	if r.guarded && !r.entitled(s.from) { // each came by other words, and to other keys
		r.showPassword(s.from)
	}
	if r.named(s.epoch) {
		r.wantKey(s.epoch, s.from)
		return
	}
	r.askFor(s.from, unknownEvery)
}

// named tells whether a stored event announces the epoch.
func (r *Room) named(epoch event.ID) bool {
	return slices.ContainsFunc(r.epochs(), func(e room.EpochKey) bool { return e.ID == epoch })
}

// newEpochs looks for the keys that stashed envelopes and the outbox wait for,
// now that events may have come which name them; mine: some of them are ours.
func (r *Room) newEpochs(mine bool) {
	if len(r.stash.all) > 0 {
		named := map[event.ID]bool{}
		for _, e := range r.epochs() {
			named[e.ID] = true
		}
		for _, s := range r.stash.all {
			if named[s.epoch] {
				r.wantKey(s.epoch, s.from)
			}
		}
	}
	r.renew(mine)
	r.wantSecret()
}

// unknownEvery spaces the runs that envelopes of epochs nobody named may cause.
const unknownEvery = 10 * time.Second

// publishSoon publishes the outbox: at once, or with what comes within a moment
// of the last time.
func (r *Room) publishSoon() {
	if r.publishing {
		return
	}
	t := r.topic.Load()
	if t == nil {
		r.boundOutbox()
		return
	}
	if wait := coalesce - time.Since(r.published); wait > 0 {
		r.publishing = true
		time.AfterFunc(wait, func() { // ends by itself
			r.post(func() {
				r.publishing = false
				if t := r.topic.Load(); t != nil {
					r.flush(r.svc.ctx, *t)
				}
			})
		})
		return
	}
	r.flush(r.svc.ctx, *t)
}

// maxOutbox is how many events of ours wait for a key or a topic; sync brings the
// others what was said before.
const maxOutbox = 1024

func (r *Room) boundOutbox() {
	if over := len(r.outbox) - maxOutbox; over > 0 {
		r.outbox = slices.Clone(r.outbox[over:])
	}
}

// flush publishes the outbox in as many payloads as it takes. What fails to go
// out is repaired by sync.
func (r *Room) flush(ctx context.Context, t Topic) {
	const space = envelope.MaxPayload - envelope.Overhead
	if _, _, ok := r.epoch(); !ok {
		r.boundOutbox()
		return // it waits for a key that leaves out whoever was removed
	}
	for len(r.outbox) > 0 {
		n, size := 0, 0
		for n < len(r.outbox) && (n == 0 || size+envelope.EventSize(r.outbox[n]) <= space) {
			size += envelope.EventSize(r.outbox[n])
			n++
		}
		r.publish(ctx, t, &envelope.Content{Events: r.outbox[:n]})
		r.outbox = r.outbox[n:]
	}
	r.outbox = nil
	r.published = time.Now()
}

func (r *Room) publish(ctx context.Context, t Topic, c *envelope.Content) {
	err := errors.New("no key that covers every removal is held")
	if id, key, ok := r.epoch(); ok {
		var payload []byte
		if payload, err = envelope.Seal(r.svc.cfg.Rand, r.id, id, key, c, r.floods(t)); err == nil {
			err = t.Publish(ctx, payload)
		}
	}
	if err != nil && ctx.Err() == nil {
		r.log.Debug("publish", "err", err)
	}
}

// floods tells whether we are connected to everybody present, so that nobody
// need forward what we say.
func (r *Room) floods(t Topic) bool {
	here := map[peer.ID]bool{}
	for _, p := range t.Peers() {
		here[p] = true
	}
	if len(here)+1 < r.svc.cfg.Gossip.FloodsFrom() {
		return false
	}
	now := time.Now()
	for _, p := range r.others() {
		if !here[p] && r.present(p, now) {
			return false
		}
	}
	return true
}
