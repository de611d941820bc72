package discovery

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	lnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	ma "github.com/multiformats/go-multiaddr"
)

// Service finds peers and keeps them connected. Make it with New, start it
// with Run; every other method may be called at any time from anywhere, and
// does nothing once Run has returned.
type Service struct {
	cfg  Config
	log  *slog.Logger
	boot string

	// in carries what happened to the one goroutine that decides. Buffered,
	// so that a burst of packets or connection events seldom waits for it;
	// that goroutine never waits for anything else.
	in      chan func(now time.Time)
	stopped chan struct{}     // closed when nobody reads in any more
	events  *mailbox[Event]   // for Config.OnEvent
	saves   *mailbox[command] // for the book

	// Owned by the deciding goroutine.
	policy    *policy
	announcer *announcer
	sockets   *sockets
	all       []Interface
	conns     map[string]lnet.Conn
	dials     map[peer.ID]context.CancelFunc
	heard     heardLog

	reopenings []*Reopening // under way

	remembered []Remembered // of the book, until decide takes it

	work sync.WaitGroup // dials, pings, closes
}

// New prepares a service. Errors: an invalid configuration.
func New(cfg Config) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = defaultMaxConns
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var seed [40]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	random := mrand.New(mrand.NewChaCha8([32]byte(seed[:32])))
	p := newPolicy(cfg.Host.ID(), cfg.MaxConns, random)
	p.only = cfg.Only
	return &Service{
		cfg:       cfg,
		log:       log,
		boot:      hex.EncodeToString(seed[32:36]),
		in:        make(chan func(time.Time), 256),
		stopped:   make(chan struct{}),
		events:    newMailbox[Event](),
		saves:     newMailbox[command](),
		policy:    p,
		announcer: newAnnouncer(cfg.Host.ID(), random),
		conns:     map[string]lnet.Conn{},
		dials:     map[peer.ID]context.CancelFunc{},
		heard:     newHeardLog(),
	}, nil
}

// AddPeer keeps a peer connected from now on, as --peer does, and remembers
// it. Each address ends in /p2p/ID.
func (s *Service) AddPeer(addrs ...ma.Multiaddr) error {
	infos, err := ParsePeers(addrs)
	if err != nil {
		return err
	}
	for _, info := range infos {
		if info.ID == s.cfg.Host.ID() {
			return fmt.Errorf("peer address: %s is this node", info.ID)
		}
		s.post(func(now time.Time) { s.policy.addStatic(now, info) })
	}
	return nil
}

// RemovePeer forgets a peer, whichever way it was found. It comes back when it
// is heard again.
func (s *Service) RemovePeer(id peer.ID) {
	s.post(func(time.Time) { s.policy.remove(id) })
}

// Hint gives addresses of a peer that came in a signed record by way of
// another peer. The caller has checked the signature.
func (s *Service) Hint(info peer.AddrInfo) {
	s.post(func(now time.Time) { s.policy.exchanged(now, info) })
}

// Want asks for a connection to a known peer at once, even above the limit on
// connections, and keeps trying for half a minute.
func (s *Service) Want(id peer.ID) {
	s.post(func(now time.Time) { s.policy.want(now, id) })
}

// Left tells that a peer said it is going. Its absence is then no fault: it is
// not searched for at full rate.
func (s *Service) Left(id peer.ID) {
	s.post(func(now time.Time) { s.policy.left(now, id) })
}

// Check pings the connections to a peer now and closes those that don't answer.
func (s *Service) Check(id peer.ID) {
	s.post(func(now time.Time) {
		if t := s.policy.peers[id]; t != nil {
			s.policy.suspect(now, t)
		}
	})
}

// post hands an input to the deciding goroutine.
func (s *Service) post(f func(now time.Time)) {
	select {
	case s.in <- f:
	case <-s.stopped:
	}
}

// Run finds peers until ctx ends, then says goodbye on the LAN. It returns nil
// after a cancelled ctx, else the error that kept it from starting. Trouble
// with multicast or the book is no such error: it is logged, and Diagnose
// tells. It may be called once.
func (s *Service) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	bus, err := s.cfg.Host.EventBus().Subscribe(
		[]any{new(event.EvtPeerIdentificationCompleted)},
		eventbus.Name("discovery"), eventbus.BufSize(64), // a LAN's worth of handshakes
	)
	if err != nil {
		close(s.stopped)
		return fmt.Errorf("discovery: %w", err)
	}
	if s.cfg.Book != nil {
		entries, err := s.cfg.Book.Load()
		if err != nil {
			s.log.Error("address book", "err", err)
		}
		s.remembered = entries
	}

	var helpers sync.WaitGroup
	changed := make(chan struct{}, 1) // one pending look covers any number of changes
	notifiee := s.notifiee()
	helpers.Go(func() { s.events.drain(s.cfg.OnEvent) }) // until events is closed
	helpers.Go(func() { s.saves.drain(s.write) })        // until saves is closed
	helpers.Go(func() { s.identifications(bus) })        // until bus is closed
	if s.cfg.Look == nil {
		helpers.Go(func() { watchInterfaces(ctx, changed) }) // until ctx ends
	}
	if s.cfg.MDNS {
		helpers.Go(func() { s.multicast(ctx) }) // until ctx ends
	}
	s.cfg.Host.Network().Notify(notifiee)

	s.decide(ctx, changed)

	s.cfg.Host.Network().StopNotify(notifiee)
	close(s.stopped) // whoever posts now is let go
	cancel()
	bus.Close()
	s.work.Wait()
	s.events.close()
	s.saves.close()
	helpers.Wait()
	return nil
}

