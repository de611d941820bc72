package captures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// running is a capture on a fake system, under synctest's clock.
type running struct {
	sys    *fakeSystem
	path   string
	cancel context.CancelFunc
	ended  chan error

	mu      sync.Mutex
	notices []string // "kind interface"
	stats   Stats    // last progress
}

// said gives the notices and the last progress.
func (r *running) said() ([]string, Stats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.notices), r.stats
}

// run starts a capture of a node that listens on port 47700; change adapts the
// options.
func run(t *testing.T, sys *fakeSystem, change func(*Options)) *running {
	t.Helper()
	r := &running{sys: sys, path: filepath.Join(t.TempDir(), "x.pcapng"), ended: make(chan error, 1)}
	opts := Options{
		Path:   r.path,
		Target: Target{TCP: AnyAddr(47700), UDP: AnyAddr(47700)},
		Progress: func(s Stats) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.stats = s
		},
		Notice: func(n Notice) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.notices = append(r.notices, strings.TrimSpace(string(n.Kind)+" "+n.Interface))
		},
	}
	if change != nil {
		change(&opts)
	}
	r.path = opts.Path
	c, err := open(t.Context(), opts, sys)
	must(t, err)
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(t.Context())
	go func() { // ends with the capture, which stop waits for
		_, err := c.Run(ctx)
		r.ended <- err
	}()
	synctest.Wait()
	return r
}

// stop ends the capture and returns the payloads of its UDP and the ports of
// its TCP packets, as in the file.
func (r *running) stop(t *testing.T) []string {
	t.Helper()
	r.cancel()
	must(t, <-r.ended)
	return contents(t, r.path)
}

func contents(t *testing.T, path string) []string {
	t.Helper()
	data, _, _ := read(t, path)
	got := []string{}
	for _, b := range data {
		p, ok := decode(linkEthernet, b)
		switch {
		case !ok:
			got = append(got, fmt.Sprintf("%x", b))
		case p.proto == protoTCP:
			got = append(got, fmt.Sprintf("%d>%d", p.src.Port(), p.dst.Port()))
		default:
			got = append(got, string(p.payload))
		}
	}
	return got
}

func expect[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// hello is a frame to the node.
func hello(payload string, seen time.Time) frame {
	return udp("192.0.2.9:47700", "192.0.2.1:47700", payload).frame(seen, kindUnicast)
}

func machine() *fakeSystem {
	return newFakeSystem(nic("lo", 1, "127.0.0.1/8"), nic("eth0", 2, "192.0.2.1/24"), nic("eth1", 3, "198.51.100.1/24"), nic("br-port", 4))
}

func TestCaptureOrdersInterfaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, machine(), nil)
		if r.sys.tap("br-port") != nil {
			t.Error("captures on an interface without an address")
		}
		r.sys.see("eth0", hello("2", ago(30*time.Millisecond)), hello("4", ago(10*time.Millisecond)))
		time.Sleep(20 * time.Millisecond)
		r.sys.see("lo", udp("127.0.0.1:9", "127.0.0.1:47700", "1").frame(ago(60*time.Millisecond), kindUnicast),
			udp("127.0.0.1:9", "127.0.0.1:8", "foreign").frame(ago(50*time.Millisecond), kindUnicast))
		r.sys.see("eth1", hello("3", ago(40*time.Millisecond)), hello("last", time.Now()))
		time.Sleep(time.Second)
		expect(t, "file while it is written", contents(t, r.path), []string{"1", "2", "3", "4", "last"})
		r.sys.see("eth0", hello("5", time.Now()))
		expect(t, "file", r.stop(t), []string{"1", "2", "3", "4", "last", "5"})
		if _, s := r.said(); s.Packets != 6 || s.Conversations != 2 || s.File != r.path || s.Bytes == 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestCaptureLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, machine(), nil)
		other := hello("to another machine", time.Now())
		other.kind = kindOther
		r.sys.see("eth0",
			other,
			udp("192.0.2.1:40000", "192.0.2.9:47700", "another program to a peer").frame(time.Now(), kindSent),
			frame{data: []byte{1, 2, 3}, length: 3, time: time.Now()},
			hello("ours", time.Now()))
		expect(t, "file", r.stop(t), []string{"ours"})
	})
}

