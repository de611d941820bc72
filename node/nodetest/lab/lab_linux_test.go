package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// service starts a Program that says "ready" first.
func service(t *testing.T, h *Host, name string, args ...string) *Proc {
	t.Helper()
	p := h.StartService(h.Program(name, args...))
	ready(t, p)
	return p
}

func ready(t *testing.T, p *Proc) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience())
	defer cancel()
	if _, err := p.Stdout.Await(ctx, func(line string) bool { return line == "ready" }); err != nil {
		t.Fatalf("%s: not ready: %v\n%s", p, err, p.Stderr)
	}
}

const (
	soon  = 150    // milliseconds; enough on an idle machine
	never = 20_000 // enough on any
)

// answers sends n datagrams to an address, waits some milliseconds for the
// answer to each, and returns how many came back.
func answers(t *testing.T, from *Host, addr string, n, millis int) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience())
	defer cancel()
	r := from.RunCommand(ctx, from.Program("ask", addr, strconv.Itoa(n), strconv.Itoa(millis)))
	back, err := strconv.Atoi(strings.TrimSpace(r.Stdout))
	if err != nil {
		t.Fatalf("ask: %s", r)
	}
	return back
}

func reaches(t *testing.T, from, to *Host, want bool) {
	t.Helper()
	if want {
		// The first packets after a change may be lost to address resolution.
		for range 100 {
			if answers(t, from, to.Addr().String(), 1, soon) == 1 {
				return
			}
		}
		t.Errorf("%s does not reach %s", from.Name, to.Name)
		return
	}
	if answers(t, from, to.Addr().String(), 1, soon) != 0 {
		t.Errorf("%s reaches %s", from.Name, to.Name)
	}
}

// say sends a multicast from one host and checks which of the listeners hear
// it. A second multicast over an open switch would tell nothing new, so those
// that must not hear it are asked after those that must have.
func say(t *testing.T, from *Host, text string, hear, deaf []*Proc) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience())
	defer cancel()
	if r := from.RunCommand(ctx, from.Program("send", text)); r.Code != 0 {
		t.Fatalf("send: %s", r)
	}
	for _, p := range hear {
		if _, err := p.Stdout.Await(ctx, func(line string) bool { return line == text }); err != nil {
			t.Errorf("%s does not hear %q from %s: %v", p, text, from.Name, err)
		}
	}
	for _, p := range deaf {
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		if _, err := p.Stdout.Await(short, func(line string) bool { return line == text }); err == nil {
			t.Errorf("%s hears %q from %s", p, text, from.Name)
		}
	}
}

func TestHostsReachEachOther(t *testing.T) {
	t.Parallel()
	l := New(t, 3)
	var listeners []*Proc
	for _, h := range l.Hosts {
		service(t, h, "echo")
		listeners = append(listeners, service(t, h, "listen"))
	}
	for _, a := range l.Hosts {
		for _, b := range l.Other(a) {
			reaches(t, a, b, true)
		}
		say(t, a, "from "+a.Name, listeners, nil)
	}
}

func TestHostsAreAlone(t *testing.T) {
	t.Parallel()
	l := New(t, 1)
	h := l.Hosts[0]
	ctx, cancel := context.WithTimeout(context.Background(), Patience())
	defer cancel()
	r := h.RunCommand(ctx, h.Command("/bin/sh", "-c", "ls /sys/class/net; hostname; echo $HOME; cat /proc/net/dev"))
	if r.Code != 0 {
		t.Fatal(r)
	}
	for _, line := range strings.Split(r.Stdout, "\n") {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && name != "lo" && name != "eth0" && !strings.ContainsAny(name, " |") {
			t.Errorf("the host has an interface %s", name)
		}
	}
	if !strings.Contains(r.Stdout, "h1\n"+h.Home) {
		t.Errorf("host name or HOME: %s", r)
	}
}

func TestLinkAndPort(t *testing.T) {
	t.Parallel()
	l := New(t, 2)
	a, b := l.Hosts[0], l.Hosts[1]
	service(t, b, "echo")
	reaches(t, a, b, true)

	b.LinkDown()
	reaches(t, a, b, false)
	b.LinkUp()
	reaches(t, a, b, true)

	b.PortDown()
	reaches(t, a, b, false)
	if !strings.Contains(show(t, b, "ip", "-br", "link", "show", "eth0"), "NO-CARRIER") {
		t.Error("the host keeps its carrier while the port is down")
	}
	b.PortUp()
	reaches(t, a, b, true)
	// Out as well as in: the default route must be back.
	service(t, a, "listen")
	heard := service(t, a, "listen")
	say(t, b, "again", []*Proc{heard}, nil)
}

