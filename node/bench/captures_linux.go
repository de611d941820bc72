package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

const (
	blastFor  = 3 * time.Second
	blastPort = "47700"
	// settleFor is past what either program waits before it writes, and what the
	// kernel holds back.
	settleFor = time.Second
)

// capturing measures how much of a blast a capture of the node keeps, beside
// dumpcap under the same blast.
func capturing(ctx context.Context, b *bench) (t table, err error) {
	if _, err := exec.LookPath("dumpcap"); err != nil {
		return t, skipped{"the yardstick, dumpcap, is not installed"}
	}
	dir, err := b.scratch("captures")
	if err != nil {
		return t, err
	}
	for _, rate := range []int{30_000, 100_000, 300_000} {
		r := row{What: fmt.Sprintf("kept of %d packets a second", rate), Unit: "%", Aim: 0.99, More: true}
		offered := row{What: "  of these sent", Unit: "packets a second"}
		for i := range b.runs {
			recorders := []recorder{ours, dumpcap}
			if i%2 == 1 {
				recorders[0], recorders[1] = dumpcap, ours
			}
			for _, rec := range recorders {
				var sent, kept int
				if err := inLab("captures", func(t testing.TB) { sent, kept = underBlast(ctx, t, rec, dir, rate) }); err != nil {
					return t, err
				}
				share, sentRate := 100*float64(kept)/float64(sent), float64(sent)/blastFor.Seconds()
				if rec.name == ours.name {
					r.Subject, offered.Subject = append(r.Subject, share), append(offered.Subject, sentRate)
				} else {
					r.Yardstick, offered.Yardstick = append(r.Yardstick, share), append(offered.Yardstick, sentRate)
				}
			}
		}
		t.Rows = append(t.Rows, r, offered)
	}
	t.Notes = []string{fmt.Sprintf("Two hosts of the LAN lab. One runs a node and records on its interface; the other sends UDP\n"+
		"datagrams of 200 bytes to the node's port for %v, as fast as said or as it can. Yardstick:\n"+
		"dumpcap with the same filter and as large a buffer (16 MiB), on a network laid anew. What was kept\n"+
		"is counted in the files; what the sender's own kernel threw away counts against both.", blastFor)}
	return t, nil
}

// recorder is a program that captures until it is interrupted.
type recorder struct {
	name  string
	start func(h *lab.Host, file string) *lab.Proc
}

var (
	ours = recorder{"p2pchat", func(h *lab.Host, file string) *lab.Proc {
		return h.Start(h.Command(os.Getenv(binaryEnv), "capture", "-w", file, "--interface", "eth0", "--json"))
	}}
	dumpcap = recorder{"dumpcap", func(h *lab.Host, file string) *lab.Proc {
		return h.Start(h.Command("dumpcap", "-q", "-i", "eth0", "-B", "16", "-s", "262144", "-w", file,
			"-f", "tcp port "+blastPort+" or udp port "+blastPort+" or udp port 5353"))
	}}
)

// underBlast returns how many packets were sent, and how many of them stand in
// the file.
func underBlast(ctx context.Context, t testing.TB, rec recorder, dir string, rate int) (sent, kept int) {
	ctx, cancel := context.WithTimeout(ctx, giveUp+blastFor)
	defer cancel()
	l := lab.New(t, 2)
	h, sender := l.Hosts[0], l.Hosts[1]
	h.Init("alice")
	h.Serve()
	file := filepath.Join(dir, rec.name+".pcapng")
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%v", err)
	}
	p := rec.start(h, file)
	for !begun(file) {
		if ctx.Err() != nil || !p.Running() {
			t.Fatalf("%s does not begin: %s", rec.name, p.Stderr.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
	blaster := bare(sender, "-blast", h.NICs[0].Addr().String()+":"+blastPort, "-rate", fmt.Sprint(rate), "-for", blastFor.String())
	res := blaster.Wait(ctx)
	if res.Code != 0 {
		t.Fatalf("blast: %+v", res)
	}
	var said struct{ Sent int }
	if err := res.Decode(&said); err != nil {
		t.Fatalf("blast: %v", err)
	}
	time.Sleep(settleFor)
	if res := p.Interrupt(ctx, syscall.SIGINT); res.Code != 0 {
		t.Fatalf("%s: %+v", rec.name, res)
	}
	return said.Sent, inFile(ctx, t, file, sender.NICs[0].Addr().String())
}

// begun: the file has its header, so packets are collected.
func begun(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Size() > 0
}

// inFile counts the packets that an address sent to the node's port.
func inFile(ctx context.Context, t testing.TB, file, from string) int {
	out, err := exec.CommandContext(ctx, os.Getenv(binaryEnv), "capture", "read", file, "--json").Output()
	if err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	var r struct {
		Conversations []struct {
			Client struct {
				Address string
				Packets int
			}
		}
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	most := 0 // the blast; the node of the other host is not there
	for _, c := range r.Conversations {
		if strings.HasPrefix(c.Client.Address, from+":") {
			most = max(most, c.Client.Packets)
		}
	}
	return most
}
