package antientropy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
)

const (
	maxTurns   = 1 << 14
	maxLater   = 4         // turns in which what is new is sent along
	batchBytes = 256 << 10 // of events read at a time
	// batchBodies is how many messages are read at a time that are asked for.
	batchBodies = 32
	turnBytes   = 4 << 20     // of events of the past in a turn
	turnLasts   = time.Second // of sending them
)

// run is one run about one room, on either side. It belongs to one goroutine.
type run struct {
	svc     *Service
	room    event.Conversation
	peer    peer.ID
	link    *link
	replica Replica
	allowed func() bool // whether the peer may still be served

	mine   Summary // as it was when our side listed it
	parts  *split  // of mine.Frontier
	listed listed  // what this run is about

	compared bool                      // the differences in logs are known and sent
	later    int                       // turns of ours since
	has      event.Frontier            // what the other side has, as said, sent or shown by it
	low      map[event.LogKey]uint64   // what it does not want
	stated   event.Frontier            // what we have told, of the logs this run is about
	asked    map[event.ID]bool         // events asked for, once each
	bodiless []event.ID                // messages of which the body is asked for
	due      bool                      // they are to be, whatever the digests say
	sought   map[event.ID]bool         // messages asked of us, looked for once each
	whole    map[event.LogKey]bool     // logs with two branches, sent from the beginning
	early    map[event.ID]bool         // sent before their turn
	cursor   map[event.LogKey]uint64   // sent up to
	tops     event.Frontier            // of ours, as they were in our last turn
	more     bool                      // not all fitted into it
	digest   [32]byte                  // as we last stated it
	took     bool                      // something that was not here
	resent   map[event.LogKey][32]byte // such logs that were sent
	ended    bool                      // in order
	equal    bool                      // at the end
}

func (r *run) summarize(ctx context.Context) error {
	var err error
	if r.mine, err = r.replica.Summary(ctx); err != nil {
		return fmt.Errorf("summarize: %w", err)
	}
	r.parts = splitFrontier(r.mine.Frontier)
	r.digest = r.mine.digest()
	return nil
}

// open is the opener's side. doubt: there is to be a run also if both hold the same.
func (r *run) open(ctx context.Context, doubt bool) error {
	if err := errors.Join(r.summarize(ctx), r.lack(ctx)); err != nil {
		return err
	}
	digest := r.opening(doubt)
	if err := r.link.write(&pb.SyncFrame{Open: &pb.SyncOpen{Room: r.room[:], Digest: digest[:]}}); err != nil {
		return err
	}
	f, err := r.link.readUpTo(maxAnswer, frameWithin, frameWithin)
	if err != nil {
		return err
	}
	switch f.Answer {
	case pb.SyncAnswer_SYNC_ANSWER_EQUAL:
		r.nowEqual()
		return nil
	case pb.SyncAnswer_SYNC_ANSWER_REFUSED:
		return ErrNotServed
	case pb.SyncAnswer_SYNC_ANSWER_BUSY:
		return errBusy
	case pb.SyncAnswer_SYNC_ANSWER_DIFFERENT:
		if err := r.list(ctx, f.Sketch); err != nil {
			return err
		}
		return r.turns(ctx, false)
	default:
		return refused("no answer that is known")
	}
}

// serve is the other side, once the opening frame is read.
func (r *run) serve(ctx context.Context, theirs [32]byte) error {
	if err := errors.Join(r.summarize(ctx), r.lack(ctx)); err != nil {
		return err
	}
	if theirs == r.digest && !r.due {
		if err := r.link.write(&pb.SyncFrame{Answer: pb.SyncAnswer_SYNC_ANSWER_EQUAL}); err != nil {
			return err
		}
		r.nowEqual()
		return nil
	}
	err := r.link.write(&pb.SyncFrame{
		Answer: pb.SyncAnswer_SYNC_ANSWER_DIFFERENT,
		Sketch: &pb.SyncSketch{Control: wireBuckets(&r.mine.Buckets), Logs: wireBuckets(r.parts.hashes(r.mine.Forks))},
	})
	if err != nil {
		return err
	}
	return r.turns(ctx, true)
}

