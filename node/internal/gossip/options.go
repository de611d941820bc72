package gossip

import (
	"log/slog"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// The mesh of a topic: half as dense as stock GossipSub's. Flood publish
	// takes a message to those the publisher is connected to; the mesh is for
	// the others.
	meshDegree = 4
	meshLow    = 3
	meshHigh   = 8

	heartbeat = 300 * time.Millisecond
	// What arrived in the last advertised heartbeats is advertised, and can be
	// had for kept ones: as long as one who asked waits before it holds that
	// against us (3 s).
	advertised = 3
	kept       = 10

	// An RPC is a payload, its topic and its framing, or control messages,
	// which are split to fit.
	maxRPC = MaxPayload + 4<<10

	outboundQueue   = 512  // RPCs per peer; half a second of the highest rate
	validationQueue = 4096 // messages not yet looked at
	deliveryQueue   = 1024 // messages that a topic's handler has not yet taken

	seenFor = 10 * time.Minute
)

// Scores. What counts is the square of a topic's invalid messages, and that of
// misbehaviour beyond what is forgiven: a machine that is out of breath breaks
// a promise too. Invalid messages are forgotten by half in a minute and a half,
// misbehaviour in a third of a minute.
const (
	invalidWeight   = -1
	misbehaveWeight = -1
	forgiven        = 6

	gossipThreshold   = -10  // 4 invalid messages
	publishThreshold  = -50  // 8
	graylistThreshold = -100 // 11
)

func params() pubsub.GossipSubParams {
	p := pubsub.DefaultGossipSubParams()
	p.D, p.Dlo, p.Dhi, p.Dscore, p.Dout = meshDegree, meshLow, meshHigh, 3, 1
	p.Dlazy, p.GossipFactor = 3, 0.05
	p.HeartbeatInterval = heartbeat
	p.HistoryGossip, p.HistoryLength = advertised, kept
	p.SlowHeartbeatWarning = 0.5
	// Who left may be grafted again soon: people close a room and come back,
	// and restart programs. Whole seconds, by the protocol.
	p.UnsubscribeBackoff = time.Second
	p.Connectors = 0 // nobody tells us whom to dial
	return p
}

func peerScore() (*pubsub.PeerScoreParams, *pubsub.PeerScoreThresholds) {
	return &pubsub.PeerScoreParams{
			SkipAtomicValidation:      true, // the rest stays off
			Topics:                    map[string]*pubsub.TopicScoreParams{},
			BehaviourPenaltyWeight:    misbehaveWeight,
			BehaviourPenaltyThreshold: forgiven,
			BehaviourPenaltyDecay:     pubsub.ScoreParameterDecay(2 * time.Minute),
			DecayInterval:             pubsub.DefaultDecayInterval,
			DecayToZero:               pubsub.DefaultDecayToZero,
			RetainScore:               seenFor,
			// Who else sent a message while it was validated; no longer.
			SeenMsgTTL: 30 * time.Second,
		}, &pubsub.PeerScoreThresholds{
			GossipThreshold:   gossipThreshold,
			PublishThreshold:  publishThreshold,
			GraylistThreshold: graylistThreshold,
			AcceptPXThreshold: 1, // out of reach: no score is above zero
		}
}

func topicScore() *pubsub.TopicScoreParams {
	return &pubsub.TopicScoreParams{
		SkipAtomicValidation:           true,
		TopicWeight:                    1,
		TimeInMeshQuantum:              time.Second, // has no weight, but is a divisor
		InvalidMessageDeliveriesWeight: invalidWeight,
		InvalidMessageDeliveriesDecay:  pubsub.ScoreParameterDecay(10 * time.Minute),
	}
}

func options(router *pubsub.GossipSubRouter, cfg Config, log *slog.Logger) []pubsub.Option {
	score, thresholds := peerScore()
	log = slog.New(quiet{log.Handler()})
	opts := []pubsub.Option{
		pubsub.WithLogger(log), // before the options that take it from there
		pubsub.WithRPCLogger(log),
		// Keeps the connections of the mesh when there are too many.
		router.WithDefaultTagTracer(),
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(func(m *pb.Message) string { return MessageID(m.GetTopic(), m.GetData()) }),
		pubsub.WithGossipSubParams(params()),
		pubsub.WithPeerScore(score, thresholds),
		pubsub.WithFloodPublish(true),
		pubsub.WithPeerExchange(false),
		pubsub.WithMaxMessageSize(maxRPC),
		pubsub.WithMaxControlMessageSize(maxRPC),
		pubsub.WithPeerOutboundQueueSize(outboundQueue),
		pubsub.WithValidateQueueSize(validationQueue),
		pubsub.WithValidateWorkers(1), // two would swap messages
		pubsub.WithSeenMessagesTTL(seenFor),
		pubsub.WithSubscriptionFilter(newSubscribers(func(p peer.ID) bool {
			return cfg.Host.Network().Connectedness(p) == network.Connected
		})),
	}
	if cfg.Belongs != nil {
		opts = append(opts, pubsub.WithPeerFilter(cfg.Belongs))
	}
	if cfg.Tracer != nil {
		opts = append(opts, pubsub.WithRawTracer(cfg.Tracer))
	}
	return opts
}
