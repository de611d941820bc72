package captures

import (
	"fmt"
	"slices"

	"golang.org/x/net/bpf"

	"p2pchat/captures/internal/headers"
)

// portSet is all that the kernel's filter knows: a TCP or UDP packet with one
// of these as its source or destination port is handed to user space, and so
// are later fragments, which show no port.
type portSet struct{ tcp, udp []uint16 } // sorted, without duplicates

// maxPorts per protocol keeps the program under the kernel's limit of 4096
// instructions; with more, every packet of the protocol is let through.
const maxPorts = 400

func newPortSet(t Target) portSet {
	s := portSet{udp: []uint16{mdnsPort}}
	for _, ep := range t.TCP {
		s.tcp = append(s.tcp, ep.Port())
	}
	for _, ep := range t.UDP {
		s.udp = append(s.udp, ep.Port())
	}
	for _, c := range t.Connections {
		if c.UDP {
			s.udp = append(s.udp, c.Local.Port())
		} else {
			s.tcp = append(s.tcp, c.Local.Port())
		}
	}
	for _, ep := range t.Peers {
		s.tcp = append(s.tcp, ep.Port())
	}
	for _, list := range []*[]uint16{&s.tcp, &s.udp} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return s
}

func (s portSet) equal(o portSet) bool {
	return slices.Equal(s.tcp, o.tcp) && slices.Equal(s.udp, o.udp)
}

// admits is the kernel program's decision, in Go.
func (s portSet) admits(p packet) bool {
	if p.later {
		return true
	}
	list := s.tcp
	if p.proto == protoUDP {
		list = s.udp
	}
	if len(list) > maxPorts {
		return true
	}
	for _, port := range []uint16{p.src.Port(), p.dst.Port()} {
		if _, found := slices.BinarySearch(list, port); found {
			return true
		}
	}
	return false
}

// program assembles the kernel's filter for frames of one link type. It
// returns snapLength for what is let through, which is also where the kernel
// cuts frames.
func (s portSet) program(link linkType) ([]bpf.RawInstruction, error) {
	ins := s.assemble(link)
	raw, err := bpf.Assemble(ins)
	if err != nil {
		return nil, fmt.Errorf("assemble the packet filter: %w", err)
	}
	return raw, nil
}

func (s portSet) assemble(link linkType) []bpf.Instruction {
	var a assembler
	if link == linkRaw {
		a.add(bpf.LoadAbsolute{Off: 0, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4})
		a.jumpIf(6, "ipv6@0")
		a.ipv4(0)
		a.ipv6(0)
	} else {
		for tags := range uint32(headers.MaxVLANTags + 1) {
			a.etherType(14+4*tags, tags < headers.MaxVLANTags)
		}
	}
	a.ports(s)
	return a.link()
}

// The scratch cell that holds the transport protocol when a jump to "ports" is
// made; register X then holds the offset of the transport header.
const protoCell = 0

// etherType branches on the type field before offset base.
func (a *assembler) etherType(base uint32, mayBeTagged bool) {
	a.label(at("ether", base))
	a.add(bpf.LoadAbsolute{Off: base - 2, Size: 2})
	a.jumpIf(headers.EtherIPv4, at("ipv4", base))
	a.jumpIf(headers.EtherIPv6, at("ipv6", base))
	if mayBeTagged {
		for _, tag := range []uint32{headers.EtherVLAN, headers.EtherQinQ, headers.EtherQinQ1} {
			a.jumpIf(tag, at("ether", base+4))
		}
	}
	a.jump("drop")
	a.ipv4(base)
	a.ipv6(base)
}

func (a *assembler) ipv4(base uint32) {
	a.label(at("ipv4", base))
	a.add(
		bpf.LoadAbsolute{Off: base + 16, Size: 4}, // the whole fixed header is there
		bpf.LoadAbsolute{Off: base, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 0x45, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpLessOrEqual, Val: 0x4f, SkipTrue: 1},
	)
	a.jump("drop")
	a.add(
		bpf.LoadMemShift{Off: base}, // X = header length
		bpf.TXA{},
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: base},
		bpf.TAX{},
		bpf.LoadAbsolute{Off: base + 9, Size: 1},
		bpf.StoreScratch{Src: bpf.RegA, N: protoCell},
		bpf.LoadAbsolute{Off: base + 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: 0x1fff, SkipTrue: 1},
	)
	a.jump("later")
	a.jump("ports")
}