func show(t *testing.T, h *Host, name string, args ...string) string {
	t.Helper()
	Require(t, name)
	ctx, cancel := context.WithTimeout(context.Background(), Patience())
	defer cancel()
	r := h.RunCommand(ctx, h.Command(name, args...))
	if r.Code != 0 {
		t.Fatal(r)
	}
	return r.Stdout
}

func TestPartition(t *testing.T) {
	t.Parallel()
	l := New(t, 5)
	var heard []*Proc
	for _, h := range l.Hosts {
		service(t, h, "echo")
		heard = append(heard, service(t, h, "listen"))
	}
	h := l.Hosts
	l.Partition(h[0:2], h[2:4]) // and h[4] alone
	for i, a := range h {
		for j, b := range h {
			if i != j {
				reaches(t, a, b, i/2 == j/2)
			}
		}
	}
	say(t, h[0], "left", heard[0:2], heard[2:])
	say(t, h[3], "right", heard[2:4], []*Proc{heard[0], heard[1], heard[4]})
	say(t, h[4], "alone", heard[4:], heard[:4])
	l.Heal()
	for _, b := range h[1:] {
		reaches(t, h[0], b, true)
	}
	say(t, h[4], "healed", heard, nil)
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	l := New(t, 1)
	a := l.Hosts[0]
	late := l.AddHost(NoAddress())
	down := l.AddHost(LinkDownAtStart())
	service(t, late, "echo")
	service(t, down, "echo")
	if late.Addr().IsValid() {
		t.Errorf("a host without address has %s", late.Addr())
	}
	reaches(t, a, down, false)
	down.LinkUp()
	reaches(t, a, down, true)

	late.SetAddr(l.Switches[0].Addr(100))
	reaches(t, a, late, true)
	old := late.Addr().String()
	late.SetAddr(l.Switches[0].Addr(101))
	reaches(t, a, late, true)
	if answers(t, a, old, 1, soon) != 0 {
		t.Errorf("%s answers after it was replaced", old)
	}
	late.DelAddrs()
	if out := show(t, late, "ip", "-4", "-br", "addr", "show", "eth0"); strings.Contains(out, ".") {
		t.Errorf("left after DelAddrs: %s", out)
	}
	late.Remove()
	if out := show(t, late, "ip", "-br", "link"); strings.Contains(out, "eth0") {
		t.Errorf("left after Remove: %s", out)
	}
	late.Plug(l.Switches[0]).SetAddr(l.Switches[0].Addr(102))
	heard := service(t, a, "listen")
	say(t, late, "from the new adapter", []*Proc{heard}, nil)
}

func TestLinkLocalOnly(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]HostOption{
		"default route":    {LinkLocal()},
		"no default route": {LinkLocal(), NoDefaultRoute(), NoIPv6()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := New(t, 2, opts...)
			a, b := l.Hosts[0], l.Hosts[1]
			if !a.Addr().IsLinkLocalUnicast() {
				t.Fatalf("address %s", a.Addr())
			}
			service(t, b, "echo")
			reaches(t, a, b, true)
		})
	}
}

func TestRouterCarriesNoMulticast(t *testing.T) {
	t.Parallel()
	l := New(t, 0)
	left, right := l.Switches[0], l.AddSwitch()
	router := l.AddHost(On(left, right), Router())
	a := l.AddHost(On(left), Via(router))
	b := l.AddHost(On(right), Via(router))
	service(t, b, "echo")
	heard := service(t, b, "listen")
	near := service(t, router, "listen")
	reaches(t, a, b, true)
	say(t, a, "hello", []*Proc{near}, []*Proc{heard})
}

