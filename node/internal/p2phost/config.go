package p2phost

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	libp2p "github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// DefaultPort is the TCP and UDP port of a node that was told nothing else.
const DefaultPort = 47700

// DefaultHighWater is the number of connections above which the connection
// manager trims idle ones.
const DefaultHighWater = 64

// DialTimeout bounds one dial of one address. Callers pass shorter deadlines
// by context where they can try again soon.
const DialTimeout = 5 * time.Second

// Config says how the host is to be built. Only Key is required.
type Config struct {
	// Key is the account's Ed25519 key; its peer ID is the host's.
	Key crypto.PrivKey
	// Version is announced in the user agent, "p2pchat/VERSION".
	Version string
	// Listen holds the addresses to listen on: /ip4 or /ip6, then /tcp/PORT or
	// /udp/PORT/quic-v1. Only the transports named here exist, for dialling
	// too. Empty: QUIC and TCP on DefaultPort over IPv4 and IPv6; if that port
	// is taken, another one.
	Listen []ma.Multiaddr
	// DialOnly has the host listen nowhere, not even where there is no loopback
	// interface. It may dial with both transports.
	DialOnly bool
	// LocalAddrs returns the addresses of the interfaces we may announce, as
	// they are at the time of the call. Nil: every interface that is up.
	// Loopback and IPv6 link-local addresses in it are ignored.
	LocalAddrs func() []netip.Addr
	// HighWater is the number of connections above which idle ones are
	// trimmed to three quarters of it. 0: DefaultHighWater.
	HighWater int
	// Only, if not empty, are the only peers that connections exist with.
	Only []peer.ID
	// KeepKeys keeps the session keys of every handshake from the start, for
	// whoever listens to them later: see [KeyLog]. Without it only those of the
	// last seconds are.
	KeepKeys bool
	// Log receives what go-libp2p reports of this host. Nil: nothing.
	Log *slog.Logger
	// Options are added to the host's. Tests put a simulated network below
	// QUIC with them.
	Options []libp2p.Option
}

// Validate reports the first thing wrong with the configuration.
func (c Config) Validate() error {
	if c.Key == nil {
		return errors.New("p2phost: no key")
	}
	if c.HighWater < 0 {
		return fmt.Errorf("p2phost: high-water mark %d is negative", c.HighWater)
	}
	if c.DialOnly && len(c.Listen) > 0 {
		return errors.New("p2phost: a host that only dials listens nowhere")
	}
	for _, a := range c.Listen {
		if _, err := transportOf(a); err != nil {
			return err
		}
	}
	return nil
}

// Transport names, as go-libp2p's ConnectionState gives them.
const (
	QUIC = "quic-v1"
	TCP  = "tcp"
)

// transportOf names the transport of a listen address and refuses what this
// host cannot listen on.
func transportOf(a ma.Multiaddr) (string, error) {
	if len(a) >= 2 && (a[0].Code() == ma.P_IP4 || a[0].Code() == ma.P_IP6) {
		switch {
		case len(a) == 2 && a[1].Code() == ma.P_TCP:
			return TCP, nil
		case len(a) == 3 && a[1].Code() == ma.P_UDP && a[2].Code() == ma.P_QUIC_V1:
			return QUIC, nil
		}
	}
	return "", fmt.Errorf("cannot listen on %q: want /ip4/ADDRESS/tcp/PORT or /ip4/ADDRESS/udp/PORT/quic-v1 (or ip6)", a)
}
