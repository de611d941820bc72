package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) unreadCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "unread",
		Short: "List where something unread waits",
		Long: `List the conversations in which something unread waits, the latest first: how much,
how much of that names you, and when the newest was said. p2pchat log lists it, with
--all also invitations, answers to them and requests for voice, which count, too; with
--mark-read it counts as read. No running node is needed.`,
		Example: `  p2pchat unread
  p2pchat unread --json
  p2pchat log '@alice' --mark-read`,
		Args: none,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			return a.withReader(ctx, func(ctx context.Context, r api.Reader) error {
				all, err := r.Conversations(ctx)
				if err != nil {
					return err
				}
				return a.printUnread(all, time.Now())
			})
		}),
	}
}

func (a *app) printUnread(all []api.Conversation, now time.Time) error {
	style := a.style()
	t := &term.Table{
		Header: []string{"WHERE", "UNREAD", "FOR YOU", "LAST"},
		Paint: func(row, _ int, cell string) string {
			if row < 0 {
				return style.Bold(cell)
			}
			return cell
		},
	}
	for _, c := range all {
		if c.Unread == 0 {
			continue
		}
		if a.asJSON {
			if err := a.object(c); err != nil {
				return err
			}
			continue
		}
		t.Rows = append(t.Rows, []string{
			placed(api.Place{Kind: c.Kind, Target: c.Target, Name: c.Name}), strconv.Itoa(c.Unread), strconv.Itoa(c.Mentions), ago(c.LastTime.Time, now),
		})
	}
	switch {
	case a.asJSON:
		return nil
	case len(t.Rows) == 0:
		a.notef("nothing is unread")
		return nil
	}
	return a.table(t)
}
