package antientropy

import (
	"maps"
	"testing"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
)

// TestFitting: a list that is too long is cut at a bucket, and what is left over
// one time comes another.
func TestFitting(t *testing.T) {
	t.Parallel()
	var set bucketSet
	for b := 0; b < 256; b += 2 {
		set.put(byte(b))
	}
	ten := func(byte) int { return 10 }
	if got := fitting(set, 77, 1280, ten); got != set {
		t.Errorf("%d buckets of 128 that fit", got.count())
	}
	got := fitting(set, 200, 300, ten)
	if got.count() != 30 || !got.has(200) || !got.has(254) || !got.has(0) || !got.has(2) || got.has(4) || got.has(198) {
		t.Errorf("%d buckets from 200 on: %x", got.count(), got)
	}
	if !got.within(&set) || set.within(&got) {
		t.Error("a part is not within the whole")
	}
	if got := fitting(set, 1, 5, ten); got.count() != 1 || !got.has(2) {
		t.Errorf("%d buckets where none fits", got.count())
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	a, _ := newRoom(t, 9)
	f := event.Frontier{}
	for i := range 1000 {
		f[event.LogKey{Author: a.key.ID(), Log: event.LogID{byte(i), byte(i >> 8), 1}}] = event.Head{Seq: uint64(i + 1), ID: event.ID{byte(i), 1}}
	}
	var all, some bucketSet
	for i := range 256 {
		all.put(byte(i))
	}
	some.put(3)
	some.put(200)
	parts := splitFrontier(f)
	if !maps.Equal(parts.in(&all, false), f) || len(parts.in(&all, true)) > 0 {
		t.Error("the parts don't make the whole")
	}
	if in, out := parts.in(&some, false), parts.in(&some, true); len(in) == 0 || len(in)+len(out) != len(f) {
		t.Errorf("%d and %d positions of %d", len(in), len(out), len(f))
	}
	before := *parts.hashes(nil)
	var k event.LogKey
	for k = range f {
		break
	}
	f[k] = event.Head{Seq: f[k].Seq, ID: event.ID{9, 9, 9}}
	after := differing(&before, splitFrontier(f).hashes(nil))
	if after.count() != 1 || !after.has(logBucket(k)) {
		t.Errorf("one position makes %d buckets differ", after.count())
	}
}

// TestTurnLimits: a turn takes so many IDs and no more, however they are spread.
func TestTurnLimits(t *testing.T) {
	t.Parallel()
	ids := make([]byte, 32*4096)
	for name, f := range map[string]*pb.SyncFrame{"control": {Control: ids}, "want": {Want: ids}} {
		turn, frames := newTurn(), 0
		for ; turn.add(f) == nil; frames++ {
			if frames > maxIDs/4096 {
				t.Fatalf("%s: no end", name)
			}
		}
		if frames != maxIDs/4096 {
			t.Errorf("%s: %d frames", name, frames)
		}
	}
}
