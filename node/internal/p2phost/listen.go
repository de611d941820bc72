package p2phost

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"

	ma "github.com/multiformats/go-multiaddr"
)

// listener is what listening needs of the swarm. AddListenAddr keeps the
// operating system's error, which Listen does not.
type listener interface {
	AddListenAddr(ma.Multiaddr) error
	ListenAddresses() []ma.Multiaddr
}

// portAttempts bounds the search for a port that is free for TCP and UDP.
const portAttempts = 16

// listenDefault listens with QUIC and TCP on IPv4 and IPv6, on port if it is
// free, else on another one, TCP and UDP on the same number where possible.
// A family this machine lacks is left out.
func listenDefault(n listener, port int) error {
	var err error
	for range portAttempts {
		if !portFree(port) {
			if port, err = freePort(); err != nil {
				return err
			}
			continue
		}
		// UDP is bound exclusively, TCP with SO_REUSEPORT. Binding UDP first
		// settles which of two nodes that start at the same time has the port.
		err = listenBoth(n, QUIC, port)
		if err == nil {
			break
		}
		if !taken(err) {
			return err
		}
		port = 0
	}
	if err != nil {
		return err
	}
	if got := portsOf(n.ListenAddresses(), QUIC); len(got) > 0 {
		port = got[0]
	}
	if portFreeTCP(port) {
		err = listenBoth(n, TCP, port)
		if !taken(err) {
			return err
		}
	}
	return listenBoth(n, TCP, 0)
}

// listenBoth listens with one transport on both families, on one port. It
// fails if neither family could be listened on.
func listenBoth(n listener, transport string, port int) error {
	err4 := n.AddListenAddr(unspecified(transport, false, port))
	if taken(err4) {
		return err4
	}
	if got := portsOf(n.ListenAddresses(), transport); err4 == nil && len(got) > 0 {
		port = got[0]
	}
	err6 := n.AddListenAddr(unspecified(transport, true, port))
	if err4 != nil && err6 != nil {
		return fmt.Errorf("listen on %s: %w", transport, errors.Join(err4, err6))
	}
	return nil
}

// listenGiven listens on exactly the given addresses.
func listenGiven(n listener, addrs []ma.Multiaddr) error {
	for _, a := range addrs {
		if transport, _ := transportOf(a); transport == TCP {
			if err := probeTCP(a); err != nil {
				return fmt.Errorf("listen on %s: %w", a, err)
			}
		}
		if err := n.AddListenAddr(a); err != nil {
			return fmt.Errorf("listen on %s: %w", a, err)
		}
	}
	return nil
}

// probeTCP reports whether an address can be listened on by us alone. The
// transport sets SO_REUSEPORT (it dials from the port it listens on), under
// which a second node of the same user would succeed and steal connections.
func probeTCP(a ma.Multiaddr) error {
	ip, ok := ipOf(a)
	port, err := a.ValueForProtocol(ma.P_TCP)
	if !ok || err != nil || port == "0" {
		return err
	}
	l, err := net.Listen(family("tcp", ip), net.JoinHostPort(ip.String(), port))
	if err != nil {
		return err
	}
	return l.Close()
}

// portFree reports whether a port is free for UDP and TCP in both families. A
// family this machine lacks counts as free.
func portFree(port int) bool {
	for _, ip := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		c, err := net.ListenPacket(family("udp", ip), net.JoinHostPort(ip.String(), strconv.Itoa(port)))
		if taken(err) {
			return false
		}
		if err == nil {
			c.Close()
		}
	}
	return portFreeTCP(port)
}

func portFreeTCP(port int) bool {
	return !taken(probeTCP(unspecified(TCP, false, port))) &&
		!taken(probeTCP(unspecified(TCP, true, port)))
}

// freePort asks the system for a UDP port. The caller checks its TCP twin.
func freePort() (int, error) {
	for _, network := range []string{"udp4", "udp6"} {
		c, err := net.ListenPacket(network, ":0")
		if err != nil {
			continue
		}
		port := c.LocalAddr().(*net.UDPAddr).Port
		if err := c.Close(); err != nil {
			return 0, err
		}
		return port, nil
	}
	return 0, errors.New("no UDP port can be bound: neither IPv4 nor IPv6 works on this machine")
}

// taken reports whether binding failed because another socket has the port.
func taken(err error) bool {
	const (
		wsaEACCES     = syscall.Errno(10013) // Windows, port bound exclusively
		wsaEADDRINUSE = syscall.Errno(10048) // Windows
	)
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, wsaEADDRINUSE) || errors.Is(err, wsaEACCES)
}

func family(network string, ip netip.Addr) string {
	if ip.Is6() {
		return network + "6"
	}
	return network + "4"
}

func unspecified(transport string, ip6 bool, port int) ma.Multiaddr {
	s := "/ip4/0.0.0.0"
	if ip6 {
		s = "/ip6/::"
	}
	if transport == TCP {
		s += "/tcp/" + strconv.Itoa(port)
	} else {
		s += "/udp/" + strconv.Itoa(port) + "/quic-v1"
	}
	return ma.StringCast(s)
}

// portsOf lists the ports among addrs of one transport, ascending.
func portsOf(addrs []ma.Multiaddr, transport string) []int {
	var out []int
	for _, a := range addrs {
		if t, err := transportOf(a); err != nil || t != transport {
			continue
		}
		if port, err := strconv.Atoi(a[1].Value()); err == nil && !slices.Contains(out, port) {
			out = append(out, port)
		}
	}
	slices.Sort(out)
	return out
}
