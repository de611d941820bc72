package gossip

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
)

// MaxPayload is the greatest length of a payload, in bytes.
const MaxPayload = 256 << 10

var (
	// ErrClosed: the service has ended, or the topic was left.
	ErrClosed = errors.New("gossip is closed")
	// ErrTooLong: a payload is longer than MaxPayload.
	ErrTooLong = fmt.Errorf("payload is longer than %d bytes", MaxPayload)
)

// Config configures a [Service].
type Config struct {
	// Host is needed. The service does not close it.
	Host host.Host
	// Flooded tells, from the unsealed part of a payload, whether its publisher
	// sent it to every member of the topic itself. It is asked about accepted
	// payloads of others, from pubsub's loop, and must not block. Nil: never.
	Flooded func(payload []byte) bool
	// Belongs tells whether a peer may take part in a topic: be in our mesh,
	// have what we publish, be answered when it asks for messages. It is called
	// from pubsub's loop; it must not block nor call this package. Nil:
	// everybody does.
	Belongs func(p peer.ID, topic string) bool
	// Tracer is told what pubsub does, for measurements and tests. Nil: nobody.
	Tracer pubsub.RawTracer
	// Logger is needed.
	Logger *slog.Logger
}

// Service is a host's part in GossipSub.
type Service struct {
	cfg    Config
	self   peer.ID
	log    *slog.Logger
	router *pubsub.GossipSubRouter
	pubsub *pubsub.PubSub
	ctx    context.Context // ends the service
	cancel context.CancelFunc
	wg     sync.WaitGroup // of every goroutine here

	mu     sync.Mutex
	closed bool
	topics map[string]*Topic
}

// New starts taking part: it handles pubsub's streams on the host, and opens
// one to every peer that speaks it. It ends with ctx or Close.
func New(ctx context.Context, cfg Config) (*Service, error) {
	log := cfg.Logger.With("component", "gossip")
	ctx, cancel := context.WithCancel(ctx)
	s := &Service{
		cfg: cfg, self: cfg.Host.ID(), log: log,
		router: pubsub.DefaultGossipSubRouter(cfg.Host),
		ctx:    ctx, cancel: cancel,
		topics: map[string]*Topic{},
	}
	streams := newStreams(cfg.Host)
	opts := append(options(s.router, cfg, log), pubsub.WithRawTracer(forgetting{forgot: streams.forgot}))
	var err error
	s.pubsub, err = pubsub.NewGossipSubWithRouter(ctx, streams, s.router, opts...)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start gossip: %w", err)
	}
	updated, err := cfg.Host.EventBus().Emitter(new(event.EvtPeerProtocolsUpdated))
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start gossip: %w", err)
	}
	s.wg.Go(func() { // ends with ctx
		s.reopen(updated)
		s.release()
		_ = updated.Close()
	})
	return s, nil
}

// reopenEvery is how often peers without a stream are looked for.
const reopenEvery = time.Second

// reopen has pubsub open a stream to connected peers it has none to, until the
// service ends. By itself it gives up after a failure or a few streams that
// ended, and waits for a connection that is there already. It looks again at a
// peer that is said to have changed its protocols.
func (s *Service) reopen(updated event.Emitter) {
	tick := time.NewTicker(reopenEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		has := map[peer.ID]bool{}
		for _, p := range s.pubsub.ListPeers("") { // of any topic
			has[p] = true
		}
		for _, p := range s.cfg.Host.Network().Peers() {
			if has[p] {
				continue
			}
			spoken, err := s.cfg.Host.Peerstore().SupportsProtocols(p, s.router.Protocols()...)
			if err != nil || len(spoken) == 0 {
				continue
			}
			if err := updated.Emit(event.EvtPeerProtocolsUpdated{Peer: p, Added: spoken}); err != nil {
				s.log.Debug("have a stream opened", "peer", p, "err", err)
			}
		}
	}
}

// Run returns when ctx or the service ends, and then has ended the service. It
// is for those who start services and wait for them; nothing depends on it.
func (s *Service) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
	s.Close()
	return nil
}

// Close ends the service and waits for its goroutines. No handler is called
// afterwards. It must not be called from a handler.
func (s *Service) Close() {
	s.cancel()
	s.wg.Wait()
}

// release lets go of the host. PubSub's readers end with their streams only.
func (s *Service) release() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	ours := s.router.Protocols()
	for _, id := range ours {
		s.cfg.Host.RemoveStreamHandler(id)
	}
	for _, c := range s.cfg.Host.Network().Conns() {
		for _, st := range c.GetStreams() {
			if slices.Contains(ours, st.Protocol()) {
				_ = st.Reset()
			}
		}
	}
}

// SuppressAbove is the least number of members of a topic, ourselves included,
// with which a publisher may claim to have reached all of them, so that nobody
// forwards. In a smaller topic all may be in each other's meshes, where nothing
// is advertised; the claim is not heeded there.
func (s *Service) SuppressAbove() int { return meshHigh + 2 }

// MessageID is the ID of a message, which all who take part must agree on: the
// first 12 bytes of the SHA-256 hash of topic, a zero byte, and payload.
func MessageID(topic string, payload []byte) string {
	h := sha256.New()
	h.Write([]byte(topic))
	h.Write([]byte{0})
	h.Write(payload)
	return string(h.Sum(nil)[:12])
}
