package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"p2pchat/captures"
	"p2pchat/cmd/p2pchat/internal/term"
)

var exportFormats = []string{"text", "jsonl", "html"}

func (a *app) exportCmd() *cobra.Command {
	var format, file string
	var given func(flag string) bool
	cmd := &cobra.Command{
		Use:   "export TARGET",
		Short: "Write what is kept of a conversation, with its signatures",
		Long: `Write a conversation to standard output, or with --output into a new file: everything
that is kept of it here and not hidden, with each author's signature, so that p2pchat
verify-log can tell later, on any machine, whether the file was changed. What a
moderator took back is in it without its text. Formats: text for people, jsonl for programs (--json is the same),
html for browsers. No running node is needed.`,
		Example: `  p2pchat export '#dev' > dev.txt
  p2pchat export '#dev' --format html > dev.html
  p2pchat export '@alice' --format jsonl --output alice.jsonl`,
		Args:              exactly("TARGET"),
		ValidArgsFunction: a.completeTargets(1),
		RunE: a.run(func(ctx context.Context, args []string) error {
			if a.asJSON && !given("format") {
				format = "jsonl"
			}
			if a.asJSON && format != "jsonl" {
				return usagef("--json and --format %q are two things: choose one", format)
			}
			if !slices.Contains(exportFormats, format) {
				return usagef("--format %q is none of %s", format, strings.Join(exportFormats, ", "))
			}
			if given("output") && file == "" {
				return usagef("--output names no file")
			}
			if file != "" {
				if err := vacant(file); err != nil {
					return err
				}
			}
			return a.withStore(ctx, func(ctx context.Context, r Reader) error {
				if file != "" {
					return a.exportInto(ctx, r, args[0], format, file)
				}
				return export(ctx, r, args[0], format, a.out)
			})
		}),
	}
	given = cmd.Flags().Changed
	cmd.Flags().StringVar(&format, "format", "text", "`FORMAT` of the file: "+strings.Join(exportFormats, ", "))
	cmd.Flags().StringVarP(&file, "output", "o", "", "write into the new `FILE` instead of standard output")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(exportFormats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func export(ctx context.Context, r Reader, target, format string, w io.Writer) error {
	out := bufio.NewWriter(w)
	return first(r.Export(ctx, target, format, out), out.Flush())
}

// exportInto makes a new file, which is whole or is not there.
func (a *app) exportInto(ctx context.Context, r Reader, target, format, file string) error {
	never := func([]byte) bool { return false }
	err := captures.WriteFile(file, "new file", never, func(w io.Writer) error { return export(ctx, r, target, format, w) })
	if err != nil {
		return captureError(err)
	}
	a.notef("the conversation is in %s", file)
	return nil
}

// vacant refuses the name of a file that exists.
func vacant(file string) error {
	_, err := os.Lstat(file)
	switch {
	case err == nil:
		return usagef("%s exists already and is not written over: name another file", file)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	dir := filepath.Dir(file)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return usagef("there is no directory %s for %s", dir, filepath.Base(file))
	}
	return nil
}

func (a *app) verifyLogCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "verify-log FILE",
		Short: "Check an exported conversation",
		Long: `Check a file that p2pchat export wrote, in any format: that every message was signed
by the key it says, that no log contradicts itself, and that what can be read in the
file is what was signed. FILE - is standard input. No account is needed. A file may
have up to 1 GiB.

What it cannot tell is in the exporter's word: who he is, how people are called,
when the file was made, and whether messages were left out. Messages whose text is not
in the file though nothing in it took them back are counted. A file that was changed
ends it with exit code 1 and says where.`,
		Example: `  p2pchat verify-log 'dev.html'
  p2pchat verify-log --json - < 'dev.jsonl'`,
		Args: exactly("FILE"),
		RunE: a.run(func(ctx context.Context, args []string) error {
			var file io.Reader = newUntilDone(ctx, a.in)
			if args[0] != "-" {
				if info, err := os.Stat(args[0]); err == nil && info.IsDir() {
					return usagef("%s is a directory, not an exported conversation", args[0])
				}
				f, err := openInput(ctx, args[0])
				if err != nil {
					return usagef("%w", err)
				}
				defer f.Close()
				file = f
			}
			t, err := a.deps.Backend.VerifyTranscript(file)
			if err != nil {
				return err
			}
			if a.asJSON {
				return a.object(t)
			}
			s := fmt.Sprintf("%s: %d entries by %d people, exported %s, as the file says by %s. Every signature is good, and what can be read is what was signed.",
				t.Name, t.Events, t.Authors, t.Exported.Format("2006-01-02 15:04 UTC"), t.By)
			if t.Missing > 0 {
				s += fmt.Sprintf(" %d more %s not in the file: hidden, or from before its time.", t.Missing, plural(int(min(t.Missing, 2)), "is", "are"))
			}
			if t.Forks > 0 {
				s += fmt.Sprintf(" In %d places somebody said two things at once.", t.Forks)
			}
			if t.Bare > 0 {
				s += fmt.Sprintf(" Of %d only that they were said is in the file, and nothing in it took them back.", t.Bare)
			}
			if t.BareEdits > 0 {
				s += fmt.Sprintf(" %d %s in the file without what was written instead, as when the text was taken back.", t.BareEdits, plural(t.BareEdits, "edit is", "edits are"))
			}
			return a.printf("%s\n", term.Clean(s))
		}),
	}
}
