package captures

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// fakeSystem is a machine whose interfaces a test plugs in and out.
type fakeSystem struct {
	mu      sync.Mutex
	devs    []device
	taps    map[string]*fakeTap // open ones
	links   map[string]linkType
	refuse  map[string]error
	changed func()
}

func newFakeSystem(devs ...device) *fakeSystem {
	return &fakeSystem{
		devs: devs, taps: map[string]*fakeTap{},
		links: map[string]linkType{}, refuse: map[string]error{},
	}
}

// nic describes an interface; addrs are prefixes.
func nic(name string, index int, addrs ...string) device {
	d := device{name: name, index: index, up: true, loopback: name == "lo"}
	for _, a := range addrs {
		d.addrs = append(d.addrs, netip.MustParsePrefix(a))
	}
	return d
}

// set replaces the interfaces and tells, if a capture watches.
func (s *fakeSystem) set(devs ...device) {
	s.mu.Lock()
	s.devs = devs
	changed := s.changed
	s.mu.Unlock()
	if changed != nil {
		changed()
	}
}

func (s *fakeSystem) tap(name string) *fakeTap {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taps[name]
}

func (s *fakeSystem) ports(name string) portSet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taps[name].ports
}

// lose has the kernel drop so many frames of an interface.
func (s *fakeSystem) lose(name string, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taps[name].lost = n
}

// see hands frames to whoever reads the interface.
func (s *fakeSystem) see(name string, frames ...frame) { s.tap(name).frames <- frames }

func (s *fakeSystem) devices() ([]device, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]device(nil), s.devs...), nil
}

func (s *fakeSystem) open(d device, ports portSet) (tap, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refuse[d.name]; err != nil {
		return nil, err
	}
	link := s.links[d.name]
	if link == 0 {
		link = linkEthernet
	}
	t := &fakeTap{
		system: s, name: d.name, linkType: link, ports: ports,
		frames:  make(chan []frame),
		fail:    make(chan error),
		stopped: make(chan struct{}),
	}
	s.taps[d.name] = t
	return t, nil
}

func (s *fakeSystem) watch(ctx context.Context, changed func()) {
	s.mu.Lock()
	s.changed = changed
	s.mu.Unlock()
	<-ctx.Done()
}

func (s *fakeSystem) name() string { return "test" }

type fakeTap struct {
	system   *fakeSystem
	name     string
	linkType linkType
	ports    portSet // guarded by system.mu
	lost     uint64
	frames   chan []frame
	fail     chan error
	stopped  chan struct{}
	once     sync.Once
}

func (t *fakeTap) link() linkType { return t.linkType }

func (t *fakeTap) read() ([]frame, error) {
	select {
	case f := <-t.frames:
		return f, nil
	case err := <-t.fail:
		return nil, err
	case <-t.stopped:
		return nil, errStopped
	}
}

func (t *fakeTap) setPorts(ports portSet) error {
	t.system.mu.Lock()
	defer t.system.mu.Unlock()
	t.ports = ports
	return nil
}

func (t *fakeTap) counts() (uint64, uint64, error) {
	t.system.mu.Lock()
	defer t.system.mu.Unlock()
	lost := t.lost
	t.lost = 0
	return lost + 1, lost, nil
}

func (t *fakeTap) stop() { t.once.Do(func() { close(t.stopped) }) }

func (t *fakeTap) close() {
	t.system.mu.Lock()
	defer t.system.mu.Unlock()
	if t.system.taps[t.name] == t {
		delete(t.system.taps, t.name)
	}
}

// ago gives a time a little before now.
func ago(d time.Duration) time.Time { return time.Now().Add(-d) }
