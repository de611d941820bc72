package captures

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Capture is a capture that has been opened: frames are being collected.
type Capture struct {
	opts   Options
	plan   plan
	sys    system
	target Target
	ports  portSet
	filter *filter
	queue  queue
	sink   *sink
	stream *os.File // opened by us

	taps    map[string]*source // by interface name
	leaving []*source          // of interfaces that have gone; closed a little later
	refused map[string]int     // indices of interfaces that could not be opened, by name
	scanned time.Time          // when interfaces and addresses were last looked at

	started       time.Time
	stats         Stats
	conversations map[conversation]struct{}

	// batches: enough for a few seconds of a slow disk at low rates (a block
	// comes every 40 ms), and at most 32 MiB of frames per full channel.
	batches   chan batch
	changed   chan struct{} // 1: one pending look at the interfaces is enough
	refreshed chan refresh  // 1: one Refresh runs at a time and must not wait for us
	secrets   chan told     // 0: what is told is taken when it is written next
	told      bool          // something was
	asking    bool          // a Refresh runs
	asked     time.Time
	complaint string // the last error of Refresh, to tell it once
	workers   sync.WaitGroup
	listening sync.WaitGroup // for secrets, longer than they
}

// source is an open interface.
type source struct {
	tap
	device device
	id     int           // of the interface in the file
	done   chan struct{} // closed when the reading goroutine has ended; nil before it is started
	until  time.Time     // when one that is leaving may be closed
}

type batch struct {
	from   *source
	frames []frame
	err    error
}

type refresh struct {
	target Target
	err    error
}

type conversation struct {
	proto uint8
	a, b  netip.AddrPort // in order
}

const maxConversations = 65536

// Run opens a capture and runs it until ctx ends (which is no error), the
// duration is over or something fails. It returns the last counters.
func Run(ctx context.Context, opts Options) (Stats, error) {
	c, err := Open(ctx, opts)
	if err != nil {
		return Stats{}, err
	}
	return c.Run(ctx)
}

// Open checks the options, opens the interfaces and creates the file. When it
// returns, packets are being collected: what is sent from now on will be in the
// file, once Run is called. Errors: [UsageError], [ErrPermission],
// [ErrUnsupported], [ErrDiskFull], others. After an error no new file is left.
func Open(ctx context.Context, opts Options) (*Capture, error) {
	return open(ctx, opts, newSystem(opts.Binary))
}

func open(ctx context.Context, opts Options, sys system) (*Capture, error) {
	p, err := opts.plan()
	if err != nil {
		return nil, err
	}
	target := opts.Target
	if target.empty() {
		if target, err = opts.Refresh(ctx); err != nil {
			return nil, fmt.Errorf("ask the node what to capture: %w", err)
		}
	}
	c := &Capture{
		opts: opts, plan: p, sys: sys,
		target:        target.clean(),
		taps:          make(map[string]*source),
		refused:       make(map[string]int),
		conversations: make(map[conversation]struct{}),
		batches:       make(chan batch, 64),
		changed:       make(chan struct{}, 1),
		refreshed:     make(chan refresh, 1),
		secrets:       make(chan told),
		queue:         queue{hold: holdFor},
	}
	if opts.Secrets != nil {
		c.queue.hold = holdSecrets
	}
	c.ports = newPortSet(c.target)
	c.sink = c.newSink()
	if err := c.openAll(ctx); err != nil {
		c.closeTaps()
		if c.stream != nil {
			_ = c.stream.Close()
		}
		c.sink.discardKeyLog()
		return nil, err
	}
	return c, nil
}

// openAll opens the interfaces first, so that a missing right leaves no file.
func (c *Capture) openAll(ctx context.Context) (err error) {
	if err := c.openFirst(); err != nil {
		return err
	}
	switch {
	case c.opts.Path == "-":
		c.sink.out = c.opts.Stdout
	case c.plan.stream:
		c.stream, err = openStream(ctx, c.opts.Path, func() {
			c.opts.notice(NoticeWaiting, "", "waiting for a program that reads %s", c.opts.Path)
		})
		if err != nil {
			return err
		}
		c.sink.out = c.stream
	}
	if c.plan.classic && c.opts.Secrets != nil {
		if err := c.sink.openKeyLog(c.opts.Application); err != nil {
			return err
		}
		c.opts.notice(NoticeSecrets, "", "the keys go into %s (wireshark -o tls.keylog_file:%s …); those of rooms and the names of people need a .pcapng",
			c.sink.keyLog.path, c.sink.keyLog.path)
	}
	return c.sink.start()
}