// nowEqual ends a run in which the last digests were the same.
func (r *run) nowEqual() {
	r.equal = true
	r.replica.Committed(r.peer, r.mine.Frontier)
}

// list answers the sketch with what we have where we differ.
func (r *run) list(ctx context.Context, sketch *pb.SyncSketch) error {
	control, err := bucketsFromWire(sketch.GetControl())
	if err != nil {
		return err
	}
	logs, err := bucketsFromWire(sketch.GetLogs())
	if err != nil {
		return err
	}
	different := differing(r.parts.hashes(r.mine.Forks), logs)
	// What does not differ the other side holds as we do.
	r.replica.Committed(r.peer, r.parts.in(&different, true))

	covered, set, err := r.covered(ctx, differing(&r.mine.Buckets, control))
	if err != nil {
		return err
	}
	r.listed = listed{control: set, logs: r.narrow(different)}
	p := newPage(r.link)
	if err := r.announce(p); err != nil {
		return err
	}
	if err := p.control(covered); err != nil {
		return err
	}
	if _, err := r.ask(p, r.wants()); err != nil {
		return err
	}
	return p.end(false)
}

// covered lists the control IDs in the buckets of set, or of as many of them as
// fit into a turn.
func (r *run) covered(ctx context.Context, set bucketSet) (ids []event.ID, fit bucketSet, err error) {
	lists := map[byte][]event.ID{}
	for i := range 256 {
		if b := byte(i); set.has(b) {
			if lists[b], err = r.replica.Covered(ctx, b); err != nil {
				return nil, fit, fmt.Errorf("list control events: %w", err)
			}
		}
	}
	fit = fitting(set, byte(rand.IntN(256)), maxIDs, func(b byte) int { return len(lists[b]) })
	for i := range 256 {
		if b := byte(i); fit.has(b) {
			ids = append(ids, lists[b]...)
		}
	}
	return ids, fit, nil
}

// narrow takes as many buckets of logs as fit into a turn.
func (r *run) narrow(set bucketSet) bucketSet {
	return fitting(set, byte(rand.IntN(256)), maxHeads, func(b byte) int { return len(r.parts[b]) })
}

// announce writes which buckets the run is about, and our positions and low
// marks in them.
func (r *run) announce(p *page) error {
	p.f.Listed = &pb.SyncListed{Control: r.listed.control[:], Logs: r.listed.logs[:]}
	r.stated = r.parts.in(&r.listed.logs, false)
	if err := p.heads(r.stated); err != nil {
		return err
	}
	n := 0
	for k, seq := range r.unwanted() {
		if !r.listed.logs.has(logBucket(k)) || seq <= r.stated[k].Seq+1 {
			continue
		}
		if n++; n > maxHeads {
			break
		}
		if err := p.low(k, seq); err != nil {
			return err
		}
	}
	return nil
}

// unwanted gives the first seq wanted of logs of which not everything is: it is
// below a low mark, another run brings it, or it could not be kept.
func (r *run) unwanted() map[event.LogKey]uint64 {
	others := r.svc.inFlight(r)
	if r.svc.hindered() {
		others = make(map[event.LogKey]uint64, len(r.has)+len(r.mine.Low))
		for k, h := range r.has {
			others[k] = h.Seq + 1
		}
	}
	if others == nil {
		return r.mine.Low
	}
	for k, seq := range r.mine.Low {
		others[k] = max(others[k], seq)
	}
	return others
}

// ask writes what is wanted and was not asked for yet, and tells whether there
// was any: nothing is as long as it could not be kept.
func (r *run) ask(p *page, ids []event.ID) (bool, error) {
	if r.svc.hindered() {
		return false, nil
	}
	var now []event.ID
	for _, id := range ids {
		if !r.asked[id] && len(r.asked) < maxIDs {
			r.asked[id] = true
			now = append(now, id)
		}
	}
	return len(now) > 0, p.want(now)
}

