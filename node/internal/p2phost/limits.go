package p2phost

import (
	"net/netip"
	"time"

	libp2p "github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"
)

// Limits per remote address. go-libp2p's are made for the open internet, where
// an address is a household; on a LAN an IPv6 /64 is everybody, and one
// machine may run several nodes.
const (
	connsPerAddr   = 128  // connections of one IPv4 or IPv6 address
	connsPerPrefix = 4096 // connections of one IPv6 /64, a whole LAN
	// Attempts, ours included, per remote address. Redialling a lost peer
	// costs about one a second and address; the burst covers a restart storm.
	attemptsPerSecond = 16
	attemptsBurst     = 128
	// Attempts of a whole IPv6 LAN.
	lanAttemptsPerSecond = 512
	lanAttemptsBurst     = 4096
)

// newResourceManager returns the resource manager with limits fit for
// highWater connections on a LAN.
func newResourceManager(highWater int) (network.ResourceManager, error) {
	limits := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&limits)
	// The system limit must leave room above the high-water mark: trimming is
	// periodic, and a connection refused here is a peer that does not appear.
	sys := &limits.SystemBaseLimit
	sys.Conns = max(sys.Conns, 4*highWater)
	sys.ConnsInbound = max(sys.ConnsInbound, 2*highWater)
	sys.ConnsOutbound = max(sys.ConnsOutbound, 2*highWater)
	sys.FD = max(sys.FD, 4*highWater)
	sys.Streams = max(sys.Streams, 32*highWater)
	sys.StreamsInbound = max(sys.StreamsInbound, 16*highWater)
	sys.StreamsOutbound = max(sys.StreamsOutbound, 16*highWater)
	// Everybody dials at once when a switch comes back.
	tr := &limits.TransientBaseLimit
	tr.Conns = max(tr.Conns, 2*highWater)
	tr.ConnsInbound = max(tr.ConnsInbound, highWater)
	tr.ConnsOutbound = max(tr.ConnsOutbound, highWater)
	tr.FD = max(tr.FD, 2*highWater)

	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.AutoScale()),
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: connsPerAddr}},
			[]rcmgr.ConnLimitPerSubnet{
				{PrefixLength: 128, ConnCount: connsPerAddr},
				{PrefixLength: 64, ConnCount: connsPerPrefix},
			},
		),
		rcmgr.WithConnRateLimiters(newRateLimiter()),
	)
}

func newRateLimiter() *rate.Limiter {
	perAddr := rate.Limit{RPS: attemptsPerSecond, Burst: attemptsBurst}
	return &rate.Limiter{
		NetworkPrefixLimits: []rate.PrefixLimit{
			{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, // no limit
			{Prefix: netip.MustParsePrefix("::1/128")},     // no limit
		},
		SubnetRateLimiter: rate.SubnetLimiter{
			IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: perAddr}},
			IPv6SubnetLimits: []rate.SubnetLimit{
				{PrefixLength: 128, Limit: perAddr},
				{PrefixLength: 64, Limit: rate.Limit{RPS: lanAttemptsPerSecond, Burst: lanAttemptsBurst}},
			},
			GracePeriod: time.Minute,
		},
	}
}
