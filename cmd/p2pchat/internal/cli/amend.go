package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"p2pchat/node/api"
)

// aboutMessages is what the help of the commands about a message says of ID.
const aboutMessages = `

TARGET is as for send. ID is the message's, as log and send print it with --json;
the first 8 digits are enough, as log --ids shows them. It waits for the receipt like
send: what was not delivered in time stays queued (exit 3).`

// amendment builds a command that says something about a message.
func (a *app) amendment(cmd *cobra.Command, ask func(context.Context, api.Service, []string, time.Duration) (api.Receipt, error)) *cobra.Command {
	var wait time.Duration
	cmd.Long += aboutMessages
	cmd.ValidArgsFunction = a.completeTargets(1)
	cmd.RunE = a.run(func(ctx context.Context, args []string) error {
		if wait < 0 {
			return usagef("--wait %s is negative", wait)
		}
		return a.withService(ctx, func(ctx context.Context, svc api.Service) error {
			return a.receive(ctx, svc, wait, func(ctx context.Context, svc api.Service) (api.Receipt, error) { return ask(ctx, svc, args, wait) })
		})
	})
	cmd.Flags().DurationVar(&wait, "wait", api.DefaultWait, "wait for the receipt up to `DURATION`; 0 to only queue it")
	noCompletion(cmd, "wait")
	return cmd
}

func (a *app) editCmd() *cobra.Command {
	return a.amendment(&cobra.Command{
		Use:   "edit TARGET ID TEXT",
		Short: "Put another text in place of one of one's own messages",
		Long: `Put another text in place of that of one of one's own messages. Everybody sees it
where the message stands, marked as edited. The same text again is refused (exit 2).`,
		Example: `  p2pchat edit '@alice' 5c0556e2 'Hi server, need help'
  p2pchat edit '#dev' 5c0556e2 'good evening' --json`,
		Args: exactly("TARGET", "ID", "TEXT"),
	}, func(ctx context.Context, svc api.Service, args []string, _ time.Duration) (api.Receipt, error) {
		return svc.Edit(ctx, api.AmendRequest{Target: args[0], ID: args[1], Text: args[2]})
	})
}

func (a *app) retractCmd() *cobra.Command {
	return a.amendment(&cobra.Command{
		Use:   "retract TARGET ID",
		Short: "Take back one of one's own messages",
		Long: `Take back one of one's own messages. Its text, and what it was edited to, is deleted
here and by everybody whose program hears of it; that something was said stays to be
seen. It cannot be undone. What somebody wrote down elsewhere, such as the file of a
room that is logged, is not reached. What others said in a room moderators take back
with p2pchat room retract.`,
		Example: `  p2pchat retract '@alice' 5c0556e2
  p2pchat retract '#dev' 5c0556e2 --json`,
		Args: exactly("TARGET", "ID"),
	}, func(ctx context.Context, svc api.Service, args []string, _ time.Duration) (api.Receipt, error) {
		return svc.Retract(ctx, api.AmendRequest{Target: args[0], ID: args[1]})
	})
}

func (a *app) reactCmd() *cobra.Command {
	var undo bool
	cmd := a.amendment(&cobra.Command{
		Use:   "react TARGET ID EMOJI | react TARGET ID [EMOJI] --undo",
		Short: "React to a message, or take that away",
		Long: `React to somebody's message with an emoji or a short word, of at most 32 bytes.
--undo, or an empty EMOJI, takes a reaction away; it need only be named if one has
reacted in several ways.`,
		Example: `  p2pchat react '@alice' 5c0556e2 '👍'
  p2pchat react '#dev' 5c0556e2 --undo --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if undo && len(args) == 2 {
				return nil
			}
			return exactly("TARGET", "ID", "EMOJI")(cmd, args)
		},
	}, func(ctx context.Context, svc api.Service, args []string, _ time.Duration) (api.Receipt, error) {
		r := api.AmendRequest{Target: args[0], ID: args[1], Undo: undo}
		if len(args) > 2 {
			r.Text = args[2]
		}
		r.Undo = r.Undo || r.Text == ""
		return svc.React(ctx, r)
	})
	cmd.Flags().BoolVar(&undo, "undo", false, "take one's reaction away")
	return cmd
}

func (a *app) replyCmd() *cobra.Command {
	return a.amendment(&cobra.Command{
		Use:   "reply TARGET ID TEXT",
		Short: "Answer a message",
		Long:  `Send a message that says which other one of the conversation it answers.`,
		Example: `  p2pchat reply '@alice' 5c0556e2 'on my way'
  p2pchat reply '#dev' 5c0556e2 --json -- '-5 degrees'`,
		Args: exactly("TARGET", "ID", "TEXT"),
	}, func(ctx context.Context, svc api.Service, args []string, wait time.Duration) (api.Receipt, error) {
		if args[1] == "" {
			return api.Receipt{}, usagef("which message is answered is not said")
		}
		return store(ctx, svc, api.SendRequest{Target: args[0], ReplyTo: args[1], Text: args[2]}, wait)
	})
}
