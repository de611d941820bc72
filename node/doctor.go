package node

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/internal/discovery"
	"p2pchat/node/internal/p2phost"
)

// Diagnose implements [api.Service]: it answers why somebody does not see the
// others.
func (n *Node) Diagnose(ctx context.Context) ([]api.Finding, error) {
	r := n.discovery.Diagnose(ctx)
	out := n.noticeFindings()
	out = append(out, interfaceFindings(r)...)
	out = append(out, multicastFindings(r)...)
	if slices.ContainsFunc(r.Interfaces, func(i discovery.InterfaceReport) bool { return i.Used }) {
		out = append(out, n.heardFindings(r)...) // else there is one cause, told above
	}
	out = append(out, n.portFinding(), n.clockFinding())
	return append(out, n.databaseFinding(ctx)), ctx.Err()
}

// noticeFindings are what the node tells of itself while it stands; of
// clocks another finding does.
func (n *Node) noticeFindings() []api.Finding {
	n.outOfPlace(n.store.InPlace())
	var out []api.Finding
	for _, text := range n.notices.list(causeClock) {
		out = append(out, api.Finding{Check: "notice", Level: api.LevelFail, Seen: text})
	}
	return out
}

func interfaceFindings(r discovery.Report) []api.Finding {
	var out []api.Finding
	used, addressed := 0, false
	for _, i := range r.Interfaces {
		var addrs []string
		for _, a := range i.Addrs {
			addrs = append(addrs, a.String())
		}
		seen := fmt.Sprintf("%s (%s): %s", i.Name, i.Kind, strings.Join(addrs, " "))
		if len(addrs) == 0 {
			seen = fmt.Sprintf("%s (%s): no address", i.Name, i.Kind)
		}
		f := api.Finding{Check: "interface", Level: api.LevelOK, Seen: seen}
		if i.Used {
			used++
			addressed = addressed || len(i.Addrs) > 0
		} else {
			f.Seen += "; not used: " + i.Why
		}
		if i.Kind != discovery.Loopback && i.Up && !i.Running {
			f.Level, f.Advice = api.LevelWarn, "plug the cable in, or look at the switch"
		}
		out = append(out, f)
	}
	if used == 0 {
		out = append(out, api.Finding{
			Check: "interface", Level: api.LevelFail, Seen: "no network interface can be used",
			Advice: "plug in a cable, or switch the interface on; `p2pchat serve --interface NAME` forces one",
		})
	}
	switch {
	case used > 0 && !addressed:
		out = append(out, api.Finding{
			Check: "addresses", Level: api.LevelFail, Seen: "no address on any interface: nobody answered by DHCP, or it is not asked",
			Advice: linkLocalAdvice(runtime.GOOS),
		})
	case r.LinkLocalOnly:
		out = append(out, api.Finding{
			Check: "addresses", Level: api.LevelFail, Seen: "only IPv6 link-local addresses (fe80::), which libp2p neither announces nor dials",
			Advice: linkLocalAdvice(runtime.GOOS),
		})
	}
	return out
}

// linkLocalAdvice is the command that gives an interface an IPv4 link-local
// address (RFC 3927).
func linkLocalAdvice(goos string) string {
	switch goos {
	case "linux":
		return "give the interface an IPv4 address: `nmcli connection modify NAME ipv4.method link-local && nmcli connection up NAME`, or `sudo ip address add 169.254.X.Y/16 dev INTERFACE` with X.Y different on each machine"
	case "darwin":
		return "set the interface to DHCP (System Settings, Network, TCP/IP): without a server macOS then takes a 169.254 address"
	case "windows":
		return "set the adapter to obtain an address automatically: without a server Windows then takes a 169.254 address"
	}
	return "give the interface an IPv4 address in 169.254.0.0/16"
}

