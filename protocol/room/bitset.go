package room

import "math/bits"

// bitset is a set of control events by their index. Indexes ascend along ctl.
type bitset []uint64

func (b bitset) has(i int) bool { return i>>6 < len(b) && b[i>>6]&(1<<(i&63)) != 0 }

func (b *bitset) add(i int) {
	for i>>6 >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[i>>6] |= 1 << (i & 63)
}

func (b bitset) remove(i int) {
	if i>>6 < len(b) {
		b[i>>6] &^= 1 << (i & 63)
	}
}

func (b bitset) clone() bitset { return append(make(bitset, 0, len(b)+1), b...) }

// union adds o to b.
func (b *bitset) union(o bitset) {
	for len(*b) < len(o) {
		*b = append(*b, 0)
	}
	for i, w := range o {
		(*b)[i] |= w
	}
}

func (b bitset) count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// without yields, ascending, what b holds and o does not.
func (b bitset) without(o bitset) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i, w := range b {
			if i < len(o) {
				w &^= o[i]
			}
			for ; w != 0; w &= w - 1 {
				if !yield(i<<6 + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}
