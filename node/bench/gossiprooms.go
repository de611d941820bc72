package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	libp2p "github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"golang.org/x/sync/errgroup"

	"p2pchat/node/internal/gossip"
	"p2pchat/protocol/envelope"
)

// topic is that of some room: it travels with every message.
var topic = envelope.Topic([32]byte{})

// sparing are crowds on node/internal/gossip, each member claiming to reach everybody.
func sparing(ctx context.Context, n int, received func(int, []byte)) (*crowd, error) {
	return gather(ctx, n, received, func(ctx context.Context, h host.Host, tr pubsub.RawTracer, received func([]byte)) (gossiper, error) {
		s, err := gossip.New(ctx, gossip.Config{
			Host: h, Tracer: tr, Logger: slog.New(slog.DiscardHandler),
			Flooded: func([]byte) bool { return true },
		})
		if err != nil {
			return nil, err
		}
		t, err := s.Join(topic, taker{received})
		return ourTopic{t}, err
	})
}

// taker accepts everything.
type taker struct{ received func([]byte) }

func (taker) Validate(_ context.Context, _ peer.ID, payload []byte) (gossip.Verdict, any) {
	return gossip.Accept, payload
}
func (t taker) Deliver(_ peer.ID, data any) { t.received(data.([]byte)) }
func (taker) PeerJoined(peer.ID)            {}
func (taker) PeerLeft(peer.ID)              {}

type ourTopic struct{ *gossip.Topic }

func (t ourTopic) publish(ctx context.Context, p []byte) error { return t.Publish(ctx, p) }
func (t ourTopic) peers() int                                  { return len(t.Peers()) }

// stockGossip are crowds on GossipSub as it comes.
func stockGossip(ctx context.Context, n int, received func(int, []byte)) (*crowd, error) {
	return bareGossip(ctx, n, received)
}

// tuned are crowds on GossipSub with all of our parameters.
func tuned(ctx context.Context, n int, received func(int, []byte)) (*crowd, error) {
	p := pubsub.DefaultGossipSubParams()
	p.D, p.Dlo, p.Dhi, p.Dscore, p.Dout = 4, 3, 8, 3, 1
	p.Dlazy, p.GossipFactor, p.HeartbeatInterval = 3, 0.05, 300*time.Millisecond
	return bareGossip(ctx, n, received,
		pubsub.WithGossipSubParams(p), pubsub.WithFloodPublish(true),
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(func(m *pb.Message) string { return gossip.MessageID(m.GetTopic(), m.GetData()) }),
		pubsub.WithPeerOutboundQueueSize(512), pubsub.WithValidateQueueSize(4096))
}

func bareGossip(ctx context.Context, n int, received func(int, []byte), opts ...pubsub.Option) (*crowd, error) {
	buffer := 32 // the default
	if len(opts) > 0 {
		buffer = 1024
	}
	return gather(ctx, n, received, func(ctx context.Context, h host.Host, tr pubsub.RawTracer, received func([]byte)) (gossiper, error) {
		ps, err := pubsub.NewGossipSub(ctx, h, append(slices.Clone(opts), pubsub.WithRawTracer(tr))...)
		if err != nil {
			return nil, err
		}
		t, err := ps.Join(topic)
		if err != nil {
			return nil, err
		}
		sub, err := t.Subscribe(pubsub.WithBufferSize(buffer))
		if err != nil {
			return nil, err
		}
		go func() { // ends with ctx
			for {
				m, err := sub.Next(ctx)
				if err != nil {
					return
				}
				if m.ReceivedFrom != h.ID() {
					received(m.Data)
				}
			}
		}()
		return bareTopic{t}, nil
	})
}

type bareTopic struct{ *pubsub.Topic }

func (t bareTopic) publish(ctx context.Context, p []byte) error { return t.Publish(ctx, p) }
func (t bareTopic) peers() int                                  { return len(t.ListPeers()) }

// gossiper is a speaker who counts whom it would reach.
type gossiper interface {
	speaker
	peers() int
}

// joiner makes a member on a host; tr is told what its pubsub does, received
// what reaches it.
type joiner func(ctx context.Context, h host.Host, tr pubsub.RawTracer, received func([]byte)) (gossiper, error)

// gather makes n hosts with a member each, connects them all, and waits until
// they know of each other and have meshes.
func gather(ctx context.Context, n int, received func(int, []byte), join joiner) (_ *crowd, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var hosts []host.Host
	c := &crowd{close: func() {
		cancel()
		for _, h := range hosts {
			_ = h.Close()
		}
	}}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	var joined []gossiper
	loads := newLoads()
	c.carried = loads.cargo
	for i := range n {
		h, err := libp2p.New(
			libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(noise.ID, noise.New),
			libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"),
			libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.BandwidthReporter(loads.traffic),
			libp2p.DisableRelay(), libp2p.DisableMetrics(),
		)
		if err != nil {
			return c, err
		}
		hosts = append(hosts, h)
		m, err := join(ctx, h, loads, func(p []byte) { received(i, p) })
		if err != nil {
			return c, err
		}
		joined, c.members = append(joined, m), append(c.members, m)
	}
	if err := connectAll(ctx, hosts); err != nil {
		return c, err
	}
	for deadline := time.Now().Add(giveUp); ; time.Sleep(10 * time.Millisecond) {
		if !slices.ContainsFunc(joined, func(m gossiper) bool { return m.peers() < n-1 }) {
			break
		}
		if time.Now().After(deadline) {
			return c, errors.New("the members do not find each other")
		}
	}
	time.Sleep(2 * time.Second) // two of the stock one's heartbeats
	return c, nil
}

func connectAll(ctx context.Context, hosts []host.Host) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, h := range hosts {
		for _, o := range hosts[:i] {
			g.Go(func() error { return h.Connect(ctx, peer.AddrInfo{ID: o.ID(), Addrs: o.Addrs()}) })
		}
	}
	return g.Wait()
}
