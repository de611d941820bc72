package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// Three talk in a room all the time, and each one's node is killed in turn, in
// mid-sentence. What was acknowledged is in all logs, once and in order.
func TestRoomCrashes(t *testing.T) {
	t.Parallel()
	repeat(t, "a room of three after six crashes", 10*time.Second, func(t *testing.T) time.Duration {
		g := some(t, 3)
		const rounds, perRound, under = 2, 40, 20
		total := perRound * (len(g.all)*rounds + 1)
		want := words{}
		scripts := map[*person]*script{}
		for _, p := range g.all {
			want[p] = linesOf(p, total)
			scripts[p] = &script{p: p, target: g.id, texts: want[p], stored: func() []string {
				return slices.Collect(func(yield func(string) bool) {
					for _, m := range p.roomLog(g.id) {
						if m.Author == p.who.PeerID && !yield(m.Text) {
							return
						}
					}
				})
			}}
			scripts[p].start()
		}
		fed := 0
		for range rounds {
			for _, victim := range g.all {
				fed += perRound
				for _, s := range scripts {
					s.feed(fed + under) // so that some are under way when it happens
				}
				s := scripts[victim]
				s.acknowledged(fed)
				victim.node.Kill9()
				s.wait()
				victim.restart()
				s.resume()
				s.start()
			}
		}
		for _, s := range scripts {
			s.feed(total)
		}
		for _, s := range scripts {
			s.acknowledged(total)
			s.end()
		}
		took := g.agree(10*time.Second, time.Now(), "a room of three after six crashes", want)
		ids := map[string]bool{}
		for _, m := range g.all[0].roomLog(g.id) {
			ids[m.ID] = true
		}
		for p, s := range scripts {
			for _, id := range s.ids {
				if !ids[id] {
					t.Errorf("message %s of %s was acknowledged and is in no log", id, p.who.Name)
				}
			}
		}
		return took
	})
}

// All are killed at the same moment, again and again, while the creator's
// machine stays off in between: the room is there whenever two are.
func TestRoomAllCrash(t *testing.T) {
	t.Parallel()
	g := some(t, 3)
	alice, bob, carol := g.all[0], g.all[1], g.all[2]
	want := words{}
	say := func(p *person, text string) {
		object[receipt](p, "send", g.id, text, "--wait", "0")
		want[p] = append(want[p], text)
	}
	for round := range 3 {
		for i := range 5 {
			for _, p := range g.all {
				say(p, fmt.Sprintf("round %d line %d", round+1, i+1))
			}
		}
		together(g.all, func(p *person) { p.node.Kill9() })
		together([]*person{bob, carol}, func(p *person) { p.restart() })
		say(bob, fmt.Sprintf("after crash %d", round+1))
		say(carol, fmt.Sprintf("I am here, too, %d", round+1))
		alice.restart()
	}
	g.agree(10*time.Second, time.Now(), "after all crashed", want)
}

// Somebody's data directory is put back from an older copy: what he had said
// since comes back from the others, and what he says now stands in a new log.
// In the second story he speaks before he can know, so that his log has two
// branches, of which nothing is lost either.
func TestRoomRestoredSnapshot(t *testing.T) {
	t.Parallel()
	for name, offline := range map[string]bool{"speaks when he knows": false, "speaks before he knows": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := some(t, 3)
			l, bob := g.l, g.all[1]
			want := words{}
			say := func(p *person, args ...string) {
				for _, text := range args {
					object[receipt](p, "send", g.id, text, "--wait", "0")
				}
				want[p] = append(want[p], args...)
			}
			for _, p := range g.all {
				say(p, "one by "+p.who.Name, "two by "+p.who.Name)
			}
			g.agree(5*time.Second, time.Now(), "before the copy", want)
			bob.node.Stop()
			older := l.Dir("older")
			if err := os.CopyFS(older, os.DirFS(bob.Data)); err != nil {
				t.Fatal(err)
			}
			bob.restart()
			l.Within(5*time.Second, time.Now(), "bob is back", g.listed)
			for _, p := range g.all {
				say(p, "three by "+p.who.Name, "four by "+p.who.Name, "five by "+p.who.Name)
			}
			g.agree(5*time.Second, time.Now(), "before the disk broke", want)

			bob.node.Stop()
			if err := errors.Join(os.RemoveAll(bob.Data), os.CopyFS(bob.Data, os.DirFS(older))); err != nil {
				t.Fatal(err)
			}
			private(t, bob.Data)
			if offline {
				bob.PortDown()
			}
			bob.restart()
			if offline {
				// In his own eyes this is his third line.
				say(bob, "again three", "again four")
				bob.PortUp()
			}
			back := time.Now()
			l.Within(5*time.Second, back, "what was said since is back", func(ctx context.Context) error { return bob.holds(g.id, want)(ctx) })
			say(bob, "new one", "new two")
			for _, p := range g.all {
				if p != bob {
					say(p, "six by "+p.who.Name)
				}
			}
			// With two branches, too, each one's words are in the order he said
			// them in.
			g.agree(5*time.Second, back, "after the older copy was put back", want)
			last := logOfLast(t, bob.roomLog(g.id), "new two")
			if old := logOfLast(t, bob.roomLog(g.id), "five by bob"); last == old {
				t.Errorf("what bob says after the restore is still in log %s", old)
			}
		})
	}
}

// logOfLast is the log that a text stands in.
func logOfLast(t *testing.T, all []message, text string) string {
	t.Helper()
	for _, m := range all {
		if m.Text == text {
			return m.Log
		}
	}
	t.Errorf("nobody said %q", text)
	return ""
}
