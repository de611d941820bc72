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
each other, talk and meet in a room, once over TCP and once over QUIC, and capture
it. The table
printed at the end is computed from what the receivers stored: exit 1 if an
observation differs from what was expected, 7 if the system forbids capturing
(the rest is done all the same).`,
		Example: `  p2pchat demo
  p2pchat demo -w 'demo.pcapng' --say 'one more line'`,
		Args: none,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			opts.Progress, opts.Logger = func(sentence string) { a.notef("%s", sentence) }, a.logger("off")
			result, err := a.deps.Demo(ctx, opts)
			err = captureError(err)
			if len(result.Rows) > 0 || err == nil {
				err = first(a.printDemo(result), mismatch(result), err)
			}
			return err
		}),
	}
	cmd.Flags().StringVarP(&opts.File, "write", "w", "", "capture to `FILE`, .pcap or .pcapng (default captures/demo.pcapng if that folder exists, else demo.pcapng)")
	cmd.Flags().StringVar(&opts.Say, "say", "", "have the client say `TEXT` too")
	noCompletion(cmd, "say")
	return cmd
}

// mismatch is an error if a row's observation is not the expected one.
func mismatch(r DemoResult) error {
	for _, row := range r.Rows {
		if row.Observed != row.Expected {
			return api.Errorf(api.CodeInternal, "what %s observed over %s is not what was expected", row.To, row.Transport)
		}
	}
	return nil
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
	if err := a.table(demoTable(r, term.Columns(a.out.w), a.style())); err != nil {
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

// demoLines is how many lines of the screen one text of the table may have.
const demoLines = 4

// demoTable is the table for people, whose texts are wrapped to fit the columns
// of a terminal; 0: there is none.
func demoTable(r DemoResult, columns int, style term.Style) *term.Table {
	const others = len("quic-v1, room") + len("Success") + 4*2 // the other columns, and the gaps
	t := &term.Table{
		Header: []string{"TRANSPORT", "INPUT", "EXPECTED", "OBSERVED", "RESULT"},
		Paint: func(row, col int, cell string) string {
			switch {
			case row < 0:
				return style.Bold(cell)
			case col < 4:
				return cell
			case cell == "Success":
				return style.Green(cell)
			}
			return style.Red(cell)
		},
	}
	for _, row := range r.Rows {
		texts := [][]string{{row.Input}, {row.Expected}, {row.Observed}}
		lines := 1
		if columns > 0 {
			for i := range texts {
				texts[i] = term.Wrap(term.Clean(texts[i][0]), max((columns-others)/3, 8), demoLines)
				lines = max(lines, len(texts[i]))
			}
		}
		for i := range lines {
			cells := make([]string, 5)
			for c, text := range texts {
				if i < len(text) {
					cells[1+c] = text[i]
				}
			}
			if i == 0 {
				cells[0], cells[4] = row.Transport, row.Result
				if row.Room {
					cells[0] += ", room"
				}
			}
			t.Rows = append(t.Rows, cells)
		}
	}
	return t
}
