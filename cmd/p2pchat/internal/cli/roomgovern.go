package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"p2pchat/node/api"
)

// reasonFlag is the reason that the others are told.
func reasonFlag(cmd *cobra.Command, reason *string) {
	cmd.Flags().StringVar(reason, "reason", "", "tell the others the `REASON`")
	noCompletion(cmd, "reason")
}

// govern does one act in a room.
func (a *app) govern(ctx context.Context, r api.GovernRequest, said string) error {
	// Before a node is started for it.
	if err := api.CheckReason(r.Reason); err != nil {
		return err
	}
	return a.withEntrySaid(ctx, func(ctx context.Context, svc api.Service) (api.Entry, error) {
		return svc.Govern(ctx, r)
	}, func(api.Entry) string { return said })
}

// act is a command that does one thing to one person.
type act struct {
	act, short, long, done string
	outcasts               bool // it is about those who are banned
}

var personActs = []act{
	{
		act: api.ActKick, short: "Put somebody out of a room, who may come back", done: "kicked",
		long: `Put somebody out of a room. He may come back: in a room that is open to everybody
it is advice. Moderators and above may kick those who stand lower.`,
	},
	{
		act: api.ActBan, short: "Put somebody out of a room for good", done: "banned",
		long: `Ban somebody from a room, whether in it or not: what he says past what is known
here now is hidden everywhere. Admins and owners may ban those who stand lower. In
a room that is open to everybody he may come back under a new identity.`,
	},
	{
		act: api.ActUnban, short: "Lift a ban", done: "unbanned", outcasts: true,
		long: "Lift a ban. Of somebody who is not banned (exit 2) nothing is taken.",
	},
	{
		act: api.ActVoice, short: "Let somebody speak in a moderated room", done: "gave voice to",
		long: "Let somebody speak in a moderated room, or again after p2pchat room devoice.",
	},
	{
		act: api.ActDevoice, short: "Silence somebody", done: "took the voice of",
		long: "Silence somebody, member or not, who may still listen. It has no effect on moderators.",
	},
}

// roomActCmds are the commands that do one thing to one person.
func (a *app) roomActCmds() []*cobra.Command {
	var all []*cobra.Command
	for _, v := range personActs {
		var reason string
		cmd := &cobra.Command{
			Use:   v.act + " ROOM WHO",
			Short: v.short,
			Long:  v.long,
			Example: fmt.Sprintf(`  p2pchat room %s '#dev' 'bob'
  p2pchat room %s '#dev' '@bob' --reason 'as agreed' --json`, v.act, v.act),
			Args:              exactly("ROOM", "WHO"),
			ValidArgsFunction: a.completeRoomAnd(a.memberWords),
			RunE: a.run(func(ctx context.Context, args []string) error {
				return a.govern(ctx, api.GovernRequest{Room: args[0], Act: v.act, Who: args[1], Reason: reason}, v.done+" "+args[1])
			}),
		}
		if v.outcasts {
			cmd.ValidArgsFunction = a.completeRoomAnd(a.outcastWords)
		}
		reasonFlag(cmd, &reason)
		all = append(all, cmd)
	}
	return all
}

func (a *app) roomGrantCmd() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "grant ROOM WHO STANDING",
		Short: "Give somebody a standing in a room, or take it",
		Long: `Give somebody a standing in a room: member, moderator, admin or owner; none takes
it away, outcast bans. A standing belongs to the person, not to the nick. Admins may
make moderators and members, owners everybody; and oneself can be lowered.`,
		Example: `  p2pchat room grant '#dev' 'bob' moderator
  p2pchat room grant '#dev' '@carol' none --reason 'moved on' --json`,
		Args:              exactly("ROOM", "WHO", "STANDING"),
		ValidArgsFunction: a.completeRoomAnd(a.memberWords, standingWords),
		RunE: a.run(func(ctx context.Context, args []string) error {
			done := args[1] + " is " + args[2] + " now"
			if args[2] == api.StandingNone {
				done = args[1] + " has no standing now"
			}
			return a.govern(ctx, api.GovernRequest{Room: args[0], Act: api.ActGrant, Who: args[1], Standing: args[2], Reason: reason}, done)
		}),
	}
	reasonFlag(cmd, &reason)
	return cmd
}

func (a *app) roomRetractCmd() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "retract ROOM ID",
		Short: "Take back what somebody said in a room",
		Long: `Take back a message of somebody who stands lower: everybody sees [retracted] in its
place. The ID is the one that p2pchat log --ids prints. Moderators and above may.`,
		Example: `  p2pchat room retract '#dev' '0f1e2d…'
  p2pchat room retract '#dev' '0f1e2d…' --reason 'spam' --json`,
		Args:              exactly("ROOM", "ID"),
		ValidArgsFunction: a.completeRooms(false),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.govern(ctx, api.GovernRequest{Room: args[0], Act: api.ActRetract, ID: args[1], Reason: reason}, "retracted "+args[1])
		}),
	}
	reasonFlag(cmd, &reason)
	return cmd
}

func (a *app) roomDestroyCmd() *cobra.Command {
	var reason, alternate string
	cmd := &cobra.Command{
		Use:   "destroy ROOM",
		Short: "End a room for everybody; what was said stays",
		Long: `End a room for everybody. There is no way back; what was said stays with those who
have it. Owners may. Who comes later is told the reason and the room to go to.`,
		Example: `  p2pchat room destroy '#dev' --reason 'moved' --alternate '#dev2'
  p2pchat room destroy '#dev' --json`,
		Args:              exactly("ROOM"),
		ValidArgsFunction: a.completeRooms(false),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.govern(ctx, api.GovernRequest{Room: args[0], Act: api.ActDestroy, Reason: reason, Alternate: alternate}, "destroyed "+args[0])
		}),
	}
	reasonFlag(cmd, &reason)
	cmd.Flags().StringVar(&alternate, "alternate", "", "tell the others to go to this `ROOM`")
	_ = cmd.RegisterFlagCompletionFunc("alternate", func(cmd *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return a.known(cmd.Context(), true).roomWords(word, false), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

func (a *app) roomVoiceRequestCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "voice-request ROOM",
		Short: "Ask the moderators of a moderated room to be let speak",
		Long: `Ask the moderators of a moderated room to be let speak. They are told at once or
when they come, and answer with p2pchat room voice.`,
		Example: `  p2pchat room voice-request '#dev'
  p2pchat room voice-request '#dev' --json`,
		Args:              exactly("ROOM"),
		ValidArgsFunction: a.completeRooms(false),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.withEntrySaid(ctx, func(ctx context.Context, svc api.Service) (api.Entry, error) {
				return svc.RequestVoice(ctx, args[0])
			}, func(api.Entry) string { return "asked for voice in " + args[0] })
		}),
	}
}
