package captures

import (
	"encoding/binary"
	"net/netip"
	"path/filepath"
	"strings"
	"time"
)

// encoding appends the pieces of a capture file to a byte slice, each whole.
type encoding interface {
	header(b []byte, link linkType) []byte
	iface(b []byte, d device, link linkType, filter string) []byte
	// packet appends a packet with lines of a comment.
	packet(b []byte, iface int, f frame, comment []string) []byte
	// secrets appends lines of an NSS key log, for the packets that follow.
	secrets(b []byte, keys []string) []byte
	names(b []byte, names map[netip.Addr]string) []byte
	stats(b []byte, iface int, s interfaceStats, now time.Time) []byte
}

// interfaceStats are one interface's counters over one file.
type interfaceStats struct {
	since    time.Time
	received uint64 // frames that passed the kernel's filter, dropped ones included
	dropped  uint64 // of these, frames that the kernel had no room for
}

// classic says whether a file of this name is a .pcap, else a .pcapng.
func classic(path string) (bool, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".pcap":
		return true, nil
	case ".pcapng":
		return false, nil
	}
	return false, usagef("the name of a capture must end in .pcapng or .pcap, %q does not", path)
}

// pcap is the older format (draft-ietf-opsawg-pcap, with nanoseconds): one link
// type, no more than packets. It is written by hand since package
// gopacket/layers, which gopacket's writer brings along, fills tables of 5 MB
// when the program starts, whether or not it ever captures.
type pcap struct{}

const (
	pcapMagic  = 0xa1b23c4d // nanoseconds; tells the order of bytes as well
	pcapMajor  = 2
	pcapMinor  = 4
	pcapUnused = 0 // time zone, accuracy of the times
)

var _ encoding = pcap{}

func (pcap) header(b []byte, link linkType) []byte {
	b = binary.LittleEndian.AppendUint32(b, pcapMagic)
	b = binary.LittleEndian.AppendUint16(b, pcapMajor)
	b = binary.LittleEndian.AppendUint16(b, pcapMinor)
	b = binary.LittleEndian.AppendUint64(b, pcapUnused)
	b = binary.LittleEndian.AppendUint32(b, snapLength)
	return binary.LittleEndian.AppendUint32(b, uint32(link))
}

func (pcap) packet(b []byte, _ int, f frame, _ []string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(f.time.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(f.time.Nanosecond()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.data)))
	b = binary.LittleEndian.AppendUint32(b, uint32(max(f.length, len(f.data))))
	return append(b, f.data...)
}

func (pcap) iface(b []byte, _ device, _ linkType, _ string) []byte       { return b }
func (pcap) names(b []byte, _ map[netip.Addr]string) []byte              { return b }
func (pcap) stats(b []byte, _ int, _ interfaceStats, _ time.Time) []byte { return b }
