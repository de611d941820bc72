package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) roomCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "room",
		Short: "Make, enter, leave, govern and look into rooms",
		Long: `Make, enter, leave, govern and look into rooms. A ROOM is a name, '#name',
'room:name' or a room ID; WHO is a nick in the room, a name, '@name' or a peer ID.
What is said there is sent, listed and followed with p2pchat send, log and tail.
What a room or one's standing in it does not allow ends with exit 4 and the code of
the refusal.`,
		Example: `  p2pchat room create 'dev'
  p2pchat room join '#dev'
  p2pchat send '#dev' 'good morning'
  p2pchat room grant '#dev' 'bob' moderator`,
		Args: none,
	}
	cmd.AddCommand(
		a.roomCreateCmd(), a.roomJoinCmd(), a.roomLeaveCmd(), a.roomPingCmd(),
		a.roomMembersCmd(), a.roomStatusCmd(), a.roomStateCmd(), a.roomAuditCmd(),
		a.roomSubjectCmd(), a.roomNickCmd(), a.roomConfigCmd(), a.roomPMCmd(),
		a.roomInviteCmd(), a.roomInvitesCmd(), a.roomAcceptCmd(), a.roomDeclineCmd(), a.roomVoiceRequestCmd(),
		a.roomGrantCmd(), a.roomRetractCmd(), a.roomDestroyCmd(),
	)
	cmd.AddCommand(a.roomActCmds()...)
	cmd.RunE = a.run(func(context.Context, []string) error { return needsSubcommand(cmd) })
	return cmd
}

// needsSubcommand is the error of a command that does nothing alone.
func needsSubcommand(cmd *cobra.Command) error {
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return usagef("%s needs one of %s (see %s --help)", cmd.CommandPath(), strings.Join(names, ", "), cmd.CommandPath())
}

func (a *app) roomCreateCmd() *cobra.Command {
	var r api.CreateRoomRequest
	var password string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a room and join it",
		Long: `Make a room, of which one is the owner, and join it. It is open to everybody
unless the flags say otherwise, and all of it can be changed with p2pchat room
config. Others find a visible room by its name with p2pchat rooms --all; a hidden
one is not listed, and whoever knows its ID can join. Two rooms may have one name:
the ID that is printed decides.`,
		Example: `  p2pchat room create 'dev'
  p2pchat room create 'Küche' --history 100 --json
  p2pchat room create 'cellar' --hidden --history 24h
  p2pchat room create 'board' --members-only --moderated
  p2pchat room create 'vault' --password-file 'secret.txt'`,
		Args:              exactly("NAME"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.run(func(ctx context.Context, args []string) error {
			r.Name = strings.TrimPrefix(args[0], "#")
			// Before a node is started for it.
			if err := api.CheckRoomName(r.Name); err != nil {
				return err
			}
			var err error
			if r.Password, err = roomPassword(ctx, password); err != nil {
				return err
			}
			return a.withService(ctx, func(ctx context.Context, svc api.Service) error {
				e, err := svc.CreateRoom(ctx, r)
				if err != nil {
					return err
				}
				if a.asJSON {
					return a.object(e)
				}
				return a.printf("created %s, ID %s\n", term.Clean(r.Name), term.Clean(e.RoomID))
			})
		}),
	}
	f := cmd.Flags()
	f.BoolVar(&r.Hidden, "hidden", false, "do not list the room: whoever knows its ID can join")
	f.BoolVar(&r.MembersOnly, "members-only", false, "let only members in: those who were invited or made one")
	f.BoolVar(&r.Moderated, "moderated", false, "let only members, and those who were given voice, speak")
	roomPasswordFlag(cmd, &password, "let only those in who know the password in `FILE`")
	f.StringVar(&r.History, "history", "", "`WHAT` newcomers get of what was said before: all (default), none, a number of messages or a duration")
	_ = cmd.RegisterFlagCompletionFunc("history", cobra.FixedCompletions([]cobra.Completion{"all", "none"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) roomJoinCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "join ROOM",
		Short: "Enter a room, or change one's nick in it",
		Long: `Enter a room through anybody who is in it. A room that nobody knows yet is waited
for (else exit 5), as is somebody who is in it (else exit 3, not-joined). In a
room one is in already, --nick changes the nick. Whether members keep readable logs
of what is said there is told on standard error.`,
		Example: `  p2pchat room join '#dev'
  p2pchat room join '#dev' --nick 'bob2' --json
  p2pchat room join '#vault' --password-file 'secret.txt'
  p2pchat room join '#dev' --wait 1m`,
		ValidArgsFunction: a.completeRooms(true),
	}
	return a.entering(cmd, func(ctx context.Context, svc api.Service, r api.JoinRoomRequest) (api.Entry, error) {
		return svc.JoinRoom(ctx, r)
	})
}

// entering makes cmd one that enters the room it is given.
func (a *app) entering(cmd *cobra.Command, enter func(context.Context, api.Service, api.JoinRoomRequest) (api.Entry, error)) *cobra.Command {
	var r api.JoinRoomRequest
	var password string
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if r.Wait < 0 {
			return usagef("--wait %s is negative", r.Wait)
		}
		return exactly("ROOM")(cmd, args)
	}
	cmd.RunE = a.run(func(ctx context.Context, args []string) error {
		r.Room = args[0]
		if err := checkNick(r.Nick); err != nil {
			return err
		}
		var err error
		if r.Password, err = roomPassword(ctx, password); err != nil {
			return err
		}
		return a.withEntry(ctx, func(ctx context.Context, svc api.Service) (api.Entry, error) {
			e, err := enter(ctx, svc, r)
			if err == nil {
				a.tellLogging(ctx, svc, e)
			}
			if api.IsCode(err, api.CodeNickConflict) {
				err = api.Errorf(api.CodeNickConflict, "%w; --nick NICK takes another", err)
			}
			return e, err
		}, "joined", r.Room)
	})
	f := cmd.Flags()
	f.StringVar(&r.Nick, "nick", "", "be called `NICK` there (default the nick one had there, else the username)")
	f.DurationVar(&r.Wait, "wait", api.DefaultWait, "wait for the room and somebody in it up to `DURATION`")
	roomPasswordFlag(cmd, &password, "`FILE` with the room's password")
	noCompletion(cmd, "nick", "wait")
	return cmd
}

