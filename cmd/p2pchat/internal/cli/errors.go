package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

// errorJSON is the last line of standard error of a command that failed.
type errorJSON struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code       api.Code `json:"code"`
	Message    string   `json:"message"`
	Candidates []string `json:"candidates,omitempty"`
}

func bodyOf(e *api.Error) errorBody {
	return errorBody{Code: e.Code, Message: e.Message, Candidates: e.Candidates}
}

// report prints err as the policy wants it and returns the exit code.
func (a *app) report(err *api.Error) int {
	if err == nil {
		return 0
	}
	if a.asJSON {
		if line, jsonErr := term.JSON(errorJSON{bodyOf(err)}); jsonErr == nil {
			fmt.Fprintf(a.err, "%s\n", line)
		}
		return err.Code.Exit()
	}
	if errPipe(err) {
		return err.Code.Exit() // whoever closed the pipe knows
	}
	message := err.Message
	if len(err.Candidates) > 0 && !strings.Contains(message, err.Candidates[0]) {
		message += ": " + strings.Join(err.Candidates, ", ")
	}
	a.notef("%s", message)
	return err.Code.Exit()
}

// notef tells the person one line, on standard error.
func (a *app) notef(format string, args ...any) {
	fmt.Fprintf(a.err, "p2pchat: %s\n", term.Clean(fmt.Sprintf(format, args...)))
}

func usagef(format string, args ...any) *api.Error {
	return api.Errorf(api.CodeUsage, format, args...)
}

// eaten ends the message about a missing argument.
const eaten = "quote names, since shells eat an unquoted '#' and PowerShell '@'"

// exactly checks the number of arguments, of which the first may not be empty;
// names are those of the arguments.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) || args[0] == "" {
			return usagef("%s needs %s: %s", cmd.CommandPath(), strings.Join(names, " and "), eaten)
		}
		if len(args) > len(names) {
			return tooMany(cmd, args[len(names)])
		}
		return nil
	}
}

// none refuses arguments; of a command with subcommands, as unknown ones.
func none(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasAvailableSubCommands() {
		return unknownCommand(cmd, args[0])
	}
	return tooMany(cmd, args[0])
}

func tooMany(cmd *cobra.Command, arg string) *api.Error {
	return usagef("%s does not take the argument %q: text and names with spaces need quotes (see %s --help)",
		cmd.CommandPath(), arg, cmd.CommandPath())
}

func unknownCommand(cmd *cobra.Command, name string) *api.Error {
	cmd.SuggestionsMinimumDistance = 2 // letters, cobra's default
	hint := ""
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		slices.Sort(near)
		hint = fmt.Sprintf("did you mean %s? ", strings.Join(slices.Compact(near), " or "))
	}
	return usagef("%s has no command %q (%ssee %s --help)", cmd.CommandPath(), name, hint, cmd.CommandPath())
}

// flagError explains what pflag found wrong.
func flagError(cmd *cobra.Command, err error) *api.Error {
	message := err.Error()
	if strings.HasPrefix(message, "unknown") {
		message += ", and text that starts with '-' needs '--' before it"
	}
	// What package strconv says of it adds nothing but its own name.
	message, _, _ = strings.Cut(message, ": strconv.")
	if before, _, bad := strings.Cut(message, ": time: "); bad {
		message = before + ": it takes a time such as 500ms, 2s or 1m"
	}
	return usagef("%s (see %s --help)", message, cmd.CommandPath())
}

// explain gives what cobra found wrong a code; other errors have one.
func explain(cmd *cobra.Command, err error) *api.Error {
	var e *api.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case strings.HasPrefix(err.Error(), "unknown command"):
		if rest := cmd.Flags().Args(); len(rest) > 0 {
			return unknownCommand(cmd, rest[0])
		}
		_, after, _ := strings.Cut(err.Error(), `"`)
		name, _, _ := strings.Cut(after, `" for`)
		return unknownCommand(cmd, name)
	default:
		return usagef("%w", err)
	}
}

// classify gives an error without a code one: interruption and what the
// operating system says about disks and permissions.
func classify(err error) *api.Error {
	var e *api.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		said := "interrupted"
		if what, more := strings.CutSuffix(err.Error(), ": "+context.Canceled.Error()); more {
			said += ": " + what
		}
		return api.Errorf(api.CodeInternal, "%s", said).Because(err)
	case errors.As(err, &e):
		return e
	case errors.Is(err, syscall.ENOSPC):
		return api.Errorf(api.CodeDiskFull, "%w", err)
	case errors.Is(err, fs.ErrPermission):
		return api.Errorf(api.CodeNoPermission, "%w", err)
	default:
		return api.AsError(err)
	}
}
