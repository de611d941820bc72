package node

import (
	"context"
	"iter"
	"sync"

	"p2pchat/node/api"
)

// hubSize is how many changes are kept for watchers that are behind. A burst
// of a thousand messages with their delivery states fits; whoever is further
// behind reads a snapshot faster than so many changes.
const hubSize = 4096

// hub numbers changes and keeps the latest. Publishing never waits for a
// watcher: each reads the ring at its own pace and is told when it was too
// slow.
type hub struct {
	mu   sync.Mutex
	ring [hubSize]api.Change // change number n is at n % hubSize
	last uint64              // number of the newest change
	from uint64              // changes below this number are forgotten
	news chan struct{}       // closed at the next change
	done bool
}

func newHub() *hub {
	// Numbers start above 0, which stands for "from the beginning".
	return &hub{last: 1, news: make(chan struct{})}
}

func (h *hub) publish(c api.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done {
		return
	}
	h.last++
	c.Seq = h.last
	h.ring[c.Seq%hubSize] = c
	close(h.news)
	h.news = make(chan struct{})
}

// forget has every watcher begin anew with a snapshot: what it was told no longer
// holds.
func (h *hub) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done {
		return
	}
	h.last += 2 // one for the change that says so, which stands before the snapshot
	h.from = h.last + 1
	close(h.news)
	h.news = make(chan struct{})
}

// close ends every watch once it has read what is there.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.done {
		h.done = true
		close(h.news)
	}
}

// number is that of the newest change.
func (h *hub) number() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// after lists the changes numbered above seq; ok is false if some of them are
// gone or seq was never given out. news is closed when there are more.
func (h *hub) after(seq uint64) (changes []api.Change, ok bool, news <-chan struct{}, done bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if seq > h.last || h.last-seq > hubSize-1 || seq+1 < h.from {
		return nil, false, h.news, h.done
	}
	// A batch is bounded, so that a watcher that is behind does not copy the
	// whole ring under the lock.
	for n := seq + 1; n <= h.last && len(changes) < 256; n++ {
		changes = append(changes, h.ring[n%hubSize])
	}
	return changes, true, h.news, h.done
}

// watch implements api.Service.Watch over the hub.
func (h *hub) watch(ctx context.Context, since uint64, snapshot func(context.Context) (api.Snapshot, error)) iter.Seq2[api.Change, error] {
	return func(yield func(api.Change, error) bool) {
		told := false // whether the watcher has anything that could be out of date
		resync := since == 0
		for ctx.Err() == nil {
			if resync {
				// The number is taken first: what changes meanwhile comes
				// again as a change, and changes may be applied twice.
				n := h.number()
				if told && !yield(api.Change{Seq: n - 1, Type: api.ChangeLagged}, nil) {
					return
				}
				s, err := snapshot(ctx)
				if err != nil {
					yield(api.Change{}, err)
					return
				}
				if !yield(api.Change{Seq: n, Type: api.ChangeSnapshot, Snapshot: &s}, nil) {
					return
				}
				since, resync, told = n, false, true
			}
			changes, ok, news, done := h.after(since)
			switch {
			case !ok:
				resync = true
				continue
			case len(changes) > 0:
				for _, c := range changes {
					if !yield(c, nil) {
						return
					}
					since, told = c.Seq, true
				}
				continue
			case done:
				return
			}
			select {
			case <-ctx.Done():
			case <-news:
			}
		}
	}
}
