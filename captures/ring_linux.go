package captures

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"p2pchat/captures/internal/headers"
)

// The ring that kernel and process share (TPACKET_V3, packet_mmap.rst in the
// kernel's documentation): the kernel fills blocks with frames and hands a
// block over when it is full or the time is out. Unlike a socket's receive
// buffer it needs no right beyond CAP_NET_RAW to be large, holds frames without
// per-packet overhead, and is read without a system call per frame.
const (
	ringSize     = 16 << 20 // bytes; halved while the kernel has not as much
	ringSizeMin  = 1 << 20
	ringBlock    = 512 << 10 // bytes; must hold a frame of snapLength
	ringFrame    = 2048      // bytes; V3 packs frames, the kernel only checks this
	retireMillis = 40        // after which a block with anything in it is handed over
)

// packetRing is a tap on one interface.
type packetRing struct {
	linkType linkType
	loopback bool
	fd       int // owned by file
	file     *os.File
	conn     syscall.RawConn
	ring     []byte
	next     int // block that is read next
	stopped  atomic.Bool
	left     int // blocks that are still read after stop: what is full now, not what comes
}

var _ tap = (*packetRing)(nil)

// openRing opens the socket with no protocol, so that nothing arrives before
// filter and ring are in place, and binds it last.
func openRing(d device, ports portSet) (r *packetRing, err error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	r = &packetRing{fd: fd, loopback: d.loopback, file: os.NewFile(uintptr(fd), "packet socket on "+d.name)}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.conn, err = r.file.SyscallConn(); err != nil {
		return nil, fmt.Errorf("packet socket on %s: %w", d.name, err)
	}

	// Bound without a protocol the socket says what kind of interface this is,
	// and still receives nothing.
	if err := r.bind(d.index, 0); err != nil {
		return nil, fmt.Errorf("bind to %s: %w", d.name, err)
	}
	if r.linkType, err = r.askLinkType(d.name); err != nil {
		return nil, err
	}
	if err := r.setPorts(ports); err != nil {
		return nil, err
	}
	if d.loopback {
		// Each frame passes twice, going out and coming in. Kernels before 4.20
		// lack this; read sorts them out too.
		_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	}
	if err := r.mapRing(); err != nil {
		return nil, fmt.Errorf("packet ring on %s: %w", d.name, err)
	}
	if err := r.bind(d.index, unix.ETH_P_ALL); err != nil {
		return nil, fmt.Errorf("bind to %s: %w", d.name, err)
	}
	return r, nil
}

func (r *packetRing) bind(index, protocol int) error {
	return unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: uint16(protocol)<<8 | uint16(protocol)>>8, Ifindex: index})
}

func (r *packetRing) askLinkType(name string) (linkType, error) {
	sa, err := unix.Getsockname(r.fd)
	if err != nil {
		return 0, fmt.Errorf("packet socket on %s: %w", name, err)
	}
	ll, ok := sa.(*unix.SockaddrLinklayer)
	if !ok {
		return 0, fmt.Errorf("packet socket on %s has no link-layer address", name)
	}
	switch ll.Hatype {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return linkEthernet, nil
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP, unix.ARPHRD_PPP, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT:
		return linkRaw, nil
	}
	return 0, fmt.Errorf("%w: interface %s is neither Ethernet nor bare IP (type %d)", ErrUnsupported, name, ll.Hatype)
}

// setPorts replaces the kernel's filter, in one step.
func (r *packetRing) setPorts(ports portSet) error {
	raw, err := ports.program(r.linkType)
	if err != nil {
		return err
	}
	return attach(r.fd, raw)
}

