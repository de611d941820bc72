package labtest

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

// repaired is what `doctor --repair` prints.
type repaired struct {
	Repaired bool    `json:"repaired"`
	Kept     *string `json:"kept"`
	Events   int     `json:"events"`
	Dropped  int     `json:"dropped"`
	Rooms    int     `json:"rooms"`
}

// Bob's disk spoils part of his database, then all of it: he is told, has it
// repaired, and what was lost comes back from the others, in the room and between
// two. What he says afterwards stands in a new log.
func TestDamagedDatabase(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 3)
	all := people(t, l)
	l.Within(5*time.Second, all[0].node.Started, "three online", everyoneSees(all))
	g := gather(t, l, all)
	alice, bob := all[0], all[1]
	want := words{}
	say := func(p *person, what string, n int) {
		t.Helper()
		var texts []string
		for i := range n {
			texts = append(texts, strings.Join([]string{what, lineOf(p, i), strings.Repeat("x", i*20)}, " "))
		}
		p.speaks(g.id, texts, 0, "--wait", "0").end()
		want[p] = append(want[p], texts...)
	}
	for _, p := range all {
		say(p, "before", 100)
	}
	bob.tell(alice, "to you alone")
	alice.tell(bob, "and to you")
	g.agree(10*time.Second, time.Now(), "before the damage", want)
	before := logOfLast(t, bob.roomLog(g.id), want[bob][99])
	path := filepath.Join(bob.Data, "p2pchat.db")

	bob.node.Stop()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(7, 7))
	for at := 40 << 12; at+4096 < len(b); at += 5 << 12 { // of what was said, a page in five
		for i := range 4096 {
			b[at+i] = byte(random.Uint32())
		}
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	bob.fails(exitFailed, "damaged", "serve")
	r := object[repaired](bob, "doctor", "--repair", "--name", "bob")
	if !r.Repaired || r.Kept == nil || r.Events == 0 {
		t.Fatalf("repaired: %+v", r)
	}
	if kept, err := os.Stat(*r.Kept); err != nil || kept.Size() != int64(len(b)) {
		t.Errorf("the damaged file was not kept: %v", err)
	}
	t.Logf("repaired: %+v of %d", r, want.count())
	bob.restart()
	back := time.Now()
	if r.Rooms == 0 { // the page with the genesis was among those spoilt
		bob.joins(g.id)
	}
	l.Within(10*time.Second, back, "what was damaged is back", bob.holds(g.id, want))
	say(bob, "after", 2)
	say(alice, "after", 2)
	bob.tell(alice, "still there?")
	g.agree(10*time.Second, back, "after the repair", want)
	if now := logOfLast(t, bob.roomLog(g.id), want[bob][101]); now == before {
		t.Error("bob's log goes on though its end may have been lost")
	}
	sameLogs(t, alice, bob, []string{"and to you"}, []string{"to you alone", "still there?"})

	bob.node.Stop()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	bob.fails(exitFailed, "damaged", "serve")
	if err := os.Remove(*r.Kept); err != nil { // else it would be taken from there
		t.Fatal(err)
	}
	if r := object[repaired](bob, "doctor", "--repair", "--name", "bob"); !r.Repaired || r.Kept != nil || r.Events != 0 {
		t.Fatalf("made anew: %+v", r)
	}
	bob.restart()
	back = time.Now()
	l.Within(10*time.Second, back, "what was said between two is back", bob.has(alice, []string{"to you alone", "and to you", "still there?"}))
	bob.joins(g.id)
	say(bob, "from nothing", 1)
	g.agree(10*time.Second, back, "from nothing", want)
}
