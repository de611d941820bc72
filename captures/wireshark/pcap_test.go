package wireshark_test

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// packet is one packet of a made capture.
type packet struct {
	data    []byte // from Ethernet up
	comment string
}

// capture is what a pcapng file is made of.
type capture struct {
	keys    []byte // NSS key log lines
	packets []packet
}

// write makes the file and returns its path. Packets are a millisecond apart.
func (c *capture) write(t *testing.T) string {
	t.Helper()
	le := binary.LittleEndian
	var file []byte
	block := func(kind uint32, body []byte) {
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		file = le.AppendUint32(file, kind)
		file = le.AppendUint32(file, uint32(len(body)+12))
		file = append(file, body...)
		file = le.AppendUint32(file, uint32(len(body)+12))
	}
	block(0x0a0d0d0a, append(le.AppendUint32(nil, 0x1a2b3c4d), 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255))
	block(1, []byte{1, 0, 0, 0, 0, 0, 4, 0})
	block(10, append(le.AppendUint32(le.AppendUint32(nil, 0x544c534b), uint32(len(c.keys))), c.keys...))
	for i, p := range c.packets {
		us := uint64(1.7e15) + uint64(i)*1000
		b := le.AppendUint32(nil, 0)
		b = le.AppendUint32(b, uint32(us>>32))
		b = le.AppendUint32(b, uint32(us))
		b = le.AppendUint32(b, uint32(len(p.data)))
		b = le.AppendUint32(b, uint32(len(p.data)))
		b = append(b, p.data...)
		b = append(b, make([]byte, -len(b)&3)...)
		if p.comment != "" {
			b = le.AppendUint16(b, 1)
			b = le.AppendUint16(b, uint16(len(p.comment)))
			b = append(b, p.comment...)
			b = append(b, make([]byte, -len(b)&3)...)
			b = append(b, 0, 0, 0, 0)
		}
		block(6, b)
	}
	path := filepath.Join(t.TempDir(), "made.pcapng")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// frame wraps a TCP segment or UDP datagram, without checksums, which Wireshark
// does not ask for.
func frame(src, dst netip.AddrPort, protocol byte, payload []byte) []byte {
	be := binary.BigEndian
	b := make([]byte, 12, 34+len(payload))
	b[5], b[11] = 1, 2
	b = append(b, 8, 0, 0x45, 0)
	b = be.AppendUint16(b, uint16(20+len(payload)))
	b = append(b, 0, 0, 0x40, 0, 64, protocol, 0, 0)
	b = append(b, src.Addr().AsSlice()...)
	b = append(b, dst.Addr().AsSlice()...)
	return append(b, payload...)
}

func udpFrame(src, dst netip.AddrPort, payload []byte) []byte {
	be := binary.BigEndian
	b := be.AppendUint16(nil, src.Port())
	b = be.AppendUint16(b, dst.Port())
	b = be.AppendUint16(b, uint16(8+len(payload)))
	b = append(b, 0, 0)
	return frame(src, dst, 17, append(b, payload...))
}

const (
	tcpFIN = 1
	tcpSYN = 2
	tcpPSH = 8
	tcpACK = 16
)

func tcpFrame(src, dst netip.AddrPort, seq, ack uint32, flags byte, payload []byte) []byte {
	be := binary.BigEndian
	b := be.AppendUint16(nil, src.Port())
	b = be.AppendUint16(b, dst.Port())
	b = be.AppendUint32(b, seq)
	b = be.AppendUint32(b, ack)
	b = append(b, 5<<4, flags, 255, 255, 0, 0, 0, 0)
	return frame(src, dst, 6, append(b, payload...))
}
