package node

import (
	"context"
	"maps"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/protocol/event"
)

// delivery knows how far our own messages have come with each peer. It is
// guarded by its mutex; acks and read markers are written behind by
// [Node.persist], since a lost one is said again at the next connection.
type delivery struct {
	self    peer.ID
	store   deliveryStore
	publish func(api.Change)

	mu    sync.Mutex
	peers map[peer.ID]*progress
	dirty map[peer.ID]bool
}

// deliveryStore is what is read when a peer is first heard of.
type deliveryStore interface {
	Range(ctx context.Context, conv event.Conversation, r event.Range, limit int) ([]*event.Event, error)
	Ack(ctx context.Context, conv event.Conversation, by peer.ID) (event.Frontier, error)
	Read(ctx context.Context, conv event.Conversation, by peer.ID) (event.Frontier, error)
	Lows(ctx context.Context, conv event.Conversation) (map[event.LogKey]uint64, error)
}

// progress holds positions in our own logs.
type progress struct {
	sent, acked, read event.Frontier
	changed           chan struct{} // closed when acked grows
}

func newDelivery(self peer.ID, st deliveryStore, publish func(api.Change)) *delivery {
	return &delivery{self: self, store: st, publish: publish, peers: map[peer.ID]*progress{}, dirty: map[peer.ID]bool{}}
}

// of returns p's progress, read from the store the first time.
func (d *delivery) of(ctx context.Context, p peer.ID) (*progress, error) {
	d.mu.Lock()
	pr := d.peers[p]
	d.mu.Unlock()
	if pr != nil {
		return pr, nil
	}
	conv := event.Direct(d.self, p)
	acked, err := d.store.Ack(ctx, conv, p)
	if err != nil {
		return nil, err
	}
	read, err := d.store.Read(ctx, conv, p)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if pr = d.peers[p]; pr == nil {
		pr = &progress{sent: event.Frontier{}, acked: orEmpty(acked), read: orEmpty(read), changed: make(chan struct{})}
		d.peers[p] = pr
	}
	return pr, nil
}

func orEmpty(f event.Frontier) event.Frontier {
	if f == nil {
		return event.Frontier{}
	}
	return f
}

// advance merges positions that p reported into those that which selects, and
// publishes state for what is new. A position counts only if the event it names
// is ours and stored here: nobody delivers what was never said. The logs of
// ours in which p names something else are returned.
func (d *delivery) advance(ctx context.Context, p peer.ID, f event.Frontier, state string, which func(*progress) event.Frontier) (strange []event.LogKey, err error) {
	pr, err := d.of(ctx, p)
	if err != nil {
		return nil, err
	}
	conv := event.Direct(d.self, p)
	known := event.Frontier{}
	for k, h := range f {
		if k.Author != d.self {
			continue
		}
		held, err := holds(ctx, d.store, conv, k, h)
		if err != nil {
			return nil, err
		}
		if held {
			known[k] = h
		} else {
			strange = append(strange, k)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	pos := which(pr)
	for k, h := range known {
		if h.Seq <= pos[k].Seq {
			continue
		}
		pos[k] = h
		d.publish(api.Change{Type: api.ChangeState, State: &api.StateChange{
			Conversation: conv.String(), Log: k.Log.String(), Seq: h.Seq, State: state,
		}})
		if state != api.Sent {
			d.dirty[p] = true
		}
		if state == api.Delivered {
			close(pr.changed)
			pr.changed = make(chan struct{})
		}
	}
	return strange, nil
}

func (d *delivery) sent(ctx context.Context, p peer.ID, f event.Frontier) ([]event.LogKey, error) {
	return d.advance(ctx, p, f, api.Sent, func(pr *progress) event.Frontier { return pr.sent })
}

func (d *delivery) acked(ctx context.Context, p peer.ID, f event.Frontier) ([]event.LogKey, error) {
	return d.advance(ctx, p, f, api.Delivered, func(pr *progress) event.Frontier { return pr.acked })
}

func (d *delivery) read(ctx context.Context, p peer.ID, f event.Frontier) ([]event.LogKey, error) {
	return d.advance(ctx, p, f, api.Read, func(pr *progress) event.Frontier { return pr.read })
}

// lost forgets what was handed to a connection that is gone: it counts as
// queued again until the other side says it has it.
func (d *delivery) lost(p peer.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if pr := d.peers[p]; pr != nil {
		pr.sent = event.Frontier{}
	}
}

// states returns a function that tells the state of events of the conversation
// with p, as of now.
func (d *delivery) states(ctx context.Context, p peer.ID) (func(*event.Event) string, error) {
	pr, err := d.of(ctx, p)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	sent, acked, read := maps.Clone(pr.sent), maps.Clone(pr.acked), maps.Clone(pr.read)
	return func(e *event.Event) string { return deliveryState(e, d.self, sent, acked, read) }, nil
}

func deliveryState(e *event.Event, self peer.ID, sent, acked, read event.Frontier) string {
	switch k := e.Key(); {
	case e.Author != self:
		return api.Received
	case read.Covers(k, e.Seq):
		return api.Read
	case acked.Covers(k, e.Seq):
		return api.Delivered
	case sent.Covers(k, e.Seq):
		return api.Sent
	}
	return api.Queued
}

// wait returns when p has committed e, or with ctx.
func (d *delivery) wait(ctx context.Context, p peer.ID, e *event.Event) error {
	pr, err := d.of(ctx, p)
	if err != nil {
		return err
	}
	for {
		d.mu.Lock()
		done, changed := pr.acked.Covers(e.Key(), e.Seq), pr.changed
		d.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// report is what one peer has acknowledged and read.
type report struct {
	peer        peer.ID
	conv        event.Conversation
	acked, read event.Frontier
}

// flush hands what changed to write. A failed write stays due.
func (d *delivery) flush(ctx context.Context, write func(context.Context, []report) error) error {
	d.mu.Lock()
	var due []report
	for p := range d.dirty {
		pr := d.peers[p]
		due = append(due, report{p, event.Direct(d.self, p), maps.Clone(pr.acked), maps.Clone(pr.read)})
	}
	d.dirty = map[peer.ID]bool{}
	d.mu.Unlock()
	if len(due) == 0 {
		return nil
	}
	err := write(ctx, due)
	if err != nil {
		d.mu.Lock()
		for _, r := range due {
			d.dirty[r.peer] = true
		}
		d.mu.Unlock()
	}
	return err
}

// newestRead is the ID of our newest message that was read, "" if none was.
func (d *delivery) newestRead(pr *progress) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	// The log with the most read in it: an account seldom has two.
	var best event.Head
	for _, h := range pr.read {
		if h.Seq > best.Seq {
			best = h
		}
	}
	if best.Seq == 0 {
		return ""
	}
	return best.ID.String()
}
