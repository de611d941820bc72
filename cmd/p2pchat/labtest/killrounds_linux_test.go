package labtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"p2pchat/node/api"
	"p2pchat/node/localapi"
	"p2pchat/node/nodetest/lab"
)

// talker says texts to a person and in a room as fast as they are acknowledged,
// from when its node is ready until that is killed or the talker is stopped.
type talker struct {
	*person
	targets []string
	acked   [][]string // IDs, by target
	said    int        // to make each text another
	stop    context.CancelFunc
	running sync.WaitGroup
}

// talk begins. Nobody else looks at what is acknowledged until silence.
func (p *talker) talk() {
	p.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), lab.Patience())
	p.stop = stop
	p.said++
	for i, target := range p.targets {
		c, err := localapi.Dial(ctx, p.Data)
		if err != nil {
			p.t.Fatal(err)
		}
		p.running.Go(func() { // ends with the node or at stop
			defer c.Close()
			for n := 0; n < 60; n++ { // for the history not to outgrow the test
				text := fmt.Sprintf("%s %d.%d.%d %s", p.who.Name, p.said, i, n, strings.Repeat("x", rand.IntN(6<<10)))
				r, err := c.Send(ctx, api.SendRequest{Target: target, Text: text})
				if err != nil {
					return
				}
				p.acked[i] = append(p.acked[i], r.ID)
			}
		})
	}
}

// silence waits until nothing is said any more.
func (p *talker) silence() {
	p.stop()
	p.running.Wait()
}

// sound opens a copy of a database as a crash left it: SQLite finds nothing
// wrong, and each of the IDs is there once.
func sound(t *testing.T, dir string, ids [][]string) {
	t.Helper()
	copied := t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, "p2pchat.db"+suffix))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, "p2pchat.db"+suffix), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	defer os.RemoveAll(copied) // not only at the end: there are many
	db, err := sql.Open("sqlite", filepath.Join(copied, "p2pchat.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRow(`PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Fatalf("the database after a crash: %s, %v", verdict, err)
	}
	rows, err := db.Query(`SELECT lower(hex(id)) FROM event`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	count := map[string]int{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		count[id]++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, target := range ids {
		for _, id := range target {
			if count[id] != 1 {
				t.Errorf("acknowledged message %s is there %d times", id, count[id])
			}
		}
	}
}

// Two talk to each other and in a room as fast as they can, while the node of
// one or of both is killed at a random moment, in every fourth round also once
// more while it starts. Of what was acknowledged nothing is ever lost.
// With lab.Bounds there are 200 rounds.
func TestKillRounds(t *testing.T) {
	t.Parallel()
	rounds := 8
	if lab.Bounds() {
		rounds = 200
	}
	g := some(t, 2)
	var all []*talker
	for i, p := range g.all {
		all = append(all, &talker{person: p, targets: []string{g.all[1-i].who.PeerID, g.id}, acked: make([][]string, 2)})
	}
	for range rounds {
		victims := [][]*talker{all[:1], all[1:], all}[rand.IntN(3)]
		for _, p := range all {
			p.talk()
		}
		time.Sleep(rand.N(300 * time.Millisecond)) // the moment of the crash
		for _, p := range victims {
			p.node.Kill9()
		}
		for _, p := range all {
			p.silence()
		}
		for _, p := range victims {
			sound(t, p.Data, p.acked)
			if rand.IntN(4) == 0 {
				p.node = p.Launch()
				time.Sleep(rand.N(150 * time.Millisecond)) // of that one
				p.node.Kill9()
				sound(t, p.Data, p.acked)
			}
			p.restart()
		}
		if t.Failed() {
			return
		}
	}
	alice, bob := all[0], all[1]
	g.l.Within(20*time.Second, time.Now(), "both hold what was acknowledged", func(ctx context.Context) error {
		var errs []error
		for _, p := range all {
			other := alice
			if p == alice {
				other = bob
			}
			c, err := p.attach(ctx)
			if err != nil {
				return err
			}
			for i, target := range []string{other.who.PeerID, g.id} {
				log, err := c.Log(ctx, api.LogQuery{Target: target})
				if err != nil {
					return err
				}
				count := map[string]int{}
				texts := map[string]bool{}
				for _, m := range log {
					count[m.ID]++
					if texts[m.Text] {
						t.Errorf("%.40q was said once and stands there twice", m.Text)
					}
					texts[m.Text] = true
				}
				for _, id := range slices.Concat(alice.acked[i], bob.acked[i]) {
					if count[id] != 1 {
						errs = append(errs, fmt.Errorf("%s has message %s %d times", p.who.Name, id, count[id]))
					}
				}
			}
		}
		return errors.Join(errs...)
	})
	g.l.Within(20*time.Second, time.Now(), "in step", g.inStep)
	for _, p := range all {
		p.node.Stop() // the files of one that runs cannot be copied as they are at one moment
		sound(t, p.Data, p.acked)
	}
	acked := slices.Concat(slices.Concat(alice.acked...), slices.Concat(bob.acked...))
	t.Logf("%d rounds, %d messages acknowledged", rounds, len(acked))
}
