package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) accountCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "account",
		Short: "Take the account to another machine",
		Long: `Take the account to another machine: export writes it into a file here, import
makes it anew from that file there. Whatever was said here after the export comes
from the others. Use one of the two from then on: while both run, neither can send.`,
		Example: `  p2pchat account export 'alice.p2pchat'
  p2pchat account import 'alice.p2pchat'`,
		Args: none,
	}
	cmd.AddCommand(a.accountExportCmd(), a.accountImportCmd())
	cmd.RunE = a.run(func(context.Context, []string) error { return needsSubcommand(cmd) })
	return cmd
}

func (a *app) accountExportCmd() *cobra.Command {
	var password string
	var noPassword bool
	cmd := &cobra.Command{
		Use:   "export FILE [--export-password-file FILE | --no-password]",
		Short: "Write the account into a file",
		Long: `Write the key, as it is stored, and all that is stored of conversations, contacts
and rooms into a new file, for p2pchat account import on another machine. A node may
run meanwhile. The readable logs of rooms are not in it.

The file is encrypted to a password of its own, which cannot be reset. With
--no-password it is not: whoever has it can read all messages, and be you if the
account has no password. Delete the file, and this machine's data directory, once
you have moved.`,
		Example: `  p2pchat account export 'alice.p2pchat'
  p2pchat account export 'alice.p2pchat' --export-password-file 'secret.txt' --json`,
		Args: exactly("FILE"),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.exportAccount(ctx, args[0], password, noPassword)
		}),
	}
	exportPasswordFlag(cmd, &password)
	cmd.Flags().BoolVar(&noPassword, "no-password", false, "leave the file unencrypted: whoever has it can read all messages")
	return cmd
}

func exportPasswordFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "export-password-file", "", "`FILE` with the password of the exported account")
	_ = cmd.MarkFlagFilename("export-password-file")
}

func (a *app) exportAccount(ctx context.Context, file, passwordFile string, noPassword bool) error {
	if noPassword && passwordFile != "" {
		return usagef("--no-password and --export-password-file exclude each other")
	}
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	if file, err = absolute(file); err != nil {
		return err
	}
	exists, locked, err := a.deps.Backend.AccountState(dir)
	if err == nil && !exists {
		err = noAccount(dir)
	}
	// Before a password is asked for.
	if err = first(err, vacant(file)); err != nil {
		return err
	}
	password, err := a.exportPassword(ctx, passwordFile, noPassword)
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(ctx context.Context, r Reader) error {
		done, err := r.ExportAccount(ctx, file, password)
		if err != nil {
			return err
		}
		if noPassword {
			a.notef("the file is not encrypted: %s", whoHasIt(locked))
		}
		if a.asJSON {
			return a.object(done)
		}
		return a.printf("%s holds the account %s (%d bytes); delete it when you have imported it\n", term.Clean(done.File), term.Clean(done.Name), done.Size)
	})
}

// whoHasIt says what an unencrypted file gives away.
func whoHasIt(locked bool) string {
	if locked {
		return "whoever has it can read all messages"
	}
	return "whoever has it can read all messages and be you"
}

// exportPassword is the new file's, nil for none.
func (a *app) exportPassword(ctx context.Context, file string, noPassword bool) (password []byte, err error) {
	switch {
	case noPassword:
		return nil, nil
	case file != "":
		password, err = readPassword(ctx, "--export-password-file", file)
	default:
		password, err = a.askTwice(ctx, "Password for the file (whoever has both can read all messages; it cannot be reset): ")
		if err != nil {
			return nil, orUsage(err, "account export needs --export-password-file FILE or --no-password")
		}
	}
	if err == nil && len(password) == 0 {
		err = usagef("the password is empty: a file without one is made with --no-password")
	}
	return password, err
}

func (a *app) accountImportCmd() *cobra.Command {
	var password string
	cmd := &cobra.Command{
		Use:   "import FILE [--export-password-file FILE]",
		Short: "Make the account anew from a file",
		Long: `Make the account from what p2pchat account export wrote on another machine, in a
new data directory: one that holds anything is not touched (exit 1). The password of
the file is asked for on a terminal; the account keeps the password it had.`,
		Example: `  p2pchat account import 'alice.p2pchat'
  p2pchat account import 'alice.p2pchat' --export-password-file 'secret.txt' --json`,
		Args: exactly("FILE"),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.importAccount(ctx, args[0], password)
		}),
	}
	exportPasswordFlag(cmd, &password)
	return cmd
}

// importedAccount is what account import prints.
type importedAccount struct {
	api.Identity
	Data string `json:"data"` // the data directory
}

func (a *app) importAccount(ctx context.Context, file, passwordFile string) error {
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	if exists, _, err := a.deps.Backend.AccountState(dir); err != nil || exists {
		if exists {
			err = api.Errorf(api.CodeAccountExists, "there is an account in %s already, which stays as it is: name another directory with --data", dir)
		}
		return err
	}
	locked, err := a.deps.Backend.ArchiveLocked(file)
	if err != nil {
		return err
	}
	var password []byte
	switch {
	case passwordFile != "":
		password, err = readPassword(ctx, "--export-password-file", passwordFile)
	case locked:
		password, err = term.AskPassword(ctx, a.in, a.err, "Password of the file: ")
		if errors.Is(err, term.ErrNoTerminal) {
			err = api.Errorf(api.CodeWrongPassword, "%s is encrypted: give its password with --export-password-file FILE", file)
		}
	}
	if err != nil {
		return err
	}
	id, err := a.deps.Backend.ImportAccount(ctx, dir, file, password)
	switch {
	case err != nil:
		return err
	case a.asJSON:
		return a.object(importedAccount{id, dir})
	}
	if err := a.printIdentity(id); err != nil {
		return err
	}
	return a.printf("the account is in %s; use it here only, and delete the file and the old machine's data directory\n", term.Clean(dir))
}
