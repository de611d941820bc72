package captures

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Target is what a node says about itself so that its traffic, and no other
// program's, can be told apart.
type Target struct {
	// TCP and UDP are where the node listens (UDP: QUIC). An unspecified
	// address stands for every address of this host of its family (0.0.0.0,
	// ::), the zero Addr for every address of both; see [AnyAddr].
	TCP, UDP []netip.AddrPort

	// Interfaces are the names of the interfaces that the node uses; empty: all
	// that have an address. The loopback interface is always captured too.
	Interfaces []string

	// Connections are those that the node has now. Only those whose local port
	// is not a listening one add anything.
	Connections []Connection

	// Peers are TCP addresses that the node may dial. See the package comment
	// on connections from other local ports.
	Peers []netip.AddrPort

	// With, if not empty, keeps only traffic with these addresses, and of
	// multicast DNS what they or this host sent.
	With []netip.Addr

	// Announcers, if not empty, are DNS-SD instances (a node's is its peer ID):
	// of multicast DNS only what names one of them is kept.
	Announcers []string

	// Names are usernames by address, for the name resolution block.
	Names map[netip.Addr]string
}

// Connection is one TCP or UDP connection as seen from this host.
type Connection struct {
	Local, Remote netip.AddrPort
	UDP           bool
}

// AnyAddr gives listening endpoints on every address of this host.
func AnyAddr(ports ...uint16) []netip.AddrPort {
	eps := make([]netip.AddrPort, len(ports))
	for i, p := range ports {
		eps[i] = netip.AddrPortFrom(netip.Addr{}, p)
	}
	return eps
}

// clean gives addresses the one form that packets are compared in: unmapped,
// without zone. Names that a name resolution block cannot hold are left out.
func (t Target) clean() Target {
	t.TCP, t.UDP, t.Peers = cleanPorts(t.TCP), cleanPorts(t.UDP), cleanPorts(t.Peers)
	with := make([]netip.Addr, len(t.With))
	for i, a := range t.With {
		with[i] = cleanAddr(a)
	}
	t.With = with
	conns := make([]Connection, len(t.Connections))
	for i, c := range t.Connections {
		conns[i] = Connection{Local: cleanPort(c.Local), Remote: cleanPort(c.Remote), UDP: c.UDP}
	}
	t.Connections = conns
	names := make(map[netip.Addr]string, len(t.Names))
	for a, name := range t.Names {
		name = strings.ToValidUTF8(strings.ReplaceAll(name, "\x00", ""), "\uFFFD")
		if a.IsValid() && name != "" && len(name) <= 255 {
			names[cleanAddr(a)] = name
		}
	}
	t.Names = names
	t.Interfaces = slices.Clone(t.Interfaces)
	return t
}

func (t Target) empty() bool { return len(t.TCP) == 0 && len(t.UDP) == 0 && len(t.Connections) == 0 }

// names lists the entries of a name map in a fixed order.
func sortedNames(names map[netip.Addr]string) []netip.Addr {
	return slices.SortedFunc(maps.Keys(names), netip.Addr.Compare)
}

func cleanAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func cleanPort(p netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(cleanAddr(p.Addr()), p.Port())
}

func cleanPorts(in []netip.AddrPort) []netip.AddrPort {
	out := make([]netip.AddrPort, len(in))
	for i, p := range in {
		out[i] = cleanPort(p)
	}
	return out
}
