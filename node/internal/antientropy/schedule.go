package antientropy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
)

const (
	// Of our own runs, at a time.
	oursPerPeer = 2
	oursPerRoom = 2
	// roomYield is how long a run keeps others about the room waiting.
	roomYield = 10 * time.Second
	// A run that failed is tried again after firstRetry, doubling, up to
	// maxFailures times; then the next interval or kick does.
	firstRetry  = 100 * time.Millisecond
	maxFailures = 8
	// hinderedLook is how long it takes, at most, to notice that what is fetched
	// can be kept again.
	hinderedLook = time.Second
	// passOnAfter gathers what several runs bring, before others hear of it.
	passOnAfter = 50 * time.Millisecond
	// Of those served to a peer.
	maxServed   = 4
	servedBurst = 64
	servedEvery = 125 * time.Millisecond
	// warnEvery spaces warnings about a peer.
	warnEvery = time.Minute
)

type pairKey struct {
	room event.Conversation
	peer peer.ID
}

// pair is what is under way and asked for about a room with a peer. It is kept
// while there is anything.
type pair struct {
	active  chan struct{} // closed at the end of the run under way; nil: none
	ours    bool          // we opened it
	since   time.Time
	cancel  context.CancelFunc
	pending bool      // a run of ours is asked for, the pair is in the queue
	doubt   bool      // it is to be one even if both hold the same
	after   time.Time // not before
	waiting []chan error
	failed  int // runs of ours, one after another
}

// answer tells those who wait for a run of ours.
func (p *pair) answer(err error) {
	for _, w := range p.waiting {
		w <- err
	}
	p.waiting = nil
}

func (s *Service) pairLocked(k pairKey) *pair {
	p := s.pairs[k]
	if p == nil {
		p = &pair{}
		s.pairs[k] = p
	}
	return p
}

func (s *Service) kickLocked(k pairKey, after time.Time) {
	if s.stopped {
		return
	}
	if p := s.pairLocked(k); !p.pending {
		p.pending, p.after = true, after
		s.queue = append(s.queue, k)
	}
	s.signal()
}

// startLocked starts the runs that may start and tells when another may.
func (s *Service) startLocked(now time.Time) time.Time {
	next := now.Add(time.Hour)
	if !s.running {
		return next
	}
	perPeer, perRoom := map[peer.ID]int{}, map[event.Conversation]int{}
	for k, p := range s.pairs {
		if p.active == nil || !p.ours {
			continue
		}
		perPeer[k.peer]++
		if yields := p.since.Add(roomYield); yields.After(now) {
			perRoom[k.room]++
			next = earlier(next, yields)
		}
	}
	hindered := s.hindered()
	waiting := s.queue[:0]
	for _, k := range s.queue {
		p := s.pairs[k]
		if p.after.After(now) {
			next = earlier(next, p.after)
		}
		if hindered && len(p.waiting) == 0 {
			next = earlier(next, now.Add(hinderedLook))
			waiting = append(waiting, k)
			continue
		}
		if p.active != nil || p.after.After(now) || perPeer[k.peer] >= oursPerPeer || perRoom[k.room] >= oursPerRoom {
			waiting = append(waiting, k)
			continue
		}
		perPeer[k.peer]++
		perRoom[k.room]++
		next = earlier(next, now.Add(roomYield))
		doubt := p.doubt
		p.pending, p.doubt = false, false
		asked := p.waiting
		p.waiting = nil
		ctx, cancel := context.WithTimeout(s.ctx, maxRun)
		s.beginLocked(p, true, cancel)
		s.wg.Go(func() {
			err := s.dial(ctx, k, doubt)
			cancel()
			s.note("ours", k.peer, err)
			s.dialled(k, asked, err)
		})
	}
	s.queue = waiting
	return next
}

func (s *Service) hindered() bool { return s.cfg.Hindered != nil && s.cfg.Hindered() }

func (s *Service) beginLocked(p *pair, ours bool, cancel context.CancelFunc) {
	p.active, p.ours, p.since, p.cancel = make(chan struct{}), ours, time.Now(), cancel
}

// endLocked ends the run of a pair, which makes way for another.
func (s *Service) endLocked(k pairKey) {
	p := s.pairs[k]
	close(p.active)
	p.active, p.cancel = nil, nil
	if !p.pending && len(p.waiting) == 0 && p.failed == 0 {
		delete(s.pairs, k)
	}
	s.signal()
}

// dial has a run of ours.
func (s *Service) dial(ctx context.Context, k pairKey, doubt bool) error {
	replica, ok := s.cfg.Rooms.Replica(k.room, k.peer, false)
	if !ok {
		return fmt.Errorf("no run with whom we don't serve: %w", ErrNotServed)
	}
	if s.cfg.Host.Network().Connectedness(k.peer) != network.Connected {
		return network.ErrNoConn
	}
	open, cancel := context.WithTimeout(network.WithNoDial(ctx, "sync"), openWithin)
	st, err := s.cfg.Host.NewStream(open, k.peer, Protocol)
	cancel()
	if err != nil {
		return fmt.Errorf("open stream: %w", err)
	}
	r := s.newRun(k, replica, newLink(st))
	defer func() { s.ran(r) }()
	err = over(ctx, st, func() error { return r.open(ctx, doubt) })
	if errors.Is(err, ErrNotServed) {
		s.cfg.Rooms.NotServed(k.room, k.peer)
	}
	return err
}

