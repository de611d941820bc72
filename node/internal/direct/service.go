package direct

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"p2pchat/protocol/event"
)

// Protocol is the stream protocol.
const Protocol = protocol.ID("/p2pchat/direct/1.0.0")

const (
	batchBytes  = 256 << 10 // of events in one frame
	openWithin  = 5 * time.Second
	writeWithin = 30 * time.Second
	// A stream that failed is opened again after firstRetry, doubling up to
	// lastRetry; one that lived for lastRetry starts over.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
	// signEvery spaces what is heard of typing and reading.
	signEvery = 50 * time.Millisecond
	// maxLogs bounds the frontier of a conversation of two.
	maxLogs = 2 * event.MaxLogs
)

// Ledger is the committed history this protocol moves.
type Ledger interface {
	// Frontier is what is committed of conv.
	Frontier(ctx context.Context, conv event.Conversation) (event.Frontier, error)
	// Range reads a piece of a log from its start, up to about limit bytes.
	Range(ctx context.Context, conv event.Conversation, r event.Range, limit int) ([]*event.Event, error)
	// Forked tells whether log k is held beyond h.Seq, or up to it, without
	// the event h names: then it has two branches.
	Forked(ctx context.Context, conv event.Conversation, k event.LogKey, h event.Head) (bool, error)
	// Ingest verifies and commits events of our conversation with from; those already held are
	// passed over. An error that wraps ErrRefused blames the peer.
	Ingest(ctx context.Context, from peer.ID, events []*event.Event) error
}

// ErrRefused marks what only a faulty or hostile peer can cause.
var ErrRefused = errors.New("refused")

// Handler is told what became of messages and what is not kept. Calls must not
// block for long.
type Handler interface {
	// Opened: a stream with p is ready; what is not kept can be said now.
	Opened(p peer.ID)
	// Sent: everything up to f was handed to a connection with p.
	Sent(p peer.ID, f event.Frontier)
	// Acked: p has committed everything up to f.
	Acked(p peer.ID, f event.Frontier)
	// Read: the person at p has read log k up to h.
	Read(p peer.ID, k event.LogKey, h event.Head)
	// Typing: the person at p is typing now.
	Typing(p peer.ID)
}

// Config configures a [Service]. All fields are needed but Barred.
type Config struct {
	Host    host.Host
	Ledger  Ledger
	Handler Handler
	// Barred tells with whom there are to be no streams; nil: nobody is. It
	// must not block nor call this package.
	Barred func(peer.ID) bool
	Logger *slog.Logger
}

// Service runs the protocol with every peer there is something to say to.
type Service struct {
	cfg  Config
	self peer.ID
	log  *slog.Logger
	ctx  context.Context // of Run; set before the first session
	wg   sync.WaitGroup

	mu       sync.Mutex
	running  bool
	sessions map[peer.ID]*session
	dialling map[peer.ID]bool
	retry    map[peer.ID]time.Duration // delay before the next opening
	typing   map[peer.ID]bool          // to be said once there is a stream
}

// New makes a service; it does nothing before Run.
func New(cfg Config) *Service {
	if cfg.Barred == nil {
		cfg.Barred = func(peer.ID) bool { return false }
	}
	return &Service{
		cfg: cfg, self: cfg.Host.ID(), log: cfg.Logger.With("component", "direct"),
		sessions: map[peer.ID]*session{}, dialling: map[peer.ID]bool{}, retry: map[peer.ID]time.Duration{}, typing: map[peer.ID]bool{},
	}
}

