package antientropy

import (
	"context"
	"time"

	"p2pchat/protocol/event"
)

const (
	// newestFirst is how many of a room's newest messages go before all others
	// to somebody who lacks more than twice as many: his screen is full at once.
	newestFirst = 256
	// Each new event of what the other side said it has lets a run count as bringing
	// that for eventWorth longer, and for stalls from now on at most. Who brings less
	// than that, or something else, keeps nobody from bringing it.
	eventWorth = 10 * time.Millisecond
	stalls     = 3 * time.Second
	// passOver is how long, of every 2 * passOver, a member with whom we are not equal
	// is at most not asked for what others are bringing: they may be flooding us to
	// keep it from us.
	passOver = 5 * time.Minute
	// While people talk, events are committed in pieces of so many, and after
	// each piece a run rests as long as it took, at most maxRest.
	pieceEvents = 32
	maxRest     = 50 * time.Millisecond
)

// flight is what one run is bringing: nobody else has to be asked for that.
type flight struct {
	heads event.Frontier // as far as the other side says it holds logs of which we lack much
	due   uint64         // events that were lacking when it began
	came  uint64         // of them
	until time.Time      // it counts as bringing the rest
}

// Progress tells how many events a room lacked when it began to fetch them, and
// how many have come; both are 0 while nothing much comes.
func (s *Service) Progress(room event.Conversation) (came, due uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r, f := range s.flights {
		if r.room == room && f.due > due && time.Now().Before(f.until) {
			came, due = min(f.came, f.due), f.due
		}
	}
	return came, due
}

// depart notes what the other side of r has and we lack, if it is much.
func (s *Service) depart(r *run, theirs event.Frontier) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flights[r]
	if f == nil {
		f = &flight{heads: event.Frontier{}}
	}
	for k, h := range theirs {
		mine := max(r.mine.Frontier[k].Seq+1, r.mine.Low[k]) - 1
		if h.Seq > mine && f.heads[k].Seq < h.Seq {
			f.due += h.Seq - max(mine, f.heads[k].Seq)
			f.heads[k] = h
		}
	}
	if f.due > 2*newestFirst {
		s.flights[r] = f
	}
}

// landed notes that events have come, so many of which were not here.
func (s *Service) landed(r *run, events []*event.Event, fresh int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flights[r]
	if f == nil {
		return
	}
	due := 0
	for _, e := range events {
		if e.Lane == event.LaneMessage && e.Seq <= f.heads[e.Key()].Seq {
			due++
		}
	}
	came := min(due, fresh)
	f.came += uint64(came)
	now := time.Now()
	if f.until.Before(now) {
		f.until = now
	}
	f.until = earlier(f.until.Add(time.Duration(came)*eventWorth), now.Add(stalls))
}

func (s *Service) arrive(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flights, r)
	if r.equal {
		delete(s.passed, pairKey{r.room, r.peer})
	}
}

// inFlight gives the first seq of each log that r is to ask for: what other runs
// are bringing it need not, unless its peer was passed over for long.
func (s *Service) inFlight(r *run) map[event.LogKey]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out map[event.LogKey]uint64
	now := time.Now()
	for other, f := range s.flights {
		if other == r || other.room != r.room || !now.Before(f.until) {
			continue
		}
		for k, h := range f.heads {
			if out == nil {
				out = map[event.LogKey]uint64{}
			}
			out[k] = max(out[k], h.Seq+1)
		}
	}
	if out == nil {
		return nil
	}
	k := pairKey{r.room, r.peer}
	if since, before := s.passed[k]; !before {
		s.passed[k] = now
	} else if now.Sub(since) >= passOver {
		return nil
	}
	return out
}

// rest waits, while people talk, as long as the piece of work took that began
// at start.
func (s *Service) rest(ctx context.Context, start time.Time) {
	if s.talking() {
		sleep(ctx, min(time.Since(start), maxRest))
	}
}

func (s *Service) talking() bool { return s.cfg.Talking != nil && s.cfg.Talking() }
