package discovery

import (
	"context"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// pollInterval is how often interfaces are looked at though netlink said
// nothing: a safety net, as its messages can be lost.
const pollInterval = 10 * time.Second

// watchInterfaces sends to changed when rtnetlink reports a change of a link
// or an address. It returns when ctx ends, or at once where there is no
// netlink; the poll remains.
func watchInterfaces(ctx context.Context, changed chan<- struct{}) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, s.Close)() // closing ends Receive
	for ctx.Err() == nil {
		if _, _, err := s.Receive(); err != nil {
			// ENOBUFS: messages were lost, so something did change. Anything
			// else must not make this loop spin.
			select {
			case <-ctx.Done():
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
		select {
		case changed <- struct{}{}:
		default: // one is waiting already
		}
	}
	s.Close()
}
