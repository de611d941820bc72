package report

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strings"
	"time"

	"p2pchat/captures/internal/headers"
)

// ErrNotCapture: the file is neither pcap nor pcapng.
var ErrNotCapture = errors.New("not a capture: neither pcap nor pcapng")

// errDamaged ends a file before its end; what precedes is good.
var errDamaged = errors.New("damaged")

// record is one packet of a file.
type record struct {
	link    headers.Link
	time    time.Time // zero if the file does not tell
	data    []byte    // valid until the next record
	length  int       // as on the wire, bytes
	comment string    // lines of all comments
}

// file reads the records of a capture, and what stands between them.
type file struct {
	format      string
	application string
	comment     string // about the whole capture
	names       map[netip.Addr]string
	keys        bool // it holds TLS secrets
	dropped     map[int]uint64
	offset      int64 // bytes read

	in    *bufio.Reader
	order binary.ByteOrder
	buf   bytes.Buffer

	link       headers.Link // of a pcap
	fraction   time.Duration
	interfaces []iface // of a pcapng's section
	past       int     // interfaces of earlier sections
}

// iface is an interface of a pcapng.
type iface struct {
	link   headers.Link
	ticks  uint64 // of its clock in a second
	offset int64  // seconds to add
	snap   uint32
}

const (
	// maxBlock bounds one packet or block that is kept in memory. Readers take
	// no packet above 256 KiB; names and keys may be some MiB.
	maxBlock = 16 << 20
	// maxNames is how many addresses are remembered by name.
	maxNames = 4096
	// maxInterfaces of one section.
	maxInterfaces = 1 << 16
)

// Block types, option codes and the like, as in draft-ietf-opsawg-pcapng.
const (
	blockSection    = 0x0a0d0d0a
	blockInterface  = 1
	blockPacketOld  = 2
	blockSimple     = 3
	blockNames      = 4
	blockStatistics = 5
	blockPacket     = 6
	blockSecrets    = 10

	orderMagic = 0x1a2b3c4d
	secretsTLS = 0x544c534b

	optComment     = 1
	maxComment     = 1 << 20 // bytes that are read of a packet's comments, or one more
	optApplication = 4       // section
	optResolution  = 9       // interface
	optOffset      = 14      // interface
	optDropped     = 5       // statistics
)

// open reads a file's beginning.
func open(r io.Reader) (*file, error) {
	f := &file{
		in: bufio.NewReaderSize(r, 64<<10), names: map[netip.Addr]string{}, dropped: map[int]uint64{},
	}
	magic, err := f.in.Peek(4)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, ErrNotCapture
	}
	switch string(magic) {
	case "\x0a\x0d\x0d\x0a":
		f.format = "pcapng"
		start, err := f.in.Peek(12)
		if err != nil || !isOrder(start[8:]) {
			return nil, ErrNotCapture
		}
		return f, nil
	case "\xd4\xc3\xb2\xa1":
		f.order, f.fraction = binary.LittleEndian, time.Microsecond
	case "\x4d\x3c\xb2\xa1":
		f.order, f.fraction = binary.LittleEndian, time.Nanosecond
	case "\xa1\xb2\xc3\xd4":
		f.order, f.fraction = binary.BigEndian, time.Microsecond
	case "\xa1\xb2\x3c\x4d":
		f.order, f.fraction = binary.BigEndian, time.Nanosecond
	default:
		return nil, ErrNotCapture
	}
	f.format = "pcap"
	head, err := f.take(24)
	if err != nil {
		return nil, ErrNotCapture
	}
	f.link = headers.Link(f.order.Uint32(head[20:])) // the upper half tells of checksums
	return f, nil
}

func isOrder(b []byte) bool {
	return binary.LittleEndian.Uint32(b) == orderMagic || binary.BigEndian.Uint32(b) == orderMagic
}

