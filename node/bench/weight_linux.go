package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

// weight measures a node that holds much, and does nothing, beside one that
// holds nothing.
func weight(ctx context.Context, b *bench) (t table, err error) {
	const messages = 1_000_000
	full, err := b.library(ctx, messages)
	if err != nil {
		return t, err
	}
	empty, err := b.library(ctx, 0)
	if err != nil {
		return t, err
	}
	memory := row{What: "memory (resident)", Unit: "MiB", Aim: 1.5}
	ready := row{What: "start until ready", Unit: "s"}
	for range b.runs {
		for _, l := range []library{full, empty} {
			var mib, took float64
			err := inLab("weight", func(t testing.TB) { mib, took = l.weigh(t) })
			if err != nil {
				return t, err
			}
			if l.said > 0 {
				memory.Subject, ready.Subject = append(memory.Subject, mib), append(ready.Subject, took)
			} else {
				memory.Yardstick, ready.Yardstick = append(memory.Yardstick, mib), append(ready.Yardstick, took)
			}
		}
	}
	t.Rows = []row{memory, ready}
	t.Notes = []string{fmt.Sprintf("`serve` of a member of a room of %d messages, %.0f s after its start; yardstick: of one in a room in which\n"+
		"nothing was said. Neither has a peer.", messages, calmDown.Seconds())}
	return t, nil
}

// weigh starts a node on the library and gives its memory in MiB, and the seconds
// that it took to be ready.
func (l library) weigh(t testing.TB) (mib, took float64) {
	net := lab.New(t, 1)
	h, dir := net.Hosts[0], net.Dir("library")
	if err := l.copyTo(dir); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	p := h.StartService(h.Command(lab.Binary(t), "serve", "--data", dir))
	ctx, cancel := context.WithTimeout(context.Background(), giveUp)
	defer cancel()
	if _, err := p.Stdout.Await(ctx, func(line string) bool { return strings.Contains(line, `"ready"`) }); err != nil {
		t.Fatalf("%v: %s", err, p.Stderr)
	}
	took = time.Since(start).Seconds()
	time.Sleep(calmDown)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.Fields(kb)[0])
			if err != nil {
				t.Fatal(err)
			}
			mib = float64(n) / 1024
		}
	}
	return mib, took
}
