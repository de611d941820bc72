package captures

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"p2pchat/captures/internal/capturetest"
	"p2pchat/captures/internal/headers"
)

func testLink(t *testing.T, ng *pcapgo.NgReader, index int) linkType {
	t.Helper()
	if ng == nil {
		return linkEthernet
	}
	ifc, err := ng.Interface(index)
	must(t, err)
	return linkType(ifc.LinkType)
}

// Everything that the node says and hears is in the file, once, and nothing of
// any other program.
func TestLabExactlyOneNode(t *testing.T) {
	if !inLab(t) {
		return
	}
	for _, ext := range []string{".pcap", ".pcapng"} {
		t.Run(ext, func(t *testing.T) {
			c := layCable(t)
			r := record(t, func(o *Options) { o.Path = strings.TrimSuffix(o.Path, ".pcapng") + ext })
			var want []string
			said := func(text string) string {
				want = append(want, text)
				return text
			}

			ours := socket(t, nil, fmt.Sprintf("[::]:%d", ourPort))
			theirs4, theirs6 := socket(t, c, peer4+":47700"), socket(t, c, "["+peer6+"]:47700")
			local := socket(t, nil, "127.0.0.1:0")
			stranger := socket(t, nil, us4+":40000")
			strange := socket(t, c, peer4+":40000")
			for i := range 20 {
				tell(t, ours, theirs4, said(fmt.Sprint("out4 ", i)))
				tell(t, ours, theirs6, said(fmt.Sprint("out6 ", i)))
				arrive(t, theirs4, ours, us4, said(fmt.Sprint("in4 ", i)))
				arrive(t, theirs6, ours, us6, said(fmt.Sprint("in6 ", i)))
				arrive(t, local, ours, "127.0.0.1", said(fmt.Sprint("local ", i)))

				tell(t, stranger, theirs4, "a stranger to the peer's node")
				tell(t, theirs4, stranger, "the peer's node to a stranger")
				tell(t, stranger, strange, "between strangers")
				tell(t, local, stranger, "strangers here")
			}
			mdns, theirMDNS := socket(t, nil, us4+":5353"), socket(t, c, peer4+":5353")
			group := addrPort("224.0.0.251:5353")
			for _, from := range []*net.UDPConn{mdns, theirMDNS} {
				sendTo(t, from, group, said(question(t, "_p2pchat._udp.local.")))
				sendTo(t, from, group, question(t, "_ipp._tcp.local."))
				sendTo(t, from, group, said(announcement(t, "_p2pchat._udp.local.", "x._p2pchat._udp.local.")))
			}
			tell(t, mdns, theirMDNS, said(announcement(t, "_services._dns-sd._udp.local.", "_p2pchat._udp.local.")))

			wantTCP := talkTCP(t, c)

			var got []string
			streams := map[string]int{}
			for _, p := range r.stop(t) {
				if p.proto == protoTCP {
					streams[tcpName(p)]++
					continue
				}
				got = append(got, string(p.payload))
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("in the file: %q\nwant: %q", got, want)
			}
			for name, n := range streams {
				if !wantTCP[name] {
					t.Errorf("%d packets of a foreign connection %s", n, name)
				}
			}
			for name := range wantTCP {
				if streams[name] < 4 { // handshake, data, end
					t.Errorf("connection %s has %d packets", name, streams[name])
				}
			}
			if n := accepted(t, r.path); uint64(n) != r.stats.Packets || r.stats.Dropped != 0 {
				t.Errorf("tcpdump sees %d packets, stats are %+v", n, r.stats)
			}
			if ext == ".pcapng" { // loopback's packets are told apart, and not doubled
				perInterface := map[string]int{}
				for _, row := range fields(t, r.path, "frame.interface_name", "udp.port") {
					if row[1] != "" {
						perInterface[row[0]]++
					}
				}
				if perInterface["lo"] != 20 {
					t.Errorf("packets per interface: %v", perInterface)
				}
			}
		})
		if ext == ".pcap" { // the next part lays its own cable
			link, err := netlink.LinkByName(ourEnd)
			must(t, err)
			must(t, netlink.LinkDel(link))
		}
	}
}

