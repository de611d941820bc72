package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
)

var exportFormats = []string{"text", "jsonl", "html"}

func (a *app) exportCmd() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "export TARGET",
		Short: "Write what is kept of a conversation, with its signatures",
		Long: `Write a conversation to standard output: everything that is kept of it here and not
hidden, with each author's signature, so that p2pchat verify-log can tell later, on
any machine, whether the file was changed. What a moderator took back is in it
without its text. Formats: text for people, jsonl for programs, html for browsers.
No running node is needed.`,
		Example: `  p2pchat export '#dev' > dev.txt
  p2pchat export '#dev' --format html > dev.html
  p2pchat export '@alice' --format jsonl > alice.jsonl`,
		Args:              exactly("TARGET"),
		ValidArgsFunction: a.completeTargets(1),
		RunE: a.run(func(ctx context.Context, args []string) error {
			if !slices.Contains(exportFormats, format) {
				return usagef("--format %q is none of %s", format, strings.Join(exportFormats, ", "))
			}
			return a.withStore(ctx, func(ctx context.Context, r Reader) error {
				out := bufio.NewWriter(a.out)
				return first(r.Export(ctx, args[0], format, out), out.Flush())
			})
		}),
	}
	cmd.Flags().StringVar(&format, "format", "text", "`FORMAT` of the file: "+strings.Join(exportFormats, ", "))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(exportFormats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) verifyLogCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "verify-log FILE",
		Short: "Check an exported conversation",
		Long: `Check a file that p2pchat export wrote, in any format: that every message was signed
by the key it says, that no log contradicts itself, and that what can be read in the
file is what was signed. FILE - is standard input. No account is needed.

What it cannot tell is in the exporter's word: how people are called, when the file
was made, and whether messages were left out. Messages whose text is not in the file
though nothing in it took them back are counted. A file that was changed ends it
with exit code 1 and says where.`,
		Example: `  p2pchat verify-log 'dev.html'
  p2pchat verify-log --json - < 'dev.jsonl'`,
		Args: exactly("FILE"),
		RunE: a.run(func(_ context.Context, args []string) error {
			var file io.Reader = a.in
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return usagef("%w", err)
				}
				defer f.Close()
				if info, err := f.Stat(); err == nil && info.IsDir() {
					return usagef("%s is a directory, not an exported conversation", args[0])
				}
				file = f
			}
			t, err := a.deps.Backend.VerifyTranscript(file)
			if err != nil {
				return err
			}
			if a.asJSON {
				return a.object(t)
			}
			s := fmt.Sprintf("%s: %d entries by %d people, exported %s by %s. Every signature is good, and what can be read is what was signed.",
				t.Name, t.Events, t.Authors, t.Exported.Format("2006-01-02 15:04 UTC"), t.By)
			if t.Missing > 0 {
				s += fmt.Sprintf(" %d more are not in the file: hidden, or from before its time.", t.Missing)
			}
			if t.Forks > 0 {
				s += fmt.Sprintf(" In %d places somebody said two things at once.", t.Forks)
			}
			if t.Bare > 0 {
				s += fmt.Sprintf(" Of %d only that they were said is in the file, and nothing in it took them back.", t.Bare)
			}
			if t.BareEdits > 0 {
				s += fmt.Sprintf(" Of %d edits what they say is not in the file, as when the text they were of was taken back.", t.BareEdits)
			}
			return a.printf("%s\n", term.Clean(s))
		}),
	}
}
