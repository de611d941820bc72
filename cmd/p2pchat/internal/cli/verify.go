package cli

import (
	"context"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) verifyCmd() *cobra.Command {
	var undo bool
	cmd := &cobra.Command{
		Use:   "verify WHO",
		Short: "Mark a person whose fingerprint one has compared",
		Long: `Show somebody's fingerprint and one's own, and mark him as verified. Read both to
him where nobody can pretend to be him, face to face or on the phone: on his machine
p2pchat whoami and p2pchat peers show the same two. If they differ, --undo takes the
mark away. It stands in peers and beside what he says, and belongs to his key:
somebody else who takes his name does not have it, and is shown with a warning.`,
		Example: `  p2pchat verify '@alice'
  p2pchat verify '@alice' --undo --json`,
		Args:              exactly("WHO"),
		ValidArgsFunction: a.completePeers(1),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.withService(ctx, func(ctx context.Context, svc api.Service) error {
				v, err := svc.Verify(ctx, args[0], undo)
				if err != nil {
					return err
				}
				if a.asJSON {
					return a.object(v)
				}
				self, err := svc.Whoami(ctx)
				if err != nil {
					return err
				}
				return a.printVerification(v, self)
			})
		}),
	}
	cmd.Flags().BoolVar(&undo, "undo", false, "take the mark away")
	return cmd
}

func (a *app) printVerification(v api.Verification, self api.Identity) error {
	name := nameOf(v.Name, v.PeerID)
	err := a.table(&term.Table{
		Header: []string{"NAME", "PEER ID", "FINGERPRINT"},
		Rows:   [][]string{{name, v.PeerID, v.Fingerprint}, {self.Name + " (you)", self.PeerID, self.Fingerprint}},
	})
	if err != nil {
		return err
	}
	if !v.Verified {
		return a.printf("%s is no longer marked as verified\n", name)
	}
	return a.printf("%s is marked as verified; if these are not the fingerprints on the other machine, take it back with --undo\n", name)
}
