package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"p2pchat/captures"
	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

// captured is what capture prints at its end.
type captured struct {
	File          string `json:"file"`
	Packets       uint64 `json:"packets"`
	Bytes         uint64 `json:"bytes"`
	Dropped       uint64 `json:"dropped"`
	Conversations int    `json:"conversations"`
	Duration      string `json:"duration"`
	*readable
}

type captureFlags struct {
	file       string
	interfaces []string
	with       []string
	duration   time.Duration
	ring       string
	secrets    bool
}

func (a *app) captureCmd() *cobra.Command {
	var flags captureFlags
	cmd := &cobra.Command{
		Use:   "capture -w FILE",
		Short: "Capture this node's traffic to a file for Wireshark",
		Long: `Capture this node's own traffic, and no other program's, until interrupted or
--duration is over. The file's name decides the format: .pcapng or .pcap; '-' is
standard output. An older file of that name is replaced. Under sudo it captures the
node of the user who called sudo, who gets the file. Without the right to capture it
says how to get it (exit 7).

With --secrets the file can be read: it holds the keys of every connection and of
the rooms, and with them all that is said, also by others. The node opens its
connections anew for it, and again at the end, so that the keys open nothing that
is said later. The keys of a .pcap go into a file beside it that ends in .keylog.`,
		Example: `  p2pchat capture -w 'chat.pcapng'
  p2pchat capture -w 'alice.pcap' --with '@alice' --interface eth0 --duration 1m
  p2pchat capture -w 'ring.pcapng' --ring '10MB,5' --json
  p2pchat capture -w 'readable.pcapng' --secrets
  p2pchat capture -w - --secrets | wireshark -k -i -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if flags.file == "" && len(args) == 0 {
				return usagef("capture needs -w FILE, such as -w 'chat.pcapng'")
			}
			return none(cmd, args)
		},
		RunE: a.run(func(ctx context.Context, _ []string) error { return a.capture(ctx, flags) }),
	}
	f := cmd.Flags()
	f.StringVarP(&flags.file, "write", "w", "", "write to `FILE`, .pcapng or .pcap, or - for standard output")
	f.StringArrayVar(&flags.interfaces, "interface", nil, "capture on network interface `NAME` (may be repeated; default those the node uses)")
	f.StringArrayVar(&flags.with, "with", nil, "keep only traffic with `WHO` (may be repeated)")
	f.DurationVar(&flags.duration, "duration", 0, "stop after `DURATION`")
	f.StringVar(&flags.ring, "ring", "", "write files of at most SIZE and keep the last N: `SIZE,N`, such as 10MB,5")
	f.BoolVar(&flags.secrets, "secrets", false, "write the keys into the file too: whoever has it can read all that is said")
	noCompletion(cmd, "duration", "ring")
	_ = cmd.RegisterFlagCompletionFunc("interface", completeInterfaces)
	_ = cmd.RegisterFlagCompletionFunc("with", func(cmd *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return a.peerNames(cmd.Context(), word), cobra.ShellCompDirectiveNoFileComp
	})
	cmd.AddCommand(a.captureReadCmd(), a.capturePluginCmd())
	return cmd
}

func (a *app) capture(ctx context.Context, flags captureFlags) error {
	opts := captures.Options{
		Path: flags.file, Interfaces: flags.interfaces, Duration: flags.duration,
		Application: "p2pchat " + a.deps.Version,
		Stdout:      a.out.w,
	}
	if flags.duration < 0 {
		return usagef("--duration %s is negative", flags.duration)
	}
	if flags.ring != "" {
		ring, err := captures.ParseRing(flags.ring)
		if err != nil {
			return captureError(err)
		}
		opts.Ring = ring
	}
	return a.withCaptured(ctx, func(ctx context.Context, svc api.Service) error {
		live := &counters{app: a, on: term.IsTerminal(a.err)}
		opts.Progress = live.show
		opts.Notice = func(n captures.Notice) { live.clear(); a.notef("%s", n.Text) }
		var with *readable
		if flags.secrets {
			with = &readable{begins: func() {
				for _, sentence := range secretsWarning {
					a.notef("%s", sentence)
				}
			}}
		}
		stats, err := a.record(ctx, svc, flags.with, opts, with)
		live.clear()
		if err != nil {
			return err
		}
		return a.printCaptured(stats, with, flags.file == "-")
	})
}

// captureInUI is capture for the terminal UI, which has the screen.
func (a *app) captureInUI(ctx context.Context, svc api.Service, file string, secrets bool, tell func(string)) (summary string, err error) {
	var keys *readable
	if secrets {
		keys = &readable{}
	}
	stats, err := a.record(ctx, svc, nil, captures.Options{
		Path: file, Application: "p2pchat " + a.deps.Version,
		Progress: func(s captures.Stats) {
			tell(fmt.Sprintf("%d %s", s.Packets, plural(int(s.Packets), "packet", "packets")))
		},
		Notice: func(n captures.Notice) { tell(n.Text) },
	}, keys)
	if err != nil {
		return "", err
	}
	return countersLine(stats) + keysLine(keys), nil
}

// record captures svc's node, or only its traffic with some people, until ctx
// ends; keys, if not nil, is told what the file holds of them.
func (a *app) record(ctx context.Context, svc api.Service, with []string, opts captures.Options, keys *readable) (captures.Stats, error) {
	target := func(ctx context.Context) (captures.Target, error) { return captureTarget(ctx, svc, with) }
	var err error
	if opts.Target, err = target(ctx); err != nil {
		return captures.Stats{}, err
	}
	opts.Refresh = target
	if keys != nil {
		opts.Secrets = keys.secrets(svc)
	}
	if opts.Comment, err = a.whose(ctx, svc); err != nil {
		return captures.Stats{}, err
	}
	run := a.deps.Capture
	if run == nil {
		run = captures.Run
	}
	stats, err := run(ctx, opts)
	return stats, captureError(err)
}

// whose says whose traffic a capture holds.
func (a *app) whose(ctx context.Context, svc api.Service) (string, error) {
	self, err := svc.Whoami(ctx)
	if err != nil {
		return "", err
	}
	peers, err := svc.Peers(ctx)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("traffic of the p2pchat node of %s (%s)", term.Clean(self.Name), self.PeerID)
	for _, p := range peers {
		if p.State == api.Online {
			text += fmt.Sprintf("\nwith %s (%s)", term.Clean(p.Name), p.PeerID)
		}
	}
	return text, nil
}

// withCaptured is withServiceOnce for the account whose node is captured. Under
// sudo it never starts a node, which would leave root's files in a user's
// account.
func (a *app) withCaptured(ctx context.Context, f func(context.Context, api.Service) error) error {
	if dir, ok := a.sudoDir(); ok {
		a.data = dir
	}
	if !underSudo() {
		return a.withServiceOnce(ctx, func(ctx context.Context, s *session) error { return f(ctx, s) })
	}
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	c, err := dial(ctx, dir)
	if api.IsCode(err, api.CodeNoNode) {
		return api.Errorf(api.CodeNoNode,
			"no node of %s is running on %s, and sudo does not start one: run p2pchat or p2pchat serve as that user first",
			os.Getenv("SUDO_USER"), dir)
	}
	if err != nil {
		return err
	}
	return first(f(ctx, c), c.Close())
}

// captureError gives errors of package captures their code.
func captureError(err error) error {
	var usage *captures.UsageError
	switch {
	case errors.As(err, &usage):
		return api.Errorf(api.CodeUsage, "%w", err)
	case errors.Is(err, captures.ErrPermission):
		return api.Errorf(api.CodeNoPermission, "%w", err)
	case errors.Is(err, captures.ErrUnsupported):
		return api.Errorf(api.CodeUnsupported, "%w", err)
	case errors.Is(err, captures.ErrDiskFull):
		return api.Errorf(api.CodeDiskFull, "%w", err)
	}
	return err
}

// printCaptured says what was captured: on standard error if the capture
// itself went to standard output.
func (a *app) printCaptured(s captures.Stats, keys *readable, toErr bool) error {
	to := a
	if toErr {
		to = &app{asJSON: a.asJSON, out: &output{w: a.err}}
	}
	if s.File == "" && toErr {
		s.File = "-"
	}
	if a.asJSON {
		return to.object(captured{
			File: s.File, Packets: s.Packets, Bytes: s.Bytes, Dropped: s.Dropped, Conversations: s.Conversations,
			Duration: s.Elapsed.Round(time.Millisecond).String(), readable: keys,
		})
	}
	return to.printf("%s: %s%s\n", term.Clean(s.File), countersLine(s), keysLine(keys))
}

// keysLine says what a capture holds of keys.
func keysLine(r *readable) string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf(", keys of %d %s and %d of rooms", r.Sessions, plural(r.Sessions, "connection", "connections"), r.RoomKeys)
}

func countersLine(s captures.Stats) string {
	return fmt.Sprintf("%d %s, %s, %d dropped, %d %s, %v",
		s.Packets, plural(int(s.Packets), "packet", "packets"), size(s.Bytes), s.Dropped,
		s.Conversations, plural(s.Conversations, "conversation", "conversations"), s.Elapsed.Round(time.Second))
}

// size is a number of bytes for people.
func size(bytes uint64) string {
	value, unit := float64(bytes), ""
	for _, next := range []string{"k", "M", "G", "T"} {
		if value < 1000 {
			break
		}
		value, unit = value/1000, next
	}
	if unit == "" {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %sB", value, unit)
}

// counters is the line of a terminal that is written over as packets come.
type counters struct {
	app   *app
	on    bool
	shown bool
}

// eraseLine returns to the line's start and clears it (ECMA-48 EL).
const eraseLine = "\r\x1b[K"

func (c *counters) show(s captures.Stats) {
	if c.on {
		c.shown = true
		line := countersLine(s)
		if width := term.Columns(c.app.err); width > 0 {
			line = term.Truncate(line, width-1) // a wrapped line could not be erased
		}
		fmt.Fprintf(c.app.err, "%s%s", eraseLine, line)
	}
}

func (c *counters) clear() {
	if c.shown {
		c.shown = false
		fmt.Fprint(c.app.err, eraseLine)
	}
}
