package rooms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/envelope/pake"
	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// The stream protocols.
const (
	JoinProtocol      = protocol.ID("/p2pchat/join/1.0.0")
	DirectoryProtocol = protocol.ID("/p2pchat/rooms/1.0.0")
)

// Errors a caller branches on, beside *room.Refusal.
var (
	ErrClosed = errors.New("the node is stopping")
	// ErrNotJoined: we are not in the room.
	ErrNotJoined = errors.New("not in this room")
	// ErrNobody: no member that could let us in is connected.
	ErrNobody = errors.New("no member of the room is here to let us in")
	// ErrRefused marks what only a faulty or hostile peer sends.
	ErrRefused = errors.New("refused")
	// ErrNotHere: he whom it is about is not in the room.
	ErrNotHere = errors.New("not in the room")
	// ErrUnknown: we were never in the room.
	ErrUnknown = errors.New("unknown room")
)

// Service runs all rooms of an account.
type Service struct {
	cfg     Config
	self    peer.ID
	log     *slog.Logger
	wg      sync.WaitGroup
	started chan struct{}   // closed by Run once rooms are followed
	ctx     context.Context // ends with Run's
	end     context.CancelFunc

	mu      sync.Mutex
	rooms   map[event.Conversation]*Room
	moving  map[event.Conversation]bool // being joined or left now
	stopped bool
	asks    map[peer.ID]*budget // what a peer may ask of admission and directory
	tries   map[string]*budget  // attempts at passwords, by peer and by address
}

// New loads the rooms; nothing runs before [Service.Run].
func New(ctx context.Context, cfg Config) (*Service, error) {
	cfg.CompactAfter = cmp.Or(cfg.CompactAfter, compactAfter)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Service{
		cfg: cfg, self: cfg.Key.ID(), log: cfg.Logger.With("component", "rooms"), started: make(chan struct{}),
		rooms: map[event.Conversation]*Room{}, moving: map[event.Conversation]bool{}, asks: map[peer.ID]*budget{},
		tries: map[string]*budget{},
	}
	// Whoever asks early, a stream of sync for one, waits for Run.
	s.ctx, s.end = context.WithCancel(context.WithoutCancel(ctx))
	members, err := cfg.Store.Memberships(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		r, err := s.load(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("load room %s: %w", m.Room, err)
		}
		s.rooms[m.Room] = r
	}
	return s, nil
}

// Run follows the rooms until ctx ends, then says goodbye in each and waits for
// every goroutine.
func (s *Service) Run(ctx context.Context) error {
	defer s.end()
	defer context.AfterFunc(ctx, s.end)()
	s.mu.Lock()
	for _, r := range s.rooms {
		s.startLocked(r)
	}
	s.mu.Unlock()
	close(s.started)
	h := s.cfg.Host
	h.SetStreamHandler(JoinProtocol, s.serveJoin)
	h.SetStreamHandler(DirectoryProtocol, s.serveDirectory)
	<-s.ctx.Done()
	h.RemoveStreamHandler(JoinProtocol)
	h.RemoveStreamHandler(DirectoryProtocol)
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

func (s *Service) startLocked(r *Room) { s.wg.Go(func() { r.run(s.ctx) }) }

// ready waits until Run has begun, so that whoever comes early is served.
func (s *Service) ready(ctx context.Context) error {
	select {
	case <-s.started:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// adopt makes a room that is new part of the service.
func (s *Service) adopt(r *Room) (*Room, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.rooms[r.id]; old != nil {
		return old, nil
	}
	if s.stopped {
		return nil, ErrClosed
	}
	s.rooms[r.id] = r
	s.cfg.Handler.Keyed(r.id, r.scene(), *r.keys.Load())
	s.startLocked(r)
	return r, nil
}

// Room is one we are or were in. Error: ErrUnknown.
func (s *Service) Room(id event.Conversation) (*Room, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rooms[id]; r != nil {
		return r, nil
	}
	return nil, ErrUnknown
}

// Rooms lists those we are or were in, by ID.
func (s *Service) Rooms() []*Room {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*Room, 0, len(s.rooms))
	for _, r := range s.rooms {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *Room) int { return event.ID(a.id).Compare(event.ID(b.id)) })
	return out
}

// Create makes a room with the configuration given and joins it.
// password is empty for none.
func (s *Service) Create(ctx context.Context, nick string, config []room.Setting, password []byte) (*Room, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	key, err := envelope.NewKey(s.cfg.Rand)
	if err != nil {
		return nil, err
	}
	if len(password) > 0 {
		config = append(config, room.Password(firstPassword))
		slices.SortFunc(config, func(a, b room.Setting) int { return cmp.Compare(a.Field, b.Field) })
	}
	g := room.Genesis{Epoch: room.EpochCommitment(key), Config: config}
	if _, err := io.ReadFull(s.cfg.Rand, g.Nonce[:]); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	body, err := g.Encode()
	if err != nil {
		return nil, err
	}
	// With a password we are in the room once its secret is kept: without that
	// nobody could be let in.
	joined := len(password) == 0
	e, err := s.cfg.Ledger.Found(ctx, body, nick, joined, key)
	if err != nil {
		return nil, fmt.Errorf("found a room: %w", err)
	}
	// From here on the room is there, whatever becomes of the caller.
	ctx = context.WithoutCancel(ctx)
	r, err := s.load(ctx, Membership{Room: event.Conversation(e.ID), Joined: joined, Nick: nick})
	if err != nil {
		return nil, err
	}
	if len(password) > 0 {
		if err := r.keepSecret(ctx, secret{generation: firstPassword, setting: e.ID, value: pake.Stretch(r.id, firstPassword, password), from: s.self}); err != nil {
			return nil, err
		}
	}
	if r, err = s.adopt(r); err != nil {
		return nil, err
	}
	return r, r.enter(ctx, nick, nil)
}

// Announce says our presence in every room anew: it changed.
func (s *Service) Announce() {
	for _, r := range s.Rooms() {
		r.post(func() { r.announceSoon(0) })
	}
}

// firstPassword is the generation of a password that a room is made with.
const firstPassword = 1

// budget limits what one peer may ask for.
type budget struct {
	left float64
	at   time.Time
}

const (
	asksPerSecond = 4.0
	asksBurst     = 32
	maxBudgets    = 4096 // peers remembered; strangers cannot fill memory
)

// mayAsk takes one question from p's budget.
func (s *Service) mayAsk(p peer.ID) bool {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.asks[p]
	if b == nil {
		if len(s.asks) >= maxBudgets {
			clear(s.asks)
		}
		b = &budget{left: asksBurst, at: now}
		s.asks[p] = b
	}
	b.left = min(asksBurst, b.left+now.Sub(b.at).Seconds()*asksPerSecond)
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