// Run serves until ctx ends and waits for every session to end.
func (s *Service) Run(ctx context.Context) error {
	s.mu.Lock()
	s.ctx, s.running = ctx, true
	s.mu.Unlock()
	s.cfg.Host.SetStreamHandler(Protocol, s.incoming)
	<-ctx.Done()
	s.cfg.Host.RemoveStreamHandler(Protocol)
	s.mu.Lock()
	s.running = false
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// Wake says that there may be something to send to p: a new event, or a peer
// that came back. It opens a stream if there is none, over a connection that
// exists; it never dials.
func (s *Service) Wake(p peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ses := s.sessions[p]; ses != nil {
		ses.signal()
		return
	}
	s.dialLocked(p)
}

// Part ends the stream with p, who is barred since before the call, and returns
// when nothing of what he sends arrives any more. To him it looks like a fault
// of the network: he goes on to try.
func (s *Service) Part(p peer.ID) {
	s.mu.Lock()
	ses := s.sessions[p]
	delete(s.typing, p)
	delete(s.retry, p) // so that the first one after this is not late
	s.mu.Unlock()
	if ses != nil {
		ses.cancel()
		<-ses.ended
	}
}

// Typing tells p that the person here is typing, once there is a stream.
func (s *Service) Typing(p peer.ID) {
	if s.with(p, func(ses *session) { ses.typingDue = true }) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.typing[p] = true
	s.dialLocked(p)
}

// MarkRead tells p that the person here has read log k up to h, if there is a
// stream.
func (s *Service) MarkRead(p peer.ID, k event.LogKey, h event.Head) {
	s.with(p, func(ses *session) { ses.readDue[k] = h })
}

// with has the session with p do something at its next turn; false if there is
// none.
func (s *Service) with(p peer.ID, f func(*session)) bool {
	s.mu.Lock()
	ses := s.sessions[p]
	s.mu.Unlock()
	if ses == nil {
		return false
	}
	ses.mu.Lock()
	f(ses)
	ses.mu.Unlock()
	ses.signal()
	return true
}

func (s *Service) incoming(st network.Stream) {
	s.adopt(st, false)
}

// dialLocked starts opening a stream to p, unless that is being done.
func (s *Service) dialLocked(p peer.ID) {
	if !s.running || s.dialling[p] || s.cfg.Barred(p) {
		return
	}
	s.dialling[p] = true
	s.wg.Go(func() { s.dial(p) })
}

// dial opens a stream to p; it ends when there is one, when the connection is
// gone, or with Run.
func (s *Service) dial(p peer.ID) {
	for {
		s.mu.Lock()
		wait := s.retry[p]
		s.mu.Unlock()
		if wait > 0 {
			select {
			case <-s.ctx.Done():
			case <-time.After(wait):
			}
		}
		s.mu.Lock()
		if s.ctx.Err() != nil || s.sessions[p] != nil || s.cfg.Barred(p) || s.cfg.Host.Network().Connectedness(p) != network.Connected {
			delete(s.dialling, p)
			if s.sessions[p] == nil {
				delete(s.retry, p) // a new connection starts afresh
				delete(s.typing, p)
			}
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()

		ctx, cancel := context.WithTimeout(network.WithNoDial(s.ctx, "direct chat"), openWithin)
		st, err := s.cfg.Host.NewStream(ctx, p, Protocol)
		cancel()
		if err == nil {
			s.mu.Lock()
			delete(s.dialling, p)
			s.mu.Unlock()
			s.adopt(st, true)
			return
		}
		s.log.Debug("open stream", "peer", p, "err", err)
		s.backOff(p)
	}
}

func (s *Service) backOff(p peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retry[p] = min(max(2*s.retry[p], firstRetry), lastRetry)
}

// adopt makes st the session with its peer, or resets it.
func (s *Service) adopt(st network.Stream, ours bool) {
	p := st.Conn().RemotePeer()
	s.mu.Lock()
	old := s.sessions[p]
	if !s.running || s.cfg.Barred(p) || (old != nil && s.keep(old, st, ours)) {
		s.mu.Unlock()
		_ = st.Reset()
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	ses := newSession(s, st, ours, cancel)
	ses.typingDue = s.typing[p]
	delete(s.typing, p)
	s.sessions[p] = ses
	s.wg.Go(func() {
		err := ses.run(ctx)
		cancel()
		close(ses.ended)
		s.ended(ses, err)
	})
	s.mu.Unlock()
	if old != nil {
		old.cancel()
	}
}

// keep tells whether the session old stays although st was opened. On one
// connection that means both sides opened at once; a stream on another
// connection, or a second one from the same side, is newer and better.
func (s *Service) keep(old *session, st network.Stream, ours bool) bool {
	if old.stream.Conn() != st.Conn() || old.ours == ours {
		return false
	}
	return old.ours == (s.self < old.peer)
}

func (s *Service) ended(ses *session, err error) {
	p := ses.peer
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[p] != ses {
		return // replaced
	}
	delete(s.sessions, p)
	if s.ctx.Err() != nil {
		return
	}
	level := slog.LevelDebug
	if errors.Is(err, ErrRefused) {
		level = slog.LevelWarn
	}
	s.log.Log(s.ctx, level, "stream ended", "peer", p, "err", err)
	if time.Since(ses.since) >= lastRetry {
		delete(s.retry, p)
	}
	s.retry[p] = min(max(2*s.retry[p], firstRetry), lastRetry)
	s.dialLocked(p)
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrRefused}, args...)...)
}
