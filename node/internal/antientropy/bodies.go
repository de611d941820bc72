package antientropy

import (
	"context"
	"slices"
	"time"

	"p2pchat/protocol/event"
)

// A message can be held without its body, because whoever passed it on left that
// out. That is no part of the digest: of two who hold the same, one may begin above
// such a message, and nobody at all may have the body any more. So who lacks bodies
// asks each member now and then, also where both hold the same events, for some of
// them, going round by ID: how many there are, and whose, keeps none from being
// asked for.

const (
	bodiesAsked = 1024 // in a run
	// Who has none of what is lacking is asked again after bodyRest, and then after
	// twice as long each time, up to maxBodyRest; for the next of them after
	// bodyGoesOn.
	bodyRest    = 15 * time.Second
	maxBodyRest = 10 * time.Minute
	bodyGoesOn  = time.Second
)

// asking is how far a member was asked for bodies about a room.
type asking struct {
	after event.ID // up to there, in this round
	rest  time.Duration
	next  time.Time // not before
}

// lack finds out which bodies this run can ask for, and whether it is time to.
func (r *run) lack(ctx context.Context) error {
	r.svc.mu.Lock()
	a := r.svc.asking[pairKey{r.room, r.peer}]
	r.svc.mu.Unlock()
	var err error
	r.bodiless, err = r.replica.Bodiless(ctx, a.after, bodiesAsked)
	if err == nil && len(r.bodiless) == 0 && a.after != (event.ID{}) {
		a.after = event.ID{}
		r.bodiless, err = r.replica.Bodiless(ctx, a.after, bodiesAsked)
	}
	r.due = len(r.bodiless) > 0 && !time.Now().Before(a.next)
	return err
}

// askedFor draws the conclusions from a run in which bodies were asked for.
func (s *Service) askedFor(r *run) {
	if !r.ended || len(r.bodiless) == 0 {
		return
	}
	k, now := pairKey{r.room, r.peer}, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.asking[k]
	switch {
	case len(r.bodiless) == bodiesAsked:
		a.after, a.next = r.bodiless[bodiesAsked-1], now.Add(bodyGoesOn)
		s.kickLocked(k, a.next)
	case r.took: // perhaps some of them
		a = asking{next: now}
	default:
		a.after, a.rest = event.ID{}, min(max(2*a.rest, bodyRest), maxBodyRest)
		a.next = now.Add(a.rest)
	}
	if _, here := s.asking[k]; !here && len(s.asking) >= maxResent {
		clear(s.asking)
	}
	s.asking[k] = a
}

// opening is the digest with which a run is opened. One that nobody has says that
// there is to be a run even if both hold the same: to ask for bodies, or because
// bodies have come which the other side may lack.
func (r *run) opening(doubt bool) [32]byte {
	d := r.digest
	if doubt || r.due {
		d[0] = ^d[0]
	}
	return d
}

// wants lists what is to be asked for at the beginning.
func (r *run) wants() []event.ID { return slices.Concat(r.mine.Wanted, r.bodiless) }
