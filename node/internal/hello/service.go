package hello

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/pb"
)

// Protocol is the stream protocol.
const Protocol = protocol.ID("/p2pchat/hello/1.0.0")

const (
	maxFrame    = 4 << 10
	openWithin  = 5 * time.Second // stream negotiation and the first frame
	writeWithin = 5 * time.Second
	firstReopen = 100 * time.Millisecond // after being told that there is no such protocol
	lastReopen  = 10 * time.Second
	pingEvery   = 8 * time.Second
	pongWithin  = 3 * time.Second
	silence     = pingEvery + pongWithin + time.Second/2
	ridesEvery  = 4*pingEvery - time.Second
	// changeEvery spaces the changes of profile or availability accepted from
	// one peer, each of which costs the handler a commit, frameEvery all frames.
	changeEvery = time.Second
	frameEvery  = 20 * time.Millisecond
)

// Instance tells the processes apart that might run under one key.
type Instance [16]byte

// Peer is what is known of somebody who is here.
type Peer struct {
	Profile  identity.Profile
	Signed   []byte // the encoded SignedProfile
	Away     bool
	Instance Instance
	Conn     network.Conn
}

// Handler is told of who comes and goes, by one goroutine, in order.
type Handler interface {
	// PeerUp: a session is established; a peer with two connections comes up twice.
	PeerUp(Peer)
	// PeerChanged: profile or availability changed.
	PeerChanged(Peer)
	// PeerDown: the last session with p ended; leaving tells that it said
	// goodbye.
	PeerDown(p peer.ID, leaving bool)
	// PeerAhead: p was sent away, since its clock is by ahead of ours, or ours
	// is slow.
	PeerAhead(p peer.ID, by time.Duration)
	// PeerReceipts: p says that it has committed these positions of our own
	// logs in room.
	PeerReceipts(p peer.ID, room event.Conversation, f event.Frontier)
}

// Self is what we say of ourselves.
type Self struct {
	Signed []byte // an encoded SignedProfile
	Away   bool
}

// Config configures a [Service]. All fields but Now are needed.
type Config struct {
	Host     host.Host
	Instance Instance
	// Self is asked at every introduction, so that the date of what it signs is
	// right as soon as our clock is: one dated ahead is refused.
	Self    func() (Self, error)
	Handler Handler
	Now     func() time.Time // the time of day; nil: time.Now
	Logger  *slog.Logger
}

// Service runs the protocol on every connection of a host.
type Service struct {
	cfg Config
	log *slog.Logger
	ctx context.Context // of Run: ends the sessions; set before the first starts
	wg  sync.WaitGroup

	mu       sync.Mutex
	stopped  bool
	sessions map[network.Conn]*session
	// What the handler is to be told: put in under mu, so in the order in
	// which sessions came and went, taken out by tell. It is as long as the
	// handler is slow; each session adds at most one change a second and one
	// call for all receipts that wait.
	news     []func(Handler)
	newsHere chan struct{} // 1: one signal covers any number
}

// New makes a service; it does nothing before Run.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{
		cfg: cfg, log: cfg.Logger.With("component", "hello"),
		sessions: map[network.Conn]*session{}, newsHere: make(chan struct{}, 1),
	}
}

// Run serves until ctx ends, then says goodbye on every session and waits for
// them to end.
func (s *Service) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s.ctx = inner
	told := make(chan struct{})
	go s.tell(told) // ends with the last news, below
	h := s.cfg.Host
	h.SetStreamHandler(Protocol, func(st network.Stream) { s.start(st.Conn(), st) })
	notifee := &network.NotifyBundle{ConnectedF: func(_ network.Network, c network.Conn) { s.connected(c) }}
	h.Network().Notify(notifee)
	for _, c := range h.Network().Conns() {
		s.connected(c)
	}

	<-ctx.Done()
	h.RemoveStreamHandler(Protocol)
	h.Network().StopNotify(notifee)
	s.mu.Lock()
	s.stopped = true
	var open []*session
	for _, ses := range s.sessions {
		open = append(open, ses)
	}
	s.mu.Unlock()
	var bye sync.WaitGroup
	for _, ses := range open {
		bye.Go(func() { ses.goodbye() })
	}
	bye.Wait()
	cancel()
	s.wg.Wait()
	s.mu.Lock()
	s.postLocked(nil)
	s.mu.Unlock()
	<-told
	return nil
}

