package cli

import (
	"context"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) passwdCmd() *cobra.Command {
	var file string
	var noPassword bool
	cmd := &cobra.Command{
		Use:   "passwd [--new-password-file FILE | --no-password]",
		Short: "Change the password of the account",
		Long: `Change the password that the account's key is encrypted to, or take it away. It
protects the key, not stored messages, and cannot be reset. The password until now
is taken as for every command, or asked for; so is the new one. A node that runs
goes on and is not asked again; copies of the data directory keep the old password.`,
		Example: `  p2pchat passwd
  p2pchat passwd --account-password-file 'old.txt' --new-password-file 'new.txt'
  p2pchat passwd --account-password-file 'old.txt' --no-password --json`,
		Args: none,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			return a.changePassword(ctx, file, noPassword)
		}),
	}
	cmd.Flags().StringVar(&file, "new-password-file", "", "`FILE` with the new password")
	cmd.Flags().BoolVar(&noPassword, "no-password", false, "leave the key unencrypted")
	_ = cmd.MarkFlagFilename("new-password-file")
	return cmd
}

// lockedAccount is what passwd prints.
type lockedAccount struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"`
	Locked bool   `json:"locked"` // the key is encrypted to a password
}

func (a *app) changePassword(ctx context.Context, file string, noPassword bool) error {
	if noPassword && file != "" {
		return usagef("--no-password and --new-password-file exclude each other")
	}
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	exists, locked, err := a.deps.Backend.AccountState(dir)
	switch {
	case err != nil:
		return err
	case !exists:
		return noAccount(dir)
	}
	var old, password []byte
	if locked {
		if old, _, err = a.unlockPassword(ctx); err != nil {
			return err
		}
	}
	switch {
	case noPassword:
	case file != "":
		if password, err = readPassword(ctx, "--new-password-file", file); err == nil && len(password) == 0 {
			err = usagef("--new-password-file: %s holds no password; --no-password takes it away", file)
		}
	default:
		if password, err = a.choosePassword(ctx); err != nil {
			err = orUsage(err, "passwd needs --new-password-file FILE or --no-password")
		}
	}
	if err != nil {
		return err
	}
	if err := a.deps.Backend.ChangePassword(dir, old, password); err != nil {
		return err
	}
	return a.withReader(ctx, func(ctx context.Context, r api.Reader) error {
		id, err := r.Whoami(ctx)
		if err != nil {
			return err
		}
		done := lockedAccount{id.PeerID, id.Name, len(password) > 0}
		switch {
		case a.asJSON:
			return a.object(done)
		case done.Locked:
			return a.printf("the key of %s is encrypted to the new password\n", term.Clean(id.Name))
		}
		return a.printf("the key of %s is not encrypted\n", term.Clean(id.Name))
	})
}
