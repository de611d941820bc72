package node

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

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
	Only   []peer.ID
	Logger *slog.Logger
	// Notify is told sentences a person should read; nil: nobody is.
	Notify func(sentence string)
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
