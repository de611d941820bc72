package labtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/nodetest/lab"
)

// Guarded rooms change their key when somebody is removed. Somebody is, ten times,
// while four talk without end and a fifth is away for most of it: nothing that is
// said after comes to the removed, in any form, and the others lose nothing.
func TestRotations(t *testing.T) {
	t.Parallel()
	const times = 10
	for name, args := range map[string][]string{"members-only": {"--members-only"}, "password": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, 6)
			all := people(t, l)
			l.Within(3*time.Second, all[0].node.Started, "six online", everyoneSees(all))
			alice, bob, erin, frank := all[0], all[1], all[4], all[5]
			g := &gathering{t: t, l: l, all: all[:5]}
			password := func(p *person) []string { return []string{"--password-file", p.secret("open sesame")} }
			if name == "members-only" {
				password = func(*person) []string { return nil }
			}
			g.id = object[entry](alice, append(append([]string{"room", "create", "board"}, args...), password(alice)...)...).RoomID
			g.grants(alice, bob.who.PeerID, "admin")
			for _, p := range all[2:] {
				g.grants(alice, p.who.PeerID, "member")
			}
			together(all[1:], func(p *person) { p.joins(g.id, password(p)...) })
			l.Within(3*time.Second, time.Now(), "six are in", g.inside(all...))
			g.only(all...).says(frank, "frank was here")
			g.only(all...).hears("frank was here")
			epochs := map[string]bool{g.epoch(frank): true}

			// 100 lines a second over all.
			const rate = 100
			each := int(lab.Long(6*time.Second, 60*time.Second)/time.Second) * rate / 4
			want := words{frank: {"frank was here"}}
			var talk []*speech
			for _, p := range g.all[:4] {
				want[p] = linesOf(p, each)
				talk = append(talk, p.speaks(g.id, want[p], 4*time.Second/rate, "--wait", "0"))
			}
			erin.PortDown()
			start := time.Now()
			for i := range times {
				if i == times-1 {
					erin.PortUp() // back while it goes on
				}
				by := []*person{alice, bob}[i%2]
				if name == "members-only" {
					g.grants(by, frank.who.PeerID, "none")
				} else {
					g.acts(by, api.GovernRequest{Act: api.ActBan, Who: frank.who.PeerID})
				}
				l.Within(5*time.Second, time.Now(), "a new epoch", func(context.Context) error {
					if e := g.epoch(by); epochs[e] {
						return fmt.Errorf("%s sends under %s", by.who.Name, e)
					}
					return nil
				})
				epochs[g.epoch(by)] = true
				if i == 0 { // from here on he never is in again
					l.Within(3*time.Second, time.Now(), "frank is out", frank.joined(g.id, false))
					frank.node.Stop()
					frank.detach()
				}
				if i < times-1 && name == "members-only" {
					g.grants(by, frank.who.PeerID, "member")
				} else if i < times-1 {
					g.acts(by, api.GovernRequest{Act: api.ActUnban, Who: frank.who.PeerID})
				}
				l.Within(5*time.Second, time.Now(), "both who govern know", g.only(alice, bob).alikeState)
			}
			t.Logf("%d rotations in %.1f s", times, time.Since(start).Seconds())
			for _, s := range talk {
				s.end()
			}
			said := time.Now()
			l.Within(10*time.Second, said, "five hold all after ten rotations", g.holds(want))
			g.converges(10*time.Second, said, "five after ten rotations")
			for _, p := range g.all {
				if got, first := g.epoch(p), g.epoch(alice); got != first || len(epochs) != times+1 {
					t.Errorf("%s sends under %s, alice under %s; %d epochs", p.who.Name, got, first, len(epochs))
				}
			}
			frank.restart()
			l.Within(5*time.Second, frank.node.Started, "frank is back", everyoneSees(all))
			g.says(bob, "nobody but us")
			g.hears("nobody but us")
			frank.fails(exitRefused, map[bool]string{true: "membership-required", false: "banned"}[name == "members-only"],
				append([]string{"room", "join", g.id}, password(frank)...)...)
			frank.node.Stop()
			frank.detach()

			// Said long after he was out: nowhere in what he keeps.
			for what, holder := range map[string]*person{"frank": frank, "erin": erin} {
				if holder == erin {
					erin.node.Stop()
					erin.detach()
				}
				for text, kept := range map[string]bool{
					"frank was here": true, "nobody but us": holder == erin,
					lineOf(alice, each-1): holder == erin, lineOf(bob, each/2): holder == erin,
				} {
					if got := keeps(t, holder, text); got != kept {
						t.Errorf("%s keeps %q: %v, want %v", what, text, got, kept)
					}
				}
			}
		})
	}
}

// epoch is the ID of the key a person sends under.
func (g *gathering) epoch(p *person) string {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	c, err := p.attach(ctx)
	if err != nil {
		g.t.Fatal(err)
	}
	s, err := c.RoomStatus(ctx, g.id)
	if err != nil {
		g.t.Fatal(err)
	}
	return s.Epoch
}

// keeps tells whether a text stands, in plain, in any file of a person's data
// directory.
func keeps(t *testing.T, p *person, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(p.Data, func(name string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		found = found || bytes.Contains(b, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
