package discovery

import (
	"net"
	"net/netip"
	"testing"
)

func TestWhyNot(t *testing.T) {
	t.Parallel()
	const usual = net.FlagUp | net.FlagRunning | net.FlagMulticast | net.FlagBroadcast
	tests := []struct {
		name  string
		iface string
		flags net.Flags
		d     description
		allow []string
		want  string
	}{
		{"cable", "eth0", usual, description{}, nil, ""},
		{"down", "eth0", net.FlagMulticast, description{}, nil, whyDown},
		{"unplugged", "eth0", net.FlagUp | net.FlagMulticast, description{}, nil, whyNoLink},
		{"loopback", "lo", net.FlagUp | net.FlagRunning | net.FlagLoopback, description{}, nil, whyLoopback},
		{"loopback chosen", "lo", net.FlagUp | net.FlagRunning | net.FlagLoopback, description{}, []string{"lo"}, ""},
		{"tunnel", "wg0", usual, description{tunnel: true}, nil, whyTunnel},
		{"point to point", "ppp0", usual | net.FlagPointToPoint, description{}, nil, whyTunnel},
		{"tunnel chosen", "wg0", usual | net.FlagPointToPoint, description{tunnel: true}, []string{"wg0"}, ""},
		{"containers", "docker0", usual, description{container: true}, nil, whyContainer},
		{"port of a bridge", "eth0", usual, description{enslaved: true}, nil, whyEnslaved},
		{"no multicast", "eth0", net.FlagUp | net.FlagRunning, description{}, nil, whyNoCast},
		{"another one chosen", "eth0", usual, description{}, []string{"eth1"}, whyNotAllowed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := Interface{
				Name: tt.iface, Up: tt.flags&net.FlagUp != 0,
				Running: tt.flags&net.FlagRunning != 0, Multicast: tt.flags&net.FlagMulticast != 0,
			}
			if got := whyNot(f, tt.flags, tt.d, tt.allow); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestDescribeByName(t *testing.T) {
	t.Parallel()
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	for name, want := range map[string]description{
		"enp3s0":          {kind: Wired},
		"wlp2s0":          {kind: Wireless},
		"docker0":         {kind: Virtual, container: true},
		"br-0123456789ab": {kind: Virtual, container: true},
		"tailscale0":      {kind: Virtual, tunnel: true},
		"utun3":           {kind: Virtual, tunnel: true},
		"br0":             {kind: Wired},
	} {
		if got := describeByName(net.Interface{Name: name, HardwareAddr: mac}); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestOnLink(t *testing.T) {
	t.Parallel()
	p := netip.MustParsePrefix
	n := network{[]Interface{
		{Name: "eth0", Index: 2, Addrs: []netip.Prefix{p("10.0.0.1/24"), p("fe80::1/64"), p("fd00::1/64")}},
		{Name: "eth1", Index: 3, Addrs: []netip.Prefix{p("169.254.3.4/16")}},
		{Name: "eth2", Index: 4, Addrs: []netip.Prefix{p("10.1.0.0/31"), p("10.2.0.255/32"), p("10.3.0.1/30")}},
	}}
	for addr, want := range map[string]bool{
		"10.0.0.200": true, "10.0.1.1": false, "169.254.200.1": true, "fd00::99": true,
		"fe80::2": false, "127.0.0.1": false, "::1": false, "192.0.2.1": false,
		"10.0.0.1": true, "10.0.0.0": false, "10.0.0.255": false, "169.254.0.0": false, "169.254.3.255": true,
		"169.254.255.255": false, "10.1.0.0": true, "10.1.0.1": true, "10.2.0.255": true, "10.3.0.0": false,
		"10.3.0.2": true, "10.3.0.3": false, "fd00::": true, "0.0.0.0": false, "::": false,
		"224.0.0.251": false, "ff02::fb": false, "255.255.255.255": false,
	} {
		if got := n.onLink(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s on link: %v", addr, got)
		}
	}
	if n.linkLocalOnly() || !(network{[]Interface{{Addrs: []netip.Prefix{p("fe80::1/64")}}}}).linkLocalOnly() || (network{}).linkLocalOnly() {
		t.Error("link-local only is told wrongly")
	}
	one := network{n.ifaces[:1]}
	for _, tt := range []struct {
		from, to network
		want     change
	}{
		{n, n, change{}},
		{n, one, change{lost: true}},
		{one, n, change{gained: true}},
		{network{n.ifaces[1:]}, one, change{lost: true, gained: true}},
		{one, network{[]Interface{{Name: "eth0", Index: 2, Addrs: []netip.Prefix{p("10.0.0.2/24"), p("fe80::1/64"), p("fd00::1/64")}}}}, change{lost: true, gained: true}},
	} {
		if got := tt.to.changedFrom(tt.from); got != tt.want {
			t.Errorf("from %v to %v: %+v, want %+v", tt.from, tt.to, got, tt.want)
		}
	}
}

func TestInterfacesOfThisMachine(t *testing.T) {
	t.Parallel()
	all, err := Interfaces(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Used == (i.Why != "") {
			t.Errorf("%+v", i)
		}
		if i.Kind == Loopback && i.Used {
			t.Errorf("loopback is used by default: %+v", i)
		}
	}
}
