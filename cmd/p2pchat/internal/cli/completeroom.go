package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"p2pchat/cmd/p2pchat/internal/term"
	"p2pchat/node/api"
)

// roomWord completes one word about a room.
type roomWord func(ctx context.Context, room, word string) []cobra.Completion

// completeRoomAnd completes a room, then one word by each of then.
func (a *app) completeRoomAnd(then ...roomWord) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) (words []cobra.Completion, _ cobra.ShellCompDirective) {
		switch {
		case len(args) == 0:
			words = a.known(cmd.Context(), false).roomWords(word, false)
		case len(args) <= len(then):
			words = then[len(args)-1](cmd.Context(), args[0], word)
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// ask asks the node or the store for what a shell wants to know. A shell has no
// place for an error.
func (a *app) ask(ctx context.Context, f func(ctx context.Context, r api.Reader) error) {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	_ = a.withReader(ctx, f)
}

// memberWords are nicks of the others in a room: peer IDs where a nick is not
// unique, or not safe to put on a command line.
func (a *app) memberWords(ctx context.Context, room, word string) (words []cobra.Completion) {
	a.ask(ctx, func(ctx context.Context, r api.Reader) error {
		members, err := r.Members(ctx, room)
		count := map[string]int{}
		for _, m := range members {
			count[strings.ToLower(m.Nick)]++
		}
		for _, m := range members {
			choice := m.Nick
			if count[strings.ToLower(m.Nick)] > 1 || !plainName(m.Nick) {
				choice = m.PeerID
			}
			if !m.Self && strings.HasPrefix(choice, word) {
				words = append(words, cobra.CompletionWithDesc(choice, term.Clean(m.Role+" "+nameOf(m.Name, m.PeerID))))
			}
		}
		return err
	})
	return words
}

// outcastWords are the peer IDs of those who are banned from a room.
func (a *app) outcastWords(ctx context.Context, room, word string) (words []cobra.Completion) {
	a.ask(ctx, func(ctx context.Context, r api.Reader) error {
		s, err := r.RoomState(ctx, room)
		names := map[string]string{}
		if peers, failed := r.Peers(ctx); failed == nil {
			for _, p := range peers {
				names[p.PeerID] = p.Name
			}
		}
		for _, p := range s.People {
			if p.Standing == api.StandingOutcast && strings.HasPrefix(p.PeerID, word) {
				words = append(words, cobra.CompletionWithDesc(p.PeerID, term.Clean(nameOf(names[p.PeerID], p.PeerID))))
			}
		}
		return err
	})
	return words
}

// strangerWords are names of people, to be asked into a room.
func (a *app) strangerWords(ctx context.Context, _, word string) []cobra.Completion {
	return a.peerNames(ctx, word)
}

func standingWords(_ context.Context, _, word string) (words []cobra.Completion) {
	for _, s := range []string{
		api.StandingOutcast, api.StandingNone, api.StandingMember, api.StandingModerator, api.StandingAdmin, api.StandingOwner,
	} {
		if strings.HasPrefix(s, word) {
			words = append(words, s)
		}
	}
	return words
}
