package labtest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/nodetest/lab"
	"p2pchat/protocol/identity"
)

// What is needed of governed rooms in several tests.

// grants gives standings over the socket: what sets a scene.
func (g *gathering) grants(by *person, who, standing string) {
	g.t.Helper()
	g.acts(by, api.GovernRequest{Act: api.ActGrant, Who: who, Standing: standing})
}

func (g *gathering) acts(by *person, q api.GovernRequest) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	q.Room = g.id
	c, err := by.attach(ctx)
	if err == nil {
		_, err = c.Govern(ctx, q)
	}
	if err != nil {
		g.t.Fatalf("%s: %+v: %v", by.who.Name, q, err)
	}
}

// config changes settings.
func (p *person) config(room string, settings ...string) {
	p.t.Helper()
	p.run(exitDone, append([]string{"room", "config", room}, settings...)...)
}

// refusal runs a command and gives the exit code and the code of its error.
func (p *person) refusal(args ...string) (exit int, code string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	r := p.Host.Run(ctx, append(args, "--json")...)
	all := strings.Split(strings.TrimSpace(r.Stderr), "\n")
	var f failure
	if r.Code != exitDone && json.Unmarshal([]byte(all[len(all)-1]), &f) != nil {
		p.t.Errorf("no error as JSON: %s", r)
	}
	return r.Code, f.Error.Code
}

// secret is a file with a password.
func (p *person) secret(password string) string {
	p.t.Helper()
	name := filepath.Join(p.Home, "secret "+password)
	if err := os.WriteFile(name, []byte(password+"\n"), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return name
}

// nobody is a peer ID that no machine here has.
func nobody(t *testing.T) string {
	t.Helper()
	k, err := identity.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k.ID().String()
}

// joined waits for the person's list of joined rooms to have the room, or not.
func (p *person) joined(room string, want bool) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := p.attach(ctx)
		if err != nil {
			return err
		}
		rows, err := c.Rooms(ctx, false)
		if err != nil {
			return err
		}
		if is := slices.ContainsFunc(rows, func(r api.Room) bool { return r.RoomID == room }); is != want {
			return fmt.Errorf("%s has joined: %v, want %v", p.who.Name, is, want)
		}
		return nil
	}
}

// inside waits for these people, and nobody else, to be in the room, for each of
// them.
func (g *gathering) inside(who ...*person) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, p := range who {
			if err := errors.Join(p.lists(g.id, who)(ctx), p.joined(g.id, true)(ctx)); err != nil {
				return err
			}
		}
		return nil
	}
}

// only is the gathering without the others.
func (g *gathering) only(who ...*person) *gathering {
	return &gathering{t: g.t, l: g.l, id: g.id, all: who}
}

// says has a person say one thing, which somebody hears.
func (g *gathering) says(p *person, text string) {
	g.t.Helper()
	r := object[receipt](p, "send", g.id, text, "--wait", lab.Patience().String())
	if r.State != api.Delivered {
		g.t.Fatalf("%s: %q is %s", p.who.Name, text, r.State)
	}
}

// hears waits for everybody to have heard a text.
func (g *gathering) hears(text string) {
	g.t.Helper()
	g.l.Within(3*time.Second, time.Now(), "all hear "+text, func(ctx context.Context) error {
		for _, p := range g.all {
			c, err := p.attach(ctx)
			if err != nil {
				return err
			}
			log, err := c.Log(ctx, api.LogQuery{Target: g.id})
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(log, func(m api.Message) bool { return m.Text == text }) {
				return fmt.Errorf("%s did not hear %q", p.who.Name, text)
			}
		}
		return nil
	})
}

// converges waits for everybody to hold the same, and checks by the commands'
// output that state and log are the same, to the byte and to the line.
func (g *gathering) converges(bound time.Duration, since time.Time, what string) time.Duration {
	g.t.Helper()
	took := g.l.Within(bound, since, what, g.alike)
	first := g.all[0]
	state := first.run(exitDone, "room", "state", g.id).Stdout
	log, all := keys(first.roomLog(g.id)), keys(first.roomLog(g.id, "--all"))
	for _, p := range g.all[1:] {
		if s := p.run(exitDone, "room", "state", g.id).Stdout; s != state || s == "" {
			g.t.Errorf("%s: %s has\n%s%s has\n%s", what, first.who.Name, state, p.who.Name, s)
		}
		sameLines(g.t, first, p, log, keys(p.roomLog(g.id)))
		sameLines(g.t, first, p, all, keys(p.roomLog(g.id, "--all")))
	}
	return took
}

// alike waits for everybody to be in step, with one state and one log.
func (g *gathering) alike(ctx context.Context) error {
	return g.oneView(ctx, func(c api.Reader) (string, error) {
		s, err := c.RoomState(ctx, g.id)
		if err != nil {
			return "", err
		}
		log, err := c.Log(ctx, api.LogQuery{Target: g.id})
		view := s.Canonical
		for _, m := range log {
			view += fmt.Sprintln(m.ID, m.Author, m.Seq, m.Text)
		}
		return view, err
	})
}

// oneView waits for everybody to be in step and to see the same.
func (g *gathering) oneView(ctx context.Context, view func(api.Reader) (string, error)) error {
	if err := g.inStep(ctx); err != nil {
		return err
	}
	seen := map[string]string{}
	for _, p := range g.all {
		c, err := p.attach(ctx)
		if err != nil {
			return err
		}
		v, err := view(c)
		if err != nil {
			return err
		}
		seen[v] += " " + p.who.Name
	}
	if len(seen) > 1 {
		return fmt.Errorf("%d views of the room: %q", len(seen), seen)
	}
	return nil
}

// standings is what a node thinks of people, by peer ID.
func (g *gathering) standings(p *person) map[string]api.PersonState {
	g.t.Helper()
	out := map[string]api.PersonState{}
	for _, s := range g.state(p).People {
		out[s.PeerID] = s
	}
	return out
}

func (g *gathering) state(p *person) api.RoomState {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	c, err := p.attach(ctx)
	if err != nil {
		g.t.Fatal(err)
	}
	s, err := c.RoomState(ctx, g.id)
	if err != nil {
		g.t.Fatal(err)
	}
	return s
}
