package cli

import (
	"context"

	"github.com/spf13/cobra"
)

// ready is the one line that serve prints, always as JSON.
type ready struct {
	Event  string   `json:"event"`
	PeerID string   `json:"peer_id"`
	Name   string   `json:"name"`
	Addrs  []string `json:"addrs"`
}

func (a *app) serveCmd() *cobra.Command {
	var cfg NodeConfig
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a node without a user interface until interrupted",
		Long: `Run the account's node in the foreground. When it can be reached it prints one
line of JSON, {"event":"ready",…}. Other p2pchat commands of the same account
attach to it. Interrupt and termination stop it cleanly (exit 0).

Without --listen it uses port 47700, TCP and UDP, or a free one if that is
taken. With --listen only the transports given are used, for dialling too.`,
		Example: `  p2pchat serve
  p2pchat serve --listen '/ip4/0.0.0.0/udp/47701/quic-v1' --interface 'eth0'
  p2pchat serve --peer '/ip4/192.168.7.2/tcp/47700/p2p/12D3KooWFB51PRY9BxcXSH6khFXw1BZeszeLDy7C8GciskqCTZn5'`,
		Args: none,
		RunE: a.run(func(ctx context.Context, _ []string) error { return a.serve(ctx, cfg) }),
	}
	f := cmd.Flags()
	f.StringArrayVar(&cfg.Listen, "listen", nil, "listen on `MULTIADDR` (may be repeated)")
	f.StringArrayVar(&cfg.Interfaces, "interface", nil, "use only network interface `NAME` (may be repeated)")
	f.StringArrayVar(&cfg.Peers, "peer", nil, "dial `MULTIADDR`, which ends in /p2p/ID (may be repeated)")
	f.BoolVar(&cfg.NoMDNS, "no-mdns", false, "do not look for peers by multicast")
	noCompletion(cmd, "listen", "peer")
	_ = cmd.RegisterFlagCompletionFunc("interface", completeInterfaces)
	return cmd
}

func (a *app) serve(ctx context.Context, cfg NodeConfig) error {
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	base := a.nodeConfig(dir, "warn")
	cfg.Dir, cfg.Version, cfg.Logger = base.Dir, base.Version, base.Logger
	cfg.Notify = func(sentence string) { a.notef("%s", sentence) }
	a.noteAbsent(cfg.Interfaces)
	node, err := a.start(ctx, &cfg)
	if err != nil {
		return stoppedEarly(ctx, err)
	}
	err = a.printReady(ctx, node)
	if err == nil {
		select {
		case <-ctx.Done():
		case <-node.Done():
		}
	}
	return first(stoppedEarly(ctx, err), node.Close())
}

func (a *app) printReady(ctx context.Context, node Node) error {
	s, err := node.Status(ctx)
	if err != nil {
		return err
	}
	return a.object(ready{Event: "ready", PeerID: s.PeerID, Name: s.Name, Addrs: s.Addrs})
}

// stoppedEarly forgives what an interruption that came early made fail.
func stoppedEarly(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
