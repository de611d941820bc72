package captures

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/pcapgo"
	"pgregory.net/rapid"

	"p2pchat/captures/internal/headers"
)

var eth0 = device{
	name: "eth0", index: 2, mac: net.HardwareAddr{2, 0, 0, 0, 0, 1},
	addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("fe80::1/64")},
}

func testSink(enc encoding, path string) *sink {
	return &sink{
		enc: enc, path: path, now: func() time.Time { return now0 },
		link: linkEthernet, filter: "udp port 47700",
	}
}

// read gives the packets of a capture as gopacket sees them.
func read(t testing.TB, path string) (data [][]byte, infos []gopacket.CaptureInfo, ng *pcapgo.NgReader) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	var r gopacket.PacketDataSource
	if filepath.Ext(path) == ".pcap" {
		r, err = pcapgo.NewReader(f)
	} else {
		ng, err = pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		r = ng
	}
	must(t, err)
	for {
		b, ci, err := r.ReadPacketData()
		if err == io.EOF {
			return data, infos, ng
		}
		if err != nil {
			t.Fatalf("%s after %d packets: %v", path, len(data), err)
		}
		data, infos = append(data, b), append(infos, ci)
	}
}

// What is written is what gopacket reads, for any packets.
func TestFilesReadBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		ext := rapid.SampledFrom([]string{".pcap", ".pcapng"}).Draw(rt, "ext")
		path := filepath.Join(dir, "x"+ext)
		_ = os.Remove(path)
		s := testSink(pcapng{application: "p2pchat test", comment: "a comment", os: "Linux 6"}, path)
		nics := []device{eth0}
		if ext == ".pcap" {
			s.enc = pcap{}
		} else if rapid.Bool().Draw(rt, "two") {
			nics = append(nics, device{name: "wg0", index: 3})
		}
		for i, d := range nics {
			s.addInterface(d, []linkType{linkEthernet, linkRaw}[i])
		}
		must(t, s.start())
		frames := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) frame {
			n := rapid.IntRange(0, 70).Draw(rt, "size")
			if rapid.IntRange(0, 9).Draw(rt, "big") == 0 {
				n = rapid.SampledFrom([]int{65549, snapLength}).Draw(rt, "bigsize")
			}
			b := bytes.Repeat([]byte{byte(n)}, n)
			return frame{
				data: b, length: n + rapid.IntRange(0, 3).Draw(rt, "cut"),
				time: now0.Add(time.Duration(rapid.Int64Range(0, 1e18).Draw(rt, "ns"))),
				kind: frameKind(rapid.IntRange(0, 5).Draw(rt, "kind")),
			}
		}), 0, 12).Draw(rt, "frames")
		for i, f := range frames {
			must(t, s.packet(i%len(nics), f))
		}
		must(t, s.finish())

		data, infos, ng := read(t, path)
		if len(data) != len(frames) {
			rt.Fatalf("%d packets read, %d written", len(data), len(frames))
		}
		for i, f := range frames {
			if !bytes.Equal(data[i], f.data) || infos[i].Length != f.length || !infos[i].Timestamp.Equal(f.time) {
				rt.Fatalf("packet %d: read %+v, wrote %d of %d bytes at %v", i, infos[i], len(f.data), f.length, f.time)
			}
			if ng != nil && infos[i].InterfaceIndex != i%len(nics) {
				rt.Fatalf("packet %d on interface %d", i, infos[i].InterfaceIndex)
			}
		}
		if ng != nil && len(frames) > 0 {
			got, err := ng.Interface(0)
			must(t, err)
			if got.Name != "eth0" || got.OS != "Linux 6" || linkType(got.LinkType) != linkEthernet || got.SnapLength != snapLength {
				rt.Fatalf("interface %+v", got)
			}
			if si := ng.SectionInfo(); si.Application != "p2pchat test" || si.Comment != "a comment" {
				rt.Fatalf("section %+v", si)
			}
		}
	})
}

