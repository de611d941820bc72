package direct

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-msgio/pbio"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
)

// session is one stream with one peer.
type session struct {
	svc    *Service
	stream network.Stream
	peer   peer.ID
	conv   event.Conversation
	ours   bool // we opened it
	since  time.Time
	cancel context.CancelFunc

	wake   chan struct{} // 1: a wake-up that is pending covers any number
	opened chan struct{} // closed by the reader once theirs is known
	ended  chan struct{} // closed when reader and writer have ended

	mu        sync.Mutex
	theirs    event.Frontier        // what the peer has committed
	shown     event.Frontier        // how far the peer's own sending shows that it holds each log
	ackDue    map[event.LogKey]bool // logs that something was committed of
	branched  map[event.LogKey]bool // logs found to have two branches; true: our side of them is to be sent
	typingDue bool
	readDue   map[event.LogKey]event.Head
}

func newSession(s *Service, st network.Stream, ours bool, cancel context.CancelFunc) *session {
	p := st.Conn().RemotePeer()
	return &session{
		svc: s, stream: st, peer: p, conv: event.Direct(s.self, p), ours: ours, since: time.Now(), cancel: cancel,
		wake: make(chan struct{}, 1), opened: make(chan struct{}), ended: make(chan struct{}), readDue: map[event.LogKey]event.Head{},
		shown: event.Frontier{}, ackDue: map[event.LogKey]bool{}, branched: map[event.LogKey]bool{},
	}
}

func (s *session) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run lasts as long as the stream; the first error of reader or writer ends it.
func (s *session) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.stream.Reset() })
	defer stop()
	var writer sync.WaitGroup
	var writeErr error
	writer.Go(func() {
		if writeErr = s.write(ctx); writeErr != nil {
			_ = s.stream.Reset()
		}
	})
	readErr := s.read(ctx)
	_ = s.stream.Reset()
	s.cancel()
	writer.Wait()
	if writeErr != nil && ctx.Err() == nil {
		return writeErr
	}
	return readErr
}

// write owns the sending half.
func (s *session) write(ctx context.Context) error {
	w := pbio.NewDelimitedWriter(s.stream)
	send := func(f *pb.DirectFrame) error {
		_ = s.stream.SetWriteDeadline(time.Now().Add(writeWithin))
		if err := w.WriteMsg(f); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return nil
	}
	acked, err := s.svc.cfg.Ledger.Frontier(ctx, s.conv)
	if err != nil {
		return fmt.Errorf("read frontier: %w", err)
	}
	if err := send(&pb.DirectFrame{Frontier: acked.Wire()}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.opened:
	}
	s.mu.Lock()
	sent := maps.Clone(s.theirs)
	s.mu.Unlock()
	if sent == nil {
		sent = event.Frontier{}
	}
	for {
		ackDue, typing, reads := s.takeDue()
		mine, err := s.svc.cfg.Ledger.Frontier(ctx, s.conv)
		if err != nil {
			return fmt.Errorf("read frontier: %w", err)
		}
		s.learn(sent)
		if len(ackDue) > 0 {
			news := changed(mine, acked)
			for k := range ackDue {
				if h, ok := mine[k]; ok {
					news[k] = h // also where a branch came in below the head
				}
			}
			if err := send(&pb.DirectFrame{Ack: news.Wire()}); err != nil {
				return err
			}
			acked = mine
		}
		for _, r := range mine.MissingIn(sent) {
			if err := s.sendRange(ctx, send, r); err != nil {
				return err
			}
			sent[r.LogKey] = mine[r.LogKey]
		}
		for k, h := range reads {
			if err := send(&pb.DirectFrame{Read: k.Wire(h)}); err != nil {
				return err
			}
		}
		if typing {
			if err := send(&pb.DirectFrame{Typing: true}); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.wake:
		}
	}
}

// sendRange sends r in batches.
func (s *session) sendRange(ctx context.Context, send func(*pb.DirectFrame) error, r event.Range) error {
	for r.From <= r.To {
		events, err := s.svc.cfg.Ledger.Range(ctx, s.conv, r, batchBytes)
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		if len(events) == 0 {
			return fmt.Errorf("events %d to %d of log %s are counted as held and are missing", r.From, r.To, r.Log)
		}
		batch := &pb.EventBatch{}
		for _, e := range events {
			batch.Events = append(batch.Events, e.Wire())
		}
		if err := send(&pb.DirectFrame{Events: batch}); err != nil {
			return err
		}
		last := events[len(events)-1]
		r.From = last.Seq + 1
		s.svc.cfg.Handler.Sent(s.peer, event.Frontier{r.LogKey: {Seq: last.Seq, ID: last.ID}})
	}
	return nil
}

func (s *session) takeDue() (ack map[event.LogKey]bool, typing bool, reads map[event.LogKey]event.Head) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ack, typing, reads = s.ackDue, s.typingDue, s.readDue
	s.ackDue, s.typingDue = map[event.LogKey]bool{}, false
	s.readDue = map[event.LogKey]event.Head{}
	return ack, typing, reads
}