// arrive sends to the node's address and waits until it is there.
func arrive(t *testing.T, from, to *net.UDPConn, addr, text string) {
	t.Helper()
	sendTo(t, from, addrPort(net.JoinHostPort(addr, fmt.Sprint(ourPort))), text)
	buf := make([]byte, 65536)
	n, err := to.Read(buf)
	must(t, err)
	if string(buf[:n]) != text {
		t.Fatalf("received %q, want %q", buf[:n], text)
	}
}

// tcpName is the same for both directions.
func tcpName(p packet) string {
	a, b := p.src.String(), p.dst.String()
	return min(a, b) + " " + max(a, b)
}

// talkTCP has the node and others connect in both directions, and returns the
// names of the node's connections.
func talkTCP(t *testing.T, c *cable) map[string]bool {
	t.Helper()
	ours := map[string]bool{}
	connect := func(atPeer bool, local, listen string, node bool) {
		var l net.Listener
		var err error
		open := func() { l, err = net.Listen("tcp", listen) }
		if atPeer {
			open()
		} else {
			c.peer(open)
		}
		must(t, err)
		defer l.Close()
		var conn net.Conn
		dial := func() {
			d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(addrPort(local)), Control: reuse, Timeout: time.Minute}
			conn, err = d.Dial("tcp", listen)
		}
		if atPeer {
			c.peer(dial)
		} else {
			dial()
		}
		must(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte("hello"))
		must(t, err)
		other, err := l.Accept()
		must(t, err)
		defer other.Close()
		buf := make([]byte, 5)
		_, err = io.ReadFull(other, buf)
		must(t, err)
		if node {
			ours[tcpName(packet{src: addrPort(conn.LocalAddr().String()), dst: addrPort(conn.RemoteAddr().String())})] = true
		}
	}
	connect(true, peer4+":0", us4+":47700", true)             // the peer dials the node
	connect(true, "["+peer6+"]:0", "["+us6+"]:47700", true)   //
	connect(false, us4+":47700", peer4+":47700", true)        // the node dials from its port
	connect(false, us4+":0", peer4+":47700", false)           // another program dials the peer
	connect(true, peer4+":0", us4+":8080", false)             // the peer dials another program
	connect(false, "["+us6+"]:0", "["+peer6+"]:47700", false) //
	return ours
}

func reuse(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
}

