package cli

import (
	"context"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) roomAuditCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "audit ROOM",
		Short: "List who did what in a room, under which authority, and whether it counts",
		Long: `List the acts of government of a room by their times: who did what, under which
authority, and whether it counts or why not. Members that have the same events see
the same. No running node is needed.`,
		Example: `  p2pchat room audit '#dev'
  p2pchat room audit '#dev' --json`,
		Args:              exactly("ROOM"),
		ValidArgsFunction: a.completeRooms(false),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.withReader(ctx, func(ctx context.Context, r api.Reader) error {
				rows, err := r.Audit(ctx, args[0])
				if err != nil {
					return err
				}
				return a.printAudit(rows)
			})
		}),
	}
}

func (a *app) printAudit(rows []api.AuditRow) error {
	if a.asJSON {
		for _, r := range rows {
			if err := a.object(r); err != nil {
				return err
			}
		}
		return nil
	}
	style := a.style()
	t := &term.Table{
		Header: []string{"WHEN", "WHO", "DID", "COUNTS", "WHY"},
		Paint: func(row, _ int, cell string) string {
			switch {
			case row < 0:
				return style.Bold(cell)
			case !rows[row].Effective:
				return style.Faint(cell)
			}
			return cell
		},
	}
	for _, r := range rows {
		counts := "no"
		if r.Effective {
			counts = "yes"
		}
		t.Rows = append(t.Rows, []string{r.Time.Local().Format("2006-01-02 15:04:05"), nameOf(r.Name, r.PeerID), r.Did, counts, r.Why})
	}
	return a.table(t)
}
