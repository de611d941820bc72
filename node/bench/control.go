package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// control has the rules' own benchmarks run. There is one busy town; the tests
// own it.
func control(ctx context.Context, b *bench) (t table, err error) {
	scratch := row{What: "10^4 control events from scratch", Unit: "events/s", More: true}
	one := row{What: "one more on 10^4, by one who has seen all", Unit: "ms"}
	half := row{What: "one more on 10^4, by one who has seen half", Unit: "ms"}
	for range b.runs {
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^Benchmark(Control|OneMore)$", "-benchtime", "3x", "./protocol/room")
		cmd.Dir = b.root
		out, err := cmd.CombinedOutput()
		if err != nil {
			return t, fmt.Errorf("benchmarks of the rules: %w\n%s", err, bytes.TrimSpace(out))
		}
		scratch.Subject = append(scratch.Subject, metric(string(out), "BenchmarkControl", "events/s"))
		one.Subject = append(one.Subject, metric(string(out), "BenchmarkOneMore/SeenAll", "µs/event")/1000)
		half.Subject = append(half.Subject, metric(string(out), "BenchmarkOneMore/SeenHalf", "µs/event")/1000)
	}
	t.Rows = []row{scratch, one, half}
	t.Notes = []string{"`BenchmarkControl` and `BenchmarkOneMore` of `protocol/room`: a room of 200 people, 10^4 events by its\n" +
		"owner, an admin and a moderator, some at once. Signatures are checked before and nothing is stored."}
	return t, nil
}

// metric is what a benchmark reported in a unit, 0 if it did not.
func metric(out, name, unit string) float64 {
	for l := range strings.Lines(out) {
		f := strings.Fields(l)
		if len(f) == 0 || f[0] != name && !strings.HasPrefix(f[0], name+"-") {
			continue
		}
		for i, w := range f[1:] {
			if w == unit {
				v, _ := strconv.ParseFloat(f[i], 64)
				return v
			}
		}
	}
	return 0
}
