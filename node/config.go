package node

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	libp2p "github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"p2pchat/node/internal/discovery"
	"p2pchat/protocol/identity"
)

// Config configures a node. Only Dir, Key and Logger are needed.
type Config struct {
	// Dir is the account's data directory, whose lock the caller holds by
	// having called [Unlock].
	Dir string
	Key identity.Key
	// Version is the program's, for status and the user agent.
	Version string
	// Listen are the addresses to listen on; only their transports are used,
	// for dialling too. Empty: QUIC and TCP on port 47700, or on a free one.
	Listen []ma.Multiaddr
	// Interfaces restricts the node to these; empty: those that are up, do
	// multicast and are neither tunnels nor container bridges.
	Interfaces []string
	// Peers are static peers, with or without a final /p2p/ID.
	Peers []ma.Multiaddr
	// NoMDNS switches discovery by multicast off.
	NoMDNS bool
	// Only, if not empty, are the only peers there are for this node: others
	// are neither answered, dialled nor let in.
	Only []peer.ID
	// Recorded says that somebody records this node's packets from before its
	// start: all session keys are kept, so that [Node.CaptureSecrets] can tell
	// them without opening connections anew.
	Recorded bool
	Logger   *slog.Logger
	// Notify is told sentences a person should read; nil: nobody is.
	Notify func(sentence string)
	// Seams are for tests.
	Seams Seams
}

// Seams are where a test takes hold of a node, to run it on a network that is
// not the machine's and to see what it does there. The zero value is the node as
// it is.
type Seams struct {
	// Host is added to the options of the libp2p host.
	Host []libp2p.Option
	// Streams, if not nil, stands between the host and all that open and serve
	// streams of ours.
	Streams func(host.Host) host.Host
	// Interfaces, if not nil, lists interfaces instead of those of the machine,
	// which are then not watched.
	Interfaces func() ([]discovery.Interface, error)
	// Gossip, if not nil, is told what GossipSub does.
	Gossip pubsub.RawTracer
	// CompactAfter is that of the rooms; 0 is the default.
	CompactAfter int
	// Now, if not nil, is the time of day as this machine's clock has it, which
	// may be wrong, and jump. What takes how long is not measured with it.
	Now func() time.Time
}

// Validate reports the first thing that is wrong.
func (c Config) Validate() error {
	if c.Dir == "" {
		return errors.New("no data directory")
	}
	if c.Key.ID() == "" {
		return errors.New("no key")
	}
	if c.Logger == nil {
		return errors.New("no logger")
	}
	for _, name := range c.Interfaces {
		if name == "" {
			return errors.New("an interface has no name")
		}
	}
	return nil
}

// ParseAddrs parses multiaddrs given by a person, for the flag named.
func ParseAddrs(flag string, addrs []string) ([]ma.Multiaddr, error) {
	var out []ma.Multiaddr
	for _, s := range addrs {
		a, err := ma.NewMultiaddr(s)
		if err != nil {
			return nil, fmt.Errorf("%s %q is no multiaddr such as /ip4/192.168.1.5/tcp/47700: %w", flag, s, err)
		}
		out = append(out, a)
	}
	return out, nil
}
