package cli

import (
	"context"

	"github.com/spf13/cobra"

	"p2pchat/node/api"
)

func (a *app) blockCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "block WHO",
		Short: "Have nothing to do with somebody",
		Long: `Have nothing to do with somebody: what he sends to you alone, invitations too, is not
taken, and what he says in rooms is not shown. He is not told: for him you do not
deliver. The rooms store what he says, as they need it for others; after p2pchat unblock
it is shown again, and what he sent to you alone arrives.

WHO may also be the peer ID of somebody who was never seen. A new account gets past this;
a room is kept free of somebody by its moderators.`,
		Example: `  p2pchat block '@mallory'
  p2pchat block 12D3KooWFB51PRY9BxcXSH6khFXw1BZeszeLDy7C8GciskqCTZn5 --json`,
		Args:              exactly("WHO"),
		ValidArgsFunction: a.completePeers(1),
		RunE:              a.run(func(ctx context.Context, args []string) error { return a.block(ctx, args[0], false) }),
	}
}

func (a *app) unblockCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "unblock WHO",
		Short: "Take a block away",
		Example: `  p2pchat unblock '@mallory'
  p2pchat unblock '@mallory' --json`,
		Args:              exactly("WHO"),
		ValidArgsFunction: a.completePeers(1),
		RunE:              a.run(func(ctx context.Context, args []string) error { return a.block(ctx, args[0], true) }),
	}
}

func (a *app) block(ctx context.Context, who string, undo bool) error {
	return a.withService(ctx, func(ctx context.Context, svc api.Service) error {
		b, err := svc.Block(ctx, who, undo)
		switch {
		case err != nil:
			return err
		case a.asJSON:
			return a.object(b)
		case b.Blocked:
			return a.printf("%s is blocked\n", nameOf(b.Name, b.PeerID))
		}
		return a.printf("%s is not blocked\n", nameOf(b.Name, b.PeerID))
	})
}
