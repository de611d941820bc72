package discovery

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Reopening is the closing of every connection there was, and their being opened
// anew.
type Reopening struct {
	s    *Service
	done chan struct{} // closed when nobody is missing, or the service has ended
	// missing are those who are not connected again. Owned by the deciding
	// goroutine.
	missing map[peer.ID]bool
}

// Reopen closes every connection and sees to it that each is opened again at once,
// for keys that are agreed on anew. What is under way on streams is lost, as with a cable pulled
// out for a moment.
func (s *Service) Reopen() *Reopening {
	r := &Reopening{s: s, done: make(chan struct{}), missing: map[peer.ID]bool{}}
	s.post(func(now time.Time) {
		for _, id := range s.policy.reopen(now) {
			r.missing[id] = true
		}
		if len(r.missing) == 0 {
			close(r.done)
			return
		}
		// One that was reopened before waits for the same connections from now on.
		s.reopenings = append(s.reopenings, r)
	})
	return r
}

// Wait returns when all are connected again, or with ctx, and with those who are
// not.
func (r *Reopening) Wait(ctx context.Context) []peer.ID {
	select {
	case <-r.done:
		return nil
	case <-r.s.stopped:
		return nil
	case <-ctx.Done():
	}
	left := make(chan []peer.ID, 1) // nobody may be there to take it
	r.s.post(func(time.Time) {
		left <- slices.Sorted(maps.Keys(r.missing))
		r.s.reopenings = slices.DeleteFunc(r.s.reopenings, func(o *Reopening) bool { return o == r })
	})
	select {
	case ids := <-left:
		return ids
	case <-r.s.stopped:
		return nil
	}
}

// back notes that a peer has a connection that was opened anew.
func (s *Service) back(id peer.ID) {
	s.reopenings = slices.DeleteFunc(s.reopenings, func(r *Reopening) bool {
		delete(r.missing, id)
		if len(r.missing) == 0 {
			close(r.done)
		}
		return len(r.missing) == 0
	})
}