// checkNick checks a nick before a node is started for it; "" is the default.
func checkNick(nick string) error {
	if nick == "" {
		return nil
	}
	return api.CheckNick(nick)
}

// tellLogging tells who entered a room if readable logs are kept of it.
func (a *app) tellLogging(ctx context.Context, svc api.Service, e api.Entry) {
	// One that cannot be asked now is entered all the same.
	rooms, _ := svc.Rooms(ctx, false)
	for _, r := range rooms {
		if r.RoomID == e.RoomID && r.Logging {
			a.notef("the room is logged: its members keep readable files of what is said there")
		}
	}
}

func (a *app) roomLeaveCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "leave ROOM",
		Short: "Leave a room; what was said stays",
		Example: `  p2pchat room leave '#dev'
  p2pchat room leave 'room:dev' --json`,
		Args:              exactly("ROOM"),
		ValidArgsFunction: a.completeRooms(false),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.withEntry(ctx, func(ctx context.Context, svc api.Service) (api.Entry, error) {
				return svc.LeaveRoom(ctx, args[0])
			}, "left", args[0])
		}),
	}
}

func (a *app) roomPingCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "ping ROOM",
		Short: "Ask a member whether one is in the room (exit 3 if not)",
		Long: fmt.Sprintf(`Ask a member of the room whether one is in it, as the others see it. Exit 3,
not-joined, if one is not, or if no member answers within %v.`, api.DefaultWait),
		Example: `  p2pchat room ping '#dev'
  p2pchat room ping '#dev' --json`,
		Args:              exactly("ROOM"),
		ValidArgsFunction: a.completeRooms(false),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.withEntry(ctx, func(ctx context.Context, svc api.Service) (api.Entry, error) {
				return svc.PingRoom(ctx, args[0], api.DefaultWait)
			}, "in", args[0])
		}),
	}
}

// withEntry does something with a room and prints what one is in it then.
func (a *app) withEntry(ctx context.Context, do func(context.Context, api.Service) (api.Entry, error), done, room string) error {
	return a.withEntrySaid(ctx, do, func(e api.Entry) string {
		if e.Role == api.RoleNone {
			return done + " " + room
		}
		return done + " " + room + " as " + e.Role
	})
}

// withEntrySaid is [app.withEntry] with a sentence of its own for people.
func (a *app) withEntrySaid(ctx context.Context, do func(context.Context, api.Service) (api.Entry, error), said func(api.Entry) string) error {
	return a.withService(ctx, func(ctx context.Context, svc api.Service) error {
		e, err := do(ctx, svc)
		if err != nil {
			return err
		}
		if a.asJSON {
			return a.object(e)
		}
		return a.printf("%s\n", term.Clean(said(e)))
	})
}