// A capture that is killed without warning leaves files that every reader
// accepts, with all that was said until shortly before.
func TestLabKilled(t *testing.T) {
	if !inLab(t) {
		return
	}
	c := layCable(t)
	ours, theirs := socket(t, nil, us4+":47700"), socket(t, c, peer4+":47700")
	for round := range 5 {
		dir := t.TempDir()
		for _, ext := range []string{".pcap", ".pcapng"} {
			path := filepath.Join(dir, "x"+ext)
			cmd := startHelper(t, path)
			for n := 0; fileSize(path) < 200_000; n++ {
				tell(t, ours, theirs, fmt.Sprint(round, n, strings.Repeat("x", 1200)))
			}
			for range round * 300 { // somewhere else in the helper's rhythm
				tell(t, ours, theirs, strings.Repeat("y", 1200))
			}
			killed := make(chan struct{})
			go func() { // ends with the helper
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				close(killed)
			}()
			for running := true; running; {
				tell(t, ours, theirs, strings.Repeat("y", 1200))
				select {
				case <-killed:
					running = false
				default:
				}
			}
			b, err := os.ReadFile(path)
			must(t, err)
			whole := wholeRecords(t, ext, b)
			if whole != len(b) {
				// The kernel stops a write half-way if the process is killed in it.
				t.Logf("killed in mid-write: %d of %d bytes are whole", whole, len(b))
				must(t, os.Truncate(path, int64(whole)))
			}
			if n := accepted(t, path); n < 100 {
				t.Errorf("%s has %d packets", ext, n)
			}
			packets(t, path)
		}
	}
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// wholeRecords is how many bytes of a file are whole blocks or records.
func wholeRecords(t *testing.T, ext string, b []byte) int {
	t.Helper()
	if ext == ".pcapng" {
		return wholeBlocks(t, b)
	}
	n := 24
	for len(b)-n >= 16 {
		length := 16 + int(binary.LittleEndian.Uint32(b[n+8:]))
		if n+length > len(b) {
			break
		}
		n += length
	}
	return n
}

// Under a blast each packet is either in the file or counted as dropped.
func TestLabBlast(t *testing.T) {
	if !inLab(t) {
		return
	}
	layCable(t)
	const count = 200_000
	r := record(t, func(o *Options) { o.Interfaces = []string{ourEnd} })
	ours := socket(t, nil, us4+":47700")
	// A neighbour that needs no asking, so that nothing waits or is lost on the
	// way to the device.
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	link, err := netlink.LinkByName(ourEnd)
	must(t, err)
	must(t, netlink.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.ParseIP("192.0.2.9"), HardwareAddr: mac}))
	to := addrPort("192.0.2.9:9")
	msg := make([]byte, 100)
	sent := uint64(0)
	for i := range count {
		binary.BigEndian.PutUint32(msg, uint32(i))
		if _, err := ours.WriteToUDPAddrPort(msg, to); err == nil {
			sent++
		}
	}
	got := r.stop(t)
	if uint64(len(got))+r.stats.Dropped != sent || uint64(len(got)) != r.stats.Packets {
		t.Errorf("%d sent, %d in the file, stats %+v", sent, len(got), r.stats)
	}
	last := -1
	for _, p := range got {
		n := int(binary.BigEndian.Uint32(p.payload))
		if n <= last {
			t.Fatalf("packet %d after %d", n, last)
		}
		last = n
	}
	t.Logf("%d sent, %d dropped", sent, r.stats.Dropped)
}

// Frames larger than the MTU (segmentation offload) are kept whole.
func TestLabLargeFrames(t *testing.T) {
	if !inLab(t) {
		return
	}
	c := layCable(t)
	r := record(t, nil)
	l, err := net.Listen("tcp", us4+":47700")
	must(t, err)
	defer l.Close()
	const size = 4 << 20
	want := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	var conn net.Conn
	c.peer(func() { conn, err = net.DialTimeout("tcp", us4+":47700", time.Minute) })
	must(t, err)
	go func() { // ends when all is sent or the connection breaks
		_, _ = conn.Write(want)
		conn.Close()
	}()
	in, err := l.Accept()
	must(t, err)
	got, err := io.ReadAll(in)
	must(t, err)
	in.Close()
	if !bytes.Equal(got, want) {
		t.Fatalf("received %d bytes", len(got))
	}
	r.stop(t)
	data, infos, _ := read(t, r.path)
	stream := make([]byte, size)
	covered, largest := make([]bool, size), 0
	var first uint32
	for i, b := range data {
		pkt := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Lazy)
		seg, _ := pkt.TransportLayer().(*layers.TCP)
		if seg == nil || seg.DstPort != ourPort {
			continue
		}
		if seg.SYN {
			first = seg.Seq + 1
		}
		at := int(seg.Seq - first)
		for j, x := range seg.Payload {
			stream[at+j], covered[at+j] = x, true
		}
		largest = max(largest, infos[i].Length)
	}
	if !bytes.Equal(stream, want) || slices.Contains(covered, false) || r.stats.Dropped != 0 {
		t.Errorf("the file does not hold the whole stream; stats %+v", r.stats)
	}
	if largest <= 1514 {
		t.Errorf("the largest frame has %d bytes: nothing was offloaded", largest)
	}
	accepted(t, r.path)
}