func attach(fd int, raw []bpf.RawInstruction) error {
	prog := make([]unix.SockFilter, len(raw))
	for i, ins := range raw {
		prog[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
	if err != nil {
		return fmt.Errorf("set packet filter (%d instructions): %w", len(prog), err)
	}
	return nil
}

func (r *packetRing) mapRing() error {
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return err
	}
	size := ringSize
	for {
		err := unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{
			Block_size:     ringBlock,
			Block_nr:       uint32(size / ringBlock),
			Frame_size:     ringFrame,
			Frame_nr:       uint32(size / ringFrame),
			Retire_blk_tov: retireMillis,
		})
		if err == nil {
			break
		}
		if !errors.Is(err, unix.ENOMEM) || size <= ringSizeMin {
			return err
		}
		size /= 2
	}
	ring, err := unix.Mmap(r.fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	r.ring, r.left = ring, size/ringBlock
	return nil
}

func (r *packetRing) link() linkType { return r.linkType }

// read waits for the next block and copies its frames out. Stopped, it goes on
// until the blocks that were full are read.
func (r *packetRing) read() ([]frame, error) {
	for {
		if r.stopped.Load() {
			if r.left--; r.left < 0 || !r.ready() {
				return nil, errStopped
			}
		} else if err := r.wait(); r.stopped.Load() {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("read packets: %w", err)
		}
		frames := r.frames()
		atomic.StoreUint32(r.status(), unix.TP_STATUS_KERNEL)
		r.next = (r.next + 1) % (len(r.ring) / ringBlock)
		if len(frames) > 0 {
			return frames, nil
		}
	}
}

// wait until the next block is ours.
func (r *packetRing) wait() error {
	var failed error
	err := r.conn.Read(func(uintptr) bool {
		if r.ready() {
			return true
		}
		// ENETDOWN comes once when the interface goes; the socket works again
		// when it is back.
		code, err := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 && unix.Errno(code) != unix.ENETDOWN {
			err = unix.Errno(code)
		}
		failed = err
		return failed != nil
	})
	if failed != nil {
		return failed
	}
	return err
}

func (r *packetRing) ready() bool { return atomic.LoadUint32(r.status())&unix.TP_STATUS_USER != 0 }

// block is the next block's descriptor.
func (r *packetRing) block() *unix.TpacketHdrV1 {
	desc := (*unix.TpacketBlockDesc)(unsafe.Pointer(&r.ring[r.next*ringBlock]))
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&desc.Hdr))
}

// status is who owns the next block: the kernel or we.
func (r *packetRing) status() *uint32 { return &r.block().Block_status }

// frames copies all frames of the next block into memory of their own.
func (r *packetRing) frames() []frame {
	hdr := r.block()
	data := r.ring[r.next*ringBlock : (r.next+1)*ringBlock]
	frames := make([]frame, 0, hdr.Num_pkts)
	// At most 4 bytes are added per frame, for a VLAN tag.
	store := make([]byte, 0, int(hdr.Blk_len)+4*int(hdr.Num_pkts))
	at := int(hdr.Offset_to_first_pkt)
	for range hdr.Num_pkts {
		h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&data[at]))
		sa := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&data[at+sockaddrOffset]))
		kind := kindOf(sa.Pkttype)
		if !r.loopback || kind != kindSent {
			start, length := len(store), int(h.Len)
			raw := data[at+int(h.Mac) : at+int(h.Mac)+int(h.Snaplen)]
			if h.Status&unix.TP_STATUS_VLAN_VALID != 0 && r.linkType == linkEthernet && len(raw) >= 12 {
				store = appendTagged(store, raw, h)
				length += 4
			} else {
				store = append(store, raw...)
			}
			frames = append(frames, frame{
				data:   store[start:len(store):len(store)],
				length: length,
				time:   time.Unix(int64(h.Sec), int64(h.Nsec)),
				kind:   kind,
			})
		}
		at += int(h.Next_offset)
	}
	return frames
}

// sockaddrOffset is where the frame's link-layer address stands after its
// header (TPACKET_ALIGN in linux/if_packet.h).
const sockaddrOffset = (int(unsafe.Sizeof(unix.Tpacket3Hdr{})) + unix.TPACKET_ALIGNMENT - 1) &^ (unix.TPACKET_ALIGNMENT - 1)

// appendTagged puts back the VLAN tag that the device or kernel took off.
func appendTagged(b, raw []byte, h *unix.Tpacket3Hdr) []byte {
	tpid := uint16(headers.EtherVLAN)
	if h.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = h.Hv1.Vlan_tpid
	}
	b = append(b, raw[:12]...)
	b = append(b, byte(tpid>>8), byte(tpid), byte(h.Hv1.Vlan_tci>>8), byte(h.Hv1.Vlan_tci))
	b = append(b, raw[12:]...)
	return b
}

func kindOf(pkttype uint8) frameKind {
	switch pkttype {
	case unix.PACKET_HOST:
		return kindUnicast
	case unix.PACKET_BROADCAST:
		return kindBroadcast
	case unix.PACKET_MULTICAST:
		return kindMulticast
	case unix.PACKET_OTHERHOST:
		return kindOther
	case unix.PACKET_OUTGOING:
		return kindSent
	}
	return kindUnknown
}

func (r *packetRing) counts() (received, dropped uint64, err error) {
	s, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, 0, fmt.Errorf("packet counters: %w", err)
	}
	return uint64(s.Packets), uint64(s.Drops), nil
}

func (r *packetRing) stop() {
	r.stopped.Store(true)
	_ = r.file.SetReadDeadline(time.Unix(1, 0))
}

func (r *packetRing) close() {
	if r.ring != nil {
		_ = unix.Munmap(r.ring)
		r.ring = nil
	}
	_ = r.file.Close()
}
