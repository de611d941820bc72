package discovery

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Via says how a peer was found. A peer found in several ways has the first of
// these that applies.
type Via string

// The ways a peer is found, as the command line prints them.
const (
	Static   Via = "static"   // named by the user
	MDNS     Via = "mdns"     // heard on the LAN
	Exchange Via = "exchange" // its signed record came from another peer
	Incoming Via = "incoming" // it connected to us
)

func (v Via) rank() int {
	switch v {
	case Static:
		return 4
	case MDNS:
		return 3
	case Exchange:
		return 2
	case Incoming:
		return 1
	}
	return 0
}

// Remembered is a peer as the address book keeps it: one we shook hands with,
// or one the user named.
type Remembered struct {
	Peer     peer.ID
	Addrs    []ma.Multiaddr // without /p2p, most useful first, at most 8
	Via      Via
	Static   bool      // named by the user; Addrs then holds what was named
	LastSeen time.Time // zero: never connected
}

// Book keeps peers across restarts. It is called from one goroutine at a time,
// never from the one that decides, so it may block on a disk.
type Book interface {
	Load() ([]Remembered, error)
	Save(Remembered) error
	Remove(peer.ID) error
}

// EventKind says what happened to a peer.
type EventKind string

// The kinds of events.
const (
	Found        EventKind = "found"        // heard of for the first time, or again after it was forgotten
	Unreachable  EventKind = "unreachable"  // heard, but dialling fails or no address is on our LAN
	Connected    EventKind = "connected"    // the first connection is open
	Disconnected EventKind = "disconnected" // the last connection is closed
	Twin         EventKind = "twin"         // another running node has our identity; Addrs are its
	TwinGone     EventKind = "twin-gone"    // and said that it is stopping
)

// Event tells what happened to a peer.
type Event struct {
	Kind  EventKind
	Peer  peer.ID
	Via   Via
	Addrs []ma.Multiaddr // known addresses, without /p2p
	Err   string         // Unreachable: why
	At    time.Time
}

// Config says how to find peers. Only Host is required.
type Config struct {
	Host host.Host
	// MDNS announces this node on the LAN and listens for others.
	MDNS bool
	// Interfaces are the names of those to use. Empty: those that are up and
	// carry multicast, without tunnels, container bridges and loopback. The
	// loopback interface, if named, is a LAN of the nodes on this machine.
	Interfaces []string
	// Look lists interfaces instead of those of the machine, which are then not
	// watched. Nil: the machine's.
	Look func() ([]Interface, error)
	// Static are peers to keep connected to, each address ending in /p2p/ID.
	Static []ma.Multiaddr
	// Only, if not empty, are the only peers there are: what others multicast
	// is passed over.
	Only []peer.ID
	// Book remembers peers across restarts. Nil: nothing is remembered.
	Book Book
	// MaxConns is the number of connections above which discovery opens no
	// more by itself; it should be the connection manager's low-water mark.
	// 0: 48.
	MaxConns int
	// OnEvent hears what happens, one event at a time and in order, from a
	// goroutine of its own. Nil: nobody listens.
	OnEvent func(Event)
	// OnAddrsChanged is called after our interfaces or addresses changed, so
	// that the host can tell connected peers. Nil: nobody is told.
	OnAddrsChanged func()
	// Log receives what the user may want to know; never standard error. Nil:
	// nothing.
	Log *slog.Logger
}

const defaultMaxConns = 48

// Validate reports the first thing wrong with the configuration.
func (c Config) Validate() error {
	if c.Host == nil {
		return errors.New("discovery: no host")
	}
	if c.MaxConns < 0 {
		return fmt.Errorf("discovery: connection limit %d is negative", c.MaxConns)
	}
	_, err := ParsePeers(c.Static)
	return err
}

// ParsePeers groups addresses that end in /p2p/ID by peer. An address without
// an ID is refused: it would let whoever answers there become that peer.
func ParsePeers(addrs []ma.Multiaddr) ([]peer.AddrInfo, error) {
	for _, a := range addrs {
		transport, id := peer.SplitAddr(a)
		if id == "" || len(transport) == 0 {
			return nil, fmt.Errorf("peer address %q does not end in /p2p/PEER-ID; `p2pchat status` on that machine prints it in full", a)
		}
	}
	infos, err := peer.AddrInfosFromP2pAddrs(addrs...)
	if err != nil {
		return nil, fmt.Errorf("peer address: %w", err)
	}
	return infos, nil
}
