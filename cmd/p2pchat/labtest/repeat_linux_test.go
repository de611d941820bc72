package labtest

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

// repeat runs what is measured as often as lab.Runs says, side by side, and
// reports the median of what it returns. With lab.Bounds the median is not to
// exceed the bound.
func repeat(t *testing.T, what string, bound time.Duration, measure func(t *testing.T) time.Duration) {
	var mu sync.Mutex
	var times []time.Duration
	t.Run("runs", func(t *testing.T) { // returns when all runs have
		for i := range lab.Runs() {
			t.Run(strconv.Itoa(i+1), func(t *testing.T) {
				t.Parallel()
				took := measure(t)
				mu.Lock()
				defer mu.Unlock()
				times = append(times, took)
			})
		}
	})
	if t.Failed() || len(times) == 0 { // failed, or skipped
		return
	}
	median := lab.Median(times)
	t.Logf("%s: %v, median %v", what, times, median)
	lab.Report(t, lab.Figure{What: "median: " + what, Seconds: median.Seconds(), Bound: bound.Seconds()})
	if lab.Bounds() && median > bound {
		t.Errorf("%s: the median is %v, must be at most %v", what, median, bound)
	}
}
