package captures

import "time"

// reconcile opens interfaces that have come, closes those that have gone, and
// learns this host's addresses.
func (c *Capture) reconcile() {
	devices, err := c.sys.devices()
	if err != nil {
		return // the next look is a second away
	}
	c.scanned = time.Now()
	c.filter.setLocals(localAddrs(devices), c.scanned)
	want := make(map[string]device)
	for _, d := range c.wanted(devices) {
		want[d.name] = d
	}
	exists := make(map[string]device, len(devices))
	for _, d := range devices {
		exists[d.name] = d
	}
	c.closeLeaving(c.scanned)
	for name, s := range c.taps {
		// One that is not wanted any more (it lost its address, or the node its
		// interest) stays: both may come back, and the filter decides anyway.
		if d, ok := exists[name]; ok && d.index == s.device.index {
			c.link(s, d)
		} else {
			c.leave(s)
			c.opts.notice(NoticeInterfaceGone, name, "%s has gone; the capture goes on with %s", name, c.remaining())
		}
	}
	for name, d := range want {
		if c.taps[name] == nil {
			c.add(d)
		}
	}
}

// link notes whether an interface's link is up.
func (c *Capture) link(s *source, d device) {
	switch {
	case s.device.up && !d.up:
		c.opts.notice(NoticeInterfaceDown, d.name, "the link of %s is down", d.name)
	case !s.device.up && d.up:
		c.opts.notice(NoticeInterfaceUp, d.name, "the link of %s is up again", d.name)
	}
	s.device = d
	c.sink.ifaces[s.id].device = d
}

func (c *Capture) remaining() string {
	switch len(c.taps) {
	case 0:
		return "what may come"
	case 1:
		for name := range c.taps {
			return name
		}
	}
	return "the others"
}

// add opens an interface that has come during the capture.
func (c *Capture) add(d device) {
	s, err := c.openTap(d)
	if err != nil {
		c.refuse(d, err)
		return
	}
	if c.plan.classic && s.link() != c.sink.link {
		s.close()
		c.refuse(d, usagef("it is %s, and a .pcap holds one link type", linkName(s.link())))
		return
	}
	c.adopt(s)
	c.start(s)
	c.opts.notice(NoticeInterfaceAdded, d.name, "capturing on %s", d.name)
}

// count adds what the kernel counted on a source since the last time.
func (c *Capture) count(s *source) {
	received, dropped, err := s.counts()
	if err != nil {
		return // it goes with the interface
	}
	stats := &c.sink.ifaces[s.id].stats
	stats.received += received
	stats.dropped += dropped
	c.stats.Dropped += dropped
}

// leave lets go of an interface that has gone. The kernel may still hold some of
// its frames for a moment.
func (c *Capture) leave(s *source) {
	delete(c.taps, s.device.name)
	s.until = time.Now().Add(drainFor)
	c.leaving = append(c.leaving, s)
}

func (c *Capture) closeLeaving(now time.Time) {
	for len(c.leaving) > 0 && !now.Before(c.leaving[0].until) {
		s := c.leaving[0]
		c.leaving = c.leaving[1:]
		c.closeTap(s)
	}
}

// closeTap ends a source; what its reader still hands over is taken.
func (c *Capture) closeTap(s *source) {
	s.stop()
	for reading := s.done != nil; reading; {
		select {
		case b := <-c.batches:
			c.take(b)
		case <-s.done:
			reading = false
		}
	}
	c.count(s)
	s.close()
}
