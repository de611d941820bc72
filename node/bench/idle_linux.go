package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"p2pchat/node/nodetest/lab"
)

const (
	calmDown = 15 * time.Second // past the start and its announcements
	watching = 30 * time.Second
)

// footprint is what a process that does nothing takes.
type footprint struct {
	rss, anon, file float64 // MiB
	heap            float64 // MiB that the Go heap holds and uses, as of its last collection
	cpu             float64 // milliseconds per second
	packets         float64 // per minute, in and out
}

// contestant is one kind of program, as two processes on a LAN.
type contestant struct {
	name  string
	start func(t testing.TB, l *lab.Lab) *lab.Proc // returns one of the two, connected
	mu    sync.Mutex
	seen  []footprint
	err   error
}

// idle watches nodes that have one peer and nothing to say. All runs happen
// side by side: idle as they are they do not disturb each other.
func idle(ctx context.Context, b *bench) (t table, err error) {
	all := []*contestant{
		{name: "serve", start: serving},
		{name: "bare", start: func(t testing.TB, l *lab.Lab) *lab.Proc { return dialling(t, l) }},
		{name: "bare, mdns", start: func(t testing.TB, l *lab.Lab) *lab.Proc { return dialling(t, l, "-mdns") }},
	}
	var wg sync.WaitGroup
	for range b.runs {
		for _, c := range all {
			wg.Go(func() {
				err := inLab("idle", func(t testing.TB) {
					f := c.watch(t)
					c.mu.Lock()
					defer c.mu.Unlock()
					c.seen = append(c.seen, f)
				})
				if err != nil {
					c.mu.Lock()
					defer c.mu.Unlock()
					c.err = fmt.Errorf("%s: %w", c.name, err)
				}
			})
		}
	}
	wg.Wait()
	for _, c := range all {
		if c.err != nil {
			return t, c.err
		}
	}
	node, plain, found := all[0], all[1], all[2]
	line := func(what, unit string, aim float64, of func(footprint) float64) {
		t.Rows = append(t.Rows, row{What: what, Unit: unit, Aim: aim, Subject: node.all(of), Yardstick: plain.all(of)})
	}
	line("memory (resident)", "MiB", 1.3, func(f footprint) float64 { return f.rss })
	line("of it anonymous", "MiB", 0, func(f footprint) float64 { return f.anon })
	line("of it the program's file", "MiB", 0, func(f footprint) float64 { return f.file })
	line("live Go heap", "MiB", 0, func(f footprint) float64 { return f.heap })
	line("CPU", "ms/s", 0, func(f footprint) float64 { return f.cpu })
	line("packets in and out", "per minute", 0, func(f footprint) float64 { return f.packets })
	rss := func(f footprint) float64 { return f.rss }
	t.Rows = append(t.Rows, row{What: "memory (resident), yardstick with mDNS", Unit: "MiB", Subject: node.all(rss), Yardstick: found.all(rss)})
	t.Notes = []string{fmt.Sprintf("`serve` of an account without a password, with one peer, %.0f s after its start and watched for %.0f s.\n"+
		"Yardstick: a bare go-libp2p host with QUIC, TCP, TLS and Noise that dialled one other; it neither\n"+
		"looks for peers nor stores anything. Pages of the program's file are the page cache's, which shares\n"+
		"them and takes them back; they grow with the program. A heap is told once it was collected. Packets\n"+
		"are TCP's and UDP's.", calmDown.Seconds(), watching.Seconds())}
	return t, nil
}

func (c *contestant) all(of func(footprint) float64) []float64 {
	var out []float64
	for _, f := range c.seen {
		out = append(out, of(f))
	}
	return out
}

// gcTrace has the Go runtime tell the size of the heap at each collection.
const gcTrace = "GODEBUG=gctrace=1"

func serving(t testing.TB, l *lab.Lab) *lab.Proc {
	ctx, cancel := context.WithTimeout(context.Background(), giveUp)
	defer cancel()
	for i, name := range []string{"alice", "bob"} {
		l.Hosts[i].Init(name)
	}
	l.Hosts[0].Serve()
	cmd := l.Hosts[1].Command(lab.Binary(t), "serve")
	cmd.Env = append(cmd.Env, gcTrace)
	p := l.Hosts[1].StartService(cmd)
	c := attach(ctx, t, l.Hosts[1])
	defer c.Close()
	for {
		st, err := c.Status(ctx)
		if err != nil {
			t.Fatalf("status: %v", err)
		}
		if len(st.Connections) > 0 {
			return p
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func dialling(t testing.TB, l *lab.Lab, args ...string) *lab.Proc {
	other := prints(t, bare(l.Hosts[0], args...), "ready")
	addr := ""
	for _, a := range other.Addrs {
		if strings.HasPrefix(a, "/ip4/10.") && strings.Contains(a, "quic") {
			addr = a
		}
	}
	cmd := l.Hosts[1].Command(os.Getenv(bareEnv), append(args, "-dial", addr)...)
	cmd.Env = append(cmd.Env, gcTrace)
	p := l.Hosts[1].StartService(cmd)
	prints(t, p, "connected")
	return p
}

func (c *contestant) watch(t testing.TB) footprint {
	l := lab.New(t, 2)
	p := c.start(t, l)
	time.Sleep(calmDown)
	sniff := l.Hosts[1].Sniff()
	before := cpuTime(t, p.Pid())
	time.Sleep(watching)
	used := cpuTime(t, p.Pid()) - before
	sniff.Stop()
	f := footprint{
		cpu:     millis(used) / watching.Seconds(),
		packets: float64(countPackets(t, sniff.File)) / watching.Minutes(),
		heap:    liveHeap(p.Stderr.String()),
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		t.Fatalf("memory: %v", err)
	}
	for l := range strings.Lines(string(status)) {
		for name, to := range map[string]*float64{"VmRSS:": &f.rss, "RssAnon:": &f.anon, "RssFile:": &f.file} {
			var kib float64
			if n, _ := fmt.Sscanf(l, name+" %f kB", &kib); n == 1 {
				*to = kib / 1024
			}
		}
	}
	return f
}

// cpuTime is what a process has used, proc_pid_stat(5): fields 14 and 15, in
// ticks of a hundredth of a second.
func cpuTime(t testing.TB, pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatalf("CPU time: %v", err)
	}
	// The second field, the program's name, may hold anything.
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err1 != nil || err2 != nil {
		t.Fatalf("CPU time: %s", stat)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// liveHeap is the third size of the last line "gc 7 ... 4->4->2 MB ...": what
// was in use after the collection.
func liveHeap(trace string) float64 {
	live := math.NaN() // until there is a collection
	for l := range strings.Lines(trace) {
		if !strings.HasPrefix(l, "gc ") {
			continue
		}
		for _, word := range strings.Fields(l) {
			if sizes := strings.Split(word, "->"); len(sizes) == 3 {
				live, _ = strconv.ParseFloat(sizes[2], 64)
			}
		}
	}
	return live
}

// countPackets counts those of TCP and UDP in a capture; the rest is the
// kernel's.
func countPackets(t testing.TB, name string) (n int) {
	f, err := os.Open(name)
	if err != nil {
		t.Fatalf("capture: %v", err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatalf("capture: %v", err)
	}
	for {
		data, _, err := r.ReadPacketData()
		if err != nil {
			return n
		}
		p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
		if p.TransportLayer() != nil {
			n++
		}
	}
}
