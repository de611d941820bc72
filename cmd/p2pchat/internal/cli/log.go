package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"p2pchat/node/api"
)

// defaultLast is how many messages log lists unless told otherwise.
const defaultLast = 50

func (a *app) logCmd() *cobra.Command {
	q := api.LogQuery{}
	var since string
	var ids, markRead bool
	var given func(flag string) bool
	cmd := &cobra.Command{
		Use:   "log TARGET",
		Short: "List what was said, oldest first",
		Long: `List the messages of a conversation, oldest first: the last 50 unless --last says
otherwise (0 for all). Who came and went in a room, how it was governed, and
invitations are listed with --all, and so is what was said about messages. Those
show as they were left: edited, with reactions, or as [retracted]. --ids puts the
beginning of its ID before each, by which edit, retract, react and reply take it.
No running node is needed.

Listing leaves unread what is unread. With --mark-read all that was there when it was
listed counts as read, also what only --all lists; the other person of two is told of
it when both are there. A node is started for that if none runs.`,
		Example: `  p2pchat log '@alice'
  p2pchat log '#dev' --all
  p2pchat log '#dev' --ids --last 10
  p2pchat log '@alice' --last 1000 --since 24h --json
  p2pchat log '#dev' --mark-read
  p2pchat log 'alice' --last 0 --since '2026-01-31T12:00:00Z'`,
		Args:              exactly("TARGET"),
		ValidArgsFunction: a.completeTargets(1),
		RunE: a.run(func(ctx context.Context, args []string) (err error) {
			q.Target = args[0]
			if q.Last < 0 {
				return usagef("--last %d is negative", q.Last)
			}
			if given("since") {
				if q.Since, err = parseSince(since, time.Now()); err != nil {
					return err
				}
			}
			var seen []string // the last messages, of all and of those listed
			err = a.withReader(ctx, func(ctx context.Context, r api.Reader) error {
				if markRead { // before the list: what comes behind it may not be in there
					newest, err := r.Log(ctx, api.LogQuery{Target: q.Target, All: true, Last: 1})
					if err != nil {
						return err
					}
					for _, m := range newest {
						seen = append(seen, m.ID)
					}
				}
				last, err := a.printLog(ctx, r, q, ids)
				if last != "" {
					seen = append(seen, last)
				}
				return err
			})
			if err != nil || !markRead || len(seen) == 0 {
				return err
			}
			return a.withService(ctx, func(ctx context.Context, svc api.Service) error {
				for _, id := range seen {
					if err := svc.MarkRead(ctx, q.Target, id); err != nil {
						return err
					}
				}
				return nil
			})
		}),
	}
	f := cmd.Flags()
	given = f.Changed
	f.IntVar(&q.Last, "last", defaultLast, "list the newest `N` messages, 0 for all")
	f.StringVar(&since, "since", "", "list what was said after `TIME`, or within that DURATION")
	f.BoolVar(&q.All, "all", false, "list joins, leaves, government, invitations and what was said about messages too")
	f.BoolVar(&ids, "ids", false, "show the first digits of each message's ID")
	f.BoolVar(&markRead, "mark-read", false, "what was there counts as read from now on")
	noCompletion(cmd, "last", "since")
	return cmd
}

// printLog returns the ID of the last message listed, "" if there is none.
func (a *app) printLog(ctx context.Context, r api.Reader, q api.LogQuery, ids bool) (last string, err error) {
	messages, err := r.Log(ctx, q)
	if err != nil {
		return "", err
	}
	t := a.newTranscript(ctx, r, q.Target)
	t.ids = ids
	for _, m := range messages {
		if err := t.print(m); err != nil {
			return "", err
		}
		last = m.ID
	}
	if len(messages) == 0 && !a.asJSON {
		a.notef("%s", nothing(ctx, r, q))
	}
	if !q.Since.IsZero() && q.Last > 0 && len(messages) == q.Last && !a.asJSON {
		a.notef("these are the newest %d, and there may be more (--last 0 lists all)", q.Last)
	}
	return last, nil
}

// nothing tells why nothing is listed.
func nothing(ctx context.Context, r api.Reader, q api.LogQuery) string {
	if svc, ok := r.(api.Service); ok {
		s, err := svc.RoomStatus(ctx, q.Target) // an error: it is no room
		if err == nil && s.LastSync.IsZero() && s.Members > 1 {
			return "nothing is here yet: what was said before comes from the others in the room"
		}
	}
	if !q.Since.IsZero() {
		return "nothing was said there since then"
	}
	const yet = "nothing was said there yet"
	if more, err := r.Log(ctx, api.LogQuery{Target: q.Target, All: true, Last: 1}); err == nil && len(more) > 0 {
		switch more[0].Kind {
		case api.MessageInvite, api.MessageAnswer, api.MessageVoiceRequest:
			return yet + "; --all lists what else there is"
		}
	}
	return yet
}

// parseSince reads a time, or a duration before now.
func parseSince(s string, now time.Time) (time.Time, error) {
	t, err := api.ParseTime(s, now)
	if err != nil {
		return t, usagef("--since %w", err)
	}
	return t, nil
}