// postLocked has the handler told something; nil is the last of it.
func (s *Service) postLocked(f func(Handler)) {
	s.news = append(s.news, f)
	select {
	case s.newsHere <- struct{}{}:
	default:
	}
}

// tell calls the handler, without the lock, until the last news.
func (s *Service) tell(done chan<- struct{}) {
	defer close(done)
	for range s.newsHere {
		s.mu.Lock()
		news := s.news
		s.news = nil
		s.mu.Unlock()
		for _, f := range news {
			if f == nil {
				return
			}
			f(s.cfg.Handler)
		}
	}
}

// connected opens the stream where that is our part. Opening waits for the
// other side, so it has a goroutine, which ends within openWithin or becomes
// the session's reader.
func (s *Service) connected(c network.Conn) {
	if c.Stat().Direction == network.DirOutbound {
		s.start(c, nil)
	}
}

// start runs a session on c, over st or, where that is nil, over a stream it
// opens.
func (s *Service) start(c network.Conn, st network.Stream) {
	s.mu.Lock()
	if s.stopped || s.sessions[c] != nil {
		s.mu.Unlock()
		if st != nil {
			_ = st.Reset()
		}
		return
	}
	ses := &session{svc: s, conn: c, stream: st, dialled: st == nil, due: receipts{}, heard: receipts{}}
	s.sessions[c] = ses
	s.wg.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.wg.Done()
		err := ses.run(s.ctx)
		s.ended(ses, err)
	}()
}

func (s *Service) ended(ses *session, err error) {
	s.mu.Lock()
	delete(s.sessions, ses.conn)
	last := ses.isUp
	for _, other := range s.sessions {
		if other.isUp && other.conn.RemotePeer() == ses.conn.RemotePeer() {
			last = false
		}
	}
	if last {
		s.postLocked(func(h Handler) { h.PeerDown(ses.conn.RemotePeer(), errors.Is(err, errGoodbye)) })
	}
	s.mu.Unlock()
	if !errors.Is(err, errForeign) && !errors.Is(err, errGoodbye) {
		s.log.Debug("session ended", "peer", ses.conn.RemotePeer(), "err", err)
	}
}

func (s *Service) up(ses *session, p Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses.isUp = true
	s.postLocked(func(h Handler) { h.PeerUp(p) })
}

func (s *Service) ahead(p peer.ID, by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.postLocked(func(h Handler) { h.PeerAhead(p, by) })
}

func (s *Service) changed(p Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.postLocked(func(h Handler) { h.PeerChanged(p) })
}

// Tell tells everybody who is here what we now say of ourselves.
func (s *Service) Tell(self Self) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	f := introduction(self, nil)
	for _, ses := range s.sessions {
		if ses.isUp {
			// Ends within writeWithin; a session that cannot be written to
			// ends by its heartbeat.
			s.wg.Go(func() { _ = ses.write(f) })
		}
	}
}

// RTT is the last round trip measured with p, if there is one.
func (s *Service) RTT(p peer.ID) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, ses := range s.sessions {
		if c.RemotePeer() == p {
			if d := ses.rtt.Load(); d > 0 {
				return time.Duration(d), true
			}
		}
	}
	return 0, false
}

func introduction(self Self, instance []byte) *pb.HelloFrame {
	f := &pb.HelloFrame{Profile: unmarshalSigned(self.Signed), Availability: pb.Availability_AVAILABILITY_AVAILABLE, Instance: instance}
	if self.Away {
		f.Availability = pb.Availability_AVAILABILITY_AWAY
	}
	return f
}
