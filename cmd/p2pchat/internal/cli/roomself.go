package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"p2pchat/node/api"
)

func (a *app) roomSubjectCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "subject ROOM TEXT",
		Short: "Change the subject of a room; '' takes it away",
		Long: `Change the subject of a room; '' takes it away. Moderators and above may, and
whoever may speak where p2pchat room config says subject_by=participants.`,
		Example: `  p2pchat room subject '#dev' 'release on Friday'
  p2pchat room subject '#dev' '' --json`,
		Args:              exactly("ROOM", "TEXT"),
		ValidArgsFunction: a.completeRooms(false),
		RunE: a.run(func(ctx context.Context, args []string) error {
			// Before a node is started for it.
			if err := api.CheckSubject(args[1]); err != nil {
				return err
			}
			return a.withEntrySaid(ctx, func(ctx context.Context, svc api.Service) (api.Entry, error) {
				return svc.SetSubject(ctx, args[0], args[1])
			}, func(api.Entry) string {
				if args[1] == "" {
					return "took the subject of " + args[0] + " away"
				}
				return "set the subject of " + args[0]
			})
		}),
	}
}

func (a *app) roomNickCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "nick ROOM NICK",
		Short: "Change one's nick in a room",
		Long: `Change one's nick in a room one is in (else exit 3, not-joined). Two people in a room
cannot have one nick.`,
		Example: `  p2pchat room nick '#dev' 'al'
  p2pchat room nick '#dev' 'the third' --json`,
		Args:              exactly("ROOM", "NICK"),
		ValidArgsFunction: a.completeRooms(false),
		RunE: a.run(func(ctx context.Context, args []string) error {
			if err := api.CheckNick(args[1]); err != nil {
				return err
			}
			return a.withEntrySaid(ctx, func(ctx context.Context, svc api.Service) (api.Entry, error) {
				// Joining would also change the nick, but enter a room one is not in.
				members, err := svc.Members(ctx, args[0])
				if err != nil {
					return api.Entry{}, err
				}
				for _, m := range members {
					if m.Self {
						return svc.JoinRoom(ctx, api.JoinRoomRequest{Room: args[0], Nick: args[1]})
					}
				}
				return api.Entry{}, api.Errorf(api.CodeNotJoined, "you are not in the room %q: p2pchat room join enters it", args[0])
			}, func(api.Entry) string { return "called " + args[1] + " in " + args[0] })
		}),
	}
}

func (a *app) roomPMCmd() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "pm ROOM WHO TEXT",
		Short: "Send a private message to somebody in a room",
		Long: `Send a private message to somebody in a room and wait for its receipt, like p2pchat
send. Nobody else of the room sees it: it is listed by p2pchat log WHO, marked as
private. The room may forbid it (p2pchat room config, pm_by). Text that starts with
'-' needs '--' before it.`,
		Example: `  p2pchat room pm '#dev' 'bob' 'a word between us'
  p2pchat room pm '#dev' '@bob' --wait 30s --json -- '-1 from me'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if wait < 0 {
				return usagef("--wait %s is negative", wait)
			}
			return exactly("ROOM", "WHO", "TEXT")(cmd, args)
		},
		ValidArgsFunction: a.completeRoomAnd(a.memberWords),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.sendAndWait(ctx, args[2], wait, func(ctx context.Context, svc api.Service) (api.Receipt, error) {
				return svc.SendPrivate(ctx, args[0], args[1], args[2], 0)
			})
		}),
	}
	cmd.Flags().DurationVar(&wait, "wait", api.DefaultWait, "wait for the receipt up to `DURATION`; 0 to only queue the message")
	noCompletion(cmd, "wait")
	return cmd
}