func TestLabLinkComesAndGoes(t *testing.T) {
	if !inLab(t) {
		return
	}
	c := layCable(t)
	r := record(t, nil)
	hello := func(text string) {
		t.Helper()
		ours, theirs := socket(t, nil, us4+":47700"), socket(t, c, peer4+":47700")
		defer ours.Close()
		defer theirs.Close()
		tell(t, ours, theirs, text)
	}
	hello("first")
	must(t, netlink.LinkSetDown(c.link))
	r.notice(t, NoticeInterfaceDown, ourEnd)
	must(t, netlink.LinkSetUp(c.link))
	r.notice(t, NoticeInterfaceUp, ourEnd)
	hello("after down and up")
	must(t, netlink.LinkDel(c.link))
	r.notice(t, NoticeInterfaceGone, ourEnd)
	c.plug(t)
	r.notice(t, NoticeInterfaceAdded, ourEnd)
	hello("after it was pulled and plugged")
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "cap1"
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "peer1", PeerNamespace: c.ns}))
	c.peer(func() { configure(t, "peer1", "198.51.100.2/24") })
	configure(t, "cap1", "198.51.100.1/24")
	r.notice(t, NoticeInterfaceAdded, "cap1")
	theirs := socket(t, c, "198.51.100.2:47700")
	tell(t, socket(t, nil, "198.51.100.1:0"), theirs, "a stranger on the new interface")
	tell(t, socket(t, nil, "198.51.100.1:47700"), theirs, "on the new interface")
	var got []string
	for _, p := range r.stop(t) {
		got = append(got, string(p.payload))
	}
	if want := []string{"first", "after down and up", "after it was pulled and plugged", "on the new interface"}; !slices.Equal(got, want) {
		t.Errorf("in the file: %q, want %q", got, want)
	}
	accepted(t, r.path)
}

func index(t *testing.T, name string) int {
	t.Helper()
	link, err := netlink.LinkByName(name)
	must(t, err)
	return link.Attrs().Index
}

// The kernel takes VLAN tags off arriving frames; in the file they are back.
func TestLabVLAN(t *testing.T) {
	if !inLab(t) {
		return
	}
	c := layCable(t)
	r := record(t, nil)
	ours, theirs := socket(t, nil, us4+":47700"), socket(t, c, peer4+":47700")
	tagged := udp(peer4+":47700", us4+":47700", "tagged")
	tagged.tags = []uint16{headers.EtherVLAN}
	foreign := udp(peer4+":47700", us4+":40000", "foreign")
	foreign.tags = []uint16{headers.EtherVLAN}
	c.peer(func() {
		raw, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		defer unix.Close(raw)
		to := &unix.SockaddrLinklayer{Ifindex: index(t, peerEnd)}
		for _, b := range [][]byte{tagged.bytes(), foreign.bytes()} {
			copy(b, c.link.Attrs().HardwareAddr)
			must(t, unix.Sendto(raw, b, 0, to))
		}
	})
	tell(t, theirs, ours, "plain")
	r.cancel()
	must(t, <-r.ended)
	want := [][]string{
		{"10", fmt.Sprint(14 + 4 + 20 + 8 + len("tagged"))},
		{"", fmt.Sprint(14 + 20 + 8 + len("plain"))},
	}
	rows := fields(t, r.path, "vlan.id", "frame.len")
	if len(rows) != 2 || !slices.Equal(rows[0], want[0]) || !slices.Equal(rows[1], want[1]) {
		t.Errorf("in the file: %q, want %q", rows, want)
	}
}

