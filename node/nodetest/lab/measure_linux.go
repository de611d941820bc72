package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"
)

const (
	patience = 60 * time.Second // on a machine with nothing else to do
	poll     = 50 * time.Millisecond
)

// Patience is how long a test waits for what should come at once, before it
// gives up: a minute, more on a loaded machine, five at most, unless
// P2PCHAT_LAB_PATIENCE says otherwise.
func Patience() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("P2PCHAT_LAB_PATIENCE")); err == nil {
		return d
	}
	scale := 1.0
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		var load float64
		if _, err := fmt.Sscan(string(b), &load); err == nil {
			scale = min(max(1, load/float64(runtime.NumCPU())), 5)
		}
	}
	return time.Duration(float64(patience) * scale)
}

// Bounds says whether tests are to assert time bounds and to let faults last
// as long as promised (P2PCHAT_LAB_BOUNDS=1), which wants an idle machine.
func Bounds() bool { return os.Getenv("P2PCHAT_LAB_BOUNDS") == "1" }

// Runs is how often a test repeats what it measures (P2PCHAT_LAB_RUNS).
func Runs() int {
	n, err := strconv.Atoi(os.Getenv("P2PCHAT_LAB_RUNS"))
	if err != nil {
		return 1
	}
	return max(n, 1)
}

// Long is the duration of a fault: full when Bounds, else short.
func Long(short, full time.Duration) time.Duration {
	if Bounds() {
		return full
	}
	return short
}

// Within waits until try returns nil and returns the time from since until
// then. The time is logged and reported as what; with Bounds more than bound
// fails the test. Without, only the end of Patience does.
func (l *Lab) Within(bound time.Duration, since time.Time, what string, try func(context.Context) error) time.Duration {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound+Patience())
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var last error // says more than that the time is over
	for {
		err := try(ctx)
		if err == nil {
			return l.Took(bound, since, what)
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			l.t.Fatalf("%s: not after %.1f s: %v", what, time.Since(since).Seconds(), last)
		}
	}
}

// Took is Within for something that has just happened.
func (l *Lab) Took(bound time.Duration, since time.Time, what string) time.Duration {
	l.t.Helper()
	took := time.Since(since)
	l.t.Logf("%s: %.3f s (bound %v)", what, took.Seconds(), bound)
	Report(l.t, Figure{What: what, Seconds: took.Seconds(), Bound: bound.Seconds(), Hosts: len(l.Hosts)})
	if Bounds() && took > bound {
		l.t.Errorf("%s: took %.3f s, must take at most %v", what, took.Seconds(), bound)
	}
	return took
}

// Figure is one line of the report.
type Figure struct {
	Test    string    `json:"test"`
	Time    time.Time `json:"time"`
	What    string    `json:"what"`
	Seconds float64   `json:"seconds,omitempty"`       // a duration, or
	Value   float64   `json:"value,omitempty"`         // something else, in
	Unit    string    `json:"unit,omitempty"`          // this unit
	Bound   float64   `json:"bound_seconds,omitempty"` // what the duration may be
	Hosts   int       `json:"hosts,omitempty"`         // size of the LAN
	Load    string    `json:"loadavg,omitempty"`       // of the machine, one minute
}

// Report appends a figure to the file that P2PCHAT_LAB_REPORT names, if it
// does. Test, Time and Load are filled in.
func Report(t testing.TB, f Figure) {
	t.Helper()
	name := os.Getenv("P2PCHAT_LAB_REPORT")
	if name == "" {
		return
	}
	f.Test, f.Time = t.Name(), time.Now().UTC()
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Sscan(string(b), &f.Load)
	}
	line, err := json.Marshal(f)
	if err == nil {
		err = appendLine(name, string(line))
	}
	if err != nil {
		t.Errorf("lab: report: %v", err)
	}
}

// Median of durations, the upper of the middle two if their number is even.
func Median(d []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[len(s)/2]
}
