package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) initCmd() *cobra.Command {
	var name string
	var noPassword bool
	cmd := &cobra.Command{
		Use:   "init --name NAME (--account-password-file FILE | --no-password)",
		Short: "Make the account: a name, a key and its password",
		Long: `Make the account: a username, a key, and a password that encrypts the key (not
stored messages). A password cannot be reset. What is not given is asked for on
a terminal. An account that exists is not touched (exit 1).`,
		Example: `  p2pchat init --name 'alice' --no-password
  p2pchat init --name 'alice' --account-password-file 'password.txt' --json`,
		Args: none,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			return a.makeAccount(ctx, name, noPassword)
		}),
	}
	cmd.Flags().StringVar(&name, "name", "", "username `NAME`, as others will see it")
	cmd.Flags().BoolVar(&noPassword, "no-password", false, "leave the key unencrypted")
	noCompletion(cmd, "name")
	return cmd
}

func (a *app) makeAccount(ctx context.Context, name string, noPassword bool) error {
	if noPassword && a.passwordFile != "" {
		return usagef("--no-password and --account-password-file exclude each other")
	}
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	exists, _, err := a.deps.Backend.AccountState(dir)
	if err != nil {
		return err
	}
	if exists {
		return api.Errorf(api.CodeAccountExists, "there is an account in %s already, which stays as it is", dir)
	}
	if name == "" {
		if name, err = term.Ask(ctx, a.in, a.err, "Username: "); err != nil {
			return orUsage(err, "init needs --name NAME: %s", eaten)
		}
		name = strings.TrimSpace(name)
	}
	password, err := a.initialPassword(ctx, noPassword)
	if err != nil {
		return err
	}
	id, err := a.deps.Backend.CreateAccount(ctx, dir, name, password)
	if err != nil {
		return err
	}
	return a.printIdentity(id)
}

// initialPassword is the new account's, nil for none.
func (a *app) initialPassword(ctx context.Context, noPassword bool) ([]byte, error) {
	if noPassword {
		return nil, nil
	}
	password, ok, err := a.passwordFromFile(ctx)
	if err != nil {
		return nil, err
	}
	if ok {
		if len(password) == 0 {
			return nil, usagef("the password file is empty: an account without a password is made with --no-password")
		}
		return password, nil
	}
	password, err = a.choosePassword(ctx)
	if err != nil {
		return nil, orUsage(err, "init needs --account-password-file FILE or --no-password")
	}
	return password, nil
}

// orUsage is a usage error if nobody could be asked, else err.
func orUsage(err error, format string, args ...any) error {
	if errors.Is(err, term.ErrNoTerminal) {
		return usagef(format, args...)
	}
	return err
}

// printIdentity prints who an account is; also what whoami says.
func (a *app) printIdentity(id api.Identity) error {
	if a.asJSON {
		return a.object(id)
	}
	return a.table(&term.Table{
		Header: []string{"NAME", "PEER ID", "FINGERPRINT"},
		Rows:   [][]string{{id.Name, id.PeerID, id.Fingerprint}},
	})
}
