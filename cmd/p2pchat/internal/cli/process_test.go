package cli_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// program is a p2pchat process on a data directory of its own.
type program struct {
	*exec.Cmd
	t   *testing.T
	out io.ReadCloser // our end of its standard output
}

func newProgram(t *testing.T, data string, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.Command("p2pchat", args...), t: t}
	p.Env = append(os.Environ(), "P2PCHAT_DATA="+data, "TZ=UTC")
	return p
}

// account makes an account and returns its directory.
func account(t *testing.T, password string) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	args := []string{"init", "--name", "me", "--no-password"}
	if password != "" {
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		args = []string{"init", "--name", "me", "--account-password-file", file}
	}
	if out, err := newProgram(t, data, args...).CombinedOutput(); err != nil {
		t.Fatalf("init: %v: %s", err, out)
	}
	return data
}

// code waits for the process and checks its exit code.
func (p *program) code(want int) {
	p.t.Helper()
	err := p.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	if got := p.ProcessState.ExitCode(); got != want {
		p.t.Fatalf("exit code %d (%v), want %d", got, p.ProcessState, want)
	}
}

// start starts the process and returns its standard output line by line.
func (p *program) start() *bufio.Reader {
	p.t.Helper()
	var err error
	if p.out, err = p.StdoutPipe(); err != nil {
		p.t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = p.Process.Kill() })
	return bufio.NewReader(p.out)
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func readLine(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("read: %v (%q)", err, line)
	}
	return line
}

func TestServeStopsCleanly(t *testing.T) {
	t.Parallel()
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		data := account(t, "")
		p := newProgram(t, data, "serve")
		out := p.start()
		if line := readLine(t, out); !strings.HasPrefix(line, `{"event":"ready",`) {
			t.Fatalf("the ready line is %q", line)
		}
		p.signal(s)
		rest, err := io.ReadAll(out)
		if err != nil || len(rest) > 0 {
			t.Errorf("%v: after the ready line: %q, %v", s, rest, err)
		}
		p.code(0)
		// Clean means that the socket is gone, so that nobody waits for it.
		if sockets, _ := filepath.Glob(filepath.Join(data, "*.sock")); len(sockets) > 0 {
			t.Errorf("%v left %v", s, sockets)
		}
	}
}

// A node that was started for one command stays for those that attached to it.
func TestNodeWaitsForOthers(t *testing.T) {
	t.Parallel()
	data := account(t, "")
	in, lines := io.Pipe()
	first := newProgram(t, data, "send", "bob", "--lines")
	first.Stdin = in
	var notes syncBuffer
	first.Stderr = &notes
	out := first.start()
	if _, err := io.WriteString(lines, "one\n"); err != nil {
		t.Fatal(err)
	}
	if got := readLine(t, out); got != "delivered\n" {
		t.Fatalf("first line: %q", got)
	}
	tail := newProgram(t, data, "tail", "bob", "--last", "1")
	tailed := tail.start()
	readLine(t, tailed) // the day
	if got := readLine(t, tailed); !strings.Contains(got, "me: one") {
		t.Fatalf("tail: %q", got)
	}
	if err := lines.Close(); err != nil {
		t.Fatal(err)
	}
	notes.await(t, "other commands still use this node")
	if out, err := newProgram(t, data, "send", "bob", "two").CombinedOutput(); err != nil || string(out) != "delivered\n" {
		t.Fatalf("the node does not answer while it waits: %v: %s", err, out)
	}
	if got := readLine(t, tailed); !strings.Contains(got, "me: two") {
		t.Fatalf("tail: %q", got)
	}
	tail.signal(os.Interrupt)
	tail.code(0)
	first.code(0)
}

func TestInterruptedWhileReading(t *testing.T) {
	t.Parallel()
	data := account(t, "")
	for _, how := range []string{"--stdin", "--lines"} {
		in, lines := io.Pipe()
		p := newProgram(t, data, "send", "bob", how, "--json")
		p.Stdin = in
		var errs syncBuffer
		p.Stderr = &errs
		out := p.start()
		if how == "--lines" {
			if _, err := io.WriteString(lines, "one\n"); err != nil {
				t.Fatal(err)
			}
			readLine(t, out)
		} else if _, err := io.WriteString(lines, "half a message"); err != nil {
			t.Fatal(err)
		}
		// The signal may be too early for its handler, but not the second.
		p.signal(os.Interrupt)
		_, _ = io.ReadAll(out)
		_ = lines.Close()
		_ = p.Wait()
		if how == "--lines" && (p.ProcessState.ExitCode() != 1 || !strings.Contains(errs.String(), `"interrupted`)) {
			t.Errorf("%s: %v, %s", how, p.ProcessState, errs.String())
		}
		if p.ProcessState.Success() {
			t.Errorf("%s: half a message was sent", how)
		}
	}
}

// Whoever reads our output may leave; what we run stops cleanly then.
func TestOutputClosed(t *testing.T) {
	t.Parallel()
	data := account(t, "")
	p := newProgram(t, data, "send", "bob", "--lines", "--wait", "0")
	p.Stdin = strings.NewReader(strings.Repeat("line\n", 100000))
	var errs syncBuffer
	p.Stderr = &errs
	out := p.start()
	readLine(t, out)
	if err := p.out.Close(); err != nil {
		t.Fatal(err)
	}
	p.code(1)
	if errs.String() != "" {
		t.Errorf("told who knows it: %s", errs.String())
	}
	if sockets, _ := filepath.Glob(filepath.Join(data, "*.sock")); len(sockets) > 0 {
		t.Errorf("left %v", sockets)
	}
}

