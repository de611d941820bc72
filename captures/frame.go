package captures

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// frame is one captured link-layer frame.
type frame struct {
	data   []byte    // as on the wire from the link header on, at most snapLength bytes
	length int       // original length, bytes
	time   time.Time // when the kernel saw it
	kind   frameKind
}

// linkType is how frames begin: a LINKTYPE_ value of the registry that pcap and
// pcapng share.
type linkType uint16

const (
	linkEthernet linkType = 1
	linkRaw      linkType = 101 // IP without anything before it
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
	protoTCP = 6
	protoUDP = 17

	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherVLAN  = 0x8100 // IEEE 802.1Q
	etherQinQ  = 0x88a8 // IEEE 802.1ad
	etherQinQ1 = 0x9100 // the same before it was a standard

	maxVLANTags   = 2
	maxExtHeaders = 4 // IPv6 extension headers walked over

	ipHopByHop = 0 // IPv6 extension headers, RFC 8200
	ipRouting  = 43
	ipFragment = 44
	ipDestOpts = 60

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
	etherType, ip, ok := network(link, b)
	if !ok {
		return packet{}, false
	}
	switch etherType {
	case etherIPv4:
		return decodeIPv4(ip)
	case etherIPv6:
		return decodeIPv6(ip)
	}
	return packet{}, false
}

// network finds the IP header.
func network(link linkType, b []byte) (etherType uint16, ip []byte, ok bool) {
	if link == linkRaw {
		if len(b) == 0 {
			return 0, nil, false
		}
		if b[0]>>4 == 6 {
			return etherIPv6, b, true
		}
		return etherIPv4, b, true
	}
	if len(b) < 14 {
		return 0, nil, false
	}
	etherType, ip = binary.BigEndian.Uint16(b[12:]), b[14:]
	for range maxVLANTags {
		if etherType != etherVLAN && etherType != etherQinQ && etherType != etherQinQ1 {
			break
		}
		if len(ip) < 4 {
			return 0, nil, false
		}
		etherType, ip = binary.BigEndian.Uint16(ip[2:]), ip[4:]
	}
	return etherType, ip, true
}

// decodeIPv4 follows RFC 791.
func decodeIPv4(b []byte) (p packet, ok bool) {
	if len(b) < 20 || b[0]>>4 != 4 || b[0]&0xf < 5 {
		return p, false
	}
	p.proto = b[9]
	if p.proto != protoTCP && p.proto != protoUDP {
		return p, false
	}
	src, _ := netip.AddrFromSlice(b[12:16])
	dst, _ := netip.AddrFromSlice(b[16:20])
	field := binary.BigEndian.Uint16(b[6:])
	p.frag = uint32(binary.BigEndian.Uint16(b[4:]))
	p.later = field&0x1fff != 0
	p.first = field&0x2000 != 0 && !p.later
	return p.transport(src, dst, b[min(len(b), int(b[0]&0xf)*4):])
}

// decodeIPv6 follows RFC 8200.
func decodeIPv6(b []byte) (p packet, ok bool) {
	if len(b) < 40 || b[0]>>4 != 6 {
		return p, false
	}
	src, _ := netip.AddrFromSlice(b[8:24])
	dst, _ := netip.AddrFromSlice(b[24:40])
	next, rest := b[6], b[40:]
	for range maxExtHeaders {
		switch next {
		case ipHopByHop, ipRouting, ipDestOpts:
			if len(rest) < 2 {
				return p, false
			}
			n := (int(rest[1]) + 1) * 8
			if n > len(rest) {
				return p, false
			}
			next, rest = rest[0], rest[n:]
		case ipFragment:
			if len(rest) < 8 {
				return p, false
			}
			field := binary.BigEndian.Uint16(rest[2:])
			p.frag = binary.BigEndian.Uint32(rest[4:])
			p.later = field>>3 != 0
			p.first = field&1 != 0 && !p.later
			next, rest = rest[0], rest[8:]
			if p.later {
				p.proto = next
				if next != protoTCP && next != protoUDP {
					return p, false
				}
				return p.transport(src, dst, rest)
			}
		}
	}
	p.proto = next
	if next != protoTCP && next != protoUDP {
		return p, false
	}
	return p.transport(src, dst, rest)
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