// turns takes turns with the other side, whose turn it is, until both are done.
func (r *run) turns(ctx context.Context, serving bool) error {
	done := false // we were, in our last turn
	for n := range maxTurns {
		t, err := r.readTurn(ctx, !serving || n > 0)
		if err != nil {
			return err
		}
		if !r.allowed() {
			return ErrNotServed
		}
		if !serving && done && t.done {
			r.end(t)
			return nil
		}
		if serving && n == 0 {
			done, err = r.compare(ctx, t)
		} else {
			done, err = r.answer(ctx, t, serving)
		}
		if err != nil {
			return err
		}
		if serving && n > 0 && done && t.done {
			r.end(t)
			return nil
		}
	}
	return errNotEnding
}

// end concludes the run after the last turn of the other side.
func (r *run) end(t *turn) {
	r.ended = true
	if t.digest == r.digest {
		r.nowEqual()
	}
}

// readTurn reads a turn, committing the events as they come, and passes on what
// the other side says it has committed.
func (r *run) readTurn(ctx context.Context, mayBring bool) (t *turn, err error) {
	frames, taken := make(chan arrival), make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() { r.readAhead(frames, taken) })
	defer func() {
		if close(taken); err != nil {
			_ = r.link.stream.Reset() // it may be reading
		}
		reading.Wait()
	}()
	t = newTurn()
	for bare := 0; ; {
		a := <-frames
		if a.err != nil {
			return nil, a.err
		}
		if err := t.add(a.frame); err != nil {
			return nil, err
		}
		if a.frame.Heads != nil {
			r.svc.depart(r, t.heads)
		}
		switch {
		case len(a.events) == 0:
			if bare++; bare > maxBareTurn {
				return nil, refused("a turn of more than %d frames without events", maxBareTurn)
			}
		case !mayBring:
			return nil, refused("events before the differences are known")
		default:
			if err := r.ingest(ctx, a.events); err != nil {
				return nil, err
			}
			for _, e := range a.events {
				if e.Lane == event.LaneMessage {
					if len(t.touched) < maxHeads {
						t.touched[e.Key()] = true
					}
					r.holds(e.Key(), event.Head{Seq: e.Seq, ID: e.ID})
				}
			}
		}
		if a.frame.End {
			break
		}
	}
	if len(t.heads) > 0 {
		r.replica.Committed(r.peer, t.heads)
	}
	for k, h := range t.heads {
		r.holds(k, h)
	}
	for k, seq := range t.low {
		if len(r.low) < maxHeads {
			r.low[k] = seq
		}
	}
	return t, nil
}

// arrival is a frame with its events, or what was wrong with it.
type arrival struct {
	frame  *pb.SyncFrame
	events []*event.Event
	err    error
}

// readAhead reads the frames of a turn, each while the one before is committed,
// until its end, an error, or until nobody takes them any more.
func (r *run) readAhead(frames chan<- arrival, taken <-chan struct{}) {
	for {
		var a arrival
		if a.frame, a.err = r.link.read(frameWithin); a.err == nil {
			a.events, a.err = eventsOf(r.room, a.frame.Events)
		}
		select {
		case frames <- a:
		case <-taken:
			return
		}
		if a.err != nil || a.frame.End {
			return
		}
	}
}

// ingest commits what came, while people talk piece by piece, so that what they
// say does not wait for long.
func (r *run) ingest(ctx context.Context, events []*event.Event) error {
	for len(events) > 0 {
		n := len(events)
		if r.svc.talking() {
			n = min(n, pieceEvents)
		}
		start := time.Now()
		fresh, err := r.replica.Ingest(ctx, r.peer, events[:n])
		r.took = r.took || fresh > 0
		r.svc.landed(r, events[:n], fresh)
		if err != nil {
			return fmt.Errorf("commit %d events: %w", n, err)
		}
		events = events[n:]
		r.svc.rest(ctx, start)
	}
	return nil
}

// holds notes that the other side holds log k up to h.
func (r *run) holds(k event.LogKey, h event.Head) {
	if h.Seq > r.has[k].Seq && len(r.has) < 2*maxHeads {
		r.has[k] = h
	}
}
