package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

func (a *app) searchCmd() *cobra.Command {
	q := api.SearchQuery{}
	cmd := &cobra.Command{
		Use:   "search WORDS",
		Short: "Find what was said, in all conversations",
		Long: `List the messages in which all of WORDS occur, oldest first: the last 50 unless
--last says otherwise (0 for all). Case and accents don't matter, order doesn't
either; what is hidden, taken back or said by somebody blocked is not found. No
running node is needed.

  word          a whole word; in Chinese, Japanese, Korean or Thai, any part of a text
  word*         words that begin so, from three letters on
  "some words"  in a row
  from:NAME     said by NAME, oneself included; from:"NAME WITH SPACES"
  in:TARGET     in a room, or with a person: in:#dev, in:@alice, in:"#the lab"
  before:TIME   before 2026-01-31, 2026-01-31T12:00, or longer than 24h or 7d ago
  after:TIME    since then

Shells take quotes away, so put all of it in '' if it has any.`,
		Example: `  p2pchat search printer
  p2pchat search 'print* from:@alice after:7d'
  p2pchat search '"server room" in:#lab before:2026-01-31' --last 0
  p2pchat search 'from:@bob in:#lab' --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if strings.TrimSpace(strings.Join(args, " ")) == "" {
				return usagef("WORDS are missing: what is to be found?")
			}
			return nil
		},
		ValidArgsFunction: a.completeSearch,
		RunE: a.run(func(ctx context.Context, args []string) error {
			if q.Last < 0 {
				return usagef("--last %d is negative", q.Last)
			}
			q.Words = strings.Join(args, " ")
			return a.withReader(ctx, func(ctx context.Context, r api.Reader) error { return a.printFound(ctx, r, q) })
		}),
	}
	cmd.Flags().IntVar(&q.Last, "last", defaultLast, "list the newest `N` messages found, 0 for all")
	noCompletion(cmd, "last")
	return cmd
}

func (a *app) printFound(ctx context.Context, r api.Reader, q api.SearchQuery) error {
	messages, err := r.Search(ctx, q)
	if err != nil {
		return err
	}
	t := a.newTranscript(ctx, r, "")
	if !a.asJSON {
		s, err := api.ParseSearch(q.Words, time.Now())
		if err != nil {
			return err
		}
		t.mark = func(text string) string { return mark(text, s.Spans(text), a.style().Bold) }
		if len(messages) == 0 {
			a.notef("nothing was found")
		}
	}
	for _, m := range messages {
		if err := t.print(m); err != nil {
			return err
		}
	}
	if q.Last > 0 && len(messages) == q.Last && !a.asJSON {
		a.notef("these are the newest %d, and there may be more (--last 0 lists all)", q.Last)
	}
	return nil
}

// mark puts what stands in spans in another style.
func mark(text string, spans [][2]int, style func(string) string) string {
	var b strings.Builder
	at := 0
	for _, s := range spans {
		b.WriteString(text[at:s[0]] + style(text[s[0]:s[1]]))
		at = s[1]
	}
	return b.String() + text[at:]
}

// placed names the conversation of a message that was found.
func placed(p api.Place) string {
	if p.Kind == api.KindRoom {
		return "#" + term.Clean(p.Name)
	}
	return "@" + nameOf(p.Name, p.Target)
}

// completeSearch completes what follows from: and in:.
func (a *app) completeSearch(cmd *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var words []cobra.Completion
	if name, ok := strings.CutPrefix(word, "from:"); ok {
		words = a.peerNames(cmd.Context(), name)
	} else if name, ok := strings.CutPrefix(word, "in:"); ok {
		k := a.known(cmd.Context(), false)
		words = append(k.peerWords(name, true), k.roomWords(name, true)...)
	}
	for i, w := range words {
		words[i] = word[:strings.Index(word, ":")+1] + w
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
