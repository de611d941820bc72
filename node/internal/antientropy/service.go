package antientropy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"p2pchat/protocol/event"
)

// Protocol is the stream protocol.
const Protocol = protocol.ID("/p2pchat/sync/1.0.0")

const (
	defaultInterval = 15 * time.Second
	partnersEach    = 3 // members a room is synced with at each interval
	maxRun          = 10 * time.Minute
)

// off switches the service off, see the tag nosync.
var off bool

// Config configures a [Service].
type Config struct {
	Host   host.Host
	Rooms  Rooms
	Logger *slog.Logger
	// Talking tells whether people are talking at this node just now: what is
	// fetched and served then makes way for them. Nil: they never are.
	Talking func() bool
	// Hindered tells whether nothing that is fetched could be kept just now: then
	// no runs of ours begin, but those that somebody waits for, and in others' we
	// ask for nothing. Nil: it always could be.
	Hindered func() bool
	// Interval is the shortest time between the periodic runs of a room; the
	// longest is twice that. 0: 15 s.
	Interval time.Duration
}

// Service runs the protocol with the members of every room.
type Service struct {
	cfg  Config
	self peer.ID
	log  *slog.Logger
	ctx  context.Context // of Run; set before the first run
	wg   sync.WaitGroup
	wake chan struct{} // 1: a wake-up that is pending covers any number

	mu       sync.Mutex
	running  bool
	stopped  bool
	followed map[event.Conversation]time.Time // when the room is due
	pairs    map[pairKey]*pair
	queue    []pairKey // those with a run pending, the longest waiting first
	served   map[peer.ID]*quota
	resent   map[resentKey][32]byte // logs sent whole, by the state they were in
	flights  map[*run]*flight       // runs that bring much
	passed   map[pairKey]time.Time  // since when members are passed over for them
	asking   map[pairKey]asking     // for bodies
}

// New makes a service; it does nothing before Run.
func New(cfg Config) *Service {
	if cfg.Interval <= 0 {
		cfg.Interval = defaultInterval
	}
	return &Service{
		cfg: cfg, self: cfg.Host.ID(), log: cfg.Logger.With("component", "sync"), wake: make(chan struct{}, 1),
		followed: map[event.Conversation]time.Time{}, pairs: map[pairKey]*pair{}, served: map[peer.ID]*quota{}, resent: map[resentKey][32]byte{},
		flights: map[*run]*flight{}, passed: map[pairKey]time.Time{}, asking: map[pairKey]asking{},
	}
}

