package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Counters are packets and bytes through an interface since the host began.
type Counters struct {
	RxPackets, TxPackets, RxBytes, TxBytes uint64
}

// Packets in both directions.
func (c Counters) Packets() uint64 { return c.RxPackets + c.TxPackets }

// Counters reads the interface's counters.
func (n *NIC) Counters() Counters {
	n.h.l.t.Helper()
	var c Counters
	err := n.h.ns.do(func() error {
		link, err := netlink.LinkByName(n.Name)
		if err != nil {
			return err
		}
		if s := link.Attrs().Statistics; s != nil {
			c = Counters{s.RxPackets, s.TxPackets, s.RxBytes, s.TxBytes}
		}
		return nil
	})
	n.h.l.check(err, "counters")
	return c
}

// PacketRate counts the interface's packets in both directions for a while
// and returns packets per second.
func (n *NIC) PacketRate(ctx context.Context, during time.Duration) float64 {
	n.h.l.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, during)
	defer cancel()
	start, before := time.Now(), n.Counters()
	<-ctx.Done()
	after := n.Counters()
	return float64(after.Packets()-before.Packets()) / time.Since(start).Seconds()
}

// Sniff writes what passes an interface, in both directions, to a file. It
// is not tcpdump, which wants to change its user and cannot in a user
// namespace.
type Sniff struct {
	// File is the capture: pcap, Ethernet, frames whole.
	File string

	l     *Lab
	sock  *os.File
	out   *os.File
	pcap  *pcapgo.Writer
	frame []byte
	done  chan error // the reader's last word
}

// Sniff captures what passes the interface, until Stop.
func (n *NIC) Sniff() *Sniff {
	l := n.h.l
	l.t.Helper()
	s := &Sniff{
		File:  filepath.Join(l.Dir("pcap"), fmt.Sprintf("%s-%s.pcap", n.h.Name, n.Name)),
		l:     l,
		frame: make([]byte, 1<<17), // segmentation offload makes frames of 64 KiB and headers
		done:  make(chan error, 1), // one word
	}
	var err error
	s.out, err = os.Create(s.File)
	l.check(err, "sniff")
	s.pcap = pcapgo.NewWriter(s.out)
	l.check(s.pcap.WriteFileHeader(uint32(len(s.frame)), layers.LinkTypeEthernet), "sniff")
	l.check(n.h.ns.do(func() error { return s.open(n.Name) }), "sniff")
	go s.read() // ends with Stop or with the socket, at the latest at the cleanup
	l.t.Cleanup(func() {
		s.sock.Close()
		s.out.Close()
	})
	return s
}

// open opens a packet socket, packet(7), on the host's thread.
func (s *Sniff) open(name string) error {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	// More room if we may have it; a burst must fit.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
	s.sock = os.NewFile(uintptr(fd), "packets")
	const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // network byte order
	return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all & 0xffff, Ifindex: iface.Index})
}

func (s *Sniff) read() {
	for {
		n, err := s.sock.Read(s.frame)
		switch {
		case errors.Is(err, unix.ENETDOWN): // told once; the link may come back
		case err != nil:
			s.done <- err
			return
		default:
			if err := s.write(n); err != nil {
				s.done <- err
				return
			}
		}
	}
}

func (s *Sniff) write(n int) error {
	return s.pcap.WritePacket(gopacket.CaptureInfo{
		Timestamp: time.Now(), CaptureLength: n, Length: n,
	}, s.frame[:n])
}

// Stop ends the capture, once all that passed before is in the file.
func (s *Sniff) Stop() {
	s.l.t.Helper()
	s.l.check(s.sock.SetReadDeadline(time.Now()), "sniff")
	if err := <-s.done; !errors.Is(err, os.ErrDeadlineExceeded) {
		s.l.check(err, "sniff")
	}
	s.l.check(s.drain(), "sniff")
	s.l.check(s.out.Close(), "sniff")
}

// drain reads what the deadline kept the reader from.
func (s *Sniff) drain() error {
	raw, err := s.sock.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		for failed == nil {
			n, _, err := unix.Recvfrom(int(fd), s.frame, unix.MSG_DONTWAIT)
			if err != nil {
				if !errors.Is(err, unix.EAGAIN) {
					failed = err
				}
				return
			}
			failed = s.write(n)
		}
	})
	return errors.Join(err, failed)
}
