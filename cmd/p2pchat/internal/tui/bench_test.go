package tui

import (
	"fmt"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"p2pchat/node/api"
)

// BenchmarkFrame is what one message costs: taking it and drawing the screen.
func BenchmarkFrame(b *testing.B) {
	c := newCalls(b.Context())
	defer c.close()
	m := newModel(nil, Options{Environ: []string{}}, c)
	m.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
	m.Update(changeMsg{Type: api.ChangeSnapshot, Snapshot: &api.Snapshot{
		Self:          api.Identity{PeerID: "me", Name: "anna"},
		Peers:         []api.Peer{{PeerID: "p", Name: "bruno", State: api.Online}},
		Conversations: []api.Conversation{{ID: "c", Kind: api.KindDirect, PeerID: "p"}},
	}})
	now := time.Now()
	i := 0
	for b.Loop() {
		i++
		m.Update(changeMsg{Type: api.ChangeMessage, Message: &api.Message{
			ID: fmt.Sprint(i), Conversation: "c", Author: "p", Name: "bruno", Time: api.Time{Time: now},
			Kind: api.MessageText, Text: "the quick brown fox jumps over the lazy dog, and does so once more", State: api.Received,
		}})
		m.View()
	}
}
