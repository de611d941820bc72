package captures

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"time"
)

// Block types and option codes of pcapng (draft-ietf-opsawg-pcapng). gopacket's
// writer knows neither name resolution blocks nor packet flags.
const (
	ngSectionHeader  = 0x0a0d0d0a
	ngInterface      = 1
	ngNameResolution = 4
	ngStatistics     = 5
	ngEnhancedPacket = 6

	ngByteOrder = 0x1a2b3c4d

	ngOptEnd     = 0
	ngOptComment = 1

	ngOptHardware    = 2 // section header
	ngOptSectionOS   = 3
	ngOptApplication = 4

	ngOptName       = 2 // interface
	ngOptIPv4       = 4
	ngOptIPv6       = 5
	ngOptMAC        = 6
	ngOptResolution = 9
	ngOptFilter     = 11
	ngOptOS         = 12

	ngOptFlags = 2 // enhanced packet

	ngOptStart    = 2 // statistics
	ngOptStop     = 3
	ngOptReceived = 4
	ngOptDropped  = 5

	ngNameEnd  = 0 // name resolution records
	ngNameIPv4 = 1
	ngNameIPv6 = 2
)

// pcapng appends blocks to a byte slice, little endian.
type pcapng struct {
	application, comment, os string
}

var _ encoding = pcapng{}

// block appends one block; body appends what stands between the two lengths,
// and must leave it a multiple of 4 bytes long.
func block(b []byte, kind uint32, body func([]byte) []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, kind)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = body(b)
	total := uint32(len(b) - start + 4)
	binary.LittleEndian.PutUint32(b[start+4:], total)
	return binary.LittleEndian.AppendUint32(b, total)
}

// option appends a code, a length and a padded value.
func option[T ~string | ~[]byte](b []byte, code uint16, value T) []byte {
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return pad(b, len(value))
}

// text is option for texts that may be empty (left out) or too long (cut).
func text(b []byte, code uint16, s string) []byte {
	if s == "" {
		return b
	}
	return option(b, code, s[:min(len(s), 0xffff)])
}

func pad(b []byte, n int) []byte { return append(b, make([]byte, -n&3)...) }

func endOfOptions(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, ngOptEnd) }

func (e pcapng) header(b []byte, _ linkType) []byte {
	return block(b, ngSectionHeader, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint32(b, ngByteOrder)
		b = binary.LittleEndian.AppendUint16(b, 1)          // major
		b = binary.LittleEndian.AppendUint16(b, 0)          // minor version
		b = binary.LittleEndian.AppendUint64(b, ^uint64(0)) // section length not given
		b = text(b, ngOptComment, e.comment)
		b = text(b, ngOptHardware, runtime.GOARCH)
		b = text(b, ngOptSectionOS, e.os)
		b = text(b, ngOptApplication, e.application)
		return endOfOptions(b)
	})
}

func (e pcapng) iface(b []byte, d device, link linkType, filter string) []byte {
	return block(b, ngInterface, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint16(b, uint16(link))
		b = binary.LittleEndian.AppendUint16(b, 0)
		b = binary.LittleEndian.AppendUint32(b, snapLength)
		b = text(b, ngOptName, d.name)
		for _, p := range d.addrs {
			addr := p.Addr().Unmap().WithZone("")
			if addr.Is4() {
				mask := ^uint32(0) << (32 - min(p.Bits(), 32))
				b = option(b, ngOptIPv4, binary.BigEndian.AppendUint32(addr.AsSlice(), mask))
			} else {
				b = option(b, ngOptIPv6, append(addr.AsSlice(), byte(p.Bits())))
			}
		}
		if len(d.mac) == 6 {
			b = option(b, ngOptMAC, d.mac)
		}
		b = option(b, ngOptResolution, []byte{9}) // 10⁻⁹ s
		b = option(b, ngOptFilter, "\x00"+filter) // 0: a libpcap expression
		b = text(b, ngOptOS, e.os)
		return endOfOptions(b)
	})
}

func (pcapng) packet(b []byte, iface int, f frame, comment []string) []byte {
	return block(b, ngEnhancedPacket, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint32(b, uint32(iface))
		b = appendTime(b, f.time)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f.data)))
		b = binary.LittleEndian.AppendUint32(b, uint32(f.length))
		b = append(b, f.data...)
		b = pad(b, len(f.data))
		if f.kind == kindUnknown && len(comment) == 0 {
			return b
		}
		b = comments(b, comment)
		if f.kind != kindUnknown {
			b = option(b, ngOptFlags, binary.LittleEndian.AppendUint32(nil, packetFlags(f.kind)))
		}
		return endOfOptions(b)
	})
}

// packetFlags: bits 0-1 direction (1 in, 2 out), bits 2-4 reception type (1
// unicast, 2 multicast, 3 broadcast, 4 promiscuous).
func packetFlags(k frameKind) uint32 {
	switch k {
	case kindUnicast:
		return 1 | 1<<2
	case kindMulticast:
		return 1 | 2<<2
	case kindBroadcast:
		return 1 | 3<<2
	case kindOther:
		return 1 | 4<<2
	case kindSent:
		return 2
	}
	return 0
}

// appendTime: nanoseconds since 1970, upper half first.
func appendTime(b []byte, t time.Time) []byte {
	ns := uint64(t.UnixNano())
	b = binary.LittleEndian.AppendUint32(b, uint32(ns>>32))
	return binary.LittleEndian.AppendUint32(b, uint32(ns))
}

func (pcapng) names(b []byte, names map[netip.Addr]string) []byte {
	if len(names) == 0 {
		return b
	}
	return block(b, ngNameResolution, func(b []byte) []byte {
		for _, addr := range sortedNames(names) {
			code := uint16(ngNameIPv6)
			if addr.Is4() {
				code = ngNameIPv4
			}
			value := append(addr.AsSlice(), names[addr]...)
			b = option(b, code, append(value, 0))
		}
		return binary.LittleEndian.AppendUint32(b, ngNameEnd)
	})
}

func (pcapng) stats(b []byte, iface int, s interfaceStats, now time.Time) []byte {
	return block(b, ngStatistics, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint32(b, uint32(iface))
		b = appendTime(b, now)
		b = option(b, ngOptStart, appendTime(nil, s.since))
		b = option(b, ngOptStop, appendTime(nil, now))
		b = option(b, ngOptReceived, binary.LittleEndian.AppendUint64(nil, s.received))
		b = option(b, ngOptDropped, binary.LittleEndian.AppendUint64(nil, s.dropped))
		return endOfOptions(b)
	})
}
