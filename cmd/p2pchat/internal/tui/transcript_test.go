package tui

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"p2pchat/node/api"
)

// A transcript that pages arrive for in any order and moment ends up as an
// unbroken run of the conversation that ends with its newest message, each
// once, in the latest state.
func TestTranscriptPages(t *testing.T) { testPages(t, false) }

// In a room messages also arrive late, are hidden and come back.
func TestTranscriptPagesOfRoom(t *testing.T) { testPages(t, true) }

func testPages(t *testing.T, room bool) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []api.Message // the conversation as the node has it
		var tr transcript
		tr.init()
		tr.room = room
		apart := map[string]api.Message{} // not in the conversation, by ID
		var page, older []api.Message     // under way; nil if none
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
				n := len(all) + len(apart)
				m := api.Message{
					ID: fmt.Sprint(n), Log: "log", Seq: uint64(n), Text: fmt.Sprint("text ", n), Kind: api.MessageText,
					Time:  api.Time{Time: time.Unix(int64(n), 0)},
					State: rapid.SampledFrom([]string{api.Queued, api.Received}).Draw(t, "state"),
				}
				all = append(slices.Clone(all), m)
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
					Log: "log", Seq: rapid.Uint64Range(0, all[len(all)-1].Seq).Draw(t, "seq"),
					State: rapid.SampledFrom([]string{api.Sent, api.Delivered, api.Read}).Draw(t, "state"),
				}
				for i, m := range all {
					if m.Seq <= c.Seq && stateRank[m.State] > 0 && stateRank[m.State] < stateRank[c.State] {
						all[i].State = c.State
					}
				}
				for id, m := range apart {
					if m.Seq <= c.Seq && stateRank[m.State] > 0 && stateRank[m.State] < stateRank[c.State] {
						m.State = c.State
						apart[id] = m
					}
				}
				tr.reach(c)
			},
			"hide": func(t *rapid.T) {
				if !room || len(all) == 0 {
					return
				}
				i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
				m := all[i]
				all = slices.Delete(slices.Clone(all), i, i+1)
				apart[m.ID] = m
				if rapid.IntRange(0, 3).Draw(t, "lost") == 0 {
					tr.stale = true
				}
				if !tr.stale {
					tr.hide(m.ID)
				}
			},
			"show": func(t *rapid.T) {
				if len(apart) == 0 {
					return
				}
				m := apart[rapid.SampledFrom(slices.Sorted(maps.Keys(apart))).Draw(t, "which")]
				delete(apart, m.ID)
				at := slices.IndexFunc(all, func(o api.Message) bool { return o.Seq > m.Seq })
				if at < 0 {
					at = len(all)
				}
				all = slices.Insert(slices.Clone(all), at, m)
				if rapid.IntRange(0, 3).Draw(t, "lost") == 0 {
					tr.stale = true
				}
				if !tr.stale {
					tr.append(m)
				}
			},
			"ask": func(t *rapid.T) {
				if page == nil && older == nil && (!tr.loaded || tr.stale) {
					tr.ask()
					tr.loading = true
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
					tr.loading = true
					older = append([]api.Message{}, lastOf(all[:indexOf(askedFrom)], size)...)
				}
			},
			"answer older": func(*rapid.T) {
				if older != nil {
					if tr.first() == askedFrom {
						tr.older(older, size)
					}
					tr.loading, older = false, nil
				}
			},
			"": func(t *rapid.T) {
				if !tr.loaded || tr.stale || page != nil {
					return
				}
				first := len(all) - len(tr.lines)
				if first < 0 {
					t.Fatalf("%d lines of %d", len(tr.lines), len(all))
				}
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
