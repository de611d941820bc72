package captures

import (
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/net/bpf"
	"pgregory.net/rapid"

	"p2pchat/captures/internal/headers"
)

// genWire draws frames that often hit the ports and addresses of tests.
func genWire(t *rapid.T) wire {
	port := rapid.SampledFrom([]uint16{47700, 47701, 5353, 443, 50000, 0, 65535})
	v4 := rapid.SampledFrom([]netip.Addr{
		netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"),
		netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("224.0.0.251"),
	})
	v6 := rapid.SampledFrom([]netip.Addr{
		netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"),
		netip.MustParseAddr("::1"), netip.MustParseAddr("ff02::fb"),
	})
	addr := v4
	if rapid.Bool().Draw(t, "v6") {
		addr = v6
	}
	w := wire{
		link:  rapid.SampledFrom([]linkType{linkEthernet, linkRaw}).Draw(t, "link"),
		proto: rapid.SampledFrom([]uint8{protoTCP, protoUDP, 1, 58}).Draw(t, "proto"),
		src:   netip.AddrPortFrom(addr.Draw(t, "src"), port.Draw(t, "sport")),
		dst:   netip.AddrPortFrom(addr.Draw(t, "dst"), port.Draw(t, "dport")),
		id:    uint32(rapid.Uint16().Draw(t, "id")),
		more:  rapid.Bool().Draw(t, "more"),
		syn:   rapid.Bool().Draw(t, "syn"),
	}
	w.tags = rapid.SliceOfN(rapid.SampledFrom([]uint16{headers.EtherVLAN, headers.EtherQinQ, headers.EtherQinQ1}), 0, 3).Draw(t, "tags")
	w.ext = rapid.SliceOfN(rapid.SampledFrom([]uint8{headers.HopByHop, headers.Routing, headers.DestOpts, 51}), 0, 5).Draw(t, "ext")
	w.offset = rapid.SampledFrom([]int{0, 0, 0, 8, 1480}).Draw(t, "offset")
	w.payload = rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "payload")
	return w
}

// genFrame draws frames, whole, cut short or with a few bytes changed.
func genFrame(t *rapid.T) (linkType, []byte) {
	w := genWire(t)
	b := w.bytes()
	for range rapid.IntRange(0, 2).Draw(t, "changes") {
		b[rapid.IntRange(0, min(len(b)-1, 70)).Draw(t, "at")] = rapid.Byte().Draw(t, "to")
	}
	if rapid.Bool().Draw(t, "cut") {
		b = b[:rapid.IntRange(0, len(b)).Draw(t, "length")]
	}
	return w.link, b
}

func genPorts(t *rapid.T, label string) []netip.AddrPort {
	return AnyAddr(rapid.SliceOfN(rapid.SampledFrom([]uint16{47700, 47701, 443, 1, 65535}), 0, 4).Draw(t, label)...)
}

// The kernel's program and its double in Go agree on every frame.
func TestProgramEqualsAdmits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set := newPortSet(Target{TCP: genPorts(t, "tcp"), UDP: genPorts(t, "udp")})
		link, b := genFrame(t)
		compare(t, set, link, b)
	})
}

func compare(t interface{ Fatalf(string, ...any) }, set portSet, link linkType, b []byte) {
	vm, err := bpf.NewVM(set.assemble(link))
	if err != nil {
		t.Fatalf("program: %v", err)
	}
	n, err := vm.Run(b)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	p, ok := decode(link, b)
	if want := ok && set.admits(p); (n > 0) != want {
		t.Fatalf("program says %d, admits says %v for %+v (decoded: %v) of\n%x", n, want, p, ok, b)
	}
	if n > 0 && n != snapLength {
		t.Fatalf("program keeps %d bytes", n)
	}
}

