package captures

import (
	"bytes"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// encoding appends the pieces of a capture file to a byte slice, each whole.
type encoding interface {
	header(b []byte, link layers.LinkType) []byte
	iface(b []byte, d device, link layers.LinkType, filter string) []byte
	packet(b []byte, iface int, f frame) []byte
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

// pcap is the older format: one link type, no more than packets.
type pcap struct{}

var _ encoding = pcap{}

func (pcap) header(b []byte, link layers.LinkType) []byte {
	buf := bytes.NewBuffer(b)
	// A bytes.Buffer takes every write.
	_ = pcapgo.NewWriterNanos(buf).WriteFileHeader(snapLength, link)
	return buf.Bytes()
}

func (pcap) packet(b []byte, _ int, f frame) []byte {
	buf := bytes.NewBuffer(b)
	_ = pcapgo.NewWriterNanos(buf).WritePacket(gopacket.CaptureInfo{
		Timestamp:     f.time,
		CaptureLength: len(f.data),
		Length:        max(f.length, len(f.data)),
	}, f.data)
	return buf.Bytes()
}

func (pcap) iface(b []byte, _ device, _ layers.LinkType, _ string) []byte { return b }
func (pcap) names(b []byte, _ map[netip.Addr]string) []byte               { return b }
func (pcap) stats(b []byte, _ int, _ interfaceStats, _ time.Time) []byte  { return b }