// ran draws the conclusions from a run of either side. What it brought is passed
// on: where two parts of a room meet, not everybody may be served by somebody of
// the other part, or connected to one.
func (s *Service) ran(r *run) {
	s.arrive(r)
	r.replica.Synced(r.peer, r.equal, r.equal || r.ended)
	s.askedFor(r)
	if r.ended {
		s.mu.Lock()
		if len(s.resent) >= maxResent {
			clear(s.resent)
		}
		for k, state := range r.resent {
			s.resent[resentKey{pairKey{r.room, r.peer}, k}] = state
		}
		s.mu.Unlock()
	}
	if !r.took {
		return
	}
	others := slices.DeleteFunc(slices.Clone(s.cfg.Rooms.Partners(r.room)), func(p peer.ID) bool { return p == r.peer })
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range choose(others, partnersEach) {
		k := pairKey{r.room, p}
		s.kickLocked(k, time.Now().Add(passOnAfter))
		if pair := s.pairs[k]; pair != nil {
			pair.doubt = pair.doubt || len(r.bodiless) > 0
		}
	}
}

// dialled draws the conclusions from a run of ours.
func (s *Service) dialled(k pairKey, asked []chan error, err error) {
	here := s.cfg.Host.Network().Connectedness(k.peer) == network.Connected
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pairs[k]
	final := err == nil || errors.Is(err, ErrNotServed) || errors.Is(err, ErrRefused) || s.ctx.Err() != nil || !here || p.failed >= maxFailures
	if final {
		p.failed = 0
	} else {
		s.kickLocked(k, time.Now().Add(firstRetry<<p.failed))
		p.failed++
	}
	if errors.Is(err, errBusy) && !final {
		p.waiting = append(p.waiting, asked...) // for the next
	} else {
		for _, w := range asked {
			w <- err
		}
	}
	s.endLocked(k)
}

// serve has a run that the other side opened, after having waited.
func (s *Service) serve(ctx context.Context, cancel context.CancelFunc, st network.Stream, wait time.Duration) error {
	k := pairKey{peer: st.Conn().RemotePeer()}
	link := newLink(st)
	return over(ctx, st, func() error {
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
		f, err := link.readOpening()
		if err != nil {
			return err
		}
		if len(f.GetOpen().GetRoom()) != len(k.room) || len(f.Open.Digest) != 32 {
			return refused("a stream opens with a room and a digest")
		}
		k.room = event.Conversation(f.Open.Room)
		replica, ok := s.cfg.Rooms.Replica(k.room, k.peer, true)
		if !ok {
			return link.write(&pb.SyncFrame{Answer: pb.SyncAnswer_SYNC_ANSWER_REFUSED})
		}
		if !s.claim(ctx, k, cancel) {
			return link.write(&pb.SyncFrame{Answer: pb.SyncAnswer_SYNC_ANSWER_BUSY})
		}
		r := s.newRun(k, replica, link)
		defer func() {
			s.ran(r)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.endLocked(k)
		}()
		return r.serve(ctx, [32]byte(f.Open.Digest))
	})
}

// claim makes a run that the other side opened the one under way. One of ours
// stays if our ID is the lower; otherwise it is waited for, since the other side
// is about to turn it down or to end it. A run it opened before is over for it.
func (s *Service) claim(ctx context.Context, k pairKey, cancel context.CancelFunc) bool {
	ctx, stop := context.WithTimeout(ctx, openWithin)
	defer stop()
	for {
		s.mu.Lock()
		p := s.pairLocked(k)
		if p.active == nil {
			s.beginLocked(p, false, cancel)
			s.mu.Unlock()
			return true
		}
		active, stays := p.active, p.ours && s.self < k.peer
		if !p.ours {
			p.cancel()
		}
		s.mu.Unlock()
		if stays {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-active:
		}
	}
}

func (s *Service) newRun(k pairKey, replica Replica, l *link) *run {
	return &run{
		svc: s, room: k.room, peer: k.peer, link: l, replica: replica,
		allowed: func() bool { _, ok := s.cfg.Rooms.Replica(k.room, k.peer, true); return ok },
		has:     event.Frontier{}, low: map[event.LogKey]uint64{}, stated: event.Frontier{},
		asked: map[event.ID]bool{}, sought: map[event.ID]bool{}, whole: map[event.LogKey]bool{}, early: map[event.ID]bool{}, cursor: map[event.LogKey]uint64{},
		resent: map[event.LogKey][32]byte{},
	}
}

// resentKey is a log that was sent whole to somebody.
type resentKey struct {
	pairKey
	event.LogKey
}

// maxResent bounds what is remembered of that.
const maxResent = 8192

// resend tells whether a log whose head both sides hold is to be sent whole for
// the branches in it: once for each state of it while he is here. A branch below the other side's
// low mark makes the two differ for ever.
func (s *Service) resend(k resentKey, state [32]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resent[k] != state
}

// over does something over a stream, which ends with it: in order if there is no
// error, at once if there is or when ctx ends.
func over(ctx context.Context, st network.Stream, f func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = st.Reset() })
	defer stop()
	if err := f(); err != nil {
		_ = st.Reset()
		return err
	}
	_ = st.Close() // fails where the other side was quicker
	return nil
}

// quota is what a peer takes of us.
type quota struct {
	open   int
	paid   time.Time // all it has had is worked off by then
	warned time.Time // when the log had a warning about it
}

// take counts a run and tells how long it has to wait.
func (q *quota) take(now time.Time) time.Duration {
	if q.paid.Before(now) {
		q.paid = now
	}
	q.paid = q.paid.Add(servedEvery)
	return max(q.paid.Sub(now)-servedBurst*servedEvery, 0)
}

// sleep waits for d and tells whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