// What was under way when the capture was stopped is in the file.
func TestCaptureDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, machine(), nil)
		r.cancel()
		synctest.Wait()
		r.sys.see("eth0", hello("late", time.Now()))
		expect(t, "file", r.stop(t), []string{"late"})
	})
}

func TestCaptureDuration(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, machine(), func(o *Options) { o.Duration = 90 * time.Second })
		begin := time.Now()
		r.sys.lose("eth0", 7)
		time.Sleep(89 * time.Second)
		r.sys.see("eth0", hello("in time", time.Now()))
		must(t, <-r.ended)
		if took := time.Since(begin); took < 90*time.Second || took > 91*time.Second {
			t.Errorf("took %v", took)
		}
		if _, s := r.said(); s.Dropped != 7 {
			t.Errorf("%d dropped, want 7", s.Dropped)
		}
		expect(t, "file", contents(t, r.path), []string{"in time"})
		_, _, ng := read(t, r.path)
		eth0, err := ng.Interface(1)
		must(t, err)
		if s := eth0.Statistics; s.PacketsDropped != 7 || s.PacketsReceived < 90 {
			t.Errorf("statistics of %s: %+v", eth0.Name, s)
		}
	})
}

// Connections that the node dials from other ports are in the file from their
// first packet, other programs' are not.
func TestCaptureDialsFromAnyPort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		node := Target{TCP: AnyAddr(47700), UDP: AnyAddr(47700), Peers: []netip.AddrPort{addrPort("192.0.2.9:47700")}}
		var connected atomic.Bool
		r := run(t, machine(), func(o *Options) {
			o.Target = node
			o.Refresh = func(context.Context) (Target, error) {
				now := node
				if connected.Load() {
					now.Connections = []Connection{{Local: addrPort("192.0.2.1:50000"), Remote: addrPort("192.0.2.9:47700")}}
				}
				return now, nil
			}
		})
		dial := func(port string) {
			syn := tcp("192.0.2.1:"+port, "192.0.2.9:47700", "")
			syn.syn = true
			r.sys.see("eth0", syn.frame(time.Now(), kindSent),
				tcp("192.0.2.9:47700", "192.0.2.1:"+port, "").frame(time.Now(), kindUnicast))
		}
		dial("50000")
		dial("50001")
		r.sys.see("eth0", hello("between", time.Now()))
		time.Sleep(500 * time.Millisecond)
		expect(t, "file before the node said anything", contents(t, r.path), []string{})
		connected.Store(true)
		time.Sleep(undecidedFor + time.Second)
		want := []string{"50000>47700", "47700>50000", "between"}
		expect(t, "file", contents(t, r.path), want)
		dial("50000")
		dial("50002")
		expect(t, "file at the end", r.stop(t), append(want, "50000>47700", "47700>50000"))
	})
}

// The last word is asked for at the end, for connections that began just before.
func TestCaptureAsksAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		node := Target{TCP: AnyAddr(47700), Peers: []netip.AddrPort{addrPort("192.0.2.9:47700")}}
		var asked atomic.Int32
		r := run(t, machine(), func(o *Options) {
			o.Target = node
			o.Refresh = func(context.Context) (Target, error) {
				now := node
				if asked.Add(1) > 1 {
					now.Connections = []Connection{{Local: addrPort("192.0.2.1:50000"), Remote: addrPort("192.0.2.9:47700")}}
				}
				return now, nil
			}
		})
		r.sys.see("eth0", tcp("192.0.2.1:50000", "192.0.2.9:47700", "").frame(time.Now(), kindSent))
		expect(t, "file", r.stop(t), []string{"50000>47700"})
	})
}

func TestCaptureRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		var port atomic.Uint32
		port.Store(47700)
		r := run(t, machine(), func(o *Options) {
			o.Target = Target{}
			o.Refresh = func(context.Context) (Target, error) {
				if failing.Load() {
					return Target{}, errors.New("no answer")
				}
				return Target{
					UDP: AnyAddr(uint16(port.Load())), Interfaces: []string{"eth0"},
					Names: map[netip.Addr]string{netip.MustParseAddr("192.0.2.9"): fmt.Sprint("bob", port.Load())},
				}, nil
			}
		})
		if r.sys.tap("eth1") != nil || r.sys.tap("lo") == nil {
			t.Error("not captured on the node's interface and loopback")
		}
		failing.Store(true)
		time.Sleep(5500 * time.Millisecond) // between two questions
		r.sys.see("eth0", hello("still", time.Now()))
		synctest.Wait()
		failing.Store(false)
		port.Store(50000)
		time.Sleep(2 * time.Second)
		if ports := r.sys.ports("eth0"); !slices.Contains(ports.udp, 50000) || slices.Contains(ports.udp, 47700) {
			t.Errorf("the kernel's filter has ports %v", ports.udp)
		}
		r.sys.see("eth0", hello("old port", time.Now()),
			udp("192.0.2.9:1", "192.0.2.1:50000", "new port").frame(time.Now(), kindUnicast))
		expect(t, "file", r.stop(t), []string{"still", "new port"})
		notices, _ := r.said()
		expect(t, "notices", notices, []string{"target"})
		b, err := os.ReadFile(r.path)
		must(t, err)
		for _, name := range []string{"bob47700", "bob50000"} {
			if strings.Count(string(b), name) != 1 {
				t.Errorf("name %s is %d times in the file", name, strings.Count(string(b), name))
			}
		}
	})
}

// A new address of this host counts at once.
func TestCaptureNewAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, machine(), nil)
		time.Sleep(100 * time.Millisecond)
		r.sys.mu.Lock()
		r.sys.devs[1] = nic("eth0", 2, "203.0.113.1/24") // and nobody tells
		r.sys.mu.Unlock()
		r.sys.see("eth0", udp("203.0.113.9:9", "203.0.113.1:47700", "new").frame(time.Now(), kindUnicast),
			hello("old, still on its way", time.Now()))
		time.Sleep(localFor + 2*time.Second)
		r.sys.see("eth0", hello("old", time.Now()))
		expect(t, "file", r.stop(t), []string{"new", "old, still on its way"})
	})
}

func TestCaptureInterfacesComeAndGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, machine(), nil)
		lo, eth0 := nic("lo", 1, "127.0.0.1/8"), nic("eth0", 2, "192.0.2.1/24")
		step := func(payload string, devs ...device) {
			t.Helper()
			r.sys.set(devs...)
			synctest.Wait()
			for _, d := range devs {
				if d.name == "eth0" {
					r.sys.see("eth0", hello(payload, time.Now()))
				}
			}
			time.Sleep(time.Second)
		}
		down := eth0
		down.up = false
		back := eth0
		back.index = 9
		step("eth1 gone", lo, eth0)
		step("link down", lo, down)
		step("link up", lo, eth0)
		step("", lo)
		step("back", lo, back)
		step("a new one", lo, back, nic("usb0", 10, "192.0.2.5/24"))
		r.sys.tap("usb0").fail <- errors.New("burnt")
		time.Sleep(2 * time.Second) // it is opened anew
		r.sys.see("usb0", hello("repaired", time.Now()))
		expect(t, "file", r.stop(t), []string{"eth1 gone", "link down", "link up", "back", "a new one", "repaired"})
		notices, _ := r.said()
		expect(t, "notices", notices, []string{
			"interface-gone eth1", "interface-down eth0", "interface-up eth0", "interface-gone eth0",
			"interface-added eth0", "interface-added usb0", "interface-failed usb0", "interface-added usb0",
		})
		_, infos, ng := read(t, r.path)
		if ng.NInterfaces() != 4 { // lo, eth0 (once), eth1, usb0
			t.Errorf("%d interfaces in the file", ng.NInterfaces())
		}
		if infos[3].InterfaceIndex != infos[0].InterfaceIndex {
			t.Error("eth0 has a new number after it came back")
		}
	})
}

