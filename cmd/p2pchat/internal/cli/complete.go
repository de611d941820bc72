package cli

import (
	"context"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

// completionTime bounds how long a shell waits for names.
const completionTime = 2 * time.Second

// completePeers completes the n-th argument (from 1) with names of peers.
func (a *app) completePeers(n int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) != n-1 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.peerNames(cmd.Context(), word), cobra.ShellCompDirectiveNoFileComp
	}
}

// peerNames are the words that name a peer and begin with word, in the form
// word has (name, @name, user:name). A name that is not unique, or not safe to
// put on a command line, is given as its peer ID.
func (a *app) peerNames(ctx context.Context, word string) []cobra.Completion {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	var peers []api.Peer
	if err := a.withReader(ctx, func(ctx context.Context, r api.Reader) (err error) {
		peers, err = r.Peers(ctx)
		return err
	}); err != nil {
		return nil // no account, no names; a shell has no place for an error
	}
	prefix := ""
	for _, p := range []string{"@", "user:"} {
		if strings.HasPrefix(word, p) {
			prefix = p
		}
	}
	count := map[string]int{}
	for _, p := range peers {
		count[strings.ToLower(p.Name)]++
	}
	var words []cobra.Completion
	for _, p := range peers {
		choice := prefix + p.Name
		if count[strings.ToLower(p.Name)] > 1 || !plainName(p.Name) {
			choice = p.PeerID
		}
		if strings.HasPrefix(choice, word) {
			words = append(words, cobra.CompletionWithDesc(choice, term.Clean(p.State+" "+p.Fingerprint)))
		}
	}
	return words
}

// plainName tells whether every shell takes name as one harmless word.
func plainName(name string) bool {
	return name != "" && name == term.Clean(name) && !strings.HasPrefix(name, "-") &&
		strings.IndexFunc(name, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !strings.ContainsRune("-_.", r)
		}) < 0
}

// noCompletion says that values of these flags are no file names.
func noCompletion(cmd *cobra.Command, flags ...string) {
	for _, f := range flags {
		_ = cmd.RegisterFlagCompletionFunc(f, cobra.NoFileCompletions)
	}
}
