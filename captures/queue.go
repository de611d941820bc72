package captures

import (
	"container/heap"
	"time"
)

const (
	// holdFor orders packets of several interfaces: no interface delivers later
	// than this after another. It is also the time in which something may still
	// be written before a packet.
	holdFor = 200 * time.Millisecond
	// holdBytes bounds the queue; beyond it packets are let go early.
	holdBytes = 64 << 20
)

// held is a packet that waits for its place in the file.
type held struct {
	frame
	iface   int
	flow    *flow
	packet  packet
	arrived time.Time
	seq     uint64 // keeps packets of one instant in the order in which they came
}

// queue orders packets by timestamp. It is used by one goroutine.
type queue struct {
	hold  time.Duration // how long each is held
	items itemHeap
	bytes int
	seq   uint64
}

func (q *queue) push(h held) {
	q.seq++
	h.seq = q.seq
	q.bytes += len(h.data)
	heap.Push(&q.items, &h)
}

// pop returns the next packet that has waited long enough and is decided on.
// With all set nothing waits, and packets that are still undecided are dropped.
func (q *queue) pop(now time.Time, all bool) (*held, bool) {
	for len(q.items) > 0 {
		top := q.items[0]
		if !all && q.bytes <= holdBytes {
			if now.Sub(top.arrived) < q.hold || top.flow.verdict == undecided {
				return nil, false
			}
		}
		heap.Pop(&q.items)
		q.bytes -= len(top.data)
		if top.flow.verdict == keep {
			return top, true
		}
	}
	return nil, false
}

// wait is how long until pop may have something; false if nothing is queued.
func (q *queue) wait(now time.Time) (time.Duration, bool) {
	if len(q.items) == 0 {
		return 0, false
	}
	if wait := q.items[0].arrived.Add(q.hold).Sub(now); wait > 0 {
		return max(wait, 10*time.Millisecond), true // several at a time
	}
	return 50 * time.Millisecond, true // undecided
}

type itemHeap []*held

func (h itemHeap) Len() int { return len(h) }
func (h itemHeap) Less(i, j int) bool {
	if !h[i].time.Equal(h[j].time) {
		return h[i].time.Before(h[j].time)
	}
	return h[i].seq < h[j].seq
}
func (h itemHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *itemHeap) Push(x any)   { *h = append(*h, x.(*held)) }
func (h *itemHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