// onTerminal runs p on a terminal: it waits for each prompt and answers it,
// and returns all that was shown.
func (p *program) onTerminal(dialogue ...string) string {
	p.t.Helper()
	tty, err := pty.Start(p.Cmd)
	if err != nil {
		p.t.Skipf("SKIPPED: no pseudo-terminal here: %v", err)
	}
	p.t.Cleanup(func() { _ = tty.Close(); _ = p.Process.Kill() })
	var shown bytes.Buffer
	mark, buf := 0, make([]byte, 4096)
	read := func() error {
		n, err := tty.Read(buf)
		shown.Write(buf[:n])
		return err
	}
	for i := 0; i+1 < len(dialogue); i += 2 {
		for {
			if _, after, ok := strings.Cut(shown.String()[mark:], dialogue[i]); ok {
				mark = shown.Len() - len(after)
				break
			}
			if err := read(); err != nil {
				p.t.Fatalf("no prompt %q in %q: %v", dialogue[i], shown.String(), err)
			}
		}
		if _, err := io.WriteString(tty, dialogue[i+1]); err != nil {
			p.t.Fatal(err)
		}
	}
	for read() == nil { // a terminal whose program has ended gives EIO
	}
	return shown.String()
}

func TestInitAsks(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	p := newProgram(t, data, "init")
	shown := p.onTerminal("Username: ", "alice\n", "Password", "one\n", "Once more", "two\n",
		"not the same", "", "Password", "secret\n", "Once more", "secret\n")
	p.code(0)
	if strings.Contains(shown, "secret") {
		t.Errorf("the password was shown: %q", shown)
	}
	b, err := os.ReadFile(filepath.Join(data, "account.json"))
	if err != nil || string(b) != `{"name":"alice","password":"secret"}` {
		t.Errorf("account %s, %v", b, err)
	}

	none := filepath.Join(t.TempDir(), "data")
	p = newProgram(t, none, "init", "--name", "bob")
	p.onTerminal("Password", "\n")
	p.code(0)
	if b, err := os.ReadFile(filepath.Join(none, "account.json")); err != nil || string(b) != `{"name":"bob","password":""}` {
		t.Errorf("account %s, %v", b, err)
	}
}

func TestUnlockAsks(t *testing.T) {
	t.Parallel()
	data := account(t, "secret")
	p := newProgram(t, data, "send", "bob", "hello")
	shown := p.onTerminal("Password", "wrong\n", "the password is wrong", "", "Password", "secret\n")
	p.code(0)
	if !strings.Contains(shown, "delivered") || strings.Contains(shown, "secret") {
		t.Errorf("shown: %q", shown)
	}
	p = newProgram(t, data, "send", "bob", "hello")
	p.onTerminal("Password", "a\n", "Password", "b\n", "Password", "c\n")
	p.code(6)

	// An interrupt ends the question, with echo as it was.
	p = newProgram(t, data, "send", "bob", "hello")
	p.onTerminal("Password", "\x03")
	p.code(1)
}

func TestBare(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	p := newProgram(t, data)
	p.Env = append(p.Env, "FAKE_FIRST_RUN=quit")
	p.onTerminal()
	p.code(6)

	// The password chosen at the first run is not asked for again.
	p = newProgram(t, data)
	p.Env = append(p.Env, "FAKE_PORT_TAKEN=1")
	shown := p.onTerminal()
	p.code(0)
	if !strings.Contains(shown, `UI of me, started=true, version 1.2.3-test, notices ["port 47700 is taken`) ||
		!strings.Contains(shown, "1 message stays queued") {
		t.Errorf("shown: %q", shown)
	}
	p = newProgram(t, data)
	p.onTerminal("Password", "first-run\n")
	p.code(0)

	// It attaches to a node that runs, which goes on.
	data = account(t, "")
	node := newProgram(t, data, "serve")
	readLine(t, node.start())
	p = newProgram(t, data)
	if shown := p.onTerminal(); !strings.Contains(shown, "started=false") || strings.Contains(shown, "queued") {
		t.Errorf("shown: %q", shown)
	}
	p.code(0)
	if out, err := newProgram(t, data, "status").CombinedOutput(); err != nil || !strings.Contains(string(out), "running  ") || !strings.Contains(string(out), "yes") {
		t.Errorf("the node is gone: %v: %s", err, out)
	}
	node.signal(os.Interrupt)
	node.code(0)
}

// Live counters are written over on a terminal, and gone at the end.
func TestCaptureCounters(t *testing.T) {
	t.Parallel()
	p := newProgram(t, account(t, ""), "capture", "-w", filepath.Join(t.TempDir(), "x.pcap"), "--duration", "1s")
	shown := p.onTerminal()
	p.code(0)
	const erase = "\r\x1b[K"
	if !strings.Contains(shown, erase+"12 packets, 3.5 kB, 1 dropped, 2 conversations, 2s"+erase) || !strings.Contains(shown, "x.pcap: 12 packets") {
		t.Errorf("shown: %q", shown)
	}
}

// syncBuffer is written to by a process and read meanwhile.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// await waits until the buffer holds s.
func (b *syncBuffer) await(t *testing.T, s string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if strings.Contains(b.String(), s) {
			return
		}
	}
	t.Fatalf("never said %q: %s", s, b.String())
}
