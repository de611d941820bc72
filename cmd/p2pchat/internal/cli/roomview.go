package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) roomMembersCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "members ROOM",
		Short: "List who is in a room, present first",
		Long: `List who joined a room and did not leave, present first. A standing belongs to
the person, a nick is only what somebody is called there. No running node is needed.`,
		Example: `  p2pchat room members '#dev'
  p2pchat room members '#dev' --json`,
		Args:              exactly("ROOM"),
		ValidArgsFunction: a.completeRooms(false),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.withReader(ctx, func(ctx context.Context, r api.Reader) error {
				members, err := r.Members(ctx, args[0])
				if err != nil {
					return err
				}
				return a.printMembers(members)
			})
		}),
	}
}

func (a *app) printMembers(members []api.Member) error {
	if a.asJSON {
		for _, m := range members {
			if err := a.object(m); err != nil {
				return err
			}
		}
		return nil
	}
	if len(members) == 0 {
		a.notef("nobody is in the room")
		return nil
	}
	style := a.style()
	t := &term.Table{
		Header: []string{"NICK", "NAME", "STANDING", "ROLE", "PRESENCE", "PEER ID"},
		Paint: func(row, col int, cell string) string {
			switch {
			case row < 0:
				return style.Bold(cell)
			case members[row].Presence == api.PresenceOffline:
				return style.Faint(cell)
			case col == 4 && members[row].Presence == api.PresenceOnline:
				return style.Green(cell)
			}
			return cell
		},
	}
	for _, m := range members {
		name := nameOf(m.Name, m.PeerID)
		if m.Self {
			name += " (you)"
		}
		t.Rows = append(t.Rows, []string{nick(m.Nick), name, m.Standing, m.Role, m.Presence, m.PeerID})
	}
	if err := a.table(t); err != nil {
		return err
	}
	for _, m := range members {
		if m.Warning == "" {
			continue
		}
		line := fmt.Sprintf("! %s (%s): %s", nick(m.Nick), term.Clean(m.PeerID), term.Clean(m.Warning))
		if err := a.printf("%s\n", style.Yellow(line)); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) roomStatusCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "status ROOM",
		Short: "Print what this node holds of a room, and whether it is in step",
		Long: `Print this node's view of a room: connected members, keys, how much it holds and
what is missing. Members with the same digest hold the same.`,
		Example: `  p2pchat room status '#dev'
  p2pchat room status '#dev' --json`,
		Args:              exactly("ROOM"),
		ValidArgsFunction: a.completeRooms(false),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.withService(ctx, func(ctx context.Context, svc api.Service) error {
				s, err := svc.RoomStatus(ctx, args[0])
				if err != nil {
					return err
				}
				return a.printRoomStatus(s, time.Now())
			})
		}),
	}
}

func (a *app) printRoomStatus(s api.RoomStatus, now time.Time) error {
	if a.asJSON {
		return a.object(s)
	}
	t := &term.Table{}
	row := func(what, format string, args ...any) {
		t.Rows = append(t.Rows, []string{what, fmt.Sprintf(format, args...)})
	}
	row("room", "%s", s.Name)
	row("ID", "%s", s.RoomID)
	row("members", "%d, %d present", s.Members, s.Present)
	for i, p := range s.Peers {
		row(label("connected", i), "%s", p)
	}
	row("epoch", "%s", s.Epoch)
	row("keys", "%d", s.Epochs)
	row("control root", "%s", s.Root)
	row("digest", "%s", s.Digest)
	row("held", "%d events", s.Messages)
	row("waiting", "%d for something missing", s.Parked)
	missing := "nothing"
	if s.Missing {
		missing = "parts of some logs"
	}
	row("missing", "%s", missing)
	row("last sync", "%s", ago(s.LastSync.Time, now))
	for i, p := range s.SyncPeers {
		row(label("in step with", i), "%s", p)
	}
	return a.table(t)
}

func (a *app) roomStateCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "state ROOM",
		Short: "Print a room's canonical state, the same on every member",
		Long: `Print a room's canonical state: configuration, standings, subject. Members that
have the same events print the same, byte for byte. No running node is needed.`,
		Example: `  p2pchat room state '#dev' | sha256sum
  p2pchat room state '#dev' --json`,
		Args:              exactly("ROOM"),
		ValidArgsFunction: a.completeRooms(false),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.withReader(ctx, func(ctx context.Context, r api.Reader) error {
				s, err := r.RoomState(ctx, args[0])
				if err != nil {
					return err
				}
				if a.asJSON {
					return a.object(s)
				}
				if term.IsTerminal(a.out.w) { // texts in it are others'
					return a.printf("%s", term.CleanText(s.Canonical))
				}
				return a.printf("%s", s.Canonical)
			})
		}),
	}
}
