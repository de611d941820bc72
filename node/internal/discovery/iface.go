package discovery

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	ma "github.com/multiformats/go-multiaddr"
)

// InterfaceKind is what an interface is made of, for people.
type InterfaceKind string

// Kinds of interfaces. Where the system does not tell, an interface with a
// hardware address counts as wired.
const (
	Wired    InterfaceKind = "wired"
	Wireless InterfaceKind = "wireless"
	Virtual  InterfaceKind = "virtual"
	Loopback InterfaceKind = "loopback"
)

// Interface is a network interface as it is now.
type Interface struct {
	Name      string
	Index     int
	Kind      InterfaceKind
	Up        bool // switched on
	Running   bool // has a carrier: cable plugged in, switch port up
	Multicast bool
	Addrs     []netip.Prefix // addresses with their subnets, no zones
	// Used reports whether discovery uses it; if not, Why says why.
	Used bool
	Why  string
}

// Interfaces lists the machine's interfaces and decides which are used: those
// in allow, or without any the default choice. Errors: the system's.
func Interfaces(allow []string) ([]Interface, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	out := make([]Interface, 0, len(list))
	for _, i := range list {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has just vanished
		}
		f := Interface{
			Name:      i.Name,
			Index:     i.Index,
			Up:        i.Flags&net.FlagUp != 0,
			Running:   i.Flags&net.FlagRunning != 0,
			Multicast: i.Flags&net.FlagMulticast != 0,
		}
		for _, a := range addrs {
			if p, ok := prefixOf(a); ok {
				f.Addrs = append(f.Addrs, p)
			}
		}
		d := describe(i)
		f.Kind = d.kind
		f.Why = whyNot(f, i.Flags, d, allow)
		f.Used = f.Why == ""
		out = append(out, f)
	}
	return out, nil
}

// LocalAddrs lists the addresses of the interfaces in use, for announcing.
func LocalAddrs(allow []string) []netip.Addr {
	ifaces, err := Interfaces(allow)
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, i := range ifaces {
		if !i.Used && !i.usedWithoutLink() {
			continue
		}
		for _, p := range i.Addrs {
			out = append(out, p.Addr())
		}
	}
	return out
}

// Reasons not to use an interface.
const (
	whyDown       = "it is down"
	whyNoLink     = "no link: the cable is unplugged or the switch port is down"
	whyNotAllowed = "not among the interfaces chosen with --interface"
	whyLoopback   = "loopback"
	whyTunnel     = "a tunnel; choose it with --interface if your LAN runs over it"
	whyContainer  = "a network of containers or virtual machines; choose it with --interface if you mean it"
	whyEnslaved   = "part of a bridge or bond, which is used instead"
	whyNoCast     = "it carries no multicast; use --peer for peers behind it"
)

// usedWithoutLink reports an interface that will be used once it has a link.
// Its addresses are still ours.
func (i Interface) usedWithoutLink() bool { return i.Why == whyNoLink }

// description is what the system tells beyond net.Interface.
type description struct {
	kind      InterfaceKind
	tunnel    bool
	container bool // bridge or port of containers or virtual machines
	enslaved  bool
}

func whyNot(f Interface, flags net.Flags, d description, allow []string) string {
	chosen := slices.Contains(allow, f.Name)
	switch {
	case len(allow) > 0 && !chosen:
		return whyNotAllowed
	case flags&net.FlagLoopback != 0 && !chosen:
		return whyLoopback
	case !chosen && (d.tunnel || flags&net.FlagPointToPoint != 0):
		return whyTunnel
	case !chosen && d.container:
		return whyContainer
	case !chosen && d.enslaved:
		return whyEnslaved
	case !f.Up:
		return whyDown
	case !f.Multicast && flags&net.FlagLoopback == 0:
		return whyNoCast
	case !f.Running:
		return whyNoLink
	}
	return ""
}

// Names by which tunnels and container networks are known where the system
// does not tell their kind.
var (
	tunnelNames    = []string{"tun", "tap", "wg", "utun", "ppp", "ipsec", "tailscale", "zt", "gif", "stf", "awdl", "llw", "sit", "ip6tnl", "gre"}
	containerNames = []string{"docker", "br-", "virbr", "lxcbr", "lxdbr", "cni", "flannel", "cali", "podman", "vboxnet", "vmnet", "nerdctl", "kube-", "vEthernet"}
)

