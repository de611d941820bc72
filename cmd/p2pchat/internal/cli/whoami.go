package cli

import (
	"context"

	"github.com/spf13/cobra"

	"p2pchat/node/api"
)

func (a *app) whoamiCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "whoami",
		Short: "Print this account's name, peer ID and fingerprint",
		Example: `  p2pchat whoami
  p2pchat whoami --json --data '/srv/alice'`,
		Args: none,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			return a.withReader(ctx, func(ctx context.Context, r api.Reader) error {
				id, err := r.Whoami(ctx)
				if err != nil {
					return err
				}
				return a.printIdentity(id)
			})
		}),
	}
}
