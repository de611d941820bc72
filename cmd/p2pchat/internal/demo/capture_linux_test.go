package demo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"golang.org/x/net/dns/dnsmessage"
)

// packets reads a capture of either format.
func packets(t *testing.T, file string) []gopacket.Packet {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var source gopacket.PacketDataSource
	if strings.HasSuffix(file, ".pcapng") {
		source, err = pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	} else {
		source, err = pcapgo.NewReader(f)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var all []gopacket.Packet
	for {
		data, ci, err := source.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: packet %d: %v", file, len(all)+1, err)
		}
		p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)
		p.Metadata().CaptureInfo = ci
		all = append(all, p)
	}
}

// direction is what one side sent in a conversation.
type direction struct {
	opened, ended bool   // TCP: SYN, and FIN or RST; QUIC: a long header
	next          uint32 // TCP: the sequence number that is to come
	bytes         int    // of payload
	said          []byte // TCP: the first bytes
}

// whole checks that a capture holds both conversations from the first packet
// to the last, each packet once, and nothing else; client said at least so many
// bytes in each. It returns the mDNS instances.
func whole(t *testing.T, file string, atLeast int) []string {
	t.Helper()
	all := packets(t, file)
	tcps, quics := map[netip.AddrPort]*direction{}, map[netip.AddrPort]*direction{}
	ids, goodbyes := map[string]bool{}, map[string]bool{}
	frames := map[string]int{}
	for i, p := range all {
		bad := func(what string) { t.Errorf("%s: packet %d of %d %s:\n%s", file, i+1, len(all), what, p) }
		ip, ok := p.NetworkLayer().(*layers.IPv4)
		if !ok {
			bad("is no IPv4")
			continue
		}
		if bytes.Contains(p.Data(), []byte(marker)) {
			bad("is another program's")
		}
		src, _ := netip.AddrFromSlice(ip.SrcIP)
		dst, _ := netip.AddrFromSlice(ip.DstIP)
		if !ours(src) || !ours(dst) && !dst.IsMulticast() {
			bad("is of another address")
		}
		switch l := p.TransportLayer().(type) {
		case *layers.TCP:
			from, to := netip.AddrPortFrom(src, uint16(l.SrcPort)), netip.AddrPortFrom(dst, uint16(l.DstPort))
			if !ourPort(from) || !ourPort(to) {
				bad("is of another port")
			}
			follow(side(tcps, from), side(tcps, to), l, bad)
		case *layers.UDP:
			from, to := netip.AddrPortFrom(src, uint16(l.SrcPort)), netip.AddrPortFrom(dst, uint16(l.DstPort))
			if from.Port() == 5353 && to.Port() == 5353 {
				instances(t, l.Payload, ids, goodbyes)
				break
			}
			if !ourPort(from) || !ourPort(to) {
				bad("is of another port")
			}
			d := side(quics, from)
			d.opened = d.opened || len(l.Payload) > 5 && l.Payload[0]&0xc0 == 0xc0 && binary.BigEndian.Uint32(l.Payload[1:]) == 1
			d.bytes += len(l.Payload)
		default:
			bad("is neither TCP nor UDP")
		}
		// QUIC says its last word again to who has not heard it, and mDNS repeats
		// itself; no TCP segment is like another.
		if before, again := frames[string(p.Data())]; again && p.Layer(layers.LayerTypeTCP) != nil {
			bad(fmt.Sprintf("is packet %d again", before+1))
		}
		frames[string(p.Data())] = i
	}
	if len(tcps) != 2 || len(quics) != 2 {
		t.Fatalf("%s: %d TCP and %d QUIC sides", file, len(tcps), len(quics))
	}
	ended := false
	for at, d := range tcps {
		if !d.opened || !bytes.HasPrefix(d.said, []byte("\x13/multistream/1.0.0\n")) {
			t.Errorf("%s: TCP from %v does not begin: %.40q", file, at, d.said)
		}
		ended = ended || d.ended
	}
	if !ended {
		t.Errorf("%s: TCP does not end", file)
	}
	for at, d := range quics {
		if !d.opened {
			t.Errorf("%s: QUIC from %v does not begin", file, at)
		}
	}
	for _, sides := range []map[netip.AddrPort]*direction{tcps, quics} {
		for at, d := range sides {
			if at.Addr() == clientAddr && d.bytes < atLeast {
				t.Errorf("%s: client sent %d bytes from %v, and said %d", file, d.bytes, at, atLeast)
			}
		}
	}
	if len(ids) != 4 || len(goodbyes) != 4 {
		t.Errorf("%s: %d nodes announced, %d said goodbye; want 4", file, len(ids), len(goodbyes))
	}
	var list []string
	for id := range ids {
		list = append(list, id)
	}
	return list
}

// follow checks that a TCP segment continues what was seen before, and
// acknowledges nothing that was not.
func follow(from, to *direction, l *layers.TCP, bad func(string)) {
	if l.SYN {
		from.opened, from.next = true, l.Seq+1
	}
	switch ahead := int32(l.Seq - from.next); {
	case l.SYN:
	case ahead > 0:
		bad("comes after one that is missing")
	case ahead == 0:
		if len(from.said) < 64 {
			from.said = append(from.said, l.Payload...)
		}
		from.next += uint32(len(l.Payload))
		from.bytes += len(l.Payload)
	}
	if l.FIN {
		from.next++
	}
	from.ended = from.ended || l.FIN || l.RST
	if l.ACK && to.opened && int32(l.Ack-to.next) > 0 {
		bad("acknowledges what is missing")
	}
}

func side(m map[netip.AddrPort]*direction, at netip.AddrPort) *direction {
	if m[at] == nil {
		m[at] = &direction{}
	}
	return m[at]
}

var clientAddr, serverAddr = netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")

func ours(a netip.Addr) bool { return a == clientAddr || a == serverAddr }

func ourPort(p netip.AddrPort) bool { return p.Port() >= firstPort && p.Port() < firstPort+ports }

// instances notes who announces himself and who says goodbye.
func instances(t *testing.T, msg []byte, ids, goodbyes map[string]bool) {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(msg); err != nil {
		t.Errorf("mDNS: %v", err)
		return
	}
	for _, r := range slices.Concat(m.Answers, m.Additionals) {
		id, ok := strings.CutSuffix(r.Header.Name.String(), "._p2pchat._udp.local.")
		if !ok || r.Header.Type != dnsmessage.TypeTXT {
			continue
		}
		ids[id] = true
		if r.Header.TTL == 0 {
			goodbyes[id] = true
		}
	}
}
