package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

// maxPassword bounds what is read from a password file, bytes.
const maxPassword = 4096

// passwordFromFile reads the file named by the flag or the environment, less
// one final newline; ok is false if none is named.
func (a *app) passwordFromFile(ctx context.Context) (password []byte, ok bool, err error) {
	name, from := a.passwordFile, "--account-password-file"
	if name == "" {
		name, from = os.Getenv(envPasswordFile), envPasswordFile
	}
	if name == "" {
		return nil, false, nil
	}
	password, err = readPassword(ctx, from, name)
	return password, err == nil, err
}

// readPassword reads the file name, less one final newline; from is the flag that
// names it.
func readPassword(ctx context.Context, from, name string) ([]byte, error) {
	f, err := openInput(ctx, name)
	if err != nil {
		return nil, usagef("%s: %w", from, err)
	}
	defer f.Close()
	password, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return nil, usagef("%s: %w", from, err)
	}
	if len(password) > maxPassword {
		return nil, usagef("%s: %s holds more than a password's %d bytes", from, name, maxPassword)
	}
	return trimNewline(password), nil
}

// roomPassword reads a room's password from a file, nil for no file.
func roomPassword(ctx context.Context, name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	password, err := readPassword(ctx, "--password-file", name)
	if err == nil && len(password) == 0 {
		err = usagef("--password-file: %s holds no password", name)
	}
	return password, err
}

func roomPasswordFlag(cmd *cobra.Command, name *string, usage string) {
	cmd.Flags().StringVar(name, "password-file", "", usage)
	_ = cmd.MarkFlagFilename("password-file")
}

// trimNewline takes one final newline off.
func trimNewline(b []byte) []byte {
	if cut, ok := bytes.CutSuffix(b, []byte("\n")); ok {
		return bytes.TrimSuffix(cut, []byte("\r"))
	}
	return b
}

// unlockPassword finds the password of a locked account: the file's, else the
// person's answer. again tells that the person may be asked once more.
func (a *app) unlockPassword(ctx context.Context) (password []byte, again bool, err error) {
	password, ok, err := a.passwordFromFile(ctx)
	if ok || err != nil {
		return password, false, err
	}
	password, err = term.AskPassword(ctx, a.in, a.err, "Password of the account: ")
	if errors.Is(err, term.ErrNoTerminal) {
		return nil, false, api.Errorf(api.CodeWrongPassword,
			"the account is locked by a password: give it with --account-password-file or %s", envPasswordFile)
	}
	return password, true, err
}

// choosePassword asks for a new password of the account; empty means none.
func (a *app) choosePassword(ctx context.Context) ([]byte, error) {
	return a.askTwice(ctx, "Password for the key (it protects the key, not stored messages, and cannot be reset; Enter for none): ")
}

// askTwice asks for a new password, and once more unless it is empty.
func (a *app) askTwice(ctx context.Context, question string) ([]byte, error) {
	for {
		first, err := term.AskPassword(ctx, a.in, a.err, question)
		if err != nil || len(first) == 0 {
			return nil, err
		}
		second, err := term.AskPassword(ctx, a.in, a.err, "Once more: ")
		if err != nil {
			return nil, err
		}
		if bytes.Equal(first, second) {
			return first, nil
		}
		a.notef("the two are not the same, try again")
	}
}