// The tools that people use accept both formats and see everything in them.
func TestFilesInTools(t *testing.T) {
	t.Parallel()
	alice, bob := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fd00::9")
	for _, ext := range []string{".pcap", ".pcapng"} {
		t.Run(ext, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x"+ext)
			s := testSink(pcapng{application: "p2pchat 1.2.3", comment: "alice talks", os: "Linux 6.1"}, path)
			if ext == ".pcap" {
				s.enc = pcap{}
			}
			s.known = map[netip.Addr]string{alice: "alice"}
			s.addInterface(eth0, linkEthernet)
			must(t, s.start())
			must(t, s.packet(0, udp("192.0.2.1:47700", "192.0.2.2:9", "one").frame(now0, kindSent)))
			s.setNames(map[netip.Addr]string{alice: "alice", bob: "bob"})
			must(t, s.packet(s.addInterface(device{name: "eth1"}, linkEthernet),
				tcp("[fd00::9]:1", "[fd00::1]:47700", "two").frame(now0.Add(time.Microsecond+1), kindUnicast)))
			tagged := udp("192.0.2.1:47700", "192.0.2.2:9", "three")
			tagged.tags = []uint16{headers.EtherVLAN}
			must(t, s.packet(0, tagged.frame(now0.Add(time.Second), kindMulticast)))
			s.ifaces[0].stats.received, s.ifaces[0].stats.dropped = 12, 10
			must(t, s.finish())

			if n := accepted(t, path); n != 3 {
				t.Errorf("tcpdump sees %d packets", n)
			}
			rows := fields(t, path, "frame.interface_name", "frame.packet_flags_direction", "frame.packet_flags_reception_type",
				"ip.src_host", "ipv6.src_host", "udp.dstport", "tcp.dstport", "vlan.id", "frame.time_epoch")
			want := [][]string{
				{"eth0", "0x00000002", "0", "alice", "", "9", "", "", "1700000000.000000000"},
				{"eth1", "0x00000001", "1", "", "bob", "", "47700", "", "1700000000.000001001"},
				{"eth0", "0x00000001", "2", "alice", "", "9", "", "10", "1700000001.000000000"},
			}
			if ext == ".pcap" { // has neither interfaces nor directions nor names
				for i, addr := range []string{"192.0.2.1", "fd00::9", "192.0.2.1"} {
					want[i][0], want[i][1], want[i][2], want[i][3+i%2] = "", "", "", addr
				}
			}
			for i := range want {
				if !slices.Equal(rows[i], want[i]) {
					t.Errorf("packet %d: %q, want %q", i+1, rows[i], want[i])
				}
			}
			if ext == ".pcap" {
				return
			}
			info := tool(t, "capinfos", path)
			for _, want := range []string{
				"p2pchat 1.2.3", "Linux 6.1", "alice talks", "Name = eth0", "Name = eth1",
				"Filter string = udp port 47700", "Number of interfaces in file: 2", "Strict time order:   True",
			} {
				if !strings.Contains(info, want) {
					t.Errorf("capinfos does not show %q:\n%s", want, info)
				}
			}
		})
	}
}

// wholeBlocks walks a pcapng without mercy and returns how many bytes of it are
// whole blocks.
func wholeBlocks(t testing.TB, b []byte) (n int) {
	t.Helper()
	for len(b)-n >= 12 {
		length := int(binary.LittleEndian.Uint32(b[n+4:]))
		if length < 12 || length%4 != 0 {
			t.Fatalf("block of length %d at %d", length, n)
		}
		if n+length > len(b) {
			return n
		}
		if trailer := int(binary.LittleEndian.Uint32(b[n+length-4:])); trailer != length {
			t.Fatalf("block at %d has lengths %d and %d", n, length, trailer)
		}
		n += length
	}
	return n
}

// shortWriter takes so many bytes, then fails in mid-write.
type shortWriter struct {
	f    *newFile
	room int
	err  error
}

func (w *shortWriter) Write(b []byte) (int, error) {
	if len(b) <= w.room {
		w.room -= len(b)
		return w.f.Write(b)
	}
	n, _ := w.f.Write(b[:w.room])
	w.room = 0
	return n, w.err
}

// A write that fails half-way leaves whole blocks, and so do writes after it.
func TestSinkCutsBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.pcapng")
	s := testSink(pcapng{}, path)
	s.addInterface(eth0, linkEthernet)
	must(t, s.start())
	full := errors.New("full")
	f := udp("192.0.2.1:47700", "192.0.2.2:9", strings.Repeat("x", 1000)).frame(now0, kindSent)
	w := &shortWriter{f: s.file, room: 5000, err: full}
	s.out = w
	for range 10 {
		must(t, s.packet(0, f))
	}
	if err := s.flush(); !errors.Is(err, full) {
		t.Fatalf("error %v", err)
	}
	const kept = 4
	w.room = 1000 // somebody made room: enough for the statistics
	must(t, s.finish())
	if b, err := os.ReadFile(path); err != nil || wholeBlocks(t, b) != len(b) {
		t.Fatalf("the file is cut: %v", err)
	}
	if data, _, _ := read(t, path); len(data) != kept {
		t.Errorf("%d packets read, %d kept", len(data), kept)
	}
}

