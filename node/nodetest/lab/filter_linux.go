package lab

import (
	"bytes"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// Loss makes the host lose this percentage of the packets it receives and of
// those it sends, each at random; 0 ends it. It replaces a Filter.
func (h *Host) Loss(percent int) {
	h.l.t.Helper()
	h.Filter(losing(percent)...)
}

// Loss has every packet between two hosts lost with this probability, in
// percent; 0 ends it. It replaces the hosts' Filters.
func (l *Lab) Loss(percent int) {
	l.t.Helper()
	for _, h := range l.Hosts {
		h.filter(losing(percent), nil) // where it arrives, and only there
	}
}

func losing(percent int) []string {
	switch {
	case percent <= 0:
		return nil
	case percent >= 100: // nft finds the comparison pointless, and refuses
		return []string{"drop"}
	}
	return []string{fmt.Sprintf("numgen random mod 100 < %d drop", percent)}
}

// Filter applies nftables rules to all the host receives and sends, loopback
// excepted, such as "ip daddr 224.0.0.0/4 drop". They replace the rules of
// the call before; without any, all passes.
func (h *Host) Filter(rules ...string) {
	h.l.t.Helper()
	h.filter(rules, rules)
}

func (h *Host) filter(receiving, sending []string) {
	h.l.t.Helper()
	Require(h.l.t, "nft")
	var in, out strings.Builder
	for _, r := range receiving {
		fmt.Fprintf(&in, "  iif != lo %s\n", r)
	}
	for _, r := range sending {
		fmt.Fprintf(&out, "  oif != lo %s\n", r)
	}
	// The empty table first, so that the delete finds one.
	script := fmt.Sprintf(`table inet lab
delete table inet lab
table inet lab {
 chain in {
  type filter hook input priority 0
%s }
 chain out {
  type filter hook output priority 0
%s }
}
`, &in, &out)
	h.l.check(h.ns.shell(script, "nft", "-f", "-"), "filter")
}

// RateLimit makes the cable of the interface carry at most this many bits a
// second in either direction; 0 ends it.
func (n *NIC) RateLimit(bits int) {
	n.h.l.t.Helper()
	Require(n.h.l.t, "tc")
	for _, end := range []struct {
		ns  *namespace
		dev string
	}{{n.h.ns, n.Name}, {n.sw.ns, n.port}} {
		args := []string{
			"qdisc", "replace", "dev", end.dev, "root", "tbf",
			"rate", strconv.Itoa(bits), "burst", "32kb", "latency", "200ms",
		}
		if bits == 0 {
			args = []string{"qdisc", "del", "dev", end.dev, "root"}
		}
		n.h.l.check(end.ns.shell("", "tc", args...), "rate limit")
	}
}

// shell runs an administrator's command in the namespace.
func (ns *namespace) shell(stdin, name string, args ...string) error {
	return ns.do(func() error {
		cmd := exec.Command(name, args...)
		cmd.Stdin = strings.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", cmd, err, bytes.TrimSpace(out))
		}
		return nil
	})
}
