// Package headers reads the headers of captured frames down to TCP and UDP over
// IP, without copying. Names are those of the registries: link types are
// LINKTYPE_ values, which pcap and pcapng share (draft-ietf-opsawg-pcaplinktype).
package headers

import (
	"encoding/binary"
	"net/netip"
)

// Link is how frames begin: a LINKTYPE_ value.
type Link uint16

// Link types whose frames are understood.
const (
	Null     Link = 0 // BSD loopback: an address family in the byte order of the host
	Ethernet Link = 1
	Raw      Link = 101 // IP without anything before it
	Loop     Link = 108 // OpenBSD loopback: an address family, big endian
	SLL      Link = 113 // Linux "any" device
	IPv4     Link = 228 // IPv4 without anything before it
	IPv6     Link = 229
	SLL2     Link = 276 // Linux "any" device, second edition
)

// The numbers of IP and Ethernet that the decoder knows.
const (
	TCP = 6
	UDP = 17

	EtherIPv4  = 0x0800
	EtherIPv6  = 0x86dd
	EtherVLAN  = 0x8100 // IEEE 802.1Q
	EtherQinQ  = 0x88a8 // IEEE 802.1ad
	EtherQinQ1 = 0x9100 // the same before it was a standard

	MaxVLANTags   = 2
	MaxExtHeaders = 4 // IPv6 extension headers walked over

	HopByHop = 0 // IPv6 extension headers, RFC 8200
	Routing  = 43
	Fragment = 44
	DestOpts = 60
)

// IP is what the network layer says of a packet.
type IP struct {
	Proto    uint8 // TCP or UDP
	Src, Dst netip.Addr
	ID       uint32 // identification, if a fragment (IPv4: always)
	First    bool   // first fragment of several
	Later    bool   // a fragment without the transport header
	// Payload is all that was captured behind the IP header, the padding of short
	// Ethernet frames included.
	Payload []byte
	// Length of the payload as the header gives it, bytes: less than
	// len(Payload) if there is padding, more if the frame was cut.
	Length int
}

// Decode finds the IP header; false if the frame is not TCP or UDP over IP, or
// cut too short to tell.
func Decode(link Link, b []byte) (IP, bool) {
	etherType, ip, ok := network(link, b)
	if !ok {
		return IP{}, false
	}
	switch etherType {
	case EtherIPv4:
		return decodeIPv4(ip)
	case EtherIPv6:
		return decodeIPv6(ip)
	}
	return IP{}, false
}

// Known tells whether frames of a link type are understood.
func Known(link Link) bool {
	switch link {
	case Null, Ethernet, Raw, Loop, SLL, IPv4, IPv6, SLL2:
		return true
	}
	return false
}

// network finds the IP header.
func network(link Link, b []byte) (etherType uint16, ip []byte, ok bool) {
	skip := 0
	switch link {
	case Raw, IPv4, IPv6:
	case Null, Loop:
		skip = 4 // the family has other numbers on every system; IP has its version
	case SLL:
		return tagged(b, 14)
	case SLL2:
		if len(b) < 20 {
			return 0, nil, false
		}
		return binary.BigEndian.Uint16(b), b[20:], true
	case Ethernet:
		return tagged(b, 12)
	default:
		return 0, nil, false
	}
	if len(b) <= skip {
		return 0, nil, false
	}
	b = b[skip:]
	if b[0]>>4 == 6 {
		return EtherIPv6, b, true
	}
	return EtherIPv4, b, true
}

// tagged reads the type field at an offset, and those behind VLAN tags.
func tagged(b []byte, at int) (etherType uint16, ip []byte, ok bool) {
	if len(b) < at+2 {
		return 0, nil, false
	}
	etherType, ip = binary.BigEndian.Uint16(b[at:]), b[at+2:]
	for range MaxVLANTags {
		if etherType != EtherVLAN && etherType != EtherQinQ && etherType != EtherQinQ1 {
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
func decodeIPv4(b []byte) (p IP, ok bool) {
	if len(b) < 20 || b[0]>>4 != 4 || b[0]&0xf < 5 {
		return p, false
	}
	p.Proto = b[9]
	p.Src, _ = netip.AddrFromSlice(b[12:16])
	p.Dst, _ = netip.AddrFromSlice(b[16:20])
	field := binary.BigEndian.Uint16(b[6:])
	p.ID = uint32(binary.BigEndian.Uint16(b[4:]))
	p.Later = field&0x1fff != 0
	p.First = field&0x2000 != 0 && !p.Later
	header := int(b[0]&0xf) * 4
	p.Payload = b[min(len(b), header):]
	p.Length = int(binary.BigEndian.Uint16(b[2:])) - header
	return p.checked()
}

// decodeIPv6 follows RFC 8200.
func decodeIPv6(b []byte) (p IP, ok bool) {
	if len(b) < 40 || b[0]>>4 != 6 {
		return p, false
	}
	p.Src, _ = netip.AddrFromSlice(b[8:24])
	p.Dst, _ = netip.AddrFromSlice(b[24:40])
	length := int(binary.BigEndian.Uint16(b[4:]))
	next, rest := b[6], b[40:]
	for range MaxExtHeaders {
		n := 0
		switch next {
		case HopByHop, Routing, DestOpts:
			if len(rest) < 2 {
				return p, false
			}
			n = (int(rest[1]) + 1) * 8
			if n > len(rest) {
				return p, false
			}
		case Fragment:
			n = 8
			if len(rest) < n {
				return p, false
			}
			field := binary.BigEndian.Uint16(rest[2:])
			p.ID = binary.BigEndian.Uint32(rest[4:])
			p.Later = field>>3 != 0
			p.First = field&1 != 0 && !p.Later
		}
		if n == 0 {
			break
		}
		next, rest, length = rest[0], rest[n:], length-n
		if p.Later {
			break
		}
	}
	p.Proto, p.Payload, p.Length = next, rest, length
	return p.checked()
}

// checked refuses other protocols. A length that cannot be is what was
// captured: segmentation offload leaves it zero in very long packets.
func (p IP) checked() (IP, bool) {
	if p.Length <= 0 {
		p.Length = len(p.Payload)
	}
	return p, p.Proto == TCP || p.Proto == UDP
}
