package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) roomInviteCmd() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "invite ROOM WHO",
		Short: "Ask somebody into a room",
		Long: `Ask somebody into a room. In a members-only room that makes him a member, so those
may who may make members. He is told at once or when he comes, and answers with p2pchat room accept or
decline.`,
		Example: `  p2pchat room invite '#dev' '@bob'
  p2pchat room invite '#dev' 'bob' --reason 'we need you' --json`,
		Args:              exactly("ROOM", "WHO"),
		ValidArgsFunction: a.completeRoomAnd(a.strangerWords),
		RunE: a.run(func(ctx context.Context, args []string) error {
			if err := api.CheckReason(reason); err != nil {
				return err
			}
			return a.withEntrySaid(ctx, func(ctx context.Context, svc api.Service) (api.Entry, error) {
				return svc.Invite(ctx, args[0], args[1], reason)
			}, func(api.Entry) string { return "invited " + args[1] + " into " + args[0] })
		}),
	}
	reasonFlag(cmd, &reason)
	return cmd
}

func (a *app) roomInvitesCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "invites",
		Short: "List the invitations that wait for an answer",
		Long: `List the invitations that wait for an answer, the newest last. No running node is
needed.`,
		Example: `  p2pchat room invites --json
  p2pchat room accept '#dev'`,
		Args: none,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			return a.withReader(ctx, func(ctx context.Context, r api.Reader) error {
				invitations, err := r.Invitations(ctx)
				if err != nil {
					return err
				}
				return a.printInvitations(invitations, time.Now())
			})
		}),
	}
}

func (a *app) printInvitations(invitations []api.Invitation, now time.Time) error {
	if a.asJSON {
		for _, i := range invitations {
			if err := a.object(i); err != nil {
				return err
			}
		}
		return nil
	}
	if len(invitations) == 0 {
		a.notef("no invitation waits for an answer")
		return nil
	}
	style := a.style()
	t := &term.Table{
		Header: []string{"ROOM", "FROM", "WHEN", "REASON", "ID"},
		Paint: func(row, _ int, cell string) string {
			if row < 0 {
				return style.Bold(cell)
			}
			return cell
		},
	}
	for _, i := range invitations {
		t.Rows = append(t.Rows, []string{i.Room, nameOf(i.Name, i.PeerID), ago(i.Time.Time, now), i.Reason, i.RoomID})
	}
	return a.table(t)
}

func (a *app) roomAcceptCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "accept ROOM",
		Short: "Accept an invitation and enter the room",
		Long: `Accept an invitation, which p2pchat room invites lists, and enter the room as p2pchat
room join does. ROOM may also be the ID of the invitation.`,
		Example: `  p2pchat room accept '#dev'
  p2pchat room accept '#dev' --nick 'bob2' --json`,
		ValidArgsFunction: a.completeInvitations,
	}
	return a.entering(cmd, func(ctx context.Context, svc api.Service, r api.JoinRoomRequest) (api.Entry, error) {
		return svc.AnswerInvitation(ctx, api.AnswerRequest{Room: r.Room, Accept: true, Nick: r.Nick, Wait: r.Wait, Password: r.Password})
	})
}

func (a *app) roomDeclineCmd() *cobra.Command {
	r := api.AnswerRequest{}
	cmd := &cobra.Command{
		Use:   "decline ROOM",
		Short: "Decline an invitation",
		Long:  `Decline an invitation, which p2pchat room invites lists; who sent it is told.`,
		Example: `  p2pchat room decline '#dev'
  p2pchat room decline '#dev' --reason 'no time' --json`,
		Args:              exactly("ROOM"),
		ValidArgsFunction: a.completeInvitations,
		RunE: a.run(func(ctx context.Context, args []string) error {
			r.Room = args[0]
			if err := api.CheckReason(r.Reason); err != nil {
				return err
			}
			return a.withEntrySaid(ctx, func(ctx context.Context, svc api.Service) (api.Entry, error) {
				return svc.AnswerInvitation(ctx, r)
			}, func(api.Entry) string { return "declined " + r.Room })
		}),
	}
	reasonFlag(cmd, &r.Reason)
	return cmd
}

// completeInvitations completes the one argument with rooms one is asked into.
func (a *app) completeInvitations(cmd *cobra.Command, args []string, word string) (words []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	prefix := prefixOf(word, "#", "room:")
	a.ask(cmd.Context(), func(ctx context.Context, r api.Reader) error {
		invitations, err := r.Invitations(ctx)
		count := map[string]int{}
		for _, i := range invitations {
			count[strings.ToLower(i.Room)]++
		}
		for _, i := range invitations {
			choice := prefix + i.Room
			if count[strings.ToLower(i.Room)] > 1 || !plainName(i.Room) {
				choice = i.RoomID
			}
			if strings.HasPrefix(choice, word) {
				words = append(words, cobra.CompletionWithDesc(choice, term.Clean("from "+nameOf(i.Name, i.PeerID))))
			}
		}
		return err
	})
	return words, cobra.ShellCompDirectiveNoFileComp
}
