package cli

import (
	"context"

	"github.com/spf13/cobra"

	"p2pchat/node/api"
)

func (a *app) tailCmd() *cobra.Command {
	var last int
	cmd := &cobra.Command{
		Use:   "tail TARGET",
		Short: "Print what is said as it comes, until interrupted",
		Long: `Print new messages of a conversation as they come, ours and theirs, until
interrupted (exit 0). It needs a running node (exit 1, no-node).`,
		Example: `  p2pchat tail '@alice'
  p2pchat tail '#dev'
  p2pchat tail '@alice' --last 10 --json`,
		Args:              exactly("TARGET"),
		ValidArgsFunction: a.completeTargets(1),
		RunE: a.run(func(ctx context.Context, args []string) error {
			if last < 0 {
				return usagef("--last %d is negative", last)
			}
			return a.tail(ctx, args[0], last)
		}),
	}
	cmd.Flags().IntVar(&last, "last", 0, "print the newest `N` messages first")
	noCompletion(cmd, "last")
	return cmd
}

func (a *app) tail(ctx context.Context, target string, last int) error {
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	c, err := dial(ctx, dir)
	if err != nil {
		if api.IsCode(err, api.CodeNoNode) {
			err = first(a.needAccount(dir),
				api.Errorf(api.CodeNoNode, "no node is running to be followed: start one with p2pchat serve, or read with p2pchat log"))
		}
		return stoppedEarly(ctx, err)
	}
	f := &follower{svc: c, target: target, last: last, print: a.newTranscript(ctx, c, target).print}
	err = f.run(ctx)
	return first(stoppedEarly(ctx, err), c.Close())
}
