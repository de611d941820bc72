package cli

import (
	"context"
	"fmt"
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

// completeTargets completes the n-th argument (from 1) with names of peers and
// of rooms one has joined.
func (a *app) completeTargets(n int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) != n-1 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		k := a.known(cmd.Context(), false)
		return append(k.peerWords(word, true), k.roomWords(word, true)...), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeRooms completes the one argument with names of rooms: those one has
// joined, or those one can join.
func (a *app) completeRooms(joinable bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.known(cmd.Context(), joinable).roomWords(word, false), cobra.ShellCompDirectiveNoFileComp
	}
}

// peerNames are the words that name a peer and begin with word.
func (a *app) peerNames(ctx context.Context, word string) []cobra.Completion {
	return a.known(ctx, false).peerWords(word, false)
}

// named is who and what can be named.
type named struct {
	peers []api.Peer
	rooms []api.Room
}

func (a *app) known(ctx context.Context, all bool) (k named) {
	a.ask(ctx, func(ctx context.Context, r api.Reader) (err error) {
		if k.peers, err = r.Peers(ctx); err == nil {
			k.rooms, err = r.Rooms(ctx, all)
		}
		return err
	})
	return k
}

// prefixOf is the one of prefixes that word begins with, or "".
func prefixOf(word string, prefixes ...string) string {
	for _, p := range prefixes {
		if strings.HasPrefix(word, p) {
			return p
		}
	}
	return ""
}

// peerWords are the words that name a peer and begin with word, in the form
// word has (name, @name, user:name). A name that is not unique, or not safe to
// put on a command line, is given as its peer ID; where a room can be meant
// too, one that a room has as well as user:name.
func (k named) peerWords(word string, orRoom bool) (words []cobra.Completion) {
	prefix := prefixOf(word, "@", "user:")
	count, rooms := map[string]int{}, map[string]bool{}
	for _, p := range k.peers {
		count[strings.ToLower(p.Name)]++
	}
	for _, r := range k.rooms {
		rooms[strings.ToLower(r.Name)] = orRoom
	}
	for _, p := range k.peers {
		name := strings.ToLower(p.Name)
		choice := prefix + p.Name
		switch {
		case count[name] > 1 || !plainName(p.Name):
			choice = p.PeerID
		case rooms[name] && prefix == "":
			choice = "user:" + p.Name
		}
		if strings.HasPrefix(choice, word) {
			words = append(words, cobra.CompletionWithDesc(choice, term.Clean(p.State+" "+p.Fingerprint)))
		}
	}
	return words
}

// roomWords is [named.peerWords] for rooms (name, #name, room:name).
func (k named) roomWords(word string, orPeer bool) (words []cobra.Completion) {
	prefix := prefixOf(word, "#", "room:")
	count, peers := map[string]int{}, map[string]bool{}
	for _, r := range k.rooms {
		count[strings.ToLower(r.Name)]++
	}
	for _, p := range k.peers {
		peers[strings.ToLower(p.Name)] = orPeer
	}
	for _, r := range k.rooms {
		name := strings.ToLower(r.Name)
		choice := prefix + r.Name
		switch {
		case count[name] > 1 || !plainName(r.Name):
			choice = r.RoomID
		case peers[name] && prefix == "":
			choice = "room:" + r.Name
		}
		if strings.HasPrefix(choice, word) {
			words = append(words, cobra.CompletionWithDesc(choice, fmt.Sprintf("room, %d in it", r.Occupants)))
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
