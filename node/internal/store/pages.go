package store

import (
	"cmp"
	"encoding/binary"
	"io"
	"math"
)

// pageFile reads the pages of a database file without SQLite, which reads no
// further than to the first page that is damaged. Nothing that stands in a page is
// trusted: what is taken for a row may be anything. See
// https://www.sqlite.org/fileformat2.html, 1.3, 1.5, 1.6 and 2.1.
type pageFile struct {
	f    io.ReaderAt
	size int // of a page, in bytes
	n    uint32
}

// Kinds of pages of a b-tree. Rows of a table are in its leaves; those of a table
// without rowid are the entries of an index, which are in all its pages.
const (
	interiorIndex = 2
	interiorTable = 5
	leafIndex     = 10
	leafTable     = 13
)

const (
	usualPage = 4096      // bytes of a page, where the header says nothing that can be
	maxRecord = 512 << 10 // more than any row has that is kept here, in bytes
)

// pageSize is what a database's header says, 0 if that cannot be.
func pageSize(header []byte) int {
	size := int(binary.BigEndian.Uint16(header[headerPageSize:]))
	switch {
	case size == 1: // as it says 65536
		return 1 << 16
	case size < 512 || size&(size-1) != 0:
		return 0
	}
	return size
}

func newPageFile(f io.ReaderAt, length int64) *pageFile {
	header := make([]byte, headerSize)
	_, _ = f.ReadAt(header, 0) // what is not there is 0
	size := cmp.Or(pageSize(header), usualPage)
	return &pageFile{f, size, uint32(min((length+int64(size)-1)/int64(size), math.MaxUint32))}
}

// raw is the bytes of page no, nil if there is no such page. What is missing of the
// last is 0.
func (p *pageFile) raw(no uint32) []byte {
	b := make([]byte, p.size)
	if no == 0 || no > p.n {
		return nil
	}
	if n, _ := p.f.ReadAt(b, int64(no-1)*int64(p.size)); n == 0 {
		return nil // a disk may fail at a page
	}
	return b
}

// free lists the pages that are not in use, in which there may be what was deleted.
func (p *pageFile) free() map[uint32]bool {
	out := map[uint32]bool{}
	first := p.raw(1)
	if first == nil {
		return out
	}
	for no := binary.BigEndian.Uint32(first[headerFree:]); !out[no]; {
		b := p.raw(no)
		if b == nil {
			break
		}
		out[no] = true
		leaves := b[8:]
		leaves = leaves[:min(uint64(len(leaves)), 4*uint64(binary.BigEndian.Uint32(b[4:])))]
		for ; len(leaves) > 0; leaves = leaves[4:] {
			out[binary.BigEndian.Uint32(leaves)] = true
		}
		no = binary.BigEndian.Uint32(b)
	}
	if len(out) != int(binary.BigEndian.Uint32(first[headerFree+4:])) {
		return map[uint32]bool{} // the list is damaged
	}
	return out
}

// page is a page of a b-tree.
type page struct {
	file  *pageFile
	no    uint32
	kind  byte
	b     []byte
	right uint32   // its last child, 0 if it is a leaf
	cells [][]byte // from where each begins to the end of the page
	whole bool     // every cell begins where one can
}

func (p *pageFile) page(no uint32) (*page, bool) {
	b := p.raw(no)
	if b == nil {
		return nil, false
	}
	head := b
	if no == 1 {
		head = b[headerSize:]
	}
	out := &page{file: p, no: no, kind: head[0], b: b, whole: true}
	pointers := head[8:]
	switch out.kind {
	case interiorIndex, interiorTable:
		out.right = binary.BigEndian.Uint32(pointers)
		pointers = pointers[4:]
	case leafIndex, leafTable:
	default:
		return nil, false
	}
	cells := int(binary.BigEndian.Uint16(head[3:]))
	if 2*cells > len(pointers) {
		return nil, false
	}
	least := len(b) - len(pointers) + 2*cells // behind the pointers
	for ; cells > 0; cells, pointers = cells-1, pointers[2:] {
		at := int(binary.BigEndian.Uint16(pointers))
		if at < least || at+4 > len(b) {
			out.whole = false
			continue
		}
		out.cells = append(out.cells, b[at:])
	}
	return out, true
}

// keyed tells whether it is of a table whose rows have numbers.
func (p *page) keyed() bool { return p.kind == interiorTable || p.kind == leafTable }

// children are the pages below it.
func (p *page) children() []uint32 {
	if p.right == 0 {
		return nil
	}
	out := []uint32{p.right}
	for _, c := range p.cells {
		out = append(out, binary.BigEndian.Uint32(c))
	}
	return out
}