// Interfaces without Ethernet headers have a link type of their own.
func TestLabBareIP(t *testing.T) {
	if !inLab(t) {
		return
	}
	tun := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tun0"}, Mode: netlink.TUNTAP_MODE_TUN, Flags: netlink.TUNTAP_NO_PI, Queues: 1}
	err := netlink.LinkAdd(tun)
	capturetest.Need(t, err == nil, fmt.Sprintf("tun devices (%v)", err))
	t.Cleanup(func() { tun.Fds[0].Close() }) // keeps the link's carrier until then
	lo, err := netlink.LinkByName("lo")
	must(t, err)
	must(t, netlink.LinkSetUp(lo))
	configure(t, "tun0", "192.0.2.1/24")

	var usage *UsageError
	dir := t.TempDir()
	if _, err := Open(t.Context(), Options{Path: filepath.Join(dir, "x.pcap"), Target: node()}); !errors.As(err, &usage) {
		t.Errorf("a .pcap of loopback and tun0: %v", err)
	}
	both := record(t, nil)
	alone := record(t, func(o *Options) {
		o.Path, o.Interfaces = filepath.Join(dir, "alone.pcap"), []string{"tun0"}
	})
	ours, local := socket(t, nil, "0.0.0.0:47700"), socket(t, nil, "127.0.0.1:0")
	sendTo(t, ours, addrPort("192.0.2.2:9"), "over the tunnel")
	arrive(t, local, ours, "127.0.0.1", "local")
	if got := both.stop(t); len(got) != 2 || string(got[0].payload) != "over the tunnel" || string(got[1].payload) != "local" {
		t.Errorf("in the file of both: %+v", got)
	}
	alone.cancel()
	must(t, <-alone.ended)
	if n := accepted(t, alone.path); n != 1 {
		t.Errorf("%d packets in the file of the tunnel", n)
	}
	if rows := fields(t, alone.path, "ip.dst", "udp.port"); len(rows) != 1 || !slices.Equal(rows[0], []string{"192.0.2.2", "47700,9"}) {
		t.Errorf("tshark sees %q", rows)
	}
}

// A full disk ends the capture with a clear error and a readable file.
func TestLabDiskFull(t *testing.T) {
	if !inLab(t) {
		return
	}
	c := layCable(t)
	ours, theirs := socket(t, nil, us4+":47700"), socket(t, c, peer4+":47700")
	for _, name := range []string{"x.pcap", "x.pcapng", "ring.pcapng"} {
		dir := t.TempDir()
		must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"))
		r := record(t, func(o *Options) {
			o.Path = filepath.Join(dir, name)
			if name == "ring.pcapng" {
				o.Ring = Ring{Size: 100_000, Files: 9}
			}
		})
		var err error
		for n := 0; err == nil; n++ {
			tell(t, ours, theirs, fmt.Sprint(n, strings.Repeat("z", 1000)))
			select {
			case err = <-r.ended:
				if err == nil {
					t.Fatal("the capture ended without an error")
				}
			default:
			}
		}
		if !errors.Is(err, ErrDiskFull) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: error %v", name, err)
		}
		files, gerr := filepath.Glob(filepath.Join(dir, "*"))
		must(t, gerr)
		total := 0
		for _, f := range files {
			total += accepted(t, f)
		}
		if total < 200 { // of 236 that would fit without any other block
			t.Errorf("%s: %d packets on disk", name, total)
		}
		must(t, unix.Unmount(dir, unix.MNT_DETACH))
	}
}

// Without the right to capture there is an error with the cure, and no file.
func TestPermissionMissing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.pcapng")
	result := make(chan error)
	go func() { // ends after Open, and the thread without rights with it
		runtime.LockOSThread()
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&hdr, &none[0]); err != nil {
			result <- err
			return
		}
		_, err := Open(context.Background(), Options{Path: path, Target: node(), Binary: "/usr/bin/p2pchat"})
		result <- err
	}()
	err := <-result
	if !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), "sudo setcap cap_net_raw+ep /usr/bin/p2pchat") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
}
