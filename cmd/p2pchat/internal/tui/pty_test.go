//go:build unix

package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
)

// terminal is a pseudo-terminal with a person before it.
type terminal struct {
	t        *testing.T
	ptmx     *os.File
	tty      *os.File
	mu       sync.Mutex
	vt       *vt
	changed  chan struct{} // closed at the next output
	reading  chan struct{} // closed when nothing more can come
	deadline time.Duration
}

func newTerminal(t *testing.T, w, h int) *terminal {
	t.Helper()
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{
		t: t, ptmx: ptmx, tty: tty, vt: newVT(w, h), changed: make(chan struct{}), reading: make(chan struct{}),
		deadline: time.Minute,
	}
	term.resize(w, h)
	go func() { // ends when the terminal is closed
		defer close(term.reading)
		buf := make([]byte, 4096)
		for {
			n, err := ptmx.Read(buf)
			term.mu.Lock()
			term.vt.Write(buf[:n])
			close(term.changed)
			term.changed = make(chan struct{})
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		tty.Close()
		ptmx.Close()
		<-term.reading
		if len(term.vt.unknown) > 0 {
			t.Errorf("the terminal does not know %q", slices.Compact(term.vt.unknown))
		}
	})
	return term
}

func (term *terminal) resize(w, h int) {
	term.t.Helper()
	term.mu.Lock()
	term.vt.resize(w, h)
	term.mu.Unlock()
	if err := pty.Setsize(term.ptmx, &pty.Winsize{Cols: uint16(w), Rows: uint16(h)}); err != nil {
		term.t.Fatal(err)
	}
	// It is nobody's controlling terminal, so nobody else tells.
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		term.t.Fatal(err)
	}
}

func (term *terminal) write(s string) {
	term.t.Helper()
	if _, err := term.ptmx.WriteString(s); err != nil {
		term.t.Fatal(err)
	}
}

// wait waits until the screen is as wanted.
func (term *terminal) wait(what string, ok func(v *vt) bool) {
	term.t.Helper()
	timeout := time.After(term.deadline)
	for {
		term.mu.Lock()
		fine, changed, screen := ok(term.vt), term.changed, term.vt.String()
		term.mu.Unlock()
		if fine {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			term.t.Fatalf("waited for %s in vain:\n%s", what, screen)
		}
	}
}

func (term *terminal) shows(texts ...string) {
	term.t.Helper()
	for _, text := range texts {
		term.wait(fmt.Sprintf("%q", text), func(v *vt) bool { return strings.Contains(v.String(), text) })
	}
}

func (term *terminal) run(svc api.Service, ctx context.Context) (done chan error) {
	done = make(chan error, 1) // 1: the result, taken or not
	go func() {                // ends with the UI
		done <- Run(ctx, svc, Options{
			Input: term.tty, Output: term.tty, Version: "1.0",
			Environ: []string{"TERM=xterm-256color", "LANG=C.UTF-8", "SSH_TTY=x"},
		})
	}()
	return done
}

// Keys typed on a real terminal, read from a real screen.
func TestTerminal(t *testing.T) {
	t.Parallel()
	lan := apitest.NewLAN()
	anna, bruno := lan.Join("anna"), lan.Join("bruno")
	lan.Join("clara")
	term := newTerminal(t, 80, 24)
	done := term.run(anna, t.Context())
	term.shows("● bruno", "write to bruno")

	term.write("/msg bruno\r")
	term.write("Hi! server, need help")
	term.shows("› Hi! server, need help")
	term.write("\r")
	term.shows("anna  Hi! server, need help", "✓")
	wantTexts(t, bruno, anna, "Hi! server, need help")

	term.write("\x1b[200~two\nlines\x1b[201~")
	term.shows("› two\n   lines")
	term.write("\r")
	term.wait("both lines", func(v *vt) bool { return !strings.Contains(v.String(), "› two") })
	term.shows("two\n                │              lines")
	say(t, bruno, anna, "on my \x1b[2Jway \x1b]0;owned\x07👍", "日本語")
	term.shows("bruno  on my ␛[2Jway ␛]0;owned␇👍", "日本語")

	for i := range 60 {
		say(t, bruno, anna, fmt.Sprint("line ", i))
	}
	term.shows("line 59")
	term.write("\x1b[5~\x1b[5~\x1b[5~")
	term.shows("begins here", "line 7", "below")
	term.write("\x1b[6~\x1b[6~\x1b[6~\x1b[6~")
	term.shows("line 59")

	term.write("\x1b[1;3B") // Alt+Down
	term.shows("write to clara")
	for _, size := range [][2]int{{40, 12}, {30, 8}, {120, 35}, {300, 50}, {80, 24}} {
		term.resize(size[0], size[1])
		term.wait("a screen of the new size", func(v *vt) bool {
			return strings.Contains(strings.Join(v.cells[0], ""), "clara") &&
				strings.Contains(strings.Join(v.cells[size[1]-1], ""), "/help")
		})
	}
	term.write("\x03")
	if err := <-done; err != nil {
		t.Error(err)
	}
	term.wait("the screen of before", func(v *vt) bool { return !v.alt && v.title == "" })
}

