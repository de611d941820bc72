package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) roomsCmd() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "rooms",
		Short: "List the rooms one has joined, or all that are known",
		Long: `List the rooms one has joined. With --all also those that were left and the
visible rooms that others on the network are in: p2pchat room join enters them.
Without a running node it lists what is stored.`,
		Example: `  p2pchat rooms
  p2pchat rooms --all --json
  p2pchat room join '#dev'`,
		Args: none,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			return a.withReader(ctx, func(ctx context.Context, r api.Reader) error {
				rooms, err := r.Rooms(ctx, all)
				if err != nil {
					return err
				}
				return a.printRooms(rooms, all)
			})
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "list every room that is known, joined or not")
	return cmd
}

func (a *app) printRooms(rooms []api.Room, all bool) error {
	if a.asJSON {
		for _, r := range rooms {
			if err := a.object(r); err != nil {
				return err
			}
		}
		return nil
	}
	switch {
	case len(rooms) == 0 && all:
		a.notef("no room is known (p2pchat room create 'dev' makes one)")
		return nil
	case len(rooms) == 0:
		a.notef("no room is joined (p2pchat rooms --all lists those that can be)")
		return nil
	}
	style := a.style()
	t := &term.Table{
		Header: []string{"ROOM", "JOINED", "ACCESS", "OCCUPANTS", "UNREAD", "SUBJECT", "ID"},
		Paint: func(row, col int, cell string) string {
			switch {
			case row < 0:
				return style.Bold(cell)
			case !rooms[row].Joined:
				return style.Faint(cell)
			case col == 4 && rooms[row].Unread > 0:
				return style.Green(cell)
			}
			return cell
		},
	}
	for _, r := range rooms {
		t.Rows = append(t.Rows, roomRow(r))
	}
	return a.table(t)
}

func roomRow(r api.Room) []string {
	joined, access := "no", r.Access
	if r.Joined {
		joined = "yes"
	}
	unread := strconv.Itoa(r.Unread)
	if r.Mentions > 0 {
		unread += fmt.Sprintf(" (%d to you)", r.Mentions)
	}
	if !r.Visible {
		access += ", hidden"
	}
	if r.Moderated {
		access += ", moderated"
	}
	if r.Password {
		access += ", password"
	}
	if r.Destroyed {
		access = "destroyed"
	}
	return []string{r.Name, joined, access, strconv.Itoa(r.Occupants), unread, r.Subject, r.RoomID}
}
