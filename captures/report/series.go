package report

import (
	"slices"
	"time"
)

// maxBins bounds a series; when it is full, bins are joined in pairs.
const maxBins = 512

// clock lays time out in bins that all series share.
type clock struct {
	begin  time.Time
	width  time.Duration
	series []*series
}

// series is a sum per bin.
type series []uint64

func newClock(begin time.Time) *clock { return &clock{begin: begin, width: time.Millisecond} }

// newSeries is one more series.
func (c *clock) newSeries() *series {
	s := new(series)
	c.series = append(c.series, s)
	return s
}

func (c *clock) add(s *series, at time.Time, n int) {
	d := max(0, at.Sub(c.begin)) // a packet may be older than the first one
	for int64(d/c.width) >= maxBins {
		c.width *= 2
		for _, s := range c.series {
			s.join()
		}
	}
	bin := int(d / c.width)
	for len(*s) <= bin {
		*s = append(*s, 0)
	}
	(*s)[bin] += uint64(n)
}

func (s *series) join() {
	for i := 0; i < len(*s); i += 2 {
		sum := (*s)[i]
		if i+1 < len(*s) {
			sum += (*s)[i+1]
		}
		(*s)[i/2] = sum
	}
	*s = (*s)[:(len(*s)+1)/2]
}

// maxSamples bounds samples; of more, every second, fourth … is kept.
const maxSamples = 1024

// samples is a sample of durations.
type samples struct {
	kept  []time.Duration
	least time.Duration
	seen  int
	step  int // keep every step-th
}

func (s *samples) add(d time.Duration) {
	d = max(d, 0)
	if s.seen == 0 || d < s.least {
		s.least = d
	}
	if s.step == 0 {
		s.step = 1
	}
	if s.seen%s.step == 0 {
		if len(s.kept) == maxSamples {
			for i := range maxSamples / 2 {
				s.kept[i] = s.kept[2*i]
			}
			s.kept, s.step = s.kept[:maxSamples/2], 2*s.step
		}
		s.kept = append(s.kept, d)
	}
	s.seen++
}

func (s *samples) roundTrip() *RoundTrip {
	if s.seen == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(s.kept))
	return &RoundTrip{Min: Duration(s.least), Median: Duration(sorted[(len(sorted)-1)/2]), Samples: s.seen}
}

// Fewer joins the bins of a series, of a width each, so that there are at most
// so many, and returns them with their width.
func Fewer(bins []uint64, width Duration, most int) ([]uint64, Duration) {
	each := (len(bins) + most - 1) / max(most, 1)
	if each <= 1 {
		return bins, width
	}
	var out []uint64
	for part := range slices.Chunk(bins, each) {
		sum := uint64(0)
		for _, n := range part {
			sum += n
		}
		out = append(out, sum)
	}
	return out, width * Duration(each)
}