// A room, chosen in the dialog, on a real terminal.
func TestTerminalRoom(t *testing.T) {
	t.Parallel()
	lan := apitest.NewLAN()
	anna, bruno, clara := lan.Join("anna"), lan.Join("bruno"), lan.Join("clara")
	dev := create(t, bruno, api.CreateRoomRequest{Name: "dev"})
	create(t, bruno, api.CreateRoomRequest{Name: "ops"})
	term := newTerminal(t, 100, 24)
	done := term.run(anna, t.Context())
	term.shows("write to bruno")
	term.write("/rooms\r")
	term.shows("▌ #dev", "#ops")
	term.write("ops")
	term.wait("only ops", func(v *vt) bool { return !strings.Contains(v.String(), "#dev") })
	term.write("\x15de\x1b[B")
	term.shows("▌ #dev")
	term.write("\r")
	term.shows("write to #dev", "bruno joined", "anna joined", "2 of 2 here", "● bruno      owner")

	term.write("hello room\r")
	term.shows("anna  hello room", "✓")
	join(t, clara, dev, "cl\u0301ara")
	sayIn(t, clara, dev, "on my \x1b[2Jway \x1b]0;owned\x07")
	term.shows("(clara) joined", "on my ␛[2Jway ␛]0;owned␇", "3 of 3 here")
	term.write("bru\t")
	term.shows("› bruno:")
	term.write("ping\r")
	term.shows("anna  bruno: ping")
	term.write("/names\r")
	term.shows("room ID      "+dev, "online, owner")
	for _, size := range [][2]int{{40, 12}, {30, 8}, {80, 24}, {120, 35}} {
		term.resize(size[0], size[1])
		term.wait("a screen of the new size", func(v *vt) bool {
			return strings.Contains(strings.Join(v.cells[0], ""), "#dev") &&
				strings.Contains(strings.Join(v.cells[size[1]-1], ""), "Esc")
		})
	}
	term.write("\x1b")
	term.shows("write to #dev", "bruno: ping")
	term.write("/leave\r")
	term.shows("you left #dev", "write to bruno")
	term.write("\x03")
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := roomTexts(t, bruno, dev); len(got) != 3 {
		t.Errorf("the room has %q", got)
	}
}

// The UI gives the terminal back when its context ends, too.
func TestTerminalContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	term := newTerminal(t, 80, 24)
	done := term.run(apitest.NewLAN().Join("anna"), ctx)
	term.shows("Nobody else is here yet")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
	term.wait("the screen of before", func(v *vt) bool { return !v.alt })
}

