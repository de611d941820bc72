package report

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// trace builds a capture, packet by packet.
type trace struct {
	t     testing.TB
	b     bytes.Buffer
	order binary.AppendByteOrder
	start time.Time
}

// newTrace begins a pcapng with one Ethernet interface that counts nanoseconds.
func newTrace(t testing.TB) *trace {
	x := &trace{t: t, order: binary.LittleEndian, start: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	x.section()
	x.iface(1, 9)
	return x
}

func (x *trace) u16(b []byte, v uint16) []byte { return x.order.AppendUint16(b, v) }
func (x *trace) u32(b []byte, v uint32) []byte { return x.order.AppendUint32(b, v) }

func (x *trace) block(kind uint32, body []byte) {
	body = append(body, make([]byte, -len(body)&3)...)
	b := x.u32(x.u32(nil, kind), uint32(len(body)+12))
	b = x.u32(append(b, body...), uint32(len(body)+12))
	x.b.Write(b)
}

func (x *trace) section() {
	body := x.u32(nil, orderMagic)
	body = x.u16(x.u16(body, 1), 0)
	x.block(blockSection, append(body, 255, 255, 255, 255, 255, 255, 255, 255))
}

func (x *trace) option(b []byte, code uint16, value string) []byte {
	b = append(x.u16(x.u16(b, code), uint16(len(value))), value...)
	return append(b, make([]byte, -len(value)&3)...)
}

func (x *trace) iface(link uint16, resolution byte) {
	body := x.u32(x.u16(x.u16(nil, link), 0), 0)
	x.block(blockInterface, x.u32(x.option(body, optResolution, string(resolution)), 0))
}

// frame appends a packet seen so long after the start; comment may be "".
func (x *trace) frame(at time.Duration, frame []byte, comment string) {
	ns := uint64(x.start.Add(at).UnixNano())
	body := x.u32(x.u32(x.u32(nil, 0), uint32(ns>>32)), uint32(ns))
	body = append(x.u32(x.u32(body, uint32(len(frame))), uint32(len(frame))), frame...)
	body = append(body, make([]byte, -len(frame)&3)...)
	if comment != "" {
		body = x.u32(x.option(body, optComment, comment), 0)
	}
	x.block(blockPacket, body)
}

func (x *trace) names(names map[string]string) {
	var body []byte
	for ip, name := range names {
		body = x.option(body, 1, string(netip.MustParseAddr(ip).AsSlice())+name+"\x00")
	}
	x.block(blockNames, x.u32(body, 0))
}

// secrets is a block that tells of keys.
func (x *trace) secrets(lines string) {
	x.block(blockSecrets, append(x.u32(x.u32(nil, secretsTLS), uint32(len(lines))), lines...))
}

// ethernet wraps an IPv4 packet.
func ethernet(proto byte, src, dst netip.AddrPort, l4 []byte) []byte {
	b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(20+len(l4)))
	b = append(b, 0, 0, 0, 0, 64, proto, 0, 0)
	b = append(b, src.Addr().AsSlice()...)
	b = append(b, dst.Addr().AsSlice()...)
	b = append(b, l4...)
	for len(b) < 60 { // as on the wire
		b = append(b, 0)
	}
	return b
}

func udpFrame(src, dst string, payload []byte) []byte {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	b := binary.BigEndian.AppendUint16(nil, s.Port())
	b = binary.BigEndian.AppendUint16(b, d.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return ethernet(17, s, d, append(append(b, 0, 0), payload...))
}

func tcpFrame(src, dst string, flags byte, seq, ack uint32, payload string) []byte {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	b := binary.BigEndian.AppendUint16(nil, s.Port())
	b = binary.BigEndian.AppendUint16(b, d.Port())
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, 5<<4, flags, 255, 255, 0, 0, 0, 0)
	return ethernet(6, s, d, append(b, payload...))
}

// tlsRecord is a record of TLS with n bytes inside.
func tlsRecord(kind byte, n int) string {
	return string(append([]byte{kind, 3, 3, byte(n >> 8), byte(n)}, make([]byte, n)...))
}

func (x *trace) read() *Report {
	x.t.Helper()
	r, err := Read(bytes.NewReader(x.b.Bytes()), "test")
	if err != nil {
		x.t.Fatal(err)
	}
	return r
}
