package tui

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"p2pchat/node/api"
)

// A transcript that pages arrive for in any order and moment ends up as an
// unbroken run of the conversation that ends with its newest message, each
// once, in the latest state.
func TestTranscriptPages(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []api.Message // the conversation as the node has it
		var tr transcript
		tr.init()
		var page, older []api.Message // under way; nil if none
		var askedFrom string
		const size = 4
		lastOf := func(ms []api.Message, n int) []api.Message {
			return append([]api.Message{}, ms[max(0, len(ms)-n):]...)
		}
		indexOf := func(id string) int {
			for i, m := range all {
				if m.ID == id {
					return i
				}
			}
			return -1
		}
		t.Repeat(map[string]func(*rapid.T){
			"message": func(t *rapid.T) {
				n := len(all)
				m := api.Message{
					ID: fmt.Sprint(n), Log: "log", Seq: uint64(n), Text: fmt.Sprint("text ", n), Kind: api.MessageText,
					Time:  api.Time{Time: time.Unix(int64(n), 0)},
					State: rapid.SampledFrom([]string{api.Queued, api.Received}).Draw(t, "state"),
				}
				all = append(all, m)
				// Lost if the watcher lags; then a snapshot makes it stale.
				if rapid.IntRange(0, 3).Draw(t, "lost") == 0 {
					tr.stale = true
					return
				}
				if !tr.stale {
					tr.append(m)
				}
			},
			"state": func(t *rapid.T) {
				if len(all) == 0 {
					return
				}
				c := api.StateChange{
					Log: "log", Seq: rapid.Uint64Range(0, uint64(len(all)-1)).Draw(t, "seq"),
					State: rapid.SampledFrom([]string{api.Sent, api.Delivered, api.Read}).Draw(t, "state"),
				}
				for i, m := range all {
					if m.Seq <= c.Seq && stateRank[m.State] > 0 && stateRank[m.State] < stateRank[c.State] {
						all[i].State = c.State
					}
				}
				tr.reach(c)
			},
			"ask": func(t *rapid.T) {
				if page == nil && older == nil && (!tr.loaded || tr.stale) {
					tr.ask()
					page = lastOf(all, size)
				}
			},
			"answer": func(*rapid.T) {
				if page != nil {
					tr.newest(page, size)
					page = nil
				}
			},
			"ask older": func(*rapid.T) {
				if page == nil && older == nil && tr.loaded && !tr.stale && !tr.whole && len(tr.lines) > 0 {
					askedFrom = tr.first()
					older = append([]api.Message{}, lastOf(all[:indexOf(askedFrom)], size)...)
				}
			},
			"answer older": func(*rapid.T) {
				if older != nil {
					if tr.first() == askedFrom {
						tr.older(older, size)
					}
					older = nil
				}
			},
			"": func(t *rapid.T) {
				if !tr.loaded || tr.stale || page != nil {
					return
				}
				first := len(all) - len(tr.lines)
				if tr.whole && first != 0 {
					t.Fatalf("%d older ones are said not to exist", first)
				}
				for i, l := range tr.lines {
					want := all[first+i]
					if l.ID != want.ID || l.State != want.State {
						t.Fatalf("line %d is %s %s, want %s %s", i, l.ID, l.State, want.ID, want.State)
					}
				}
			},
		})
	})
}