// take reads n bytes, valid until the next call. It makes no room for more than
// there is.
func (f *file) take(n int) ([]byte, error) {
	f.buf.Reset()
	got, err := io.CopyN(&f.buf, f.in, int64(n))
	f.offset += got
	if err == io.EOF && got > 0 {
		err = io.ErrUnexpectedEOF
	}
	return f.buf.Bytes(), err
}

// next is the next packet; io.EOF at the end, io.ErrUnexpectedEOF for a file
// that was cut, errDamaged for one that makes no sense from here on.
func (f *file) next() (record, error) {
	if f.format == "pcap" {
		return f.nextPcap()
	}
	for {
		rec, ok, err := f.block()
		if ok || err != nil {
			return rec, err
		}
	}
}

func (f *file) nextPcap() (record, error) {
	head, err := f.take(16)
	if err != nil {
		return record{}, err
	}
	at := time.Unix(int64(f.order.Uint32(head)), int64(f.order.Uint32(head[4:]))*int64(f.fraction))
	captured, length := f.order.Uint32(head[8:]), f.order.Uint32(head[12:])
	if captured > maxBlock || length > math.MaxInt32 {
		return record{}, errDamaged
	}
	data, err := f.take(int(captured))
	if err != nil {
		return record{}, cut(err)
	}
	return record{link: f.link, time: at, data: data, length: int(length)}, nil
}

// cut: an end here is no end of the file.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// block reads one block of a pcapng; ok if it is a packet.
func (f *file) block() (rec record, ok bool, err error) {
	head, err := f.in.Peek(12)
	if err != nil && (err != io.EOF || len(head) == 0) {
		return rec, false, err
	}
	if len(head) < 12 {
		return rec, false, io.ErrUnexpectedEOF
	}
	if string(head[:4]) == "\x0a\x0d\x0d\x0a" {
		switch uint32(orderMagic) {
		case binary.LittleEndian.Uint32(head[8:]):
			f.order = binary.LittleEndian
		case binary.BigEndian.Uint32(head[8:]):
			f.order = binary.BigEndian
		default:
			return rec, false, errDamaged
		}
		f.past, f.interfaces = f.past+len(f.interfaces), nil
	}
	kind, total := f.order.Uint32(head), f.order.Uint32(head[4:])
	if total < 12 || total%4 != 0 {
		return rec, false, errDamaged
	}
	switch kind {
	case blockSection, blockInterface, blockPacketOld, blockSimple, blockNames, blockStatistics, blockPacket:
	default: // unknown or of no use here: passed over, however long
		return rec, false, f.pass(kind, total)
	}
	if total > maxBlock {
		return rec, false, errDamaged
	}
	b, err := f.take(int(total))
	if err != nil {
		return rec, false, cut(err)
	}
	if f.order.Uint32(b[total-4:]) != total {
		return rec, false, errDamaged
	}
	body := b[8 : total-4]
	switch kind {
	case blockSection:
		f.section(body)
	case blockInterface:
		err = f.addInterface(body)
	case blockNames:
		f.addNames(body)
	case blockStatistics:
		f.statistics(body)
	default:
		rec, ok, err = f.packet(kind, body)
	}
	return rec, ok, err
}

// pass skips a block; of secrets it learns that there are some.
func (f *file) pass(kind, total uint32) error {
	head, err := f.take(int(min(total, 12)))
	if err != nil {
		return cut(err)
	}
	f.keys = f.keys || kind == blockSecrets && f.order.Uint32(head[8:]) == secretsTLS
	n, err := io.CopyN(io.Discard, f.in, int64(total)-int64(len(head)))
	f.offset += n
	return cut(err)
}

func (f *file) section(body []byte) {
	if len(body) < 16 {
		return
	}
	for code, value := range f.options(body[16:]) {
		switch code {
		case optComment:
			f.comment = string(value)
		case optApplication:
			f.application = string(value)
		}
	}
}

// options goes through a list of options, as far as it makes sense.
func (f *file) options(b []byte) func(func(uint16, []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			code, n := f.order.Uint16(b), int(f.order.Uint16(b[2:]))
			if code == 0 || 4+n > len(b) || !yield(code, b[4:4+n]) {
				return
			}
			b = b[min(len(b), 4+(n+3)&^3):]
		}
	}
}