// describeByName guesses from name and hardware address.
func describeByName(i net.Interface) description {
	d := description{kind: Virtual}
	switch {
	case i.Flags&net.FlagLoopback != 0:
		d.kind = Loopback
	case strings.HasPrefix(i.Name, "wl"), strings.HasPrefix(i.Name, "Wi-Fi"):
		d.kind = Wireless
	case len(i.HardwareAddr) > 0:
		d.kind = Wired
	}
	hasPrefix := func(p string) bool { return strings.HasPrefix(i.Name, p) }
	d.tunnel = slices.ContainsFunc(tunnelNames, hasPrefix)
	d.container = slices.ContainsFunc(containerNames, hasPrefix)
	if d.tunnel || d.container {
		d.kind = Virtual
	}
	return d
}

func prefixOf(a net.Addr) (netip.Prefix, bool) {
	n, ok := a.(*net.IPNet)
	if !ok {
		return netip.Prefix{}, false
	}
	ip, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}, false
	}
	ones, bits := n.Mask.Size()
	ip = ip.Unmap()
	if ip.Is4() && bits == 128 {
		ones -= 96
	}
	return netip.PrefixFrom(ip, ones), true
}

// network is what the decisions need to know of the interfaces in use.
type network struct {
	ifaces []Interface // used ones, by index
}

func networkOf(all []Interface) network {
	var n network
	for _, i := range all {
		if i.Used {
			n.ifaces = append(n.ifaces, i)
		}
	}
	slices.SortFunc(n.ifaces, func(a, b Interface) int { return a.Index - b.Index })
	return n
}

// onLink reports whether an address is one of a host in a subnet of an
// interface in use: neither a group nor, with IPv4, the network itself or all
// of its hosts, which whoever announces them would have us send to. IPv6 link-local addresses are on every link and go-libp2p dials none; those
// of loopback are on its interface, should that be in use.
func (n network) onLink(ip netip.Addr) bool {
	if ip.Is6() && ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip == allHosts {
		return false
	}
	found := false
	for _, i := range n.ifaces {
		for _, p := range i.Addrs {
			if !p.Contains(ip) {
				continue
			}
			if noHost(p, ip) {
				return false
			}
			found = true
		}
	}
	return found
}

var allHosts = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// noHost reports the network address and the directed broadcast address of an
// IPv4 subnet. One of two addresses (RFC 3021), or of one, has neither.
func noHost(p netip.Prefix, ip netip.Addr) bool {
	if !ip.Is4() || p.Bits() >= 31 {
		return false
	}
	a := ip.As4()
	host := binary.BigEndian.Uint32(a[:]) & (1<<(32-p.Bits()) - 1)
	return host == 0 || host == 1<<(32-p.Bits())-1
}

// own are the addresses that we can be dialled at ourselves, as text. Another
// port of the same address is another node on this machine.
func (n network) own(listen []ma.Multiaddr) map[string]bool {
	own := map[string]bool{}
	for _, i := range n.ifaces {
		addrs, _, _ := addrsOn(i, listen)
		for _, a := range addrs {
			own[a.String()] = true
		}
	}
	return own
}

// change is how a network differs from the one before.
type change struct {
	lost   bool // an interface or address went away
	gained bool // an interface, address or link came
}

func (n network) changedFrom(old network) change {
	set := func(n network) map[string]bool {
		m := map[string]bool{}
		for _, i := range n.ifaces {
			key := fmt.Sprint(i.Index, i.Name)
			m[key] = true
			for _, p := range i.Addrs {
				m[key+" "+p.String()] = true
			}
		}
		return m
	}
	now, before := set(n), set(old)
	var c change
	for k := range now {
		c.gained = c.gained || !before[k]
	}
	for k := range before {
		c.lost = c.lost || !now[k]
	}
	return c
}

// linkLocalOnly reports interfaces that have no address but fe80::, which
// go-libp2p neither announces nor dials.
func (n network) linkLocalOnly() bool {
	for _, i := range n.ifaces {
		for _, p := range i.Addrs {
			if a := p.Addr(); !(a.Is6() && a.IsLinkLocalUnicast()) {
				return false
			}
		}
	}
	return len(n.ifaces) > 0
}