func (c *Capture) newSink() *sink {
	s := &sink{
		path:   c.opts.Path,
		ring:   c.opts.Ring,
		owner:  sudoOwner(os.Geteuid(), os.Getenv),
		now:    time.Now,
		link:   linkEthernet,
		filter: c.target.expression(),
		known:  c.target.Names,
		enc:    pcapng{application: c.opts.Application, comment: c.opts.Comment, os: c.sys.name()},
	}
	// Half of a file of a ring at most is for what it takes to read the rest.
	s.keys.limit, s.comments.limit = int(c.opts.Ring.Size/4), int(c.opts.Ring.Size/4)
	if c.plan.classic {
		s.enc = pcap{}
	}
	return s
}

// openFirst opens the interfaces there are at the start.
func (c *Capture) openFirst() error {
	devices, err := c.sys.devices()
	if err != nil {
		return err
	}
	c.scanned = time.Now()
	c.filter = newFilter(c.target, localAddrs(devices), c.scanned)
	for _, name := range c.opts.Interfaces {
		if !slices.ContainsFunc(devices, func(d device) bool { return d.name == name }) {
			return usagef("there is no interface %q; there are: %s", name, strings.Join(deviceNames(devices), ", "))
		}
	}
	var failed error
	for _, d := range c.wanted(devices) {
		s, err := c.openTap(d)
		switch {
		case err == nil:
			c.adopt(s)
		case len(c.opts.Interfaces) > 0 || errors.Is(err, ErrPermission):
			return err
		default:
			failed = err
			c.refuse(d, err)
		}
	}
	if len(c.taps) == 0 {
		if failed == nil {
			failed = usagef("there is no interface to capture on; there are: %s", strings.Join(deviceNames(devices), ", "))
		}
		return failed
	}
	return c.oneLinkType()
}

func deviceNames(devices []device) []string {
	names := make([]string, len(devices))
	for i, d := range devices {
		names[i] = d.name
	}
	return names
}

// wanted are the interfaces to capture on, of those that there are.
func (c *Capture) wanted(devices []device) []device {
	var want []device
	for _, d := range devices {
		ok := false
		switch {
		case len(c.opts.Interfaces) > 0:
			ok = slices.Contains(c.opts.Interfaces, d.name)
		case d.loopback:
			ok = true
		case len(c.target.Interfaces) > 0:
			ok = slices.Contains(c.target.Interfaces, d.name)
		default:
			ok = len(d.addrs) > 0
		}
		if ok {
			want = append(want, d)
		}
	}
	return want
}

func (c *Capture) openTap(d device) (*source, error) {
	t, err := c.sys.open(d, c.ports)
	if err != nil {
		return nil, err
	}
	return &source{tap: t, device: d}, nil
}

func (c *Capture) adopt(s *source) {
	s.id = c.sink.addInterface(s.device, s.link())
	c.taps[s.device.name] = s
	delete(c.refused, s.device.name)
}

// refuse tells once that an interface cannot be captured on.
func (c *Capture) refuse(d device, err error) {
	if index, told := c.refused[d.name]; !told || index != d.index {
		c.opts.notice(NoticeInterfaceFailed, d.name, "cannot capture on %s: %v", d.name, err)
	}
	c.refused[d.name] = d.index
}

// oneLinkType refuses a .pcap of several, and sets the file's.
func (c *Capture) oneLinkType() error {
	c.sink.link = c.sink.ifaces[0].link
	if !c.plan.classic {
		return nil
	}
	var kinds []string
	mixed := false
	for _, ifc := range c.sink.ifaces {
		kinds = append(kinds, fmt.Sprintf("%s is %s", ifc.device.name, linkName(ifc.link)))
		mixed = mixed || ifc.link != c.sink.link
	}
	if mixed {
		return usagef("a .pcap holds one link type (%s): name the file .pcapng, or choose interfaces", strings.Join(kinds, ", "))
	}
	return nil
}

func linkName(l linkType) string {
	if l == linkRaw {
		return "bare IP"
	}
	return "Ethernet"
}

// Close ends a capture that is not Run. The file stays, with no packet in it.
func (c *Capture) Close() error {
	c.closeTaps()
	return c.closeFile()
}

func (c *Capture) closeTaps() {
	for name, s := range c.taps {
		delete(c.taps, name)
		c.closeTap(s)
	}
	for len(c.leaving) > 0 {
		s := c.leaving[0]
		c.leaving = c.leaving[1:]
		c.closeTap(s)
	}
}

func (c *Capture) closeFile() error {
	err := errors.Join(c.sink.finish(), c.sink.closeKeyLog())
	if c.stream != nil {
		err = errors.Join(err, c.stream.Close())
	}
	return err
}
