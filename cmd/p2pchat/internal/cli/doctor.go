package cli

import (
	"context"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) doctorCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Find out why the others are not seen",
		Long: `Check interfaces, addresses, multicast, ports, and nodes that are heard but not
reached. Each line says what was tested, what was seen, and what to do. The exit
code says whether the checks could be made; with --json, "ok" is false if one
of them failed.`,
		Example: `  p2pchat doctor
  p2pchat 'doctor' --json`,
		Args: none,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			return a.withService(ctx, func(ctx context.Context, svc api.Service) error {
				findings, err := svc.Diagnose(ctx)
				if err != nil {
					return err
				}
				return a.printFindings(findings)
			})
		}),
	}
}

func (a *app) printFindings(findings []api.Finding) error {
	ok := true
	for _, f := range findings {
		ok = ok && f.Level != api.LevelFail
	}
	if a.asJSON {
		return a.object(struct {
			OK       bool          `json:"ok"`
			Findings []api.Finding `json:"findings"`
		}{ok, findings})
	}
	width := 0
	for _, f := range findings {
		width = max(width, term.Width(term.Clean(f.Check)))
	}
	style := a.style()
	for _, f := range findings {
		level := term.Pad(term.Clean(f.Level), len(api.LevelWarn))
		switch f.Level {
		case api.LevelOK:
			level = style.Green(level)
		case api.LevelWarn:
			level = style.Yellow(level)
		default:
			level = style.Red(level)
		}
		if err := a.printf("%s  %s  %s\n", level, term.Pad(term.Clean(f.Check), width), term.Clean(f.Seen)); err != nil {
			return err
		}
		if f.Advice == "" {
			continue
		}
		if err := a.printf("%s  %s  → %s\n", term.Pad("", len(api.LevelWarn)), term.Pad("", width), term.Clean(f.Advice)); err != nil {
			return err
		}
	}
	return nil
}
