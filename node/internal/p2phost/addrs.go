package p2phost

import (
	"net"
	"net/netip"
	"slices"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// announce turns listen addresses into the ones to tell others: unspecified
// addresses become those of local, loopback is kept only if nothing else
// exists, IPv6 link-local never (go-libp2p dials none of those).
func announce(listen []ma.Multiaddr, local []netip.Addr) []ma.Multiaddr {
	var out, loopback []ma.Multiaddr
	add := func(a ma.Multiaddr, ip netip.Addr) {
		switch {
		case ip.IsLoopback():
			loopback = append(loopback, a)
		case ip.Is6() && ip.IsLinkLocalUnicast(), ip.IsUnspecified():
		default:
			out = append(out, a)
		}
	}
	for _, l := range listen {
		ip, ok := ipOf(l)
		if !ok {
			continue
		}
		if !ip.IsUnspecified() {
			add(l, ip)
			continue
		}
		for _, addr := range local {
			if addr = addr.Unmap().WithZone(""); addr.Is4() == ip.Is4() {
				add(withIP(l, addr), addr)
			}
		}
		if ip.Is4() {
			loopback = append(loopback, withIP(l, netip.AddrFrom4([4]byte{127, 0, 0, 1})))
		}
	}
	if len(out) == 0 {
		out = loopback
	}
	out = ma.Unique(out)
	slices.SortFunc(out, ma.Multiaddr.Compare)
	return out
}

// interfaceAddrs is the default for Config.LocalAddrs.
func interfaceAddrs() []netip.Addr {
	ifaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, i := range ifaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // the interface is just vanishing
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(n.IP); ok {
					out = append(out, ip.Unmap())
				}
			}
		}
	}
	return out
}

// ipOf returns the address at the front of a multiaddr.
func ipOf(a ma.Multiaddr) (netip.Addr, bool) {
	ip, err := manet.ToIP(a)
	if err != nil {
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return netip.Addr{}, false
	}
	// net.IP has a 16-byte form of IPv4 addresses; an /ip6 address that maps
	// IPv4 is not told apart by manet, and nobody announces one.
	return addr.Unmap(), true
}

// withIP replaces the address at the front of a multiaddr.
func withIP(a ma.Multiaddr, ip netip.Addr) ma.Multiaddr {
	host, err := manet.FromIP(ip.AsSlice())
	if err != nil {
		return a
	}
	_, rest := ma.SplitFirst(a)
	return host.Encapsulate(rest)
}
