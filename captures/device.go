package captures

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// device is a network interface as it was when it was looked at.
type device struct {
	name     string
	index    int
	mac      net.HardwareAddr
	addrs    []netip.Prefix
	loopback bool
	up       bool // and running: has a carrier
}

// system is what the operating system gives; tests bring their own.
type system interface {
	// devices lists all interfaces.
	devices() ([]device, error)
	// open begins to collect frames that pass the filter of the port set.
	open(d device, ports portSet) (tap, error)
	// watch calls changed, from its own goroutine, whenever interfaces or
	// addresses may have changed, until the context ends. Calls may be missing.
	watch(ctx context.Context, changed func())
	// name is the operating system's, as it goes into files.
	name() string
}

// tap delivers the frames of one interface. read is called by one goroutine,
// everything else by another.
type tap interface {
	link() linkType
	// read waits for frames and returns them in the order in which they came;
	// after stop those that are there, then errStopped. An interface that goes down is not an error.
	read() ([]frame, error)
	setPorts(ports portSet) error
	// counts since the last call, as interfaceStats has them.
	counts() (received, dropped uint64, err error)
	stop()  // ends read, from any goroutine
	close() // when read has returned for the last time
}

var errStopped = errors.New("stopped")

// listDevices is system.devices for every system that package net knows.
func listDevices() ([]device, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	devices := make([]device, 0, len(list))
	for _, i := range list {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has just gone
		}
		d := device{
			name:     i.Name,
			index:    i.Index,
			mac:      i.HardwareAddr,
			loopback: i.Flags&net.FlagLoopback != 0,
			up:       i.Flags&net.FlagUp != 0 && i.Flags&net.FlagRunning != 0,
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				if addr, ok := netip.AddrFromSlice(n.IP); ok {
					bits, _ := n.Mask.Size()
					d.addrs = append(d.addrs, netip.PrefixFrom(addr.Unmap(), bits))
				}
			}
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// localAddrs are all addresses of this host.
func localAddrs(devices []device) []netip.Addr {
	var addrs []netip.Addr
	for _, d := range devices {
		for _, p := range d.addrs {
			addrs = append(addrs, p.Addr())
		}
	}
	return addrs
}