// record is a row as it stands in a page.
type record struct {
	file     *pageFile
	rowid    int64 // 0 in a table without
	types    []uint64
	size     int    // of the values, in bytes
	local    []byte // those in the page
	overflow uint32 // the page where they go on
}

// records calls fn for each row in the page and tells whether all could be read.
// No two share bytes, so that there is a limit to what there is to read.
func (p *page) records(fn func(*record)) bool {
	if p.kind == interiorTable {
		return p.whole
	}
	whole, left := p.whole, 2*len(p.b)
	for _, cell := range p.cells {
		r, used, ok := p.record(cell)
		if left -= used; !ok || left < 0 {
			whole = false
			continue
		}
		fn(&r)
	}
	return whole
}

// record reads what is to be known of a row before its values are; used is how many
// bytes of the page it takes.
func (p *page) record(cell []byte) (r record, used int, ok bool) {
	r.file = p.file
	rest := cell
	if p.kind == interiorIndex {
		rest = rest[4:] // the child
	}
	size, rest, ok := varint(rest)
	if !ok || size > maxRecord {
		return r, 0, false
	}
	usable := len(p.b)
	inPage := (usable-12)*64/255 - 23
	if p.kind == leafTable {
		inPage = usable - 35
		var rowid uint64
		if rowid, rest, ok = varint(rest); !ok {
			return r, 0, false
		}
		r.rowid = int64(rowid)
	}
	n := int(size)
	if n > inPage {
		least := (usable-12)*32/255 - 23
		if n = least + (int(size)-least)%(usable-4); n > inPage {
			n = least
		}
	}
	used = len(cell) - len(rest) + n
	if n > len(rest) {
		return r, used, false
	}
	if n < int(size) {
		if n+4 > len(rest) {
			return r, used, false
		}
		r.overflow = binary.BigEndian.Uint32(rest[n:])
	}
	r.local = rest[:n]
	r.types, r.local, ok = recordTypes(r.local)
	if !ok {
		return r, used, false
	}
	r.size = int(size) - (n - len(r.local))
	sum := 0
	for _, t := range r.types {
		if sum += typeSize(t); sum > r.size {
			return r, used, false
		}
	}
	return r, used, sum == r.size
}

// recordTypes reads the types of a row's values and returns what is behind them.
func recordTypes(b []byte) (types []uint64, rest []byte, ok bool) {
	size, _, ok := varint(b)
	if !ok || size > uint64(len(b)) {
		return nil, nil, false
	}
	header, rest := b[:size], b[size:]
	_, header, ok = varint(header)
	for ok && len(header) > 0 {
		var t uint64
		if t, header, ok = varint(header); ok {
			types = append(types, t)
			ok = t < 10 && t != typeReal || t >= typeBlob && t <= 2*maxRecord
		}
	}
	return types, rest, ok
}

// Types of values: null, integers of so many bytes, reals, the integers 0 and 1;
// from 12 on blobs, if even, and texts, each with its length.
const (
	typeNull = 0
	typeReal = 7
	typeZero = 8
	typeOne  = 9
	typeBlob = 12
)

func typeSize(t uint64) int {
	if t >= typeBlob {
		return int(t-typeBlob) / 2
	}
	return [...]int{0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0}[t]
}

// values reads all values of r, as the driver of SQLite would give them.
func (r *record) values() ([]any, bool) {
	b := append(make([]byte, 0, r.size), r.local...)
	for no := r.overflow; len(b) < r.size; {
		more := r.file.raw(no)
		if more == nil {
			return nil, false
		}
		no = binary.BigEndian.Uint32(more)
		b = append(b, more[4:][:min(len(more)-4, r.size-len(b))]...)
	}
	out := make([]any, 0, len(r.types))
	for _, t := range r.types {
		n := typeSize(t)
		v := b[:n:n]
		b = b[n:]
		switch {
		case t == typeNull:
			out = append(out, nil)
		case t == typeZero || t == typeOne:
			out = append(out, int64(t-typeZero))
		case t < typeReal:
			i := int64(int8(v[0]))
			for _, c := range v[1:] {
				i = i<<8 | int64(c)
			}
			out = append(out, i)
		case t%2 == 0:
			out = append(out, v)
		default:
			out = append(out, string(v))
		}
	}
	return out, true
}

// varint reads SQLite's integer of up to nine bytes.
func varint(b []byte) (v uint64, rest []byte, ok bool) {
	for i, c := range b {
		if i == 8 {
			return v<<8 | uint64(c), b[9:], true
		}
		if v = v<<7 | uint64(c&0x7f); c < 0x80 {
			return v, b[i+1:], true
		}
	}
	return 0, nil, false
}