func TestSinkRing(t *testing.T) {
	t.Parallel()
	for _, ext := range []string{".pcap", ".pcapng"} {
		dir := t.TempDir()
		s := testSink(pcapng{}, filepath.Join(dir, "x"+ext))
		if ext == ".pcap" {
			s.enc = pcap{}
		}
		s.ring = Ring{Size: 100_000, Files: 3}
		s.addInterface(eth0, linkEthernet)
		s.known = map[netip.Addr]string{netip.MustParseAddr("192.0.2.1"): "alice"}
		must(t, s.start())
		const packets = 1000
		for i := range packets {
			payload := fmt.Sprintf("%04d%s", i, strings.Repeat("x", 996))
			must(t, s.packet(0, udp("192.0.2.1:47700", "192.0.2.2:9", payload).frame(now0.Add(time.Duration(i)), kindSent)))
			if i == packets/2 {
				s.addInterface(device{name: "eth1"}, linkEthernet)
			}
		}
		must(t, s.finish())
		entries, err := os.ReadDir(dir)
		must(t, err)
		if len(entries) != 3 {
			t.Fatalf("files left: %v", entries)
		}
		next := -1
		for i, e := range entries {
			path := filepath.Join(dir, e.Name())
			if want := fmt.Sprintf("x_%05d_%s%s", s.number-2+i, now0.Format("20060102150405"), ext); e.Name() != want {
				t.Errorf("file %s, want %s", e.Name(), want)
			}
			if info, _ := e.Info(); info.Size() > s.ring.Size || (i < 2 && info.Size() < s.ring.Size-1200) {
				t.Errorf("%s has %d bytes", e.Name(), info.Size())
			}
			if n := accepted(t, path); n == 0 {
				t.Errorf("%s is empty", e.Name())
			}
			data, _, _ := read(t, path)
			for _, b := range data { // the last packets, each once, in order
				var n int
				_, err := fmt.Sscanf(string(b[42:46]), "%04d", &n)
				must(t, err)
				if next >= 0 && n != next {
					t.Fatalf("packet %d follows %d", n, next-1)
				}
				next = n + 1
			}
		}
		if next != packets {
			t.Errorf("the last packet is %d", next-1)
		}
	}
}

func TestParseRing(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Ring{
		"100000,2": {100_000, 2}, "10MB,5": {10_000_000, 5}, "10 MiB, 5": {10 << 20, 5},
		"1g,3": {1e9, 3}, "64KiB,2": {64 << 10, 2}, "100kB,2": {100_000, 2},
	} {
		if got, err := ParseRing(in); err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "10MB", "10MB,", "10MB,1", "10MB,x", "10XB,2", ",2", "-1,2", "64000,2", "9999999999GB,2", "MB,2", "1.5MB,2", "0,0", "0MB,0"} {
		var usage *UsageError
		if got, err := ParseRing(in); !errors.As(err, &usage) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

func TestQueueOrders(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := queue{hold: holdFor}
		at := now0
		lost := &flow{}
		var want, got []int64
		var last time.Time
		pop := func(all bool) {
			for h, ok := q.pop(at, all); ok; h, ok = q.pop(at, all) {
				if h.time.Before(last) {
					t.Fatalf("%v after %v", h.time, last)
				}
				last = h.time
				got = append(got, h.time.UnixNano())
			}
		}
		for range rapid.IntRange(0, 50).Draw(t, "n") {
			at = at.Add(time.Duration(rapid.Int64Range(0, int64(holdFor)).Draw(t, "gap")))
			// Each packet arrives less than holdFor after it was seen.
			ts := at.Add(-time.Duration(rapid.Int64Range(0, int64(holdFor)-1).Draw(t, "delay")))
			fl := kept
			if rapid.Bool().Draw(t, "foreign") {
				fl = lost
			} else {
				want = append(want, ts.UnixNano())
			}
			q.push(held{frame: frame{time: ts, data: []byte{1}}, flow: fl, arrived: at})
			pop(false)
		}
		pop(true)
		slices.Sort(want)
		if !slices.Equal(got, want) || q.bytes != 0 {
			t.Fatalf("got %v, want %v, %d bytes left", got, want, q.bytes)
		}
	})
}
