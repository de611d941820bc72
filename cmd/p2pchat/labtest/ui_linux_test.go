package labtest

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

// screen is a terminal on a host: a pane of tmux.
type screen struct {
	p    *person
	sock string
}

const columns, rows = 100, 30

// open starts tmux on the person's machine and p2pchat in it.
func open(p *person) *screen {
	p.t.Helper()
	lab.Require(p.t, "tmux")
	s := &screen{p: p, sock: filepath.Join(p.Home, "tmux")}
	// -D: a server in the foreground, which ends with the test.
	p.StartService(p.Command("tmux", "-D", "-S", s.sock, "-f", "/dev/null"))
	for _, args := range [][]string{
		{"set-option", "-g", "remain-on-exit", "on"},
		{"new-session", "-d", "-x", fmt.Sprint(columns), "-y", fmt.Sprint(rows), lab.Binary(p.t)},
	} {
		s.within("tmux", func() error {
			if r := s.tmux(args...); r.Code != 0 {
				return fmt.Errorf("%s", r)
			}
			return nil
		})
	}
	return s
}

func (s *screen) tmux(args ...string) lab.Result {
	s.p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	cmd := s.p.Command("tmux", append([]string{"-S", s.sock}, args...)...)
	return s.p.RunCommand(ctx, cmd)
}

// text is what the screen shows.
func (s *screen) text() string {
	s.p.t.Helper()
	return s.tmux("capture-pane", "-p").Stdout
}

// typed types text, then Enter.
func (s *screen) typed(text string) {
	s.p.t.Helper()
	s.tmux("send-keys", "-l", "--", text)
	s.tmux("send-keys", "Enter")
}

// shows waits for a line of the screen to hold all of these.
func (s *screen) shows(parts ...string) {
	s.p.t.Helper()
	s.within(fmt.Sprintf("%q on the screen", parts), func() error {
		text := s.text()
		for _, line := range strings.Split(text, "\n") {
			all := true
			for _, part := range parts {
				all = all && strings.Contains(line, part)
			}
			if all {
				return nil
			}
		}
		return fmt.Errorf("the screen shows\n%s", text)
	})
}

// ends waits for the program to have given the terminal back. What tmux writes
// about it comes only once it has waited for the process, or not at all.
func (s *screen) ends() {
	s.p.t.Helper()
	s.within("the program ends", func() error {
		if dead := strings.TrimSpace(s.tmux("display-message", "-p", "#{pane_dead}").Stdout); dead != "1" {
			return fmt.Errorf("pane_dead is %q, the screen shows\n%s", dead, s.text())
		}
		return nil
	})
}

func (s *screen) within(what string, try func() error) {
	s.p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		err := try()
		if err == nil {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.p.t.Fatalf("%s: %v", what, err)
		}
	}
}

// Two people, one of them before a screen: what is typed arrives, what is said
// appears, and nothing that is said does anything to the screen.
func TestTheScreen(t *testing.T) {
	t.Parallel()
	lab.Require(t, "tmux")
	l := lab.New(t, 2)
	alice, bob := pair(t, l)
	s := open(alice)
	s.shows("bob", "online")
	s.typed("Hi! server, need help")
	s.shows("Hi! server, need help", "✓")
	bob.tell(alice, "Hi client! glad to help")
	s.shows("bob", "Hi client! glad to help")
	agree(t, alice, bob, []string{"Hi! server, need help", "Hi client! glad to help"})

	title := s.tmux("display-message", "-p", "#{pane_title}").Stdout
	for name, text := range nasty {
		ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
		if r := bob.RunInput(ctx, text, "send", "@alice", "--stdin"); r.Code != exitDone {
			t.Errorf("%s: %s", name, r)
		}
		cancel()
	}
	bob.tell(alice, "that was all")
	s.shows("that was all")
	text := s.text()
	harmless(t, "the screen", text, true)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != rows || !strings.Contains(lines[0], "alice") || !strings.Contains(lines[0], "bob") {
		t.Errorf("the screen is no longer what it was:\n%s", text)
	}
	if now := s.tmux("display-message", "-p", "#{pane_title}").Stdout; now != title && strings.Contains(now, "pwned") {
		t.Errorf("the title was %q and is %q", title, now)
	}

	s.tmux("resize-window", "-x", "60", "-y", "12")
	s.typed("smaller")
	s.shows("smaller", "✓")
	s.typed("/quit")
	s.ends()
	// serve runs on: the screen was only one face of it.
	alice.tell(bob, "still here")
}

// Somebody's first start: a name, a password or none, and one is online.
func TestFirstRun(t *testing.T) {
	t.Parallel()
	lab.Require(t, "tmux")
	l := lab.New(t, 2)
	bob := newPerson(t, l.Hosts[1], "bob").serve()
	alice := &person{Host: l.Hosts[0], t: t}
	s := open(alice)
	s.shows("name")
	s.typed("alice")
	s.shows("assword")
	s.typed("")
	s.shows("bob", "online")
	s.typed("my first words")
	s.shows("my first words", "✓")
	alice.who = object[lab.Account](alice, "whoami")
	agree(t, alice, bob, []string{"my first words"})
	s.typed("/quit")
	s.ends()
	l.Within(15*time.Second, time.Now(), "whoever quits is shown offline", bob.sees(alice, "offline"))
}
