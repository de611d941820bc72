package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) doctorCmd() *cobra.Command {
	var repair bool
	var name string
	cmd := &cobra.Command{
		Use:   "doctor [--repair [--name NAME]]",
		Short: "Find out why the others are not seen",
		Long: `Check interfaces, addresses, multicast, ports, and nodes that are heard but not
reached. Each line says what was tested, what was seen, and what to do. The exit
code says whether the checks could be made; with --json, "ok" is false if one
of them failed.

With --repair the database is checked whole while no node runs. If it is damaged or
gone, a new one is made of what can be read: the account, contacts, rooms and their
keys, and all messages that are still as they were signed. The damaged file is
moved aside, never deleted. What is missing comes back from the others once they
are met; only what nobody else had is lost. If the account's name cannot be read,
--name gives it.`,
		Example: `  p2pchat doctor
  p2pchat doctor --repair --json
  p2pchat doctor --repair --name 'alice'`,
		Args: none,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			if repair {
				return a.repair(ctx, name)
			}
			if name != "" {
				return usagef("--name goes with --repair")
			}
			return a.withService(ctx, func(ctx context.Context, svc api.Service) error {
				findings, err := svc.Diagnose(ctx)
				if err != nil {
					return err
				}
				return a.printFindings(findings)
			})
		}),
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "make a damaged database anew of what can be read")
	cmd.Flags().StringVar(&name, "name", "", "the account's `NAME`, if the database does not tell it any more")
	return cmd
}

func (a *app) repair(ctx context.Context, name string) error {
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	exists, locked, err := a.deps.Backend.AccountState(dir)
	if err != nil {
		return err
	}
	if !exists {
		return noAccount(dir)
	}
	var password []byte
	if locked {
		if password, _, err = a.unlockPassword(ctx); err != nil {
			return err
		}
	}
	r, err := a.deps.Backend.Repair(ctx, dir, password, name)
	switch {
	case err != nil:
		return err
	case a.asJSON:
		return a.object(r)
	case !r.Repaired:
		return a.printf("the database is sound; nothing was done\n")
	}
	if r.Kept != nil && r.Events == 0 && r.Contacts == 0 && r.Rooms == 0 {
		return a.printf("the damaged database is kept as %s\nnothing of it was saved, no message, contact or room: the new one is empty, and what is missing comes from the others once they are met\n", term.Clean(*r.Kept))
	}
	kept := "there was no database"
	if r.Rooms == 0 {
		kept += ", and the new one knows no rooms: enter them again with `p2pchat room join`"
	}
	if r.Kept != nil {
		kept = "the damaged database is kept as " + *r.Kept
	}
	return a.printf("%s\nsaved: %d messages and other events, %d contacts, %d rooms (%d events were left out: damaged, or what they build on is missing)\n%swhat is missing comes from the others once they are met\n",
		term.Clean(kept), r.Events, r.Contacts, r.Rooms, r.Dropped, unsaved(r))
}

// unsaved says what is known to be missing from a new database, in lines of their own.
func unsaved(r api.Repair) (out string) {
	if n := r.UnreadablePages; n > 0 {
		out = fmt.Sprintf("not saved: what was in %d %s of the file that could not be read, of messages, contacts or rooms\n", n, plural(n, "page", "pages"))
	}
	switch n := r.RoomsLost; {
	case n > 0:
		out += fmt.Sprintf("%d %s could not be saved: enter again with `p2pchat room join` what `p2pchat rooms` does not list\n", n, plural(n, "room", "rooms"))
	case out != "":
		out += "a room that `p2pchat rooms` does not list is to be entered again with `p2pchat room join`\n"
	}
	return out
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
