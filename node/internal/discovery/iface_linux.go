package discovery

import (
	"net"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
)

// describe asks rtnetlink for the kind of an interface. /sys says more, but in
// a network namespace it may show another one's interfaces.
func describe(i net.Interface) description {
	d := describeByName(i)
	link, err := netlink.LinkByIndex(i.Index)
	if err != nil {
		return d
	}
	switch kind := link.Type(); kind {
	case "device":
	case "bond", "vlan", "macvlan", "ipvlan", "bridge", "team", "veth":
		if d.kind != Loopback {
			d.kind = Virtual
		}
	default:
		d.kind = Virtual
		d.tunnel = d.tunnel || slices.Contains([]string{"tun", "tuntap", "wireguard", "gre", "gretap", "ipip", "sit", "vti", "vxlan", "geneve", "ip6tnl", "xfrm"}, kind)
	}
	if d.kind == Wired {
		if _, err := os.Stat("/sys/class/net/" + i.Name + "/phy80211"); err == nil {
			d.kind = Wireless
		}
	}
	d.enslaved = link.Attrs().MasterIndex != 0
	return d
}