func (f *file) addInterface(body []byte) error {
	if len(body) < 8 || len(f.interfaces) == maxInterfaces {
		return errDamaged
	}
	i := iface{link: headers.Link(f.order.Uint16(body)), ticks: 1e6, snap: f.order.Uint32(body[4:])}
	for code, value := range f.options(body[8:]) {
		switch {
		case code == optResolution && len(value) == 1:
			i.ticks = resolution(value[0])
		case code == optOffset && len(value) == 8:
			i.offset = int64(f.order.Uint64(value))
		}
	}
	f.interfaces = append(f.interfaces, i)
	return nil
}

// resolution is how many ticks a second has: a power of 10, or of 2 if the
// first bit is set. Finer than anybody's clock counts as 10⁻¹⁹.
func resolution(v byte) uint64 {
	if v&0x80 != 0 {
		return 1 << min(v&0x7f, 63)
	}
	ticks := uint64(1)
	for range min(v, 19) {
		ticks *= 10
	}
	return ticks
}

// at converts a timestamp.
func (i iface) at(high, low uint32) time.Time {
	ticks := uint64(high)<<32 | uint64(low)
	seconds, rest := ticks/i.ticks, ticks%i.ticks
	return time.Unix(int64(seconds)+i.offset, int64(float64(rest)/float64(i.ticks)*1e9+0.5))
}

func (f *file) packet(kind uint32, b []byte) (record, bool, error) {
	if kind == blockSimple {
		if len(f.interfaces) == 0 || len(b) < 4 {
			return record{}, false, errDamaged
		}
		i, length := f.interfaces[0], f.order.Uint32(b)
		captured := min(length, uint32(len(b)-4))
		if i.snap > 0 {
			captured = min(captured, i.snap)
		}
		return record{link: i.link, data: b[4 : 4+captured], length: int(length)}, true, nil
	}
	if len(b) < 20 {
		return record{}, false, errDamaged
	}
	id := f.order.Uint32(b)
	if kind == blockPacketOld {
		id = uint32(f.order.Uint16(b))
	}
	captured, length := f.order.Uint32(b[12:]), f.order.Uint32(b[16:])
	if int64(id) >= int64(len(f.interfaces)) || int64(captured) > int64(len(b)-20) || length > math.MaxInt32 {
		return record{}, false, errDamaged
	}
	i := f.interfaces[id]
	rec := record{
		link: i.link, time: i.at(f.order.Uint32(b[4:]), f.order.Uint32(b[8:])),
		data: b[20 : 20+captured], length: int(length),
	}
	rest := b[min(len(b), 20+(int(captured)+3)&^3):]
	var comment strings.Builder
	for code, value := range f.options(rest) {
		if code == optComment && comment.Len() < maxComment {
			comment.Write(value)
			comment.WriteByte('\n')
		}
	}
	rec.comment = comment.String()
	return rec, true, nil
}

// addNames reads a name resolution block; of several names of an address, the
// first.
func (f *file) addNames(b []byte) {
	for code, value := range f.options(b) {
		size := map[uint16]int{1: 4, 2: 16}[code]
		if size == 0 || len(value) <= size {
			continue
		}
		addr, _ := netip.AddrFromSlice(value[:size])
		name, _, _ := strings.Cut(string(value[size:]), "\x00")
		if name != "" && len(f.names) < maxNames {
			f.names[addr] = name
		}
	}
}

// statistics keeps an interface's last word.
func (f *file) statistics(b []byte) {
	if len(b) < 12 {
		return
	}
	for code, value := range f.options(b[12:]) {
		if code == optDropped && len(value) == 8 && len(f.dropped) < maxNames {
			f.dropped[f.past+int(f.order.Uint32(b))] = f.order.Uint64(value)
		}
	}
}

// where says how far a file was read.
func (f *file) where() string { return fmt.Sprintf("%d bytes from its beginning", f.offset) }
