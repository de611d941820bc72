package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) statusCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Print addresses, connections and counts of this node",
		Long: `Print addresses, connections and counts of this node. Without a running node it
prints what the store holds, and "running":false.`,
		Example: `  p2pchat status
  p2pchat status --json --data '/srv/alice'`,
		Args: none,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			return a.withNodeOrStore(ctx,
				func(ctx context.Context, svc api.Service) error {
					s, err := svc.Status(ctx)
					return first(err, a.printStatus(s, err))
				},
				func(ctx context.Context, r Reader) error {
					s, err := r.Status(ctx)
					if s.Version == "" {
						s.Version = a.deps.Version
					}
					return first(err, a.printStatus(s, err))
				})
		}),
	}
}

// printStatus prints s unless getting it failed.
func (a *app) printStatus(s api.Status, failed error) error {
	if failed != nil {
		return nil
	}
	if a.asJSON {
		return a.object(s)
	}
	running := "no"
	if s.Running {
		running = "yes"
	}
	t := &term.Table{}
	row := func(what, value string) { t.Rows = append(t.Rows, []string{what, value}) }
	row("name", s.Name)
	row("peer ID", s.PeerID)
	row("running", running)
	for i, addr := range s.Addrs {
		row(label("addresses", i), addr)
	}
	for i, c := range s.Connections {
		row(label("connections", i), fmt.Sprintf("%s %s %s %s", c.PeerID, c.Transport, c.Direction, c.Addr))
	}
	row("rooms", count(s.Rooms))
	row("queued", count(s.Queued))
	row("storage", fmt.Sprintf("%d bytes", s.Storage))
	row("version", s.Version)
	for _, n := range s.Notices {
		row("notice", n)
	}
	return a.table(t)
}

// count is n in words.
func count(n *int) string {
	if n == nil {
		return "unknown"
	}
	return strconv.Itoa(*n)
}

// label names the first of several rows.
func label(what string, i int) string {
	if i > 0 {
		return ""
	}
	return what
}
