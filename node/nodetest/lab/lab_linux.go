package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// Lab is one LAN: switches and the hosts plugged into them. It belongs to one
// test and is torn down with it.
type Lab struct {
	// Hosts in the order they were added; Hosts[0] is host 1 of every
	// subnet it has an address in.
	Hosts []*Host
	// Switches in the order they were added. New makes the first.
	Switches []*Switch

	t   testing.TB
	net int    // third octet of every address of this lab
	dir string // the hosts' directories

	mu    sync.Mutex
	procs []*Proc // all that were started, for the failure report
}

// labs counts labs, so that each has addresses of its own. Labs could all use
// the same ones, separate as they are; logs read better when they don't.
var labs atomic.Int64

// New builds a LAN with one switch and n hosts, each with the given options,
// named h1 to hN with the addresses 10.77.LAB.1 to 10.77.LAB.N, prefix 24. It
// skips the test where there can be no lab.
func New(t testing.TB, n int, opts ...HostOption) *Lab {
	t.Helper()
	Require(t)
	number := int(labs.Add(1))
	l := &Lab{
		t:   t,
		net: (number-1)%250 + 1,
		// Not t.TempDir: the test's name in the path would push the node's
		// socket over the length a socket path may have.
		dir: filepath.Join(os.Getenv(dirEnv), strconv.Itoa(number)),
	}
	l.check(os.Mkdir(l.dir, 0o755), "directory")
	t.Cleanup(l.close)
	l.AddSwitch()
	for range n {
		l.AddHost(opts...)
	}
	return l
}

// AddSwitch adds one more switch, not connected to any other, whose subnet is
// 10.(77+index).LAB.0/24.
func (l *Lab) AddSwitch() *Switch {
	l.t.Helper()
	s, err := newSwitch(len(l.Switches), l.net)
	if err != nil {
		l.t.Fatalf("lab: switch: %v", err)
	}
	l.Switches = append(l.Switches, s)
	return s
}

// AddHost adds a host, by default with one interface on the first switch.
func (l *Lab) AddHost(opts ...HostOption) *Host {
	l.t.Helper()
	h, err := newHost(l, len(l.Hosts)+1, opts)
	if err != nil {
		l.t.Fatalf("lab: host %d: %v", len(l.Hosts)+1, err)
	}
	l.Hosts = append(l.Hosts, h)
	return h
}

// Partition splits every switch: hosts of one group reach each other, and
// nobody else, by unicast or multicast. Hosts not named stay together as one
// more group. No interface sees a change of carrier.
func (l *Lab) Partition(groups ...[]*Host) {
	l.t.Helper()
	group := map[*Host]int{}
	for i, hosts := range groups {
		for _, h := range hosts {
			group[h] = i + 1
		}
	}
	for _, h := range l.Hosts {
		for _, n := range h.NICs {
			l.check(n.sw.patch(n.port, group[h]), "partition")
		}
	}
}

// Heal ends a Partition.
func (l *Lab) Heal() {
	l.t.Helper()
	l.Partition()
}

// check fails the test if something the lab itself did went wrong.
func (l *Lab) check(err error, what string) {
	l.t.Helper()
	if err != nil {
		l.t.Fatalf("lab: %s: %v", what, err)
	}
}

func (l *Lab) track(p *Proc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.procs = append(l.procs, p)
}

// close kills what still runs, shows the output of everything if the test
// failed, and takes the LAN down.
func (l *Lab) close() {
	l.mu.Lock()
	procs := l.procs
	l.mu.Unlock()
	if l.t.Failed() && os.Getenv("P2PCHAT_LAB_STACKS") == "1" {
		for _, p := range procs {
			p.quit()
		}
	}
	for _, p := range procs {
		p.letEnd() // some end by themselves when others are killed
	}
	for _, p := range procs {
		p.release()
	}
	if l.t.Failed() {
		for i, p := range procs {
			if i+1 < len(procs) && p.repeatedBy(procs[i+1]) {
				continue // of a question that was asked again and again, the last answer
			}
			l.t.Log(p.story())
		}
	}
	for _, h := range l.Hosts {
		h.ns.close()
	}
	for _, s := range l.Switches {
		s.ns.close()
	}
	if os.Getenv(keepEnv) == "1" {
		l.t.Logf("kept %s", l.dir)
		return
	}
	if err := os.RemoveAll(l.dir); err != nil {
		l.t.Errorf("lab: %v", err)
	}
}

// Dir makes and returns a directory of this lab, for files of the test.
func (l *Lab) Dir(name string) string {
	l.t.Helper()
	dir := filepath.Join(l.dir, name)
	l.check(os.MkdirAll(dir, 0o755), "directory")
	return dir
}

// Other returns all hosts but one.
func (l *Lab) Other(than *Host) []*Host {
	var hosts []*Host
	for _, h := range l.Hosts {
		if h != than {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

func (l *Lab) String() string {
	return fmt.Sprintf("lab %d: %d hosts, %d switches", l.net, len(l.Hosts), len(l.Switches))
}
