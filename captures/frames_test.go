package captures

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"p2pchat/captures/internal/headers"
)

// wire describes a frame that a test builds.
type wire struct {
	link     linkType
	tags     []uint16 // ether types of VLAN tags
	ext      []uint8  // IPv6 extension headers, that of fragments aside
	proto    uint8
	src, dst netip.AddrPort
	id       uint32
	offset   int // fragment offset, bytes, a multiple of 8
	more     bool
	syn      bool
	payload  []byte
}

// udp and tcp give frames between two endpoints in Ethernet.
func udp(src, dst string, payload string) wire {
	return wire{link: linkEthernet, proto: protoUDP, src: addrPort(src), dst: addrPort(dst), payload: []byte(payload)}
}

func tcp(src, dst string, payload string) wire {
	w := udp(src, dst, payload)
	w.proto = protoTCP
	return w
}

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// bytes builds the frame; checksums are left zero.
func (w wire) bytes() []byte {
	var l4 []byte
	if w.offset == 0 {
		l4 = binary.BigEndian.AppendUint16(l4, w.src.Port())
		l4 = binary.BigEndian.AppendUint16(l4, w.dst.Port())
		switch w.proto {
		case protoTCP:
			flags := byte(0x10)
			if w.syn {
				flags = 0x02
			}
			l4 = append(l4, 0, 0, 0, 1, 0, 0, 0, 1, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
		case protoUDP:
			l4 = binary.BigEndian.AppendUint16(l4, uint16(8+len(w.payload)))
			l4 = append(l4, 0, 0)
		}
	}
	l4 = append(l4, w.payload...)

	etherType, ip := uint16(headers.EtherIPv4), w.ipv4(l4)
	if w.src.Addr().Is6() {
		etherType, ip = headers.EtherIPv6, w.ipv6(l4)
	}
	if w.link == linkRaw {
		return ip
	}
	b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
	for i, tag := range w.tags {
		b = binary.BigEndian.AppendUint16(b, tag)
		b = binary.BigEndian.AppendUint16(b, uint16(10+i))
	}
	return append(binary.BigEndian.AppendUint16(b, etherType), ip...)
}

func (w wire) ipv4(l4 []byte) []byte {
	b := []byte{0x45, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(20+len(l4)))
	b = binary.BigEndian.AppendUint16(b, uint16(w.id))
	field := uint16(w.offset / 8)
	if w.more {
		field |= 0x2000
	}
	b = binary.BigEndian.AppendUint16(b, field)
	b = append(b, 64, w.proto, 0, 0)
	b = append(b, w.src.Addr().AsSlice()...)
	b = append(b, w.dst.Addr().AsSlice()...)
	return append(b, l4...)
}

func (w wire) ipv6(l4 []byte) []byte {
	chain := append([]uint8(nil), w.ext...)
	if w.offset > 0 || w.more {
		chain = append(chain, headers.Fragment)
	}
	chain = append(chain, w.proto)
	var rest []byte
	for i, kind := range chain[:len(chain)-1] {
		hdr := make([]byte, 8)
		hdr[0] = chain[i+1]
		if kind == headers.Fragment {
			field := uint16(w.offset)
			if w.more {
				field |= 1
			}
			binary.BigEndian.PutUint16(hdr[2:], field)
			binary.BigEndian.PutUint32(hdr[4:], w.id)
		} else if i%2 == 1 { // some are longer
			hdr[1] = 1
			hdr = append(hdr, make([]byte, 8)...)
		}
		rest = append(rest, hdr...)
	}
	rest = append(rest, l4...)
	b := []byte{0x60, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(len(rest)))
	b = append(b, chain[0], 64)
	b = append(b, w.src.Addr().AsSlice()...)
	b = append(b, w.dst.Addr().AsSlice()...)
	return append(b, rest...)
}

// frame gives the frame as if the kernel had seen it at t.
func (w wire) frame(t time.Time, kind frameKind) frame {
	b := w.bytes()
	return frame{data: b, length: len(b), time: t, kind: kind}
}

// announcement is a multicast DNS answer with one pointer.
func announcement(t testing.TB, name, target string) string {
	t.Helper()
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{Response: true, Authoritative: true})
	b.EnableCompression()
	must(t, b.StartAnswers())
	must(t, b.PTRResource(
		dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: 120},
		dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(target)}))
	msg, err := b.Finish()
	must(t, err)
	return string(msg)
}

// question is a multicast DNS question.
func question(t testing.TB, name string) string {
	t.Helper()
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{})
	must(t, b.StartQuestions())
	must(t, b.Question(dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET}))
	msg, err := b.Finish()
	must(t, err)
	return string(msg)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
