package antientropy

import (
	"crypto/sha256"
	"hash"
	"maps"
	"math/bits"
	"slices"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
)

const digestDomain = "p2pchat sync v1\x00"

func (s *Summary) digest() [32]byte {
	f := s.Frontier.Digest()
	h := sha256.New()
	h.Write([]byte(digestDomain))
	h.Write(s.Root[:])
	h.Write(f[:])
	addForks(h, s.Forks, func(event.LogKey) bool { return true })
	return [32]byte(h.Sum(nil))
}

// addForks adds the forks of the logs that take says, in their order: nothing
// where there are none.
func addForks(h hash.Hash, forks map[event.LogKey][32]byte, take func(event.LogKey) bool) {
	for _, k := range slices.SortedFunc(maps.Keys(forks), event.LogKey.Compare) {
		if take(k) {
			sum := forks[k]
			h.Write([]byte{byte(len(k.Author))})
			h.Write([]byte(k.Author))
			h.Write(k.Log[:])
			h.Write(sum[:])
		}
	}
}

// buckets are hashes by bucket; zero for an empty one.
type buckets = [256][32]byte

// bucketSet is a set of buckets as it travels: bit b%8 of byte b/8.
type bucketSet [32]byte

func (s *bucketSet) put(b byte)      { s[b/8] |= 1 << (b % 8) }
func (s *bucketSet) has(b byte) bool { return s[b/8]&(1<<(b%8)) != 0 }

func (s *bucketSet) count() int {
	n := 0
	for _, b := range s {
		n += bits.OnesCount8(b)
	}
	return n
}

// within tells whether every bucket of s is in o.
func (s *bucketSet) within(o *bucketSet) bool {
	for i := range s {
		if s[i]&^o[i] != 0 {
			return false
		}
	}
	return true
}

func bucketSetFromWire(b []byte) (bucketSet, error) {
	var s bucketSet
	if len(b) != len(s) && len(b) != 0 {
		return s, refused("a set of buckets in %d bytes", len(b))
	}
	copy(s[:], b)
	return s, nil
}

func wireBuckets(h *buckets) *pb.SyncBuckets {
	var present bucketSet
	m := &pb.SyncBuckets{}
	for i := range h {
		if h[i] != [32]byte{} {
			present.put(byte(i))
			m.Hashes = append(m.Hashes, h[i][:]...)
		}
	}
	m.Present = present[:]
	return m
}

func bucketsFromWire(m *pb.SyncBuckets) (*buckets, error) {
	present, err := bucketSetFromWire(m.GetPresent())
	if err != nil {
		return nil, err
	}
	hashes := m.GetHashes()
	if len(hashes) != 32*present.count() {
		return nil, refused("%d bytes of hashes for %d buckets", len(hashes), present.count())
	}
	var out buckets
	for i := range out {
		if present.has(byte(i)) {
			copy(out[i][:], hashes)
			hashes = hashes[32:]
		}
	}
	return &out, nil
}

// differing is where a and b differ.
func differing(a, b *buckets) bucketSet {
	var s bucketSet
	for i := range a {
		if a[i] != b[i] {
			s.put(byte(i))
		}
	}
	return s
}

// logBucket is the bucket of a log.
func logBucket(k event.LogKey) byte {
	h := sha256.New()
	h.Write([]byte(k.Author))
	h.Write(k.Log[:])
	return h.Sum(nil)[0]
}

// split is a frontier by bucket; nil for an empty one.
type split [256]event.Frontier

func splitFrontier(f event.Frontier) *split {
	var s split
	for k, h := range f {
		b := logBucket(k)
		if s[b] == nil {
			s[b] = event.Frontier{}
		}
		s[b][k] = h
	}
	return &s
}

// hashes are the digests of the parts, with the forks of logs in them.
func (s *split) hashes(forks map[event.LogKey][32]byte) *buckets {
	var out buckets
	for i, f := range s {
		if f != nil {
			out[i] = f.Digest()
		}
	}
	var forked bucketSet
	for k := range forks {
		forked.put(logBucket(k))
	}
	for i := range out {
		if b := byte(i); forked.has(b) {
			h := sha256.New()
			h.Write(out[i][:])
			addForks(h, forks, func(k event.LogKey) bool { return logBucket(k) == b })
			out[i] = [32]byte(h.Sum(nil))
		}
	}
	return &out
}

// in is the part of the frontier in the buckets of set, out of it where out is
// true.
func (s *split) in(set *bucketSet, out bool) event.Frontier {
	f := event.Frontier{}
	for i, part := range s {
		if set.has(byte(i)) != out {
			for k, h := range part {
				f[k] = h
			}
		}
	}
	return f
}

// fitting takes buckets of set, beginning with start and going round, as long as
// they hold limit entries together at most. One is always taken.
func fitting(set bucketSet, start byte, limit int, size func(b byte) int) bucketSet {
	var out bucketSet
	total := 0
	for i := range 256 {
		b := start + byte(i)
		if !set.has(b) {
			continue
		}
		n := size(b)
		if total += n; total > limit && total > n {
			break
		}
		out.put(b)
	}
	return out
}
