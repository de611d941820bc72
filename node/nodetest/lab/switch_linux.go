package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/vishvananda/netlink"
)

// Switch is an unmanaged switch: a namespace with a bridge that floods
// multicast to every port. During a Partition it holds one bridge per group
// and the ports are patched over, which hosts don't notice.
type Switch struct {
	ns     *namespace
	subnet string // first three octets

	mu      sync.Mutex
	bridges map[int]*netlink.Bridge // by group; 0 is everybody's
}

// Addr is the address of host n, 1 to 254, in the switch's subnet, with its
// prefix length.
func (s *Switch) Addr(n int) string { return fmt.Sprintf("%s.%d/24", s.subnet, n) }

func newSwitch(index, lab int) (*Switch, error) {
	ns, err := newNamespace(fmt.Sprintf("switch%d", index+1))
	if err != nil {
		return nil, err
	}
	s := &Switch{
		ns:      ns,
		subnet:  fmt.Sprintf("10.%d.%d", 77+index, lab),
		bridges: map[int]*netlink.Bridge{},
	}
	// The switch itself says nothing on the LAN.
	err = ns.sysctl("net/ipv6/conf/default/disable_ipv6", "1")
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6 is silent anyway
		return nil, err
	}
	_, err = s.bridge(0)
	return s, err
}

// bridge returns the bridge of a group and makes it if there is none yet.
// Spanning tree is off, as is the kernel's default, so ports forward at once.
func (s *Switch) bridge(group int) (*netlink.Bridge, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.bridges[group]; ok {
		return b, nil
	}
	snooping := false // forward multicast to all, like the cheap switch it is
	b := &netlink.Bridge{
		LinkAttrs:         netlink.LinkAttrs{Name: fmt.Sprintf("br%d", group)},
		MulticastSnooping: &snooping,
	}
	err := s.ns.do(func() error {
		if err := netlink.LinkAdd(b); err != nil {
			return err
		}
		return netlink.LinkSetUp(b)
	})
	if err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	s.bridges[group] = b
	return b, nil
}

// plug lays a cable: a port named port here, and its other end, named name,
// in the namespace given. The port is up, the other end is not.
func (s *Switch) plug(port string, host *namespace, name string) error {
	b, err := s.bridge(0)
	if err != nil {
		return err
	}
	return s.ns.do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = port
		attrs.MasterIndex = b.Index
		attrs.Flags = net.FlagUp
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs:     attrs,
			PeerName:      name,
			PeerNamespace: netlink.NsFd(host.net.Fd()),
		})
	})
}

// patch moves a port to the bridge of a group.
func (s *Switch) patch(port string, group int) error {
	b, err := s.bridge(group)
	if err != nil {
		return err
	}
	return s.ns.do(func() error {
		link, err := netlink.LinkByName(port)
		if err != nil {
			return err
		}
		if link.Attrs().MasterIndex == b.Index {
			return nil
		}
		return netlink.LinkSetMaster(link, b)
	})
}

// setPort switches a port on or off.
func (s *Switch) setPort(port string, up bool) error {
	return s.ns.do(func() error { return setLink(port, up) })
}

func setLink(name string, up bool) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if up {
		return netlink.LinkSetUp(link)
	}
	return netlink.LinkSetDown(link)
}
