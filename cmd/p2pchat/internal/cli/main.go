package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Main runs the command line args (without the program's name) and returns
// the exit code. Interrupt, termination and hang-up end ctx, once: the second
// such signal ends the process.
func Main(ctx context.Context, deps Deps, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := handleSignals(ctx)
	defer stop()
	a := &app{deps: deps, in: stdin, out: &output{w: stdout}, err: stderr}
	root := a.rootCmd()
	a.asJSON = wantsJSON(args) // until the flags are parsed, if they ever are
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		a.asJSON = wantsJSON(args)
		return flagError(cmd, err)
	})
	root.SetArgs(append([]string{}, args...)) // not nil: cobra would take os.Args
	root.SetIn(stdin)
	root.SetOut(a.out)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if failed := a.out.err; failed != nil { // also of help, which cobra writes
		err = classify(failed)
	}
	return a.report(explain(cmd, err))
}

// handleSignals returns a context that the first interrupt, termination or
// hang-up ends. A closed standard output is reported by write instead of
// killing the process, so that a node we run stops cleanly.
func handleSignals(ctx context.Context) (context.Context, context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(ctx, signals...)
	context.AfterFunc(ctx, stop)
	pipe := make(chan os.Signal, 1) // never read: only its being there matters
	signal.Notify(pipe, syscall.SIGPIPE)
	return ctx, func() {
		stop()
		signal.Stop(pipe)
	}
}

// app is one run of the command line.
type app struct {
	deps Deps
	in   io.Reader
	out  *output
	err  io.Writer

	// global flags
	data         string
	asJSON       bool
	logLevel     string
	passwordFile string
}

func (a *app) rootCmd() *cobra.Command {
	cobra.MousetrapHelpText = "" // a double click on Windows may open the UI
	var version bool
	root := &cobra.Command{
		Use:   "p2pchat",
		Short: "Chat on a LAN without a server",
		Long: `p2pchat is a chat for a LAN that needs no server: nodes find each other, talk
one to one and in rooms, and write captures of their own traffic.

Alone, p2pchat attaches to the running node of this account or starts one, and
opens the terminal UI. Names are quoted in the examples because shells eat '#'
and PowerShell '@'.`,
		Example: `  p2pchat
  p2pchat send '@alice' 'Hi! server, need help'
  p2pchat room join '#dev'
  p2pchat peers --json`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			if version {
				return a.printVersion()
			}
			return a.runUI(ctx)
		}),
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.DisableSuggestions = true // explain gives them, in one sentence
	root.Flags().BoolVar(&version, "version", false, "print the version")
	flags := root.PersistentFlags()
	flags.StringVar(&a.data, "data", "", "data `DIR` of the account (default $P2PCHAT_DATA, else the XDG data directory)")
	flags.BoolVar(&a.asJSON, "json", false, "print JSON; errors too, as the last line of standard error")
	flags.StringVar(&a.logLevel, "log-level", "", "log to standard error from `LEVEL` on: debug, info, warn, error, off (default warn for serve, else off)")
	flags.StringVar(&a.passwordFile, "account-password-file", "", "`FILE` with the account's password (default $P2PCHAT_PASSWORD_FILE)")
	_ = root.MarkPersistentFlagDirname("data")
	_ = root.MarkPersistentFlagFilename("account-password-file")
	_ = root.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions(logLevels, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(
		a.initCmd(), a.passwdCmd(), a.accountCmd(), a.serveCmd(), a.statusCmd(), a.whoamiCmd(), a.peersCmd(), a.verifyCmd(), a.blockCmd(), a.unblockCmd(), a.storageCmd(),
		a.sendCmd(), a.replyCmd(), a.editCmd(), a.retractCmd(), a.reactCmd(), a.logCmd(), a.tailCmd(), a.unreadCmd(), a.searchCmd(), a.exportCmd(), a.verifyLogCmd(),
		a.roomsCmd(), a.roomCmd(), a.awayCmd(), a.backCmd(),
		a.doctorCmd(), a.captureCmd(), a.versionCmd(), a.completionCmd(),
	)
	if a.deps.Demo != nil {
		root.AddCommand(a.demoCmd())
	}
	root.SetHelpCommand(a.helpCmd(root))
	return root
}

// run makes a cobra handler whose errors are always *api.Error, so that what
// cobra itself finds wrong can be told apart.
func (a *app) run(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if _, err := a.level(""); err != nil {
			return err
		}
		if err := f(cmd.Context(), args); err != nil {
			return classify(err)
		}
		return nil
	}
}

// wantsJSON looks for --json among arguments that may not be parsable.
func wantsJSON(args []string) bool {
	found := false
	for _, arg := range args {
		if arg == "--" {
			break
		}
		name, value, given := strings.Cut(arg, "=")
		if name == "--json" {
			on, err := strconv.ParseBool(value)
			found = !given || on || err != nil
		}
	}
	return found
}

// errPipe tells whether err says that nobody reads our output any more.
func errPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}
