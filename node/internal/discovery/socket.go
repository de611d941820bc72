package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/libp2p/go-reuseport"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// The mDNS groups (RFC 6762, 3).
var (
	group4 = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}
	group6 = &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: 5353}
)

// packet is one that came in.
type packet struct {
	data    []byte
	ifIndex int // 0: the system does not tell
	from    netip.Addr
}

// sockets are the multicast sockets, one per address family, shared by all
// interfaces. Other mDNS programs on the machine share the port.
type sockets struct {
	v4 *ipv4.PacketConn
	v6 *ipv6.PacketConn

	mu     sync.Mutex
	joined map[joinKey]bool
}

// joinKey is an interface in one family. A new interface that gets the number
// of an old one is told apart by nothing, so leaving is part of joining.
type joinKey struct {
	index int
	ip6   bool
}

// openSockets binds port 5353 in each family the machine has. The error tells
// why there is no IPv4 socket; IPv6 may be missing silently.
func openSockets(ctx context.Context) (*sockets, error) {
	s := &sockets{joined: map[joinKey]bool{}}
	lc := net.ListenConfig{Control: reuseport.Control}
	c4, err4 := lc.ListenPacket(ctx, "udp4", "0.0.0.0:5353")
	if err4 == nil {
		s.v4 = ipv4.NewPacketConn(c4)
		// Windows has neither of these; interfaces are then guessed by subnet.
		_ = s.v4.SetControlMessage(ipv4.FlagInterface|ipv4.FlagDst, true)
		// Two nodes on one machine hear each other, and doctor itself.
		_ = s.v4.SetMulticastLoopback(true)
		_ = s.v4.SetMulticastTTL(255)
	}
	c6, err6 := lc.ListenPacket(ctx, "udp6", "[::]:5353")
	if err6 == nil {
		s.v6 = ipv6.NewPacketConn(c6)
		_ = s.v6.SetControlMessage(ipv6.FlagInterface|ipv6.FlagDst, true)
		_ = s.v6.SetMulticastLoopback(true)
		_ = s.v6.SetMulticastHopLimit(255)
	}
	if err4 != nil && err6 != nil {
		return nil, fmt.Errorf("multicast on UDP port 5353: %w", errors.Join(err4, err6))
	}
	if err4 != nil {
		return s, fmt.Errorf("multicast on UDP port 5353 over IPv4: %w", err4)
	}
	return s, nil
}

func (s *sockets) close() {
	if s.v4 != nil {
		s.v4.Close()
	}
	if s.v6 != nil {
		s.v6.Close()
	}
}

// join makes the sockets members of the groups on exactly these interfaces.
// With again set, memberships are renewed: an interface that was down may have
// lost them, and the switch has forgotten (IGMP snooping).
func (s *sockets) join(ifaces []Interface, again bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	want := map[joinKey]Interface{}
	for _, i := range ifaces {
		want[joinKey{i.Index, false}] = i
		want[joinKey{i.Index, true}] = i
	}
	for k := range s.joined {
		if _, ok := want[k]; !ok || again {
			s.leave(k)
			delete(s.joined, k)
		}
	}
	var errs []error
	for k, i := range want {
		if s.joined[k] {
			continue
		}
		ifi := &net.Interface{Index: i.Index, Name: i.Name}
		var err error
		switch {
		case !k.ip6 && s.v4 != nil:
			err = s.v4.JoinGroup(ifi, group4)
		case k.ip6 && s.v6 != nil:
			err = s.v6.JoinGroup(ifi, group6)
		default:
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("join multicast on %s: %w", i.Name, err))
			continue
		}
		s.joined[k] = true
	}
	return errors.Join(errs...)
}

// leave ignores errors: the interface is often gone already.
func (s *sockets) leave(k joinKey) {
	ifi := &net.Interface{Index: k.index}
	if k.ip6 && s.v6 != nil {
		_ = s.v6.LeaveGroup(ifi, group6)
	} else if !k.ip6 && s.v4 != nil {
		_ = s.v4.LeaveGroup(ifi, group4)
	}
}

// send multicasts a packet on one interface. IPv4 carries it if the interface
// has an IPv4 address, IPv6 if it has none or one that can be dialled: who has
// both families hears a packet once in each. The source is the system's choice
// if src is the zero Addr, which it always is on Windows.
func (s *sockets) send(data []byte, i Interface, src netip.Addr) error {
	has4, has6 := false, false
	for _, p := range i.Addrs {
		has4 = has4 || p.Addr().Is4()
		has6 = has6 || p.Addr().Is6() && !p.Addr().IsLinkLocalUnicast()
	}
	ifi := &net.Interface{Index: i.Index, Name: i.Name}
	var errs []error
	if has4 && s.v4 != nil {
		errs = append(errs, s.send4(data, ifi, src))
	}
	if (has6 || !has4) && s.v6 != nil {
		errs = append(errs, s.send6(data, ifi))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("multicast on %s: %w", i.Name, err)
	}
	return nil
}

func (s *sockets) send4(data []byte, ifi *net.Interface, src netip.Addr) error {
	var cm *ipv4.ControlMessage
	if runtime.GOOS == "windows" {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.v4.SetMulticastInterface(ifi); err != nil {
			return err
		}
	} else {
		cm = &ipv4.ControlMessage{IfIndex: ifi.Index}
		if src.Is4() {
			cm.Src = src.AsSlice()
		}
	}
	_, err := s.v4.WriteTo(data, cm, group4)
	return err
}

func (s *sockets) send6(data []byte, ifi *net.Interface) error {
	var cm *ipv6.ControlMessage
	if runtime.GOOS == "windows" {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.v6.SetMulticastInterface(ifi); err != nil {
			return err
		}
	} else {
		cm = &ipv6.ControlMessage{IfIndex: ifi.Index}
	}
	_, err := s.v6.WriteTo(data, cm, group6)
	return err
}

// read hands over every packet sent to the groups until the sockets are closed.
func (s *sockets) read(handle func(packet)) {
	var wg sync.WaitGroup
	if s.v4 != nil {
		wg.Go(func() {
			readLoop(func(buf []byte) (int, int, net.IP, net.Addr, error) {
				n, cm, from, err := s.v4.ReadFrom(buf)
				if cm == nil {
					return n, 0, nil, from, err
				}
				return n, cm.IfIndex, cm.Dst, from, err
			}, handle)
		})
	}
	if s.v6 != nil {
		wg.Go(func() {
			readLoop(func(buf []byte) (int, int, net.IP, net.Addr, error) {
				n, cm, from, err := s.v6.ReadFrom(buf)
				if cm == nil {
					return n, 0, nil, from, err
				}
				return n, cm.IfIndex, cm.Dst, from, err
			}, handle)
		})
	}
	wg.Wait()
}

func readLoop(read func([]byte) (n, ifIndex int, dst net.IP, from net.Addr, err error), handle func(packet)) {
	buf := make([]byte, maxPacket)
	for {
		n, ifIndex, dst, from, err := read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Windows reports ICMP errors and oversize packets here; the
			// socket lives on. The pause keeps a lasting error from spinning.
			time.Sleep(20 * time.Millisecond)
			continue
		}
		if dst != nil && !dst.IsMulticast() {
			continue // sent to us alone, perhaps from beyond the LAN
		}
		addr, ok := from.(*net.UDPAddr)
		if !ok || n == 0 {
			continue
		}
		ip, _ := netip.AddrFromSlice(addr.IP)
		handle(packet{data: buf[:n], ifIndex: ifIndex, from: ip.Unmap()})
	}
}