// show notes that the peer holds these events, before they are committed: once
// they are, the writer must not take them for something the peer lacks. A peer
// sends a log from where it holds it without a gap.
func (s *session) show(events []*event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		if e.Seq > s.shown[e.Key()].Seq {
			s.shown[e.Key()] = event.Head{Seq: e.Seq, ID: e.ID}
		}
	}
}

// learn counts as sent what the peer has shown.
func (s *session) learn(sent event.Frontier) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, h := range s.shown {
		if h.Seq > sent[k].Seq {
			sent[k] = h
		}
	}
	clear(s.shown)
	for k, due := range s.branched {
		if due {
			delete(sent, k) // the whole of it: nothing tells where it branched
			s.branched[k] = false
		}
	}
}

// branch notes that log k has two branches, of which the other side may lack
// ours. Once per stream: what is sent then holds both.
func (s *session) branch(ctx context.Context, k event.LogKey, h event.Head) error {
	forked, err := s.svc.cfg.Ledger.Forked(ctx, s.conv, k, h)
	if err != nil {
		return fmt.Errorf("look for a branch: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.branched[k]; forked && !known {
		s.branched[k] = true
		s.signal()
	}
	return nil
}

// changed lists the positions of now that differ from before.
func changed(now, before event.Frontier) event.Frontier {
	out := event.Frontier{}
	for k, h := range now {
		if before[k] != h {
			out[k] = h
		}
	}
	return out
}

// read owns the receiving half.
func (s *session) read(ctx context.Context) error {
	r := newFrames(s.stream)
	first, err := r.first()
	if err != nil {
		return fmt.Errorf("the opening frontier: %w", err)
	}
	if first.Frontier == nil {
		return refused("a stream opens with a frontier")
	}
	if err := s.committed(ctx, first.Frontier); err != nil {
		return err
	}
	close(s.opened)
	s.svc.cfg.Handler.Opened(s.peer)
	var lastSign time.Time
	for {
		f, err := r.next()
		if err != nil {
			return err
		}
		if f.Typing || f.Read != nil {
			// Not kept, and told to every face: a flood waits in the stream
			// and costs its sender.
			if wait := time.Until(lastSign.Add(signEvery)); wait > 0 {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(wait):
				}
			}
			lastSign = time.Now()
		}
		if err := s.handle(ctx, f); err != nil {
			return err
		}
	}
}

func (s *session) handle(ctx context.Context, f *pb.DirectFrame) error {
	switch {
	case f.Events != nil:
		return s.ingest(ctx, f.Events)
	case f.Ack != nil:
		return s.committed(ctx, f.Ack)
	case f.Read != nil:
		k, h, err := event.HeadFromWire(f.Read)
		if err != nil {
			return refused("read marker: %v", err)
		}
		s.svc.cfg.Handler.Read(s.peer, k, h)
	case f.Typing:
		s.svc.cfg.Handler.Typing(s.peer)
	case f.Frontier != nil:
		return refused("a second opening frontier")
	}
	// A frame with nothing we know is of a later minor version.
	return nil
}

// committed notes what the peer says it has on disk.
func (s *session) committed(ctx context.Context, m *pb.Frontier) error {
	f, err := event.FrontierFromWire(m, maxLogs)
	if err != nil {
		return refused("%v", err)
	}
	for k := range f {
		if k.Author != s.peer && k.Author != s.svc.self {
			return refused("frontier names a third person")
		}
	}
	for k, h := range f {
		if err := s.branch(ctx, k, h); err != nil {
			return err
		}
	}
	s.mu.Lock()
	if s.theirs == nil {
		s.theirs = event.Frontier{}
	}
	maps.Copy(s.theirs, f)
	s.mu.Unlock()
	if len(f) > 0 {
		s.svc.cfg.Handler.Acked(s.peer, f)
	}
	return nil
}

// ingest commits a batch, after which an ack is due.
func (s *session) ingest(ctx context.Context, b *pb.EventBatch) error {
	events := make([]*event.Event, 0, len(b.Events))
	for _, m := range b.Events {
		e, err := event.FromWire(m)
		if err != nil {
			return refused("%v", err)
		}
		if e.Conversation != s.conv || e.Lane != event.LaneMessage || (e.Author != s.peer && e.Author != s.svc.self) {
			return refused("event %s is not of this conversation", e.ID)
		}
		events = append(events, e)
	}
	for _, e := range events {
		if err := s.branch(ctx, e.Key(), event.Head{Seq: e.Seq, ID: e.ID}); err != nil {
			return err
		}
	}
	s.show(events)
	if err := s.svc.cfg.Ledger.Ingest(ctx, s.peer, events); err != nil {
		return fmt.Errorf("commit %d events: %w", len(events), err)
	}
	s.mu.Lock()
	for _, e := range events {
		s.ackDue[e.Key()] = true
	}
	s.mu.Unlock()
	s.signal()
	return nil
}
