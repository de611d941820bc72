package captures

import (
	"context"
	"slices"
	"time"
)

const (
	// drainFor is how long a clean stop waits for what the kernel still holds.
	drainFor = 100 * time.Millisecond
	// refreshLimit is the time that Refresh has.
	refreshLimit = 5 * time.Second
	// askAgain is how often Refresh is called while packets wait for its word.
	askAgain = 250 * time.Millisecond
	// rescanAfter is how soon addresses are looked at again because of a packet
	// that seems to be of another machine.
	rescanAfter = 50 * time.Millisecond
)

// Run writes packets until ctx ends (which is no error), the duration is over
// or writing fails, and closes the capture. It may be called once.
func (c *Capture) Run(ctx context.Context) (Stats, error) {
	c.started = time.Now()
	if c.opts.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.opts.Duration)
		defer cancel()
	}
	work, stop := context.WithCancel(ctx)
	if c.stream != nil {
		// A reader that stopped reading must not keep us from ending.
		defer context.AfterFunc(ctx, func() { _ = c.stream.SetWriteDeadline(time.Now().Add(2 * time.Second)) })()
	}
	// Ends with work.
	c.workers.Go(func() { c.sys.watch(work, c.change) })
	// The keys of the last packets come until these have been written.
	secrets, enough := context.WithCancel(context.WithoutCancel(ctx))
	defer enough()
	c.listen(secrets)
	for _, s := range c.taps {
		c.start(s)
	}
	err := c.loop(ctx)
	stop()
	if err == nil {
		err = c.drain(context.WithoutCancel(ctx))
	}
	enough()
	c.closeTaps()
	c.workers.Wait()
	c.listening.Wait()
	if cerr := c.closeFile(); err == nil {
		err = cerr
	}
	c.progress()
	return c.stats, err
}

// change asks the loop to look at the interfaces.
func (c *Capture) change() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// start begins to read a source. The goroutine ends when the tap is stopped or
// fails.
func (c *Capture) start(s *source) {
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		for {
			frames, err := s.read()
			if err == errStopped {
				return
			}
			c.batches <- batch{s, frames, err}
			if err != nil {
				return
			}
		}
	}()
}

func (c *Capture) loop(ctx context.Context) error {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	c.ask(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case b := <-c.batches:
			c.take(b)
		case <-c.changed:
			c.reconcile()
		case r := <-c.refreshed:
			c.setTarget(r)
		case t := <-c.secrets:
			if err := c.learn(t); err != nil {
				return err
			}
		case <-second.C:
			c.reconcile()
			for _, s := range c.taps {
				c.count(s)
			}
			c.ask(ctx)
			c.progress()
			c.filter.expire(time.Now())
		case <-wake.C:
			c.filter.expire(time.Now())
		}
		if err := c.release(false); err != nil {
			return err
		}
		now := time.Now()
		if c.filter.pending > 0 && now.Sub(c.asked) >= askAgain {
			c.ask(ctx)
		}
		if wait, ok := c.queue.wait(now); ok {
			wake.Reset(wait)
		}
	}
}

// ask calls Refresh, once at a time; the goroutine ends with it.
func (c *Capture) ask(ctx context.Context) {
	if c.opts.Refresh == nil || c.asking {
		return
	}
	c.asking, c.asked = true, time.Now()
	c.workers.Go(func() {
		limited, cancel := context.WithTimeout(ctx, refreshLimit)
		defer cancel()
		t, err := c.opts.Refresh(limited)
		c.refreshed <- refresh{t, err}
	})
}

func (c *Capture) setTarget(r refresh) {
	c.asking = false
	if r.err != nil {
		if text := r.err.Error(); text != c.complaint {
			c.complaint = text
			c.opts.notice(NoticeTarget, "", "the node does not say what to capture, going on with what it last said: %v", r.err)
		}
		return
	}
	c.complaint = ""
	t := r.target.clean()
	c.filter.setTarget(t, time.Now())
	if ports := newPortSet(t); !ports.equal(c.ports) {
		c.ports = ports
		for _, s := range c.taps {
			if err := s.setPorts(ports); err != nil {
				c.opts.notice(NoticeInterfaceFailed, s.device.name, "cannot change the filter on %s: %v", s.device.name, err)
			}
		}
	}
	c.sink.filter = t.expression()
	c.sink.setNames(t.Names)
	changed := !slices.Equal(c.target.Interfaces, t.Interfaces)
	c.target = t
	if changed {
		c.reconcile()
	}
}