// Run serves and syncs until ctx ends, and waits for every run to end.
func (s *Service) Run(ctx context.Context) error {
	if off {
		<-ctx.Done()
		return nil
	}
	s.mu.Lock()
	s.ctx, s.running = ctx, true
	s.mu.Unlock()
	s.cfg.Host.SetStreamHandler(Protocol, s.incoming)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-s.wake:
		case <-timer.C:
		}
		timer.Reset(s.work())
	}
	s.cfg.Host.RemoveStreamHandler(Protocol)
	s.mu.Lock()
	s.running, s.stopped = false, true
	for _, p := range s.pairs {
		p.answer(errStopped)
	}
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// work kicks the rooms that are due, starts the runs that may start, and tells
// in how long there is work again.
func (s *Service) work() time.Duration {
	now := time.Now()
	s.mu.Lock()
	var due []event.Conversation
	next := now.Add(time.Hour)
	for room, at := range s.followed {
		if !at.After(now) {
			due = append(due, room)
			at = now.Add(s.interval())
			s.followed[room] = at
		}
		next = earlier(next, at)
	}
	for p, q := range s.served {
		if q.open == 0 && !q.paid.After(now) && now.Sub(q.warned) > warnEvery {
			delete(s.served, p)
		}
	}
	maps.DeleteFunc(s.passed, func(_ pairKey, since time.Time) bool { return now.Sub(since) > 2*passOver })
	s.mu.Unlock()
	for _, room := range due {
		for _, p := range choose(s.cfg.Rooms.Partners(room), partnersEach) {
			s.Kick(room, p)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next = earlier(next, s.startLocked(time.Now()))
	return max(time.Until(next), 0)
}

func (s *Service) interval() time.Duration {
	return s.cfg.Interval + rand.N(s.cfg.Interval)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// choose takes n of all at most: the first, whom strangers cannot crowd out, and
// any others.
func choose(all []peer.ID, n int) []peer.ID {
	if len(all) <= n {
		return all
	}
	out := slices.Clone(all)
	rand.Shuffle(len(out)-1, func(i, j int) { out[i+1], out[j+1] = out[j+1], out[i+1] })
	return out[:n]
}

func (s *Service) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Follow has the room synced periodically from now on.
func (s *Service) Follow(room event.Conversation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, here := s.followed[room]; !here {
		s.followed[room] = time.Now().Add(s.interval())
		s.signal()
	}
}

// Forget ends that.
func (s *Service) Forget(room event.Conversation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.followed, room)
}

// Gone says that p is not here any more. He may come back with an older copy of his
// data, so what he was sent in vain is sent once more.
func (s *Service) Gone(p peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.resent, func(k resentKey, _ [32]byte) bool { return k.peer == p })
}

// Kick asks for a run with p soon: after a connection, a gap, missing ancestors.
// One side of a new connection is enough, a run goes both ways. Kicks that wait
// are one; kicks during a run cause one more. Without a connection a kick is
// forgotten.
func (s *Service) Kick(room event.Conversation, p peer.ID) {
	if off || p == s.self {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kickLocked(pairKey{room, p}, time.Now())
}

// Sync has a run with p and waits for its end; nil says that both sides were
// heard, not that they were equal. A run that finds the other side busy is tried
// again. Errors: ErrNotServed; ErrRefused, wrapped; what the connection or the
// replica said; that of ctx.
func (s *Service) Sync(ctx context.Context, room event.Conversation, p peer.ID) error {
	if off {
		return nil
	}
	w := make(chan error, 1) // the one answer
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return errStopped
	}
	k := pairKey{room, p}
	pair := s.pairLocked(k)
	pair.waiting = append(pair.waiting, w)
	s.kickLocked(k, time.Now())
	s.mu.Unlock()
	select {
	case err := <-w:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// quotaLocked is what p takes of us.
func (s *Service) quotaLocked(p peer.ID) *quota {
	q := s.served[p]
	if q == nil {
		q = &quota{}
		s.served[p] = q
	}
	return q
}

// incoming serves a stream; it is called on a goroutine of its own.
func (s *Service) incoming(st network.Stream) {
	p := st.Conn().RemotePeer()
	s.mu.Lock()
	q := s.quotaLocked(p)
	if !s.running || q.open >= maxServed {
		s.mu.Unlock()
		_ = st.Reset()
		return
	}
	q.open++
	wait := q.take(time.Now())
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()

	ctx, cancel := context.WithTimeout(s.ctx, maxRun)
	err := s.serve(ctx, cancel, st, wait)
	cancel()
	s.mu.Lock()
	q.open--
	s.mu.Unlock()
	s.note("served", p, err)
}

// note logs how a run ended. Of what a peer does that he may not, the log has one
// line in [warnEvery], so that nobody can fill it.
func (s *Service) note(what string, p peer.ID, err error) {
	if err == nil || s.ctx.Err() != nil {
		return
	}
	level := slog.LevelDebug
	if now := time.Now(); errors.Is(err, ErrRefused) {
		s.mu.Lock()
		if q := s.quotaLocked(p); now.Sub(q.warned) > warnEvery {
			q.warned, level = now, slog.LevelWarn
		}
		s.mu.Unlock()
	}
	s.log.Log(s.ctx, level, "run ended", "run", what, "peer", p, "err", err)
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrRefused}, args...)...)
}
