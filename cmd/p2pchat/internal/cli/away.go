package cli

import (
	"context"

	"github.com/spf13/cobra"

	"p2pchat/node/api"
)

// availability is what away and back print. An availability is not kept in a
// log, so it has no ID.
type availability struct {
	ID     *string `json:"id"`
	Away   bool    `json:"away"`
	Status string  `json:"status"`
}

func (a *app) awayCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "away [TEXT]",
		Short: "Tell the others that one is away, with a status line",
		Example: `  p2pchat away 'back at noon'
  p2pchat away --json`,
		Args:              atMostText,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.run(func(ctx context.Context, args []string) error {
			text := ""
			if len(args) > 0 {
				text = args[0]
			}
			return a.setAway(ctx, true, text)
		}),
	}
}

func (a *app) backCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "back",
		Short: "Tell the others that one is back",
		Example: `  p2pchat back
  p2pchat 'back' --json`,
		Args: none,
		RunE: a.run(func(ctx context.Context, _ []string) error { return a.setAway(ctx, false, "") }),
	}
}

func atMostText(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return tooMany(cmd, args[1])
	}
	return nil
}

func (a *app) setAway(ctx context.Context, away bool, text string) error {
	return a.withService(ctx, func(ctx context.Context, svc api.Service) error {
		if err := svc.SetAway(ctx, away, text); err != nil {
			return err
		}
		if a.asJSON {
			return a.object(availability{Away: away, Status: text})
		}
		if away {
			return a.printf("away\n")
		}
		return a.printf("back\n")
	})
}
