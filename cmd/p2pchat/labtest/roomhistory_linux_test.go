package labtest

import (
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

// One of five is away while the others talk, of whom three then leave for ever:
// the one that is left has all of it for him.
func TestRoomFromTheOneLeft(t *testing.T) {
	t.Parallel()
	each := 100
	if lab.Bounds() {
		each = 1250
	}
	g := five(t)
	away, left, gone := g.all[4], g.all[3], g.all[:3]
	away.node.Stop()
	want := words{}
	for _, p := range g.all[:4] {
		want[p] = linesOf(p, each)
	}
	together(g.all[:4], func(p *person) { p.speaks(g.id, want[p], 0, "--wait", "0").end() })
	g.l.Within(30*time.Second, time.Now(), "all is with the one who stays", left.holds(g.id, want))
	for _, p := range gone {
		p.node.Kill9()
	}
	away.restart()
	g.l.Within(15*time.Second, time.Now(), "all is with the one who returns", away.holds(g.id, want))
	sameLines(t, left, away, keys(left.roomLog(g.id)), keys(away.roomLog(g.id)))
	if a, b := left.run(exitDone, "room", "state", g.id).Stdout, away.run(exitDone, "room", "state", g.id).Stdout; a != b {
		t.Errorf("the state differs:\n%s%s", a, b)
	}
}