func (a *assembler) ipv6(base uint32) {
	a.label(at("ipv6", base))
	a.add(
		bpf.LoadAbsolute{Off: base + 36, Size: 4}, // the whole fixed header is there
		bpf.LoadAbsolute{Off: base, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 0x60, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpLessOrEqual, Val: 0x6f, SkipTrue: 1},
	)
	a.jump("drop")
	a.add(
		bpf.LoadConstant{Dst: bpf.RegX, Val: base + 40},
		bpf.LoadAbsolute{Off: base + 6, Size: 1},
		bpf.StoreScratch{Src: bpf.RegA, N: protoCell},
	)
	for step := range uint32(headers.MaxExtHeaders) {
		name := func(what string) string { return at(at(what, base), step) }
		for _, ext := range []uint32{headers.HopByHop, headers.Routing, headers.DestOpts} {
			a.jumpIf(ext, name("ext"))
		}
		a.jumpIf(headers.Fragment, name("frag"))
		a.jump("ports")

		a.label(name("ext"))
		a.add(
			bpf.LoadIndirect{Off: 0, Size: 1},
			bpf.StoreScratch{Src: bpf.RegA, N: protoCell},
			bpf.LoadIndirect{Off: 1, Size: 1},
			bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 1},
			bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: 8},
			bpf.ALUOpX{Op: bpf.ALUOpAdd},
			bpf.TAX{},
		)
		a.jump(name("next"))

		a.label(name("frag"))
		a.add(
			bpf.LoadIndirect{Off: 4, Size: 4}, // the whole fragment header is there
			bpf.LoadIndirect{Off: 0, Size: 1},
			bpf.StoreScratch{Src: bpf.RegA, N: protoCell},
			bpf.LoadIndirect{Off: 2, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: 0xfff8, SkipTrue: 1},
		)
		a.jump("later")
		a.add(
			bpf.TXA{},
			bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 8},
			bpf.TAX{},
		)

		a.label(name("next"))
		a.add(bpf.LoadScratch{Dst: bpf.RegA, N: protoCell})
	}
	a.jump("ports")
}

// ports is the common end.
func (a *assembler) ports(s portSet) {
	a.label("later")
	a.add(bpf.LoadScratch{Dst: bpf.RegA, N: protoCell})
	a.jumpIf(protoTCP, "keep")
	a.jumpIf(protoUDP, "keep")
	a.jump("drop")

	a.label("ports")
	a.add(bpf.LoadScratch{Dst: bpf.RegA, N: protoCell})
	a.jumpIf(protoTCP, "tcp")
	a.jumpIf(protoUDP, "udp")
	a.jump("drop")

	for _, of := range []struct {
		label string
		ports []uint16
	}{{"tcp", s.tcp}, {"udp", s.udp}} {
		a.label(of.label)
		a.add(bpf.LoadIndirect{Off: 0, Size: 4}) // both ports are there
		if len(of.ports) > maxPorts {
			a.jump("keep")
			continue
		}
		for _, off := range []uint32{0, 2} {
			a.add(bpf.LoadIndirect{Off: off, Size: 2})
			for _, port := range of.ports {
				a.jumpIf(uint32(port), "keep")
			}
		}
		a.jump("drop")
	}

	a.label("drop")
	a.add(bpf.RetConstant{Val: 0})
	a.label("keep")
	a.add(bpf.RetConstant{Val: snapLength})
}

// assembler collects instructions whose jumps go forward to labels. A
// conditional jump reaches 255 instructions only, so each is a short one over
// an unconditional jump, which reaches everywhere.
type assembler struct {
	ins    []bpf.Instruction
	labels map[string]int
	jumps  map[int]string
}

func (a *assembler) add(ins ...bpf.Instruction) { a.ins = append(a.ins, ins...) }

func (a *assembler) label(name string) {
	if a.labels == nil {
		a.labels = make(map[string]int)
	}
	a.labels[name] = len(a.ins)
}

func (a *assembler) jump(to string) {
	if a.jumps == nil {
		a.jumps = make(map[int]string)
	}
	a.jumps[len(a.ins)] = to
	a.add(bpf.Jump{})
}

// jumpIf jumps if register A equals val.
func (a *assembler) jumpIf(val uint32, to string) {
	a.add(bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: val, SkipTrue: 1})
	a.jump(to)
}

func (a *assembler) link() []bpf.Instruction {
	for i, to := range a.jumps {
		a.ins[i] = bpf.Jump{Skip: uint32(a.labels[to] - i - 1)}
	}
	return a.ins
}

func at(name string, offset uint32) string { return fmt.Sprintf("%s@%d", name, offset) }
