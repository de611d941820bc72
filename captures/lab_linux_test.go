package captures

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"p2pchat/captures/internal/capturetest"
)

// Tests named TestLab run on real packet sockets in a network namespace of
// their own: the test binary starts itself again in new namespaces, for one
// test, and there lays a cable (veth pair) to a peer in another namespace.

const (
	labVariable    = "P2PCHAT_CAPTURES_LAB"    // name of the test that runs in a namespace
	helperVariable = "P2PCHAT_CAPTURES_HELPER" // file that the process shall capture to, and do nothing else
)

func TestMain(m *testing.M) {
	if path := os.Getenv(helperVariable); path != "" {
		os.Exit(helper(path))
	}
	os.Exit(m.Run())
}

// helper is a process that captures node().
func helper(path string) int {
	_, err := Run(context.Background(), Options{Path: path, Target: node()})
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func startHelper(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), helperVariable+"="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	return cmd
}

// inLab says whether the test runs in its namespace; if not, it has run there
// when inLab returns.
func inLab(t *testing.T) bool {
	t.Helper()
	if os.Getenv(labVariable) == t.Name() {
		return true
	}
	t.Parallel()
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), labVariable+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		// Not root inside either: some tools give up rights that root has, and fail.
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_SYS_ADMIN}
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		capturetest.Need(t, false, "network namespaces ("+err.Error()+")")
	case err != nil:
		t.Errorf("in its namespace:\n%s", out)
	case strings.Contains(string(out), "SKIPPED:"):
		t.Skipf("in its namespace:\n%s", out)
	}
	return false
}

// cable is this namespace's end of a link to a peer.
type cable struct {
	link netlink.Link
	ns   netlink.NsFd
	do   chan func() // functions that run in the peer's namespace; 0: do waits for them
}

const (
	ourEnd, peerEnd = "cap0", "peer0"
	us4, peer4      = "192.0.2.1", "192.0.2.2"
	us6, peer6      = "fd00::1", "fd00::2"
	ourPort         = 47700
)

// node listens on ourPort, on every address.
func node() Target { return Target{TCP: AnyAddr(ourPort), UDP: AnyAddr(ourPort)} }

// layCable makes the peer's namespace and the link.
func layCable(t *testing.T) *cable {
	t.Helper()
	c := &cable{do: make(chan func())}
	ready := make(chan error)
	go func() { // ends when do is closed, and its thread, and so the namespace, with it
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			var fd int
			fd, err = unix.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), unix.O_RDONLY|unix.O_CLOEXEC, 0)
			c.ns = netlink.NsFd(fd)
		}
		ready <- err
		for f := range c.do {
			f()
		}
	}()
	t.Cleanup(func() { close(c.do) })
	must(t, <-ready)
	lo, err := netlink.LinkByName("lo")
	must(t, err)
	must(t, netlink.LinkSetUp(lo))
	c.plug(t)
	return c
}

// plug makes the link and gives both ends addresses.
func (c *cable) plug(t *testing.T) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = ourEnd
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: peerEnd, PeerNamespace: c.ns}))
	c.peer(func() { configure(t, peerEnd, peer4+"/24", peer6+"/64") })
	updates, done := make(chan netlink.LinkUpdate, 100), make(chan struct{}) // more than a few links cause
	defer close(done)
	must(t, netlink.LinkSubscribe(updates, done))
	c.link = configure(t, ourEnd, us4+"/24", us6+"/64")
	for {
		link, err := netlink.LinkByName(ourEnd)
		must(t, err)
		if link.Attrs().RawFlags&unix.IFF_RUNNING != 0 {
			return
		}
		<-updates
	}
}

// configure brings a link up with addresses, and sends multicast over it.
func configure(t *testing.T, name string, addrs ...string) netlink.Link {
	t.Helper()
	link, err := netlink.LinkByName(name)
	must(t, err)
	must(t, netlink.LinkSetUp(link))
	for _, a := range addrs {
		addr, err := netlink.ParseAddr(a)
		must(t, err)
		addr.Flags = unix.IFA_F_NODAD
		must(t, netlink.AddrAdd(link, addr))
	}
	_, all, err := net.ParseCIDR("224.0.0.0/4")
	must(t, err)
	must(t, netlink.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: all, Scope: netlink.SCOPE_LINK}))
	return link
}

// peer runs f in the peer's namespace: sockets that it opens are there.
func (c *cable) peer(f func()) {
	done := make(chan struct{})
	c.do <- func() { defer close(done); f() }
	<-done
}

// socket opens a UDP socket here or, with c, at the peer.
func socket(t *testing.T, c *cable, addr string) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	var err error
	open := func() { conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(addrPort(addr))) }
	if c != nil {
		c.peer(open)
	} else {
		open()
	}
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	return conn
}

// tell sends a datagram and waits until it has arrived; lost ones fail the test
// after a minute.
func tell(t *testing.T, from, to *net.UDPConn, text string) {
	t.Helper()
	sendTo(t, from, to.LocalAddr().(*net.UDPAddr).AddrPort(), text)
	buf := make([]byte, 65536)
	for {
		n, err := to.Read(buf)
		must(t, err)
		if string(buf[:n]) == text {
			return
		}
	}
}

func sendTo(t *testing.T, from *net.UDPConn, to netip.AddrPort, text string) {
	t.Helper()
	_, err := from.WriteToUDPAddrPort([]byte(text), to)
	must(t, err)
}

// recording is a capture that runs in this process and namespace.
type recording struct {
	path    string
	notices chan Notice // 100: more than any test makes
	cancel  context.CancelFunc
	ended   chan error
	stats   Stats
}

func record(t *testing.T, change func(*Options)) *recording {
	t.Helper()
	r := &recording{
		path:    filepath.Join(t.TempDir(), "x.pcapng"),
		notices: make(chan Notice, 100),
		ended:   make(chan error, 1),
	}
	opts := Options{Path: r.path, Target: node(), Application: "p2pchat test", Notice: func(n Notice) { r.notices <- n }}
	if change != nil {
		change(&opts)
	}
	r.path = opts.Path
	c, err := Open(t.Context(), opts)
	must(t, err)
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(t.Context())
	go func() { // ends with the capture
		var err error
		r.stats, err = c.Run(ctx)
		r.ended <- err
	}()
	return r
}

// stop ends the recording and returns its packets.
func (r *recording) stop(t *testing.T) []packet {
	t.Helper()
	r.cancel()
	must(t, <-r.ended)
	return packets(t, r.path)
}

// packets reads a file and decodes what is in it.
func packets(t *testing.T, path string) []packet {
	t.Helper()
	data, infos, ng := read(t, path)
	var got []packet
	for i, b := range data {
		link := testLink(t, ng, infos[i].InterfaceIndex)
		p, ok := decode(link, b)
		if !ok || len(b) != infos[i].Length {
			t.Fatalf("packet %d: %d of %d bytes: %x", i, len(b), infos[i].Length, b)
		}
		if i > 0 && infos[i].Timestamp.Before(infos[i-1].Timestamp) {
			t.Errorf("packet %d is earlier than the one before", i)
		}
		got = append(got, p)
	}
	return got
}

// notice waits for one of a kind about an interface.
func (r *recording) notice(t *testing.T, kind NoticeKind, iface string) {
	t.Helper()
	for {
		select {
		case n := <-r.notices:
			if n.Kind == kind && n.Interface == iface {
				return
			}
		case err := <-r.ended:
			t.Fatalf("the capture ended: %v", err)
		case <-time.After(time.Minute):
			t.Fatalf("no notice %s %s", kind, iface)
		}
	}
}
