package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// NIC is an interface of a host with the cable to its switch port.
type NIC struct {
	// Name on the host, eth0 for the first.
	Name string

	h    *Host
	sw   *Switch
	port string     // name of the switch port
	addr netip.Addr // what it was given last, zero if none
	gone bool       // removed
}

// setup plugs the cable in and configures the interface as its host's options
// say.
func (n *NIC) setup() error {
	if err := n.sw.plug(n.port, n.h.ns, n.Name); err != nil {
		return err
	}
	if !n.h.linkDown {
		if err := n.h.ns.do(func() error { return setLink(n.Name, true) }); err != nil {
			return err
		}
	}
	var prefix netip.Prefix
	switch {
	case n.h.noAddress:
		return nil
	case n.h.linkLocal:
		prefix = netip.MustParsePrefix(fmt.Sprintf("169.254.%d.%d/16", n.h.l.net, n.h.number))
	default:
		prefix = netip.MustParsePrefix(n.sw.Addr(n.h.number))
	}
	return n.addAddr(prefix)
}

// Addr is the address the interface was given last; zero if it has none.
func (n *NIC) Addr() netip.Addr { return n.addr }

// LinkDown switches the interface off, as `ip link set down` does.
func (n *NIC) LinkDown() {
	n.h.l.t.Helper()
	n.h.l.check(n.h.ns.do(func() error { return setLink(n.Name, false) }), "link down")
}

// LinkUp switches the interface on again and restores the routes that the
// kernel forgot, as a network manager would.
func (n *NIC) LinkUp() {
	n.h.l.t.Helper()
	err := n.h.ns.do(func() error {
		if err := setLink(n.Name, true); err != nil {
			return err
		}
		return n.routes()
	})
	n.h.l.check(err, "link up")
}

// PortDown switches the port at the other end of the cable off: the host sees
// the carrier go, its addresses and routes stay.
func (n *NIC) PortDown() {
	n.h.l.t.Helper()
	n.h.l.check(n.sw.setPort(n.port, false), "port down")
}

// PortUp ends a PortDown.
func (n *NIC) PortUp() {
	n.h.l.t.Helper()
	n.h.l.check(n.sw.setPort(n.port, true), "port up")
}

// SetAddr replaces the interface's IPv4 addresses by one, such as
// "10.77.1.9/24".
func (n *NIC) SetAddr(prefix string) {
	n.h.l.t.Helper()
	p, err := netip.ParsePrefix(prefix)
	n.h.l.check(err, "address")
	n.DelAddrs()
	n.h.l.check(n.addAddr(p), "address")
}

// AddAddr gives the interface one more address.
func (n *NIC) AddAddr(prefix string) {
	n.h.l.t.Helper()
	p, err := netip.ParsePrefix(prefix)
	n.h.l.check(err, "address")
	n.h.l.check(n.addAddr(p), "address")
}

// DelAddrs takes all IPv4 addresses away.
func (n *NIC) DelAddrs() {
	n.h.l.t.Helper()
	n.addr = netip.Addr{}
	err := n.h.ns.do(func() error {
		link, err := netlink.LinkByName(n.Name)
		if err != nil {
			return err
		}
		addrs, err := netlink.AddrList(link, unix.AF_INET)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			if err := netlink.AddrDel(link, &a); err != nil {
				return err
			}
		}
		return nil
	})
	n.h.l.check(err, "delete addresses")
}

// Remove pulls the interface itself out of the host, as one pulls a USB
// adapter. It does not come back.
func (n *NIC) Remove() {
	n.h.l.t.Helper()
	err := n.h.ns.do(func() error {
		link, err := netlink.LinkByName(n.Name)
		if err != nil {
			return err
		}
		return netlink.LinkDel(link)
	})
	n.h.l.check(err, "remove interface")
	n.gone = true
}

func (n *NIC) addAddr(p netip.Prefix) error {
	n.addr = p.Addr()
	return n.h.ns.do(func() error {
		link, err := netlink.LinkByName(n.Name)
		if err != nil {
			return err
		}
		a := &netlink.Addr{IPNet: &net.IPNet{
			IP:   p.Addr().AsSlice(),
			Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
		}}
		if err := netlink.AddrAdd(link, a); err != nil {
			return err
		}
		return n.routes()
	})
}

// routes restores the default route; to be called on the host's thread. An
// interface that is down or without an address gets none, the next call does
// it.
func (n *NIC) routes() error {
	if n.h.noDefault || !n.addr.Is4() {
		return nil
	}
	for _, other := range n.h.NICs {
		if other == n {
			break
		}
		if !other.gone {
			return nil // its business
		}
	}
	link, err := netlink.LinkByName(n.Name)
	if err != nil {
		return err
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		return nil
	}
	route := &netlink.Route{
		LinkIndex: link.Attrs().Index,
		Dst:       &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
		Scope:     netlink.SCOPE_LINK,
	}
	if gw := n.h.gateway; gw != nil {
		for _, theirs := range gw.NICs {
			if theirs.sw == n.sw {
				route.Gw = theirs.addr.AsSlice()
				route.Scope = netlink.SCOPE_UNIVERSE
				break
			}
		}
	}
	return netlink.RouteReplace(route)
}
