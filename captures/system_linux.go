package captures

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// linux opens packet sockets in the network namespace of the calling thread.
type linux struct{ binary string }

// newSystem takes the path of the binary that would need the right to capture;
// empty: the running one.
func newSystem(binary string) system { return linux{binary} }

func (linux) devices() ([]device, error) { return listDevices() }

func (l linux) open(d device, ports portSet) (tap, error) {
	t, err := openRing(d, ports)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return nil, newPermissionError(l.binary, err)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// name is system and release, such as "Linux 6.1.0".
func (linux) name() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "Linux"
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

// watch reads the kernel's notifications (rtnetlink(7)); what they say does not
// matter, only that they come. Without them the caller's own polling remains.
func (linux) watch(ctx context.Context, changed func()) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return
	}
	sock := os.NewFile(uintptr(fd), "rtnetlink")
	defer sock.Close()
	groups := uint32(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	if unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}) != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = sock.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, 64<<10)
	for {
		_, err := sock.Read(buf)
		if ctx.Err() != nil || (err != nil && !errors.Is(err, unix.ENOBUFS)) {
			return
		}
		changed()
	}
}

// newPermissionError carries the command that grants the missing right to a
// binary; "": the running one.
func newPermissionError(binary string, err error) error {
	if binary == "" {
		binary, _ = os.Executable()
	}
	hint := ""
	if strings.Contains(binary, "go-build") {
		hint = " (`go run` makes a new binary each time: `go build` one first)"
	}
	return &permissionError{
		hint: fmt.Sprintf("run `sudo setcap cap_net_raw+ep %s` once%s, or capture with sudo", shellWord(binary), hint),
		err:  err,
	}
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellWord quotes s for a POSIX shell if it needs it.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
