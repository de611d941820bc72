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
	// stalls is how long after the last new event a run still counts as
	// bringing what the other side said it has.
	stalls = 3 * time.Second
	// While people talk, events are committed in pieces of so many, and after
	// each piece a run rests as long as it took, at most maxRest.
	pieceEvents = 32
	maxRest     = 50 * time.Millisecond
)

// flight is what one run is bringing: nobody else has to be asked for that.
type flight struct {
	heads event.Frontier // as far as the other side holds logs of which we lack much
	due   uint64         // events that were lacking when it began
	came  uint64
	last  time.Time // when the last of them came
}

// Progress tells how many events a room lacked when it began to fetch them, and
// how many have come; both are 0 while nothing much is fetched.
func (s *Service) Progress(room event.Conversation) (came, due uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r, f := range s.flights {
		if r.room == room && f.due > due {
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
		f = &flight{heads: event.Frontier{}, last: time.Now()}
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

// landed notes that so many events that were lacking have come.
func (s *Service) landed(r *run, fresh int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.flights[r]; f != nil && fresh > 0 {
		f.came += uint64(fresh)
		f.last = time.Now()
	}
}

func (s *Service) arrive(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flights, r)
}

// inFlight gives the first seq of each log that r is to ask for: what other runs
// are bringing it need not.
func (s *Service) inFlight(r *run) map[event.LogKey]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out map[event.LogKey]uint64
	for other, f := range s.flights {
		if other == r || other.room != r.room || time.Since(f.last) > stalls {
			continue
		}
		for k, h := range f.heads {
			if out == nil {
				out = map[event.LogKey]uint64{}
			}
			out[k] = max(out[k], h.Seq+1)
		}
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