// take puts the node's packets of a batch into the queue.
func (c *Capture) take(b batch) {
	if b.err != nil {
		if c.taps[b.from.device.name] == b.from {
			delete(c.taps, b.from.device.name)
			c.closeTap(b.from)
			c.refuse(b.from.device, b.err)
		}
		return
	}
	now := time.Now()
	for _, f := range b.frames {
		if f.kind == kindOther {
			continue
		}
		p, ok := decode(b.from.link(), f.data)
		if !ok {
			continue
		}
		fl := c.filter.classify(p, now)
		if fl == nil && c.maybeNewAddress(f, p, now) {
			fl = c.filter.classify(p, now)
		}
		if fl == nil || fl.verdict == drop {
			continue
		}
		c.queue.push(held{frame: f, iface: b.from.id, flow: fl, packet: p, arrived: now})
	}
}

// maybeNewAddress looks at this host's addresses again if a packet to or from
// it has none of those that we know.
func (c *Capture) maybeNewAddress(f frame, p packet, now time.Time) bool {
	if (f.kind != kindUnicast && f.kind != kindSent) || !c.filter.foreign(p) ||
		p.dst.Addr().IsMulticast() || now.Sub(c.scanned) < rescanAfter {
		return false
	}
	c.scanned = now
	devices, err := c.sys.devices()
	if err != nil {
		return false
	}
	c.filter.setLocals(localAddrs(devices), now)
	return true
}

// release writes the packets whose time has come; all: every one.
func (c *Capture) release(all bool) error {
	now := time.Now()
	for {
		h, ok := c.queue.pop(now, all)
		if !ok {
			return c.sink.flush()
		}
		if err := c.sink.packet(h.iface, h.frame); err != nil {
			return err
		}
		c.stats.Packets++
		c.stats.Bytes += uint64(h.length)
		c.converse(h.packet)
	}
}

// converse counts the packet's conversation.
func (c *Capture) converse(p packet) {
	if p.later || (p.proto == protoUDP && (p.src.Port() == mdnsPort || p.dst.Port() == mdnsPort)) {
		return
	}
	key := conversation{p.proto, p.src, p.dst}
	if key.a.Compare(key.b) > 0 {
		key.a, key.b = key.b, key.a
	}
	if len(c.conversations) < maxConversations {
		c.conversations[key] = struct{}{}
	}
}

func (c *Capture) progress() {
	c.stats.Conversations = len(c.conversations)
	c.stats.Elapsed = time.Since(c.started)
	if c.sink.file != nil || c.stats.File == "" {
		c.stats.File = c.sink.name()
	}
	if c.opts.Progress != nil {
		c.opts.Progress(c.stats)
	}
}

// drain collects what was on its way when the capture was stopped.
func (c *Capture) drain(ctx context.Context) error {
	over := time.NewTimer(drainFor)
	defer over.Stop()
	for waiting := true; waiting; {
		select {
		case b := <-c.batches:
			c.take(b)
		case t := <-c.secrets:
			if err := c.learn(t); err != nil {
				return err
			}
		case <-over.C:
			waiting = false
		}
	}
	c.closeTaps()
	for empty := false; !empty; {
		select {
		case b := <-c.batches:
			c.take(b)
		default:
			empty = true
		}
	}
	if c.filter.pending > 0 && c.opts.Refresh != nil {
		c.workers.Wait() // their context has ended
		limited, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if t, err := c.opts.Refresh(limited); err == nil {
			c.filter.setTarget(t.clean(), time.Now())
		}
	}
	return c.release(true)
}
