package labtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

// A thousand messages while bob, who receives them, is killed five times and
// alice, who sends them, twice, at random points.
//
// A message is acknowledged when `send` has printed its result, and then it
// must never be lost. A message whose result alice's script did not get may
// have been stored or not. Sending it again could double it, so after a crash
// the script asks alice's own log what was stored last, and goes on after
// that. In the end both logs hold all thousand once and in order.
func TestThousandMessagesAndSevenCrashes(t *testing.T) {
	t.Parallel()
	const total = 1000
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	l := lab.New(t, 2)
	alice, bob := pair(t, l)
	var want []string
	for i := range total {
		want = append(want, fmt.Sprintf("message %04d", i+1))
	}

	s := &script{p: alice, target: bob.who.PeerID, texts: want, stored: func() []string { return texts(alice.log(bob)) }}
	for _, crash := range crashes(random, total) {
		s.start()
		s.feed(crash.after + 20) // so that some are under way when it happens
		s.acknowledged(crash.after)
		if crash.who == "alice" {
			alice.node.Kill9()
			s.wait()
			alice.restart()
			s.resume()
		} else {
			bob.node.Kill9()
			bob.restart()
		}
	}
	s.start()
	s.feed(total)
	s.acknowledged(total)
	s.end()

	ended := time.Now()
	l.Within(10*time.Second, ended, "a thousand messages, seven crashes", bob.has(alice, want))
	agree(t, alice, bob, want)
	l.Within(10*time.Second, ended, "all delivered", func(context.Context) error {
		for _, m := range alice.log(bob) {
			if m.State != "delivered" && m.State != "read" {
				return fmt.Errorf("%q is %s", m.Text, m.State)
			}
		}
		return nil
	})
	// Every result that was printed names a message that is in the log.
	ids := map[string]bool{}
	for _, m := range alice.log(bob) {
		ids[m.ID] = true
	}
	for _, id := range s.ids {
		if !ids[id] {
			t.Errorf("acknowledged message %s is in no log", id)
		}
	}
	t.Logf("%d of %d messages were acknowledged at once", len(s.ids), total)
}

type crash struct {
	after int // as soon as this many messages are acknowledged
	who   string
}

// crashes are at least 30 messages apart, for there to be progress in between.
func crashes(random *rand.Rand, total int) []crash {
	who := []string{"bob", "bob", "bob", "bob", "bob", "alice", "alice"}
	random.Shuffle(len(who), func(i, j int) { who[i], who[j] = who[j], who[i] })
	room := total - 100 - 30*len(who)
	var at []int
	for range who {
		at = append(at, random.IntN(room))
	}
	slices.Sort(at)
	all := make([]crash, len(who))
	for i := range who {
		all[i] = crash{after: at[i] + 30*(i+1), who: who[i]}
	}
	return all
}

// script sends texts with `send --lines`, as a shell script would.
type script struct {
	p      *person
	target string
	texts  []string
	stored func() []string // what the person's own log holds of them

	proc  *lab.Proc // the send that runs, nil if none
	input *os.File  // its standard input
	first int       // index of the first text that proc was given
	next  int       // index of the text to be fed next
	ids   []string  // of what was acknowledged, over all sends
}

func (s *script) start() {
	s.p.t.Helper()
	if s.proc != nil {
		return
	}
	cmd := s.p.Command(lab.Binary(s.p.t), "send", s.target, "--lines", "--wait", "0", "--json")
	r, w, err := os.Pipe()
	if err != nil {
		s.p.t.Fatal(err)
	}
	cmd.Stdin, s.input = r, w
	s.first = s.next
	s.proc = s.p.Start(cmd)
	r.Close()
}

// feed writes the texts up to number n to the command.
func (s *script) feed(n int) {
	for s.next < min(n, len(s.texts)) {
		if _, err := s.input.WriteString(s.texts[s.next] + "\n"); err != nil {
			return // the command is gone; whoever waits for its results will see
		}
		s.next++
	}
}

// acknowledged waits until text number n has a result.
func (s *script) acknowledged(n int) {
	s.p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	count := s.first
	_, err := s.proc.Stdout.Await(ctx, func(string) bool { count++; return count >= n })
	if err != nil {
		s.p.t.Fatalf("%d of %d acknowledged: %v\n%s", count, n, err, s.proc.Stderr)
	}
}

// wait lets the command end, of itself or because its node is gone, and keeps
// what it acknowledged.
func (s *script) wait() lab.Result {
	s.p.t.Helper()
	s.input.Close()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	r := s.proc.Wait(ctx)
	s.proc = nil
	for i, line := range strings.Split(strings.TrimSuffix(r.Stdout, "\n"), "\n") {
		if line == "" {
			continue
		}
		var got receipt
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			s.p.t.Fatalf("result %d: %q: %v", i+1, line, err)
		}
		if got.ID != "" { // else it could not be stored, and says why
			s.ids = append(s.ids, got.ID)
		}
	}
	return r
}

func (s *script) end() {
	s.p.t.Helper()
	if r := s.wait(); r.Code != exitDone {
		s.p.t.Fatal(r)
	}
}

// resume finds out what the person's node stored last. It may be more than what was
// acknowledged, never less.
func (s *script) resume() {
	s.p.t.Helper()
	stored := s.stored()
	if err := sameTexts(s.p.who.Name+" after the crash", stored, s.texts[:min(len(stored), len(s.texts))]); err != nil {
		s.p.t.Fatal(err)
	}
	if len(stored) < len(s.ids) {
		s.p.t.Fatalf("%d messages acknowledged, %d stored", len(s.ids), len(stored))
	}
	s.next = len(stored)
}

// Both are killed at the same moment, in mid-sentence, again and again.
func TestBothCrash(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	alice, bob := pair(t, l)
	var fromAlice, fromBob []string
	for round := range 4 {
		for i := range 5 {
			text := fmt.Sprintf("round %d message %d", round+1, i+1)
			alice.leave(bob, text)
			bob.leave(alice, text+", too")
			fromAlice, fromBob = append(fromAlice, text), append(fromBob, text+", too")
		}
		alice.node.Kill9()
		bob.node.Kill9()
		alice.restart()
		bob.restart()
	}
	started := time.Now()
	l.Within(10*time.Second, started, "after both crashed", func(ctx context.Context) error {
		return errors.Join(alice.heard(bob, fromBob)(ctx), bob.heard(alice, fromAlice)(ctx))
	})
	sameLogs(t, alice, bob, fromAlice, fromBob)
}
