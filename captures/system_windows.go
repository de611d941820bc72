//go:build amd64

package captures

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	winpcap "github.com/google/gopacket/pcap"
	"golang.org/x/sys/windows"

	"p2pchat/captures/internal/headers"
)

// npcap captures with the driver of that name (https://npcap.com), which Wireshark
// brings along.
type npcap struct{}

func newSystem(string) system { return npcap{} }

func (npcap) devices() ([]device, error) { return listDevices() }

// npcapBuffer is how much the driver is asked to hold for us, bytes.
const npcapBuffer = 16 << 20

func (npcap) open(d device, ports portSet) (tap, error) {
	if err := winpcap.LoadWinPCAP(); err != nil {
		return nil, fmt.Errorf("%w without Npcap (%v): install it from https://npcap.com, or Wireshark, which brings it along",
			ErrUnsupported, err)
	}
	name, err := npcapName(d)
	if err != nil {
		return nil, err
	}
	handle, err := activate(name)
	if err != nil {
		text := strings.ToLower(err.Error())
		if strings.Contains(text, "permi") || strings.Contains(text, "denied") {
			return nil, &permissionError{hint: "start the terminal with `Run as administrator`, or install Npcap anew without `Restrict Npcap driver's access to Administrators only`", err: err}
		}
		return nil, fmt.Errorf("open %s: %w", d.name, err)
	}
	h := driver{handle, linkType(handle.LinkType())}
	switch h.link {
	case headers.Null, headers.Loop: // an address family stands before IP
		return newPolled(h, linkRaw, 4, ports)
	case linkEthernet, linkRaw:
		return newPolled(h, h.link, 0, ports)
	case 12: // DLT_RAW, which files call 101
		h.link = linkRaw
		return newPolled(h, linkRaw, 0, ports)
	}
	handle.Close()
	return nil, fmt.Errorf("%s has link type %d, which cannot be captured here", d.name, h.link)
}

func activate(name string) (*winpcap.Handle, error) {
	inactive, err := winpcap.NewInactiveHandle(name)
	if err != nil {
		return nil, err
	}
	defer inactive.CleanUp()
	err = errors.Join(
		inactive.SetSnapLen(snapLength), inactive.SetPromisc(false),
		inactive.SetTimeout(pollFor), inactive.SetBufferSize(npcapBuffer),
	)
	if err != nil {
		return nil, err
	}
	return inactive.Activate()
}

// npcapName is how Npcap calls an interface: by the GUID of its adapter.
func npcapName(d device) (string, error) {
	if d.loopback {
		return `\Device\NPF_Loopback`, nil
	}
	size := uint32(16 << 10)
	for {
		buf := make([]byte, size)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buf[0]))
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, 0, 0, first, &size)
		if errors.Is(err, windows.ERROR_BUFFER_OVERFLOW) && size > uint32(len(buf)) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("list network adapters: %w", err)
		}
		for a := first; a != nil; a = a.Next {
			if int(a.IfIndex) == d.index || int(a.Ipv6IfIndex) == d.index {
				return `\Device\NPF_` + windows.BytePtrToString(a.AdapterName), nil
			}
		}
		return "", fmt.Errorf("%s has gone", d.name)
	}
}

// driver is an open handle.
type driver struct {
	handle *winpcap.Handle
	link   linkType
}

func (h driver) next() (frame, error) {
	data, info, err := h.handle.ReadPacketData()
	if errors.Is(err, winpcap.NextErrorTimeoutExpired) {
		return frame{}, errNothing
	}
	if err != nil {
		return frame{}, err
	}
	return frame{data: data, length: info.Length, time: info.Timestamp}, nil
}

// filter lets everything through where the program does not know the frames.
func (h driver) filter(ports portSet) error {
	if h.link != linkEthernet && h.link != linkRaw {
		return nil
	}
	program, err := ports.program(h.link)
	if err != nil {
		return err
	}
	filter := make([]winpcap.BPFInstruction, len(program))
	for i, ins := range program {
		filter[i] = winpcap.BPFInstruction{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	return h.handle.SetBPFInstructionFilter(filter)
}

func (h driver) dropped() uint64 {
	s, err := h.handle.Stats()
	if err != nil {
		return 0
	}
	return uint64(s.PacketsDropped) + uint64(s.PacketsIfDropped)
}

func (h driver) close() { h.handle.Close() }

func (npcap) watch(ctx context.Context, _ func()) { <-ctx.Done() } // polling must do

func (npcap) name() string {
	v := windows.RtlGetVersion()
	return fmt.Sprintf("Windows %d.%d.%d", v.MajorVersion, v.MinorVersion, v.BuildNumber)
}
