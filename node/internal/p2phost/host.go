package p2phost

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	libp2p "github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
)

// Host is a libp2p host that listens on the LAN. Close stops it.
type Host struct {
	host.Host
	Keys    *KeyLog // of its connections
	swarm   *swarm.Swarm
	refresh event.Emitter
	given   bool // the listen addresses were given, not the default
}

// New builds the host and listens. A machine without IPv6, or without any
// network, gets a host all the same. Errors: an invalid configuration, or an
// address in Config.Listen that cannot be listened on.
func New(cfg Config) (*Host, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	withoutOffload()
	keys := &KeyLog{all: cfg.KeepKeys}
	highWater := cfg.HighWater
	if highWater == 0 {
		highWater = DefaultHighWater
	}
	local := cfg.LocalAddrs
	if local == nil {
		local = interfaceAddrs
	}
	limits, err := newResourceManager(highWater)
	if err != nil {
		return nil, fmt.Errorf("resource manager: %w", err)
	}
	conns, err := connmgr.NewConnManager(highWater*3/4, highWater)
	if err != nil {
		return nil, fmt.Errorf("connection manager: %w", err)
	}

	// The factory runs within libp2p.New, before there is a swarm to ask.
	var listening atomic.Pointer[swarm.Swarm]
	opts := []libp2p.Option{
		libp2p.Identity(cfg.Key),
		libp2p.UserAgent("p2pchat/" + cfg.Version),
		libp2p.Security(libp2ptls.ID, newTLS(keys)),
		libp2p.Security(noise.ID, newNoise(keys)),
		libp2p.Muxer(yamux.ID, newYamux()),
		libp2p.ResourceManager(limits),
		libp2p.ConnectionManager(conns),
		libp2p.SwarmOpts(
			swarm.WithDialRanker(rankDials),
			swarm.WithDialTimeout(DialTimeout),
			swarm.WithDialTimeoutLocal(DialTimeout),
		),
		// On a LAN a hundred failed dials mean a switch that is off, not a
		// network without UDP or IPv6.
		libp2p.UDPBlackHoleSuccessCounter(nil),
		libp2p.IPv6BlackHoleSuccessCounter(nil),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.ForceReachabilityPrivate(), // a fixed answer: AutoNAT asks nobody
		libp2p.AddrsFactory(func([]ma.Multiaddr) []ma.Multiaddr {
			s := listening.Load()
			if s == nil {
				return nil
			}
			return announce(s.ListenAddresses(), local())
		}),
	}
	wanted := []string{QUIC, TCP}
	if len(cfg.Listen) > 0 {
		wanted = wanted[:0]
		for _, a := range cfg.Listen {
			t, _ := transportOf(a) // checked by Validate
			wanted = append(wanted, t)
		}
	}
	if slices.Contains(wanted, QUIC) {
		opts = append(opts, libp2p.Transport(quic.NewTransport, quic.WithTLSIdentityOption(libp2ptls.WithKeyLogWriter(keys))))
	}
	if slices.Contains(wanted, TCP) {
		opts = append(opts, libp2p.Transport(tcp.NewTCPTransport))
	}

	if len(cfg.Only) > 0 {
		opts = append(opts, libp2p.ConnectionGater(only(cfg.Only)))
	}

	lh, err := libp2p.New(append(opts, cfg.Options...)...)
	if err != nil {
		return nil, fmt.Errorf("libp2p host: %w", err)
	}
	h := &Host{Host: lh, Keys: keys, given: len(cfg.Listen) > 0 || cfg.DialOnly}
	if err := h.start(cfg.Listen, &listening); err != nil {
		lh.Close()
		return nil, err
	}
	if cfg.Log != nil {
		cfg.Log.Info("listening", "tcp", h.Ports(TCP), "udp", h.Ports(QUIC))
	}
	return h, nil
}

func (h *Host) start(listen []ma.Multiaddr, listening *atomic.Pointer[swarm.Swarm]) error {
	s, ok := h.Network().(*swarm.Swarm)
	if !ok {
		return fmt.Errorf("libp2p host: unexpected network %T", h.Network())
	}
	h.swarm = s
	var err error
	if h.given {
		err = listenGiven(s, listen)
	} else {
		err = listenDefault(s, DefaultPort)
	}
	if err != nil {
		return err
	}
	listening.Store(s)
	h.refresh, err = h.EventBus().Emitter(new(event.EvtAutoRelayAddrsUpdated))
	if err != nil {
		return fmt.Errorf("libp2p host: %w", err)
	}
	return h.Refresh()
}

// withoutOffload has quic-go send datagrams one by one. With UDP segmentation
// offload a capture on the sender shows up to 64 KiB of them as one, which nobody
// can decrypt, and a socket that was opened with it cannot be had without it
// later. It costs the sender of much data at once some CPU time.
var withoutOffload = sync.OnceFunc(func() { _ = os.Setenv("QUIC_GO_DISABLE_GSO", "true") })

// newYamux is go-libp2p's yamux without keep-alives: presence has a heartbeat
// of its own, and a second one would only double the idle traffic.
func newYamux() *yamux.Transport {
	t := *yamux.DefaultTransport
	t.EnableKeepAlive = false
	return &t
}

// Refresh makes the host look at its addresses now and tell connected peers
// of changes, which it otherwise does every five seconds. To be called when an
// interface or address changed.
func (h *Host) Refresh() error {
	// The swarm remembers our interfaces' addresses for a minute as well, and
	// would take a peer that got one of our old addresses for ourselves.
	// Closing no listener makes it forget them.
	h.swarm.ListenClose()
	// go-libp2p has no method for this. Its address manager recomputes on any
	// of its events, and without a relay transport this one says nothing else.
	if err := h.refresh.Emit(event.EvtAutoRelayAddrsUpdated{}); err != nil {
		return fmt.Errorf("refresh addresses: %w", err)
	}
	return nil
}

// Ports lists the local ports of a transport (TCP or QUIC, the latter UDP),
// ascending. Outgoing connections leave from them too.
func (h *Host) Ports(transport string) []int {
	return portsOf(h.swarm.ListenAddresses(), transport)
}

// Moved reports whether the default port was taken, and the port used instead.
func (h *Host) Moved() (port int, moved bool) {
	if h.given {
		return 0, false
	}
	for _, transport := range []string{QUIC, TCP} {
		for _, p := range h.Ports(transport) {
			if p != DefaultPort {
				return p, true
			}
		}
	}
	return DefaultPort, false
}

// Close closes every connection and listener and waits for the host's goroutines.
func (h *Host) Close() error {
	defer h.Keys.close()
	return h.Host.Close()
}