// Whatever the exact filter keeps, the kernel's filter lets through.
func TestProgramLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		target := Target{
			TCP: genPorts(t, "tcp"), UDP: genPorts(t, "udp"),
			Connections: []Connection{{addrPort("192.0.2.1:50000"), addrPort("192.0.2.2:443"), rapid.Bool().Draw(t, "udp conn")}},
			Peers:       []netip.AddrPort{addrPort("192.0.2.2:47701"), addrPort("[fd00::2]:443")},
		}.clean()
		f := newFilter(target, []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fd00::1")}, now0)
		w := genWire(t)
		w.payload = []byte(question(&testing.T{}, "_p2pchat._udp.local."))
		p, ok := decode(w.link, w.bytes())
		if ok && f.classify(p, now0) != nil && !newPortSet(target).admits(p) {
			t.Fatalf("the filter keeps %+v, the kernel's does not", p)
		}
	})
}

// Many ports still make a program that the kernel takes.
func TestProgramSize(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 200, maxPorts, maxPorts + 1, 65535} {
		var ports []uint16
		for p := range n {
			ports = append(ports, uint16(p+1))
		}
		set := newPortSet(Target{TCP: AnyAddr(ports...), UDP: AnyAddr(ports...)})
		if size := len(set.assemble(linkEthernet)); size > 4096 {
			t.Errorf("%d ports: %d instructions", n, size)
		}
		for _, w := range []wire{udp("192.0.2.1:1", "192.0.2.2:50001", "x"), tcp("192.0.2.1:40000", "192.0.2.2:400", "")} {
			compare(t, set, w.link, w.bytes())
		}
	}
}

// Our decoder and gopacket's agree on what is in well-formed frames.
func TestDecodeAgreesWithGopacket(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := genWire(t)
		w.proto = rapid.SampledFrom([]uint8{protoTCP, protoUDP}).Draw(t, "transport")
		w.link, w.ext, w.offset, w.more = linkEthernet, nil, 0, false
		w.tags = w.tags[:min(len(w.tags), headers.MaxVLANTags)]
		for i := range w.tags {
			w.tags[i] = headers.EtherVLAN // all that gopacket knows
		}
		p, ok := decode(w.link, w.bytes())
		if !ok {
			t.Fatalf("not decoded: %+v", w)
		}
		pkt := gopacket.NewPacket(w.bytes(), layers.LayerTypeEthernet, gopacket.Default)
		var src, dst uint16
		switch l := pkt.TransportLayer().(type) {
		case *layers.TCP:
			src, dst = uint16(l.SrcPort), uint16(l.DstPort)
			if p.syn != (l.SYN && !l.ACK) {
				t.Fatalf("syn %v", p.syn)
			}
		case *layers.UDP:
			src, dst = uint16(l.SrcPort), uint16(l.DstPort)
			if string(p.payload) != string(l.Payload) {
				t.Fatalf("payload %x, gopacket has %x", p.payload, l.Payload)
			}
		default:
			t.Fatalf("gopacket sees no transport in %v", pkt)
		}
		flow := pkt.NetworkLayer().NetworkFlow()
		if p.src.Port() != src || p.dst.Port() != dst ||
			p.src.Addr().String() != flow.Src().String() || p.dst.Addr().String() != flow.Dst().String() {
			t.Fatalf("decoded %v to %v, gopacket has %v:%d to %v:%d", p.src, p.dst, flow.Src(), src, flow.Dst(), dst)
		}
	})
}

func FuzzProgram(f *testing.F) {
	for _, w := range []wire{
		udp("192.0.2.1:47700", "192.0.2.2:47700", "hello"),
		tcp("[fd00::1]:47700", "[fd00::2]:443", "hello"),
		{link: linkRaw, proto: protoUDP, src: addrPort("[fd00::1]:5353"), dst: addrPort("[ff02::fb]:5353"), ext: []uint8{0, 60}, more: true},
	} {
		f.Add(w.link == linkRaw, w.bytes())
	}
	set := newPortSet(Target{TCP: AnyAddr(47700), UDP: AnyAddr(47700)})
	filter := newFilter(Target{TCP: AnyAddr(47700), UDP: AnyAddr(47700)}, nil, now0)
	f.Fuzz(func(t *testing.T, raw bool, b []byte) {
		link := linkEthernet
		if raw {
			link = linkRaw
		}
		compare(t, set, link, b)
		if p, ok := decode(link, b); ok {
			filter.classify(p, now0)
		}
	})
}