func TestCaptureRefusals(t *testing.T) {
	t.Parallel()
	denied := &permissionError{hint: "run `sudo setcap cap_net_raw+ep /usr/bin/p2pchat` once", err: syscall.EPERM}
	mixed := func() *fakeSystem {
		sys := newFakeSystem(nic("lo", 1, "127.0.0.1/8"), nic("wg0", 5, "192.0.2.1/24"))
		sys.links["wg0"] = linkRaw
		return sys
	}
	usage := func(err error) bool { var u *UsageError; return errors.As(err, &u) }
	for _, tc := range []struct {
		name   string
		sys    *fakeSystem
		change func(*Options)
		want   func(error) bool
	}{
		{"no permission", refusing(machine(), denied, "lo", "eth0", "eth1"), nil, func(err error) bool {
			return errors.Is(err, ErrPermission) && strings.Contains(err.Error(), "sudo setcap cap_net_raw+ep /usr/bin/p2pchat")
		}},
		{"unsupported", refusing(machine(), ErrUnsupported, "lo", "eth0", "eth1"), nil, func(err error) bool { return errors.Is(err, ErrUnsupported) }},
		{"the one interface unsupported", refusing(machine(), ErrUnsupported, "eth0"), func(o *Options) { o.Interfaces = []string{"eth0"} }, func(err error) bool { return errors.Is(err, ErrUnsupported) }},
		{"no such interface", machine(), func(o *Options) { o.Interfaces = []string{"eth7"} }, usage},
		{"no interface at all", newFakeSystem(), nil, usage},
		{"two link types in a .pcap", mixed(), func(o *Options) { o.Path = strings.TrimSuffix(o.Path, "ng") }, usage},
		{"node does not answer", machine(), func(o *Options) {
			o.Target = Target{}
			o.Refresh = func(context.Context) (Target, error) { return Target{}, io.ErrClosedPipe }
		}, func(err error) bool { return errors.Is(err, io.ErrClosedPipe) }},
		{"no such folder", machine(), func(o *Options) { o.Path = filepath.Join(filepath.Dir(o.Path), "no", "x.pcap") }, func(err error) bool { return errors.Is(err, os.ErrNotExist) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			opts := Options{Path: filepath.Join(dir, "x.pcapng"), Target: Target{UDP: AnyAddr(47700)}}
			if tc.change != nil {
				tc.change(&opts)
			}
			if c, err := open(t.Context(), opts, tc.sys); c != nil || !tc.want(err) {
				t.Errorf("error %v", err)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
			if len(tc.sys.taps) != 0 {
				t.Errorf("left open: %v", tc.sys.taps)
			}
		})
	}
}

func refusing(sys *fakeSystem, err error, names ...string) *fakeSystem {
	for _, n := range names {
		sys.refuse[n] = err
	}
	return sys
}

// One interface that cannot be captured on does not stop the others; a .pcap
// leaves out those of another link type that come later.
func TestCaptureGoesOnWithout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sys := refusing(machine(), ErrUnsupported, "eth1")
		sys.links["wg0"] = linkRaw
		r := run(t, sys, func(o *Options) { o.Path = strings.TrimSuffix(o.Path, "ng") })
		time.Sleep(3 * time.Second)
		sys.set(append(slices.Clone(sys.devs), nic("wg0", 9, "192.0.2.8/32"))...)
		time.Sleep(3 * time.Second)
		r.sys.see("eth0", hello("one", time.Now()))
		expect(t, "file", r.stop(t), []string{"one"})
		notices, _ := r.said()
		expect(t, "notices", notices, []string{"interface-failed eth1", "interface-failed wg0"})
	})
}

func TestCaptureClose(t *testing.T) {
	t.Parallel()
	sys := machine()
	path := filepath.Join(t.TempDir(), "x.pcapng")
	c, err := open(t.Context(), Options{Path: path, Target: Target{UDP: AnyAddr(47700)}}, sys)
	must(t, err)
	must(t, c.Close())
	expect(t, "file", contents(t, path), []string{})
	if sys.tap("lo") != nil {
		t.Errorf("left open: %v", sys.taps)
	}
}

// brokenPipe fails as a pipe does whose reader has gone.
type brokenPipe struct{ left int }

func (p *brokenPipe) Write(b []byte) (int, error) {
	if p.left -= len(b); p.left < 0 {
		return 0, syscall.EPIPE
	}
	return len(b), nil
}

func TestCaptureToNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, machine(), func(o *Options) { o.Path, o.Stdout = "-", &brokenPipe{1000} })
		r.sys.see("eth0", hello(strings.Repeat("x", 900), time.Now()))
		if err := <-r.ended; !errors.Is(err, syscall.EPIPE) {
			t.Errorf("error %v", err)
		}
		r.cancel()
		if r.sys.tap("lo") != nil || r.sys.tap("eth0") != nil {
			t.Errorf("left open: %v", r.sys.taps)
		}
	})
}