// A capture that is running when the person leaves is ended, and waited for.
func TestLeavingEndsCapture(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	started := make(chan struct{})
	term := newTerminal(t, 80, 24)
	done := make(chan error, 1) // 1: the result, taken or not
	go func() {                 // ends with the UI
		done <- Run(t.Context(), apitest.NewLAN().Join("anna"), Options{
			Input: term.tty, Output: term.tty, Environ: []string{"TERM=xterm-256color", "SSH_TTY=x"},
			Capture: func(ctx context.Context, _ string, _ bool, _ func(string)) (string, error) {
				close(started)
				<-ctx.Done()
				close(ended)
				return "", nil
			},
		})
	}()
	term.shows("type /help")
	term.write("/capture x.pcap\r")
	<-started
	term.write("\x03")
	if err := <-done; err != nil {
		t.Error(err)
	}
	select {
	case <-ended:
	default:
		t.Error("Run returned before the capture had ended")
	}
}

func TestFirstRun(t *testing.T) {
	t.Parallel()
	check := func(name string) error {
		if name == "" {
			return errors.New("a username must not be empty")
		}
		return nil
	}
	type account struct{ name, password string }
	for _, c := range []struct {
		name    string
		person  func(term *terminal)
		create  func(n int) error // what the nth attempt gives
		want    []account         // what create was asked for
		created bool
		err     string
	}{
		{
			name: "no password",
			person: func(term *terminal) {
				term.write("\r")
				term.shows("must not be empty")
				term.write("anna\r")
				term.shows("protects your key", "It does not\nprotect stored messages", "cannot be reset")
				term.write("\r")
			},
			want: []account{{"anna", ""}}, created: true,
		},
		{
			name: "a password, looked at",
			person: func(term *terminal) {
				term.write("anna\r")
				term.shows("Password")
				term.write("s3crét👍")
				term.shows("*******")
				term.write("\t")
				term.shows("s3crét")
				term.write("\t!\r")
				term.wait("a screen without it", func(v *vt) bool { return !strings.Contains(v.String(), "s3cr") })
				term.shows("Once more")
				term.write("s3crét👍!\r")
			},
			want: []account{{"anna", "s3crét👍!"}}, created: true,
		},
		{
			name: "a slip",
			person: func(term *terminal) {
				term.write("anna\rsecret\r")
				term.shows("Once more", "******", "lock you out")
				term.write("secert\r")
				term.shows("the two are not the same")
				term.write("secret\rsecret") // neither is what is left of the first two
				term.shows("Once more")
				term.write("\x1b[A") // up: the password is another
				term.wait("one question less", func(v *vt) bool { return !strings.Contains(v.String(), "Once more") })
				term.write("!\rsecret!\r")
			},
			want: []account{{"anna", "secret!"}}, created: true,
		},
		{
			name: "a name the account refuses",
			person: func(term *terminal) {
				term.write("12D3KooW\r")
				term.shows("Password")
				term.write("x\rx\r")
				term.shows("! is a peer ID")
				term.write("\x15anna\r\r") // the password was said twice
			},
			create: func(n int) error {
				if n == 0 {
					return api.Errorf(api.CodeBadText, "is a peer ID")
				}
				return nil
			},
			want: []account{{"12D3KooW", "x"}, {"anna", "x"}}, created: true,
		},
		{
			name: "no room on the disk",
			person: func(term *terminal) {
				term.write("anna\r\r")
			},
			create: func(int) error { return api.Errorf(api.CodeDiskFull, "the disk is full") },
			want:   []account{{"anna", ""}}, err: "the disk is full",
		},
		{
			name:   "given up",
			person: func(term *terminal) { term.write("an\x03") },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			term := newTerminal(t, 80, 24)
			var got []account
			type result struct {
				created bool
				err     error
			}
			done := make(chan result, 1) // 1: the result, taken or not
			go func() {                  // ends with the questions
				created, err := FirstRun(t.Context(), term.tty, term.tty, check, func(_ context.Context, name string, password []byte) error {
					got = append(got, account{name, string(password)})
					if c.create == nil {
						return nil
					}
					return c.create(len(got) - 1)
				})
				done <- result{created, err}
			}()
			term.shows("Some questions make your account", "Your name")
			c.person(term)
			r := <-done
			if r.created != c.created || (r.err == nil) != (c.err == "") || r.err != nil && r.err.Error() != c.err {
				t.Errorf("got %v, %v", r.created, r.err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("asked to create %q, want %q", got, c.want)
			}
		})
	}
}
