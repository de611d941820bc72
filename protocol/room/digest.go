package room

import (
	"crypto/sha256"
	"slices"

	"p2pchat/protocol/event"
)

const rootDomain = "p2pchat control root v1\x00"

// digests holds the covered IDs in 256 buckets by their first byte, with their
// hashes; stale says which hashes are to be made again.
type digests struct {
	buckets [256][]event.ID // ascending
	hashes  [256][32]byte
	stale   [256]bool
	number  int
}

func (d *digests) put(id event.ID) {
	b := &d.buckets[id[0]]
	if at, here := slices.BinarySearchFunc(*b, id, event.ID.Compare); !here {
		*b = slices.Insert(*b, at, id)
		d.number++
	}
	d.stale[id[0]] = true
}

func (d *digests) drop(id event.ID) {
	b := &d.buckets[id[0]]
	if at, here := slices.BinarySearchFunc(*b, id, event.ID.Compare); here {
		*b = slices.Delete(*b, at, at+1)
		d.number--
	}
	d.stale[id[0]] = true
}

// Buckets are, by the first byte of the IDs in it, the SHA-256 of each bucket's
// IDs in ascending order; zero for an empty one.
func (r *Room) Buckets() [256][32]byte {
	d := &r.digests
	for i := range d.buckets {
		if !d.stale[i] {
			continue
		}
		d.stale[i], d.hashes[i] = false, [32]byte{}
		if len(d.buckets[i]) > 0 {
			h := sha256.New()
			for _, id := range d.buckets[i] {
				h.Write(id[:])
			}
			h.Sum(d.hashes[i][:0])
		}
	}
	return d.hashes
}

// Root names the control set: SHA-256(domain ‖ the 256 bucket hashes) over the
// effective events and their ancestors. Ineffective events that nothing
// effective cites don't count.
func (r *Room) Root() [32]byte {
	h := sha256.New()
	h.Write([]byte(rootDomain))
	for _, b := range r.Buckets() {
		h.Write(b[:])
	}
	return [32]byte(h.Sum(nil))
}

// Covered lists, ascending, the IDs in bucket b that the root is over.
func (r *Room) Covered(b byte) []event.ID { return slices.Clone(r.digests.buckets[b]) }

// CoveredCount is the number of IDs the root is over.
func (r *Room) CoveredCount() int { return r.digests.number }

// Has tells whether control event id is held, covered or not.
func (r *Room) Has(id event.ID) bool { return r.byID[id] != nil }

// AlongCtl lists the control events held, covered or not, each after those it
// cites: the order in which to serve and to load them.
func (r *Room) AlongCtl() []event.ID {
	out := make([]event.ID, len(r.controls))
	for i, c := range r.controls {
		out[i] = c.id
	}
	return out
}
