package rooms

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// acks is what each member is known to hold of our own logs. It is guarded by
// its mutex and written behind: what is lost is said again.
type acks struct {
	mu      sync.Mutex
	by      map[peer.ID]event.Frontier
	dirty   map[peer.ID]bool
	changed chan struct{} // closed when something grew
}

func (a *acks) init(by map[peer.ID]event.Frontier) {
	a.by, a.dirty, a.changed = by, map[peer.ID]bool{}, make(chan struct{})
	if a.by == nil {
		a.by = map[peer.ID]event.Frontier{}
	}
}

// advance notes that p holds log k up to h. It tells whether that is news, and
// whether p is the first to hold it.
func (a *acks) advance(p peer.ID, k event.LogKey, h event.Head) (news, first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.by[p]
	if f == nil {
		f = event.Frontier{}
		a.by[p] = f
	}
	if h.Seq <= f[k].Seq {
		return false, false
	}
	first = true
	for _, o := range a.by {
		first = first && o[k].Seq < h.Seq
	}
	f[k] = h
	a.dirty[p] = true
	close(a.changed)
	a.changed = make(chan struct{})
	return true, first
}

// count is how many of people hold seq of log k; changed is closed when that
// may be more.
func (a *acks) count(people []peer.ID, k event.LogKey, seq uint64) (n int, changed <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range people {
		if a.by[p].Covers(k, seq) {
			n++
		}
	}
	return n, a.changed
}

// has tells whether p holds seq of log k.
func (a *acks) has(p peer.ID, k event.LogKey, seq uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.by[p].Covers(k, seq)
}

// any tells whether anybody holds seq of log k.
func (a *acks) any(k event.LogKey, seq uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.by {
		if f.Covers(k, seq) {
			return true
		}
	}
	return false
}

// reached is how far anybody holds each of our logs.
func (a *acks) reached() event.Frontier {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Reached(a.by)
}

// Reached is how far anybody holds each log.
func Reached(by map[peer.ID]event.Frontier) event.Frontier {
	out := event.Frontier{}
	for _, f := range by {
		for k, h := range f {
			if h.Seq > out[k].Seq {
				out[k] = h
			}
		}
	}
	return out
}

// takeDirty hands over what was not written yet.
func (a *acks) takeDirty() map[peer.ID]event.Frontier {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[peer.ID]event.Frontier{}
	for p := range a.dirty {
		out[p] = maps.Clone(a.by[p])
	}
	clear(a.dirty)
	return out
}

func (a *acks) putBack(due map[peer.ID]event.Frontier) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for p := range due {
		a.dirty[p] = true
	}
}

// Committed notes what p says it has on disk. A position counts only if the
// event it names is ours and held. One that is not held may tell that our data is
// older than what we once said: p is asked for it, and when it comes its log is
// given up. The mere word is worth nothing, since it would silence us: we may open
// so many logs only. Nothing here waits for the room's goroutine.
func (r *Room) Committed(ctx context.Context, p peer.ID, f event.Frontier) {
	for k, h := range f {
		if k.Author != r.svc.self || p == r.svc.self {
			continue
		}
		held, err := r.svc.cfg.Store.Range(ctx, r.id, event.Range{LogKey: k, From: h.Seq, To: h.Seq}, event.MaxEvent)
		if err != nil {
			r.log.Warn("look up a receipt", "err", err)
			return
		}
		if !slices.ContainsFunc(held, func(e *event.Event) bool { return e.ID == h.ID }) {
			r.log.Debug("somebody says that he holds an event of ours that is not here", "peer", p, "log", k.Log, "seq", h.Seq)
			r.queue.Lock()
			r.queue.doubted = p
			r.queue.Unlock()
			r.signal()
			continue
		}
		news, first := r.acks.advance(p, k, h)
		if first {
			r.svc.cfg.Handler.Delivered(r.id, k, h)
		}
		if news {
			r.queue.Lock()
			r.queue.acked = true
			r.queue.Unlock()
			r.signal()
		}
	}
}

// refreshOwn asks which log our events go to.
func (r *Room) refreshOwn() {
	own, err := r.svc.cfg.Ledger.OwnLog(r.svc.ctx, r.id)
	if err != nil {
		r.log.Warn("our log", "err", err)
		return
	}
	r.own = own
}

// ackHeard ends a farewell that was heard.
func (r *Room) ackHeard() {
	if !r.following() && r.topic.Load() != nil {
		r.unfollow()
	}
}

// Flush writes behind what was acknowledged.
func (s *Service) Flush(ctx context.Context) error {
	for _, r := range s.Rooms() {
		due := r.acks.takeDirty()
		if len(due) == 0 {
			continue
		}
		if err := s.cfg.Store.PutAcks(ctx, r.id, due); err != nil {
			r.acks.putBack(due)
			return err
		}
	}
	return nil
}

// Acked is how many of the others in the room are known to hold e, ours, and how
// many others there are.
func (r *Room) Acked(ctx context.Context, e *event.Event) (acked, others int, err error) {
	var people []peer.ID
	if err := r.do(ctx, func() { people = r.others() }); err != nil {
		return 0, 0, err
	}
	n, _ := r.acks.count(people, e.Key(), e.Seq)
	return n, len(people), nil
}

// WaitAcked returns when somebody else in the room holds e, or nobody else is in
// it, or with ctx.
func (r *Room) WaitAcked(ctx context.Context, e *event.Event) error {
	for {
		var people []peer.ID
		if err := r.do(ctx, func() { people = r.others() }); err != nil {
			return err
		}
		n, changed := r.acks.count(people, e.Key(), e.Seq)
		if n > 0 || len(people) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-r.ended:
			return ErrClosed
		}
	}
}

// Reached is how far anybody else is known to hold our logs.
func (r *Room) Reached() event.Frontier { return r.acks.reached() }
