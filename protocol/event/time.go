package event

import "time"

// Time is a hybrid logical clock reading (Kulkarni et al., "Logical Physical
// Clocks"): Unix milliseconds in the upper 48 bits, a counter in the lower 16.
// It orders what is shown; it never decides authority.
type Time uint64

// MaxAhead is how far a received clock may run ahead of ours and still be
// merged into it.
const MaxAhead = 60 * time.Second

// MaxSkew is the difference from which a message's time is marked as wrong.
const MaxSkew = 5 * time.Minute

const counterBits = 16

// At is the first reading of the millisecond of t.
func At(t time.Time) Time {
	return Time(min(max(t.UnixMilli(), 0), 1<<48-1)) << counterBits
}

// Wall is the physical part of the reading, in UTC.
func (t Time) Wall() time.Time { return time.UnixMilli(int64(t >> counterBits)).UTC() }

// Next is the reading for an event of our own: later than every reading in
// last, and not before now.
func (t Time) Next(now time.Time) Time { return max(t+1, At(now)) }

// Merge is our clock after seeing remote: at least remote, unless that is more
// than [MaxAhead] ahead of now and so not to be believed.
func (t Time) Merge(remote Time, now time.Time) Time {
	if remote.Wall().After(now.Add(MaxAhead)) {
		return t
	}
	return max(t, remote)
}
