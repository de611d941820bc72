package captures

import (
	"encoding/binary"
	"net/netip"
	"time"

	"p2pchat/captures/internal/headers"
)

// frame is one captured link-layer frame.
type frame struct {
	data   []byte    // as on the wire from the link header on, at most snapLength bytes
	length int       // original length, bytes
	time   time.Time // when the kernel saw it
	kind   frameKind
}

// linkType is how frames begin.
type linkType = headers.Link

const (
	linkEthernet = headers.Ethernet
	linkRaw      = headers.Raw
)

// frameKind says who a frame is for, from this host's point of view.
type frameKind uint8

const (
	kindUnknown frameKind = iota
	kindUnicast
	kindMulticast
	kindBroadcast
	kindOther // to another machine: some program put the interface into promiscuous mode
	kindSent
)

// snapLength is the most that is kept of one frame, bytes. Segmentation offload
// gives frames up to 64 KiB and some; the largest value that readers take.
const snapLength = 262144

const (
	protoTCP = headers.TCP
	protoUDP = headers.UDP

	mdnsPort = 5353
)

// packet is what the filter needs to know of a frame.
type packet struct {
	proto    uint8          // protoTCP or protoUDP
	src, dst netip.AddrPort // port 0 in later fragments
	frag     uint32         // IP identification, if a fragment
	first    bool           // first fragment of several
	later    bool           // a fragment without the transport header
	syn      bool           // TCP: opens a connection (SYN without ACK)
	payload  []byte         // UDP: what was captured of the datagram's payload
}

// decode reads a frame's headers; false if it is not TCP or UDP over IP or cut
// too short to tell. It accepts exactly what the kernel program accepts before
// ports are looked at.
func decode(link linkType, b []byte) (packet, bool) {
	ip, ok := headers.Decode(link, b)
	if !ok {
		return packet{}, false
	}
	p := packet{proto: ip.Proto, frag: ip.ID, first: ip.First, later: ip.Later}
	return p.transport(ip.Src, ip.Dst, ip.Payload)
}

// transport fills in ports from the TCP (RFC 9293) or UDP (RFC 768) header.
func (p packet) transport(src, dst netip.Addr, b []byte) (packet, bool) {
	if p.later {
		p.src, p.dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
		return p, true
	}
	if len(b) < 4 {
		return p, false
	}
	p.src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(b))
	p.dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:]))
	switch {
	case p.proto == protoTCP && len(b) >= 14:
		p.syn = b[13]&0x12 == 0x02
	case p.proto == protoUDP && len(b) >= 8:
		p.payload = b[8:]
		if n := int(binary.BigEndian.Uint16(b[4:])); n >= 8 && n < len(b) {
			p.payload = b[8:n]
		}
	}
	return p, true
}
