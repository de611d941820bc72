package cli

import (
	"context"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) demoCmd() *cobra.Command {
	var opts DemoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show it: two nodes find each other and talk, while a capture runs",
		Long: `Start two fresh nodes named client and server on this machine, let them find
each other and talk, once over TCP and once over QUIC, and capture it. The table
printed at the end is computed from what the receivers stored: exit 1 if an
observation differs from what was expected, 7 if the system forbids capturing
(the rest is done all the same).`,
		Example: `  p2pchat demo
  p2pchat demo -w 'demo.pcapng' --say 'one more line'`,
		Args: none,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			opts.Progress = func(sentence string) { a.notef("%s", sentence) }
			result, err := a.deps.Demo(ctx, opts)
			if len(result.Rows) > 0 || err == nil {
				err = first(a.printDemo(result), err)
			}
			if err == nil && !result.Success {
				err = api.Errorf(api.CodeInternal, "what was observed is not what was expected")
			}
			return err
		}),
	}
	cmd.Flags().StringVarP(&opts.File, "write", "w", "", "capture to `FILE`, .pcap or .pcapng (default captures/demo.pcapng if that folder exists, else demo.pcapng)")
	cmd.Flags().StringVar(&opts.Say, "say", "", "have the client say `TEXT` too")
	noCompletion(cmd, "say")
	return cmd
}

func (a *app) printDemo(r DemoResult) error {
	if a.asJSON {
		file := &r.File
		if r.File == "" {
			file = nil
		}
		return a.object(struct {
			DemoResult
			File *string `json:"file"` // null if none
		}{r, file})
	}
	style := a.style()
	t := &term.Table{
		Header: []string{"TRANSPORT", "INPUT", "EXPECTED", "OBSERVED", "RESULT"},
		Paint: func(row, col int, cell string) string {
			switch {
			case row < 0:
				return style.Bold(cell)
			case col < 4:
				return cell
			case r.Rows[row].Result == "Success":
				return style.Green(cell)
			}
			return style.Red(cell)
		},
	}
	for _, row := range r.Rows {
		t.Rows = append(t.Rows, []string{row.Transport, row.Input, row.Expected, row.Observed, row.Result})
	}
	if err := a.table(t); err != nil {
		return err
	}
	if r.File != "" {
		if err := a.printf("\nThe capture is in %s\n", term.Clean(r.File)); err != nil {
			return err
		}
	}
	for _, hint := range r.Hints {
		if err := a.printf("%s\n", term.Clean(hint)); err != nil {
			return err
		}
	}
	return nil
}