func TestLoss(t *testing.T) {
	t.Parallel()
	l := New(t, 2)
	a, b := l.Hosts[0], l.Hosts[1]
	service(t, b, "echo")
	reaches(t, a, b, true)
	const n = 40
	b.Loss(100)
	if got := answers(t, a, b.Addr().String(), 3, soon); got != 0 {
		t.Errorf("%d answers at 100 %% loss", got)
	}
	// Half of the requests, then half of the answers: a quarter of 40 comes
	// back, and that all or none of them do has a chance of 1 in 100,000.
	b.Loss(50)
	if got := answers(t, a, b.Addr().String(), n, soon); got == 0 || got == n {
		t.Errorf("%d of %d answers at 50 %% loss", got, n)
	}
	b.Loss(0)
	reaches(t, a, b, true)
	if got := answers(t, a, b.Addr().String(), n, never); got != n {
		t.Errorf("%d of %d answers without loss", got, n)
	}
	b.Filter("ip daddr 224.0.0.0/4 drop")
	reaches(t, a, b, true)
	near, far := service(t, a, "listen"), service(t, b, "listen")
	say(t, a, "filtered", []*Proc{near}, []*Proc{far})
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	const bytes, bits = 256 << 10, 1_000_000
	l := New(t, 2)
	a, b := l.Hosts[0], l.Hosts[1]
	b.RateLimit(bits)
	p := b.Start(b.Program("sink"))
	ready(t, p)
	ctx, cancel := context.WithTimeout(context.Background(), Patience())
	defer cancel()
	start := time.Now()
	if r := a.RunCommand(ctx, a.Program("pour", b.Addr().String(), strconv.Itoa(bytes))); r.Code != 0 {
		t.Fatal(r)
	}
	if r := p.Wait(ctx); !strings.Contains(r.Stdout, fmt.Sprint("read ", bytes)) {
		t.Fatal(r)
	}
	// The bucket of 32 KiB passes at once; the rest cannot be faster.
	if least := time.Duration(8 * (bytes - 32<<10) * int64(time.Second) / bits); time.Since(start) < least {
		t.Errorf("%d bytes took %v, less than %v", bytes, time.Since(start), least)
	}
	b.RateLimit(0)
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	l := New(t, 1)
	h := l.Hosts[0]
	ctx, cancel := context.WithTimeout(context.Background(), Patience())
	defer cancel()

	p := service(t, h, "sleep")
	if r := p.Interrupt(ctx, syscall.SIGTERM); r.Code != 0 || !strings.HasSuffix(r.Stdout, "bye\n") {
		t.Error(r)
	}
	p = service(t, h, "sleep")
	p.Kill9()
	if p.Running() || p.result().Code != -1 {
		t.Error(p.result())
	}
	if r := h.RunCommand(ctx, h.Program("crash")); r.Code != 3 || r.Stdout != "last words\n" {
		t.Error(r)
	}

	echo := service(t, h, "echo")
	echo.Pause()
	if answers(t, h, "127.0.0.1", 1, soon) != 0 {
		t.Error("a paused process answers")
	}
	echo.Continue()
	if answers(t, h, "127.0.0.1", 1, never) != 1 {
		t.Error("a continued process does not answer")
	}

	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if r := h.RunCommand(short, h.Program("sleep")); r.Code != -1 {
		t.Errorf("not killed at the deadline: %s", r)
	}
}

func TestTmpfsIsSmall(t *testing.T) {
	t.Parallel()
	l := New(t, 1)
	h := l.Hosts[0]
	resize := h.Tmpfs(h.Data, 64<<10)
	ctx, cancel := context.WithTimeout(context.Background(), Patience())
	defer cancel()
	r := h.RunCommand(ctx, h.Command("/bin/sh", "-c", "echo here > data/f && dd if=/dev/zero of=data/g bs=1k count=100"))
	if r.Code == 0 {
		t.Errorf("100 KiB fit: %s", r)
	}
	resize(1 << 20)
	if r := h.RunCommand(ctx, h.Command("/bin/sh", "-c", "dd if=/dev/zero of=data/g bs=1k count=100")); r.Code != 0 {
		t.Errorf("100 KiB don't fit after resizing: %s", r)
	}
	if b, err := os.ReadFile(filepath.Join(h.Data, "f")); err != nil || string(b) != "here\n" {
		t.Errorf("what the host wrote: %q, %v", b, err)
	}
}

func TestCountersAndSniff(t *testing.T) {
	t.Parallel()
	l := New(t, 2)
	a, b := l.Hosts[0], l.Hosts[1]
	service(t, b, "echo")
	sniff := b.Sniff()
	before := b.Counters()
	reaches(t, a, b, true)
	if got := answers(t, a, b.Addr().String(), 5, never); got != 5 {
		t.Fatalf("%d of 5 answers", got)
	}
	after := b.Counters()
	if after.RxPackets < before.RxPackets+6 || after.TxPackets < before.TxPackets+6 || after.Packets() < before.Packets()+12 {
		t.Errorf("counters before %+v, after %+v", before, after)
	}
	sniff.Stop()
	f, err := os.Open(sniff.File)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	questions, replies := 0, 0
	for packet := range gopacket.NewPacketSource(r, r.LinkType()).Packets() {
		if udp, ok := packet.TransportLayer().(*layers.UDP); ok && string(udp.Payload) == "?" {
			if udp.DstPort == port {
				questions++
			} else {
				replies++
			}
		}
	}
	if questions < 6 || replies < 6 {
		t.Errorf("captured %d questions and %d replies, want 6 each or more", questions, replies)
	}
}

func TestWithinSaysHowLong(t *testing.T) {
	t.Parallel()
	l := New(t, 0)
	calls := 0
	start := time.Now()
	took := l.Within(time.Minute, start, "third time lucky", func(context.Context) error {
		if calls++; calls < 3 {
			return fmt.Errorf("call %d", calls)
		}
		return nil
	})
	if calls != 3 || took < 2*poll || took > time.Since(start) {
		t.Errorf("%d calls, %v", calls, took)
	}
}
