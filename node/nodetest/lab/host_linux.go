package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Host is one machine of the lab: a namespace, a home directory, and one or
// more interfaces. What it is asked about its network means its first
// interface; see NICs for the others.
type Host struct {
	*NIC // the first interface

	// Name is h1, h2, ... and the host name its programs see.
	Name string
	// NICs are the interfaces eth0, eth1, ..., one for each switch of On.
	NICs []*NIC
	// Home is HOME of its programs, Data the data directory of its account
	// (P2PCHAT_DATA), which the program has to make itself.
	Home, Data string

	l      *Lab
	ns     *namespace
	number int    // from 1; the last octet of its addresses
	bin    string // what it runs
	hostConfig
	started atomic.Int64 // processes, to number their files
}

// HostOption shapes a host.
type HostOption func(*hostConfig)

type hostConfig struct {
	switches  []*Switch
	linkLocal bool
	noAddress bool
	linkDown  bool
	noIPv6    bool
	noDefault bool
	router    bool
	gateway   *Host
	tags      string
}

// On plugs the host into these switches instead of the first, one interface
// each.
func On(s ...*Switch) HostOption { return func(c *hostConfig) { c.switches = s } }

// LinkLocal gives the host an address in 169.254.0.0/16, as a machine gives
// itself where there is no DHCP.
func LinkLocal() HostOption { return func(c *hostConfig) { c.linkLocal = true } }

// NoAddress gives the host no IPv4 address. It still has its fe80:: ones.
func NoAddress() HostOption { return func(c *hostConfig) { c.noAddress = true } }

// LinkDownAtStart leaves the interfaces down until LinkUp.
func LinkDownAtStart() HostOption { return func(c *hostConfig) { c.linkDown = true } }

// NoIPv6 switches IPv6 off, fe80:: addresses included.
func NoIPv6() HostOption { return func(c *hostConfig) { c.noIPv6 = true } }

// NoDefaultRoute leaves the host with only the routes to its subnets. Others
// have a default route out of their first interface; without one some stacks
// send no multicast.
func NoDefaultRoute() HostOption { return func(c *hostConfig) { c.noDefault = true } }

// Router makes the host forward between its interfaces; multicast it does
// not forward.
func Router() HostOption { return func(c *hostConfig) { c.router = true } }

// Via sends what is not for the host's own subnet to the router, by the
// router's address on the first switch the two share.
func Via(router *Host) HostOption { return func(c *hostConfig) { c.gateway = router } }

// Tags has the host run a binary of its own, built with these tags (separated
// by commas) from the command that WithBinary names.
func Tags(tags string) HostOption { return func(c *hostConfig) { c.tags = tags } }

func newHost(l *Lab, number int, opts []HostOption) (*Host, error) {
	h := &Host{Name: fmt.Sprintf("h%d", number), l: l, number: number}
	for _, o := range opts {
		o(&h.hostConfig)
	}
	if h.switches == nil {
		h.switches = l.Switches[:1]
	}
	h.Home = filepath.Join(l.dir, h.Name)
	h.Data = filepath.Join(h.Home, "data")
	if err := os.MkdirAll(filepath.Join(h.Home, "tmp"), 0o700); err != nil {
		return nil, err
	}
	h.bin = os.Getenv(binaryEnv)
	if h.tags != "" {
		bin, err := variant(h.tags)
		if err != nil {
			return nil, err
		}
		h.bin = bin
	}
	ns, err := newNamespace(h.Name)
	if err != nil {
		return nil, err
	}
	h.ns = ns
	if err := h.sysctls(); err != nil {
		return nil, err
	}
	for _, s := range h.switches {
		if err := h.plug(s); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// plug adds the next interface, on the given switch.
func (h *Host) plug(s *Switch) error {
	i := len(h.NICs)
	n := &NIC{
		Name: fmt.Sprintf("eth%d", i),
		h:    h,
		sw:   s,
		port: fmt.Sprintf("p%d-%d", h.number, i),
	}
	if err := n.setup(); err != nil {
		return fmt.Errorf("%s: %w", n.Name, err)
	}
	h.NICs = append(h.NICs, n)
	if i == 0 {
		h.NIC = n
	}
	return nil
}

// Plug adds one more interface while the host runs, as one plugs in a USB
// adapter, connected to a switch and set up as the host's options say.
func (h *Host) Plug(s *Switch) *NIC {
	h.l.t.Helper()
	h.l.check(h.plug(s), "plug")
	return h.NICs[len(h.NICs)-1]
}

func (h *Host) sysctls() error {
	if h.noIPv6 {
		err := h.ns.sysctl("net/ipv6/conf/default/disable_ipv6", "1")
		if err != nil && !errors.Is(err, os.ErrNotExist) { // no IPv6 at all
			return err
		}
	}
	if h.router {
		return h.ns.sysctl("net/ipv4/ip_forward", "1")
	}
	return nil
}

// Tmpfs mounts a small file system of the given size in bytes at a directory
// of the host, which is made if need be. The function it returns changes the
// size.
func (h *Host) Tmpfs(dir string, size int64) (resize func(size int64)) {
	h.l.t.Helper()
	h.l.check(os.MkdirAll(dir, 0o700), "tmpfs")
	// Mounted in the test's own mount namespace, from where it shows on the
	// hosts: the test wants to see it too.
	mount := func(size int64, flags uintptr) {
		h.l.t.Helper()
		options := fmt.Sprintf("size=%d,mode=700", size)
		h.l.check(unix.Mount("tmpfs", dir, "tmpfs", flags, options), "tmpfs")
	}
	mount(size, 0)
	h.l.t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			h.l.t.Errorf("lab: tmpfs: %v", err)
		}
	})
	return func(size int64) {
		h.l.t.Helper()
		mount(size, unix.MS_REMOUNT)
	}
}
