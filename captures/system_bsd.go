//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package captures

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/google/gopacket/bsdbpf"
	"golang.org/x/sys/unix"
)

// bsd opens BPF devices (bpf(4)), on macOS and the BSDs.
type bsd struct{}

func newSystem(string) system { return bsd{} }

func (bsd) devices() ([]device, error) { return listDevices() }

// bpfBuffer is how much the kernel is asked to hold for us, bytes. It gives less
// where its own limit is lower.
const bpfBuffer = 512 << 10

func (bsd) open(d device, ports portSet) (tap, error) {
	if err := mayOpen(); err != nil {
		return nil, err
	}
	sniffer, err := sniff(d.name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", d.name, err)
	}
	if d.loopback || len(d.mac) == 0 {
		// DLT_NULL or DLT_LOOP: an address family stands before IP.
		return newPolled(bpfDevice{sniffer}, linkRaw, 4, ports)
	}
	return newPolled(bpfDevice{sniffer}, linkEthernet, 0, ports)
}

// mayOpen tells whether a BPF device can be opened at all: package bsdbpf does
// not say why not.
func mayOpen() error {
	for i := range 99 {
		f, err := os.OpenFile(fmt.Sprintf("/dev/bpf%d", i), os.O_RDWR, 0)
		switch {
		case err == nil:
			return f.Close()
		case errors.Is(err, unix.EBUSY):
			continue
		case errors.Is(err, os.ErrPermission):
			return &permissionError{hint: "run `sudo chown \"$USER\" /dev/bpf*` (it holds until the next restart; what Wireshark's installer sets up lasts), or capture with sudo", err: err}
		}
		return fmt.Errorf("open a packet filter device: %w", err)
	}
	return errors.New("every packet filter device (/dev/bpf*) is in use: end another capture")
}

// sniff opens an interface. The library panics if another program takes the last
// device meanwhile.
func sniff(name string) (s *bsdbpf.BPFSniffer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	wait := syscall.NsecToTimeval(int64(pollFor))
	return bsdbpf.NewBPFSniffer(name, &bsdbpf.Options{ReadBufLen: bpfBuffer, Timeout: &wait, PreserveLinkAddr: true})
}

// bpfDevice is an open device.
type bpfDevice struct{ sniffer *bsdbpf.BPFSniffer }

func (b bpfDevice) next() (frame, error) {
	data, info, err := b.sniffer.ReadPacketData()
	switch {
	case errors.Is(err, unix.EINTR):
		return frame{}, errNothing
	case errors.Is(err, unix.ENETDOWN): // it may come up again
		time.Sleep(pollFor)
		return frame{}, errNothing
	case err != nil:
		return frame{}, err
	case len(data) == 0: // the library's way to say so
		return frame{}, errNothing
	}
	return frame{data: data, length: info.Length, time: info.Timestamp}, nil
}

// filter does nothing: the one in user space decides.
func (bpfDevice) filter(portSet) error { return nil }

// dropped: the library does not tell.
func (bpfDevice) dropped() uint64 { return 0 }

func (b bpfDevice) close() { _ = b.sniffer.Close() }

func (bsd) watch(ctx context.Context, _ func()) { <-ctx.Done() } // polling must do

// name is system and release, such as "Darwin 24.1.0".
func (bsd) name() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return runtime.GOOS
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}
