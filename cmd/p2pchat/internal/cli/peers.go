package cli

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) peersCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "List who is here: the index table, kept by itself",
		Long: `List everyone this node knows, online first: user, IP, port, transport, state,
last seen, round trip, fingerprint. Names are claims: fingerprints decide.`,
		Example: `  p2pchat peers
  p2pchat peers --json
  p2pchat peers add '/ip4/192.168.7.2/tcp/47700/p2p/12D3KooWFB51PRY9BxcXSH6khFXw1BZeszeLDy7C8GciskqCTZn5'
  p2pchat peers remove '@alice'`,
		Args: none,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			return a.withReader(ctx, func(ctx context.Context, r api.Reader) error {
				peers, err := r.Peers(ctx)
				if err != nil {
					return err
				}
				if _, running := r.(api.Service); !running && !a.asJSON && len(peers) > 0 {
					a.notef("no node is running: this is what the last one knew (p2pchat serve starts one)")
				}
				return a.printPeers(peers, time.Now())
			})
		}),
	}
	cmd.AddCommand(a.peersAddCmd(), a.peersRemoveCmd())
	return cmd
}

func (a *app) peersAddCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "add MULTIADDR",
		Short: "Remember an address and dial it, for subnets without multicast",
		Long: `Remember an address and dial it, for subnets without multicast. It ends in
/p2p/ and a peer ID, as p2pchat status prints it on the other machine.`,
		Example: `  p2pchat peers add '/ip4/192.168.7.2/tcp/47700/p2p/12D3KooWFB51PRY9BxcXSH6khFXw1BZeszeLDy7C8GciskqCTZn5'
  p2pchat peers add '/ip4/192.168.7.2/udp/47700/quic-v1/p2p/12D3KooWFB51PRY9BxcXSH6khFXw1BZeszeLDy7C8GciskqCTZn5' --json`,
		Args:              exactly("MULTIADDR"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.withService(ctx, func(ctx context.Context, svc api.Service) error {
				if err := svc.AddPeer(ctx, args[0]); err != nil {
					return err
				}
				if a.asJSON {
					return a.object(struct {
						Addr string `json:"addr"`
					}{args[0]})
				}
				return a.printf("added %s\n", term.Clean(args[0]))
			})
		}),
	}
}

func (a *app) peersRemoveCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "remove WHO",
		Short: "Forget a peer's addresses; what was said stays",
		Example: `  p2pchat peers remove '@alice'
  p2pchat peers remove 12D3KooWFB51PRY9BxcXSH6khFXw1BZeszeLDy7C8GciskqCTZn5 --json`,
		Args:              exactly("WHO"),
		ValidArgsFunction: a.completePeers(1),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.withService(ctx, func(ctx context.Context, svc api.Service) error {
				if err := svc.RemovePeer(ctx, args[0]); err != nil {
					return err
				}
				if a.asJSON {
					return a.object(struct {
						Who string `json:"who"`
					}{args[0]})
				}
				return a.printf("removed %s\n", term.Clean(args[0]))
			})
		}),
	}
}

func (a *app) printPeers(peers []api.Peer, now time.Time) error {
	if a.asJSON {
		for _, p := range peers {
			if err := a.object(p); err != nil {
				return err
			}
		}
		return nil
	}
	if len(peers) == 0 {
		a.notef("nobody has been seen yet (p2pchat doctor finds out why)")
		return nil
	}
	style := a.style()
	t := &term.Table{
		Header: []string{"USER", "IP", "PORT", "TRANSPORT", "STATE", "LAST SEEN", "RTT", "FINGERPRINT", "STATUS"},
		Paint: func(row, col int, cell string) string {
			switch {
			case row < 0:
				return style.Bold(cell)
			case peers[row].State != api.Online:
				return style.Faint(cell)
			case col == 4:
				return style.Green(cell)
			}
			return cell
		},
	}
	for _, p := range peers {
		t.Rows = append(t.Rows, peerRow(p, now))
	}
	if err := a.table(t); err != nil {
		return err
	}
	for _, p := range peers {
		if p.Warning == "" {
			continue
		}
		line := fmt.Sprintf("! %s (%s): %s", nameOf(p.Name, p.PeerID), term.Clean(p.Fingerprint), term.Clean(p.Warning))
		if err := a.printf("%s\n", style.Yellow(line)); err != nil {
			return err
		}
	}
	return nil
}

func peerRow(p api.Peer, now time.Time) []string {
	where := bestAddr(p)
	name, state := nameOf(p.Name, p.PeerID), p.State
	if p.Verified {
		name += " (verified)"
	}
	if p.Away && p.State == api.Online {
		state += ", away"
	}
	status := p.Status
	if p.Blocked {
		status = "blocked" // what he says of himself is not shown either
	}
	rtt := "-"
	if p.RTT != nil {
		rtt = strconv.FormatFloat(*p.RTT, 'f', 1, 64) + " ms"
	}
	return []string{
		name, where.ip, where.port, where.transport, state,
		ago(p.LastSeen.Time, now), rtt, p.Fingerprint, status,
	}
}

// nameOf is what people call somebody: the cleaned username, or the end of the
// peer ID if no username is known.
func nameOf(name, peerID string) string {
	const shown = 8 // characters: enough to tell apart those one knows
	if name == "" && len(peerID) > shown {
		return "…" + term.Clean(peerID[len(peerID)-shown:])
	}
	return term.Clean(name)
}

// place is a multiaddr in the words of the table.
type place struct{ ip, port, transport string }

// bestAddr is the address of the live connection's transport, else the first.
func bestAddr(p api.Peer) place {
	best := place{"-", "-", "-"}
	for i, addr := range p.Addrs {
		at := parseAddr(addr)
		if i == 0 {
			best = at
		}
		if p.Transport != nil && at.transport == *p.Transport {
			return at
		}
	}
	if p.Transport != nil {
		best.transport = *p.Transport
	}
	return best
}

// parseAddr reads /ip4/A/tcp/P and /ip4/A/udp/P/quic-v1, with whatever else
// stands in them (ip6zone, p2p).
func parseAddr(addr string) place {
	at := place{"-", "-", "-"}
	parts := strings.Split(addr, "/")
	for i := 1; i < len(parts); i++ {
		value := ""
		if i+1 < len(parts) {
			value = parts[i+1]
		}
		switch parts[i] {
		case "ip4", "ip6", "dns", "dns4", "dns6":
			at.ip = value
			i++
		case "tcp", "udp":
			at.port, at.transport = value, parts[i]
			i++
		case "quic-v1":
			at.transport = parts[i]
		case "ip6zone", "p2p":
			i++
		}
	}
	return at
}

// ago says how long before now t was.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	switch {
	case d < 5*time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h ago", int(math.Floor(d.Hours())))
	}
	return t.Local().Format("2006-01-02 15:04")
}