func multicastFindings(r discovery.Report) []api.Finding {
	if r.Trouble != "" {
		return []api.Finding{{
			Check: "multicast", Level: api.LevelWarn, Seen: r.Trouble,
			Advice: "without multicast name the others: `p2pchat peers add MULTIADDR`",
		}}
	}
	var out []api.Finding
	for _, i := range r.Interfaces {
		if !i.Probed {
			continue
		}
		f := api.Finding{Check: "multicast", Level: api.LevelOK, Seen: fmt.Sprintf("%s: the probe left and came back; %s heard", i.Name, nodes(i.Others))}
		switch {
		case i.SendFail != "":
			f.Level, f.Seen, f.Advice = api.LevelFail, fmt.Sprintf("%s: cannot send: %s", i.Name, i.SendFail), firewallAdvice(runtime.GOOS)
		case !i.Echo:
			f.Level, f.Seen, f.Advice = api.LevelFail, fmt.Sprintf("%s: the probe did not come back; %s heard", i.Name, nodes(i.Others)), firewallAdvice(runtime.GOOS)
		case i.Others == 0:
			f.Level = api.LevelWarn
			f.Advice = "if others run on this network, their machines or the switch hold multicast back: run `p2pchat doctor` there; on yours: " + firewallAdvice(runtime.GOOS)
		}
		out = append(out, f)
	}
	return out
}

func nodes(n int) string {
	if n == 1 {
		return "1 other node"
	}
	return fmt.Sprintf("%d other nodes", n)
}

// firewallAdvice names the usual culprits of an operating system.
func firewallAdvice(goos string) string {
	const ports = "UDP 5353 (mDNS) and port 47700, TCP and UDP"
	switch goos {
	case "linux":
		return "let " + ports + " through: `sudo ufw allow 5353/udp && sudo ufw allow 47700`, or with firewalld `sudo firewall-cmd --add-service=mdns --add-port=47700/tcp --add-port=47700/udp`; a VPN may also swallow multicast"
	case "darwin":
		return "allow p2pchat under System Settings, Privacy & Security, Local Network, and in the firewall; a VPN may also swallow multicast"
	case "windows":
		return "set the network's profile to Private and allow p2pchat through Windows Defender Firewall (" + ports + "); a VPN may also swallow multicast"
	}
	return "let " + ports + " through the firewall"
}

// heardFindings lists who was heard and cannot be talked to.
func (n *Node) heardFindings(r discovery.Report) []api.Finding {
	var out []api.Finding
	for _, h := range r.Heard {
		if h.Connected {
			continue
		}
		who := n.people.name(h.Peer)
		if who == "" {
			who = h.Peer.String()
		}
		f := api.Finding{Check: "reach", Level: api.LevelFail, Seen: fmt.Sprintf("%s is heard on %s and not reached: %s", who, h.Interface, h.Err)}
		switch {
		case !h.OnLink:
			f.Seen = fmt.Sprintf("%s is heard on %s, and none of its addresses %v is in a subnet of ours", who, h.Interface, h.Addrs)
			f.Advice = "put both machines into one subnet, or `p2pchat peers add MULTIADDR`"
		case h.Err == "":
			f.Level, f.Seen = api.LevelWarn, fmt.Sprintf("%s is heard on %s and not connected yet", who, h.Interface)
		default:
			f.Advice = "its firewall may refuse: there, " + firewallAdvice(runtime.GOOS)
		}
		out = append(out, f)
	}
	return out
}

func (n *Node) portFinding() api.Finding {
	f := api.Finding{
		Check: "ports", Level: api.LevelOK,
		Seen: fmt.Sprintf("listening on TCP %v and UDP %v", n.host.Ports(p2phost.TCP), n.host.Ports(p2phost.QUIC)),
	}
	if port, moved := n.host.Moved(); moved {
		f.Level = api.LevelWarn
		f.Seen += fmt.Sprintf("; port %d was taken", p2phost.DefaultPort)
		f.Advice = fmt.Sprintf("a firewall rule for %d does not cover %d: stop the other program or add a rule", p2phost.DefaultPort, port)
	}
	return f
}

func (n *Node) databaseFinding(ctx context.Context) api.Finding {
	// Reading a large database takes long; what was checked by then counts.
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	lines, err := n.store.Check(ctx, false)
	switch {
	case err != nil:
		return api.Finding{Check: "database", Level: api.LevelWarn, Seen: "not checked: " + err.Error()}
	case len(lines) > 0:
		return api.Finding{
			Check: "database", Level: api.LevelFail, Seen: strings.Join(lines, "; "),
			Advice: "stop the node and run `p2pchat doctor --repair`, which keeps a copy and saves what can be read",
		}
	}
	return api.Finding{Check: "database", Level: api.LevelOK, Seen: "sound"}
}