// decide is the goroutine that owns all state. It returns when ctx ends.
func (s *Service) decide(ctx context.Context, changed <-chan struct{}) {
	now := time.Now()
	s.look(now)
	s.policy.load(now, s.remembered)
	s.remembered = nil
	if infos, err := ParsePeers(s.cfg.Static); err == nil { // checked by New
		for _, info := range infos {
			s.policy.addStatic(now, info)
		}
	}
	for _, c := range s.cfg.Host.Network().Conns() {
		s.opened(now, c)
	}

	timer := time.NewTimer(0)
	defer timer.Stop()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	lookGap := time.NewTimer(0)
	defer lookGap.Stop()
	lookNow := lookGap.C
	var planned time.Time // when timer should fire
	for {
		select {
		case <-ctx.Done():
			s.goodbye()
			return
		case f := <-s.in:
			now = time.Now()
			f(now)
			for more := true; more; {
				select {
				case f := <-s.in:
					f(now)
				default:
					more = false
				}
			}
		case <-changed:
			// Changes come in crowds: the first is looked at now, the rest
			// together a little later.
			now = time.Now()
			if lookNow == nil {
				s.look(now)
			}
			lookGap.Reset(lookTogether)
			lookNow = lookGap.C
		case <-lookNow:
			lookNow = nil
			now = time.Now()
			s.look(now)
		case <-poll.C:
			now = time.Now()
			s.look(now)
		case <-timer.C:
			now = time.Now()
			if !planned.IsZero() {
				s.policy.pace.late(now.Sub(planned))
			}
		}
		if planned = s.act(ctx, now); planned.IsZero() {
			timer.Stop()
		} else {
			// What is due already starts the clock for pace only now.
			if at := time.Now(); planned.Before(at) {
				planned = at
			}
			timer.Reset(time.Until(planned))
		}
	}
}

// lookTogether is how long interface changes are gathered.
const lookTogether = 100 * time.Millisecond

// act carries out what policy and announcer want now, and returns when they
// want to be asked again.
func (s *Service) act(ctx context.Context, now time.Time) time.Time {
	next := s.policy.tick(now)
	for _, c := range s.policy.take() {
		s.carryOut(ctx, c)
	}
	s.announcer.miss(now, s.policy.missing(now))
	s.announcer.setLonely(now, len(s.conns) == 0)
	sendings, again := s.announcer.tick(now)
	for _, m := range sendings {
		s.send(m, false)
	}
	if next.IsZero() || (!again.IsZero() && again.Before(next)) {
		next = again
	}
	return next
}

// look compares the interfaces with what they were and acts on changes.
func (s *Service) look(now time.Time) {
	list := s.cfg.Look
	if list == nil {
		list = func() ([]Interface, error) { return Interfaces(s.cfg.Interfaces) }
	}
	all, err := list()
	if err != nil {
		s.log.Warn("interfaces", "err", err)
		return
	}
	first := s.all == nil
	s.all = all
	n := networkOf(all)
	s.policy.own = n.own(s.cfg.Host.Network().ListenAddresses())
	c := n.changedFrom(s.policy.net)
	if !c.gained && !c.lost && !first {
		return
	}
	s.log.Debug("interfaces changed", "gained", c.gained, "lost", c.lost, "used", len(n.ifaces))
	s.joinGroups(n, c.gained)
	s.policy.networkIs(now, n, c)
	if c.gained {
		s.announcer.appear(now)
	} else if len(n.ifaces) > 0 {
		s.announcer.owe(now)
	}
	if s.cfg.OnAddrsChanged != nil && !first {
		s.work.Go(s.cfg.OnAddrsChanged)
	}
}

func (s *Service) carryOut(ctx context.Context, c command) {
	switch c := c.(type) {
	case dialCmd:
		s.dial(ctx, c)
	case abortCmd:
		if cancel := s.dials[c.peer]; cancel != nil {
			cancel()
		}
	case pingCmd:
		s.ping(ctx, c)
	case closeCmd:
		s.closeLink(c)
	case saveCmd, removeCmd:
		if s.cfg.Book != nil {
			s.saves.put(c)
		}
	case eventCmd:
		s.log.Debug("peer", "event", c.event.Kind, "peer", c.event.Peer, "via", c.event.Via, "err", c.event.Err)
		if s.cfg.OnEvent != nil {
			s.events.put(c.event)
		}
	}
}
