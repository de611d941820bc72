package rooms

import (
	"context"
	"time"
)

const (
	// temporaryDay is after how long without anybody in it a temporary room is
	// dropped.
	temporaryDay = 24 * time.Hour
	// temporaryWait is how long somebody who comes back to one waits for anybody
	// who kept it.
	temporaryWait = 10 * time.Minute
	// presentEvery is how often it is noted that somebody is here.
	presentEvery = 10 * time.Minute
)

// lifetime is what a temporary room lives by. We are somebody, so a room lives
// while any member's node runs; who finds that it was alone for a day waits a
// while for others who were not.
type lifetime struct {
	seen  time.Time // when somebody was last here
	noted time.Time // what of it is stored
	since time.Time // when waiting began; zero: the room lives
}

// wake decides, when the room is loaded, whether it may have died.
func (l *lifetime) wake(now time.Time) {
	if !l.seen.IsZero() && now.Sub(l.seen) > temporaryDay {
		l.since = now
	}
}

// abandoned tells, at now, whether nobody came back; others are here or not.
func (l *lifetime) abandoned(now time.Time, others bool) bool {
	if others {
		l.since = time.Time{}
	}
	if l.since.IsZero() {
		l.seen = now
		return false
	}
	return now.Sub(l.since) >= temporaryWait
}

// age has a temporary room grow older, and drops it when nobody comes back.
func (r *Room) age(ctx context.Context, now time.Time) {
	cfg := r.rules.Config()
	if !r.joined || cfg.Persistent() {
		r.life.since = time.Time{}
		return
	}
	if r.life.abandoned(now, r.presentCount(r.svc.self) > 0) {
		if err := r.svc.cfg.Store.PutMembership(ctx, Membership{Room: r.id, Nick: r.nick}); err != nil {
			r.svc.cfg.Handler.Failed(r.id, err)
			return // the next tick tries again
		}
		r.joined, r.outbox = false, nil
		r.unfollow()
		r.svc.cfg.Handler.RoomChanged(r.id)
		return
	}
	if r.life.seen.Sub(r.life.noted) >= presentEvery {
		r.notePresent(ctx)
	}
}

// notePresent stores when somebody was last here.
func (r *Room) notePresent(ctx context.Context) {
	if err := r.svc.cfg.Store.PutPresent(ctx, r.id, r.life.seen); err != nil {
		r.log.Warn("note that the room lives", "err", err)
		return
	}
	r.life.noted = r.life.seen
}
