package demo

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

// printed is what `demo --json` prints.
type printed struct {
	Rows []struct {
		Transport, From, To, Input, Expected, Observed, Result string
	}
	File    *string
	Success bool
	Hints   []string
}

// demonstrate runs `demo --json` and checks its table: the lines of the
// dialogue and say, over both transports, all received.
func demonstrate(t *testing.T, h *lab.Host, code int, say string, args ...string) printed {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*lab.Patience())
	defer cancel()
	r := h.Run(ctx, append([]string{"demo", "--json", "--say", say}, args...)...)
	check(t, r, code, say)
	var p printed
	if err := r.Decode(&p); err != nil {
		t.Fatal(err)
	}
	return p
}

func check(t *testing.T, r lab.Result, code int, say string) {
	t.Helper()
	var p printed
	if err := r.Decode(&p); err != nil || r.Code != code || !p.Success {
		t.Fatalf("exit code %d, want %d, %v: %s", r.Code, code, err, r)
	}
	i := 0
	for _, transport := range []string{"tcp", "quic-v1"} {
		for _, l := range []struct{ from, to, text string }{
			{"client", "server", "Hi! server, need help"},
			{"server", "client", "Hi client! glad to help"},
			{"client", "server", say},
			{"server", "client", "Welcome to the room"},
			{"client", "server", "Good to be here"},
		} {
			if i >= len(p.Rows) {
				t.Fatalf("%d rows: %s", len(p.Rows), r.Stdout)
			}
			got := p.Rows[i]
			i++
			if got.Transport != transport || got.From != l.from || got.To != l.to || got.Input != l.text ||
				got.Expected != l.text || got.Observed != l.text || got.Result != "Success" {
				t.Errorf("row %d: %+.200v", i, got)
			}
		}
	}
	if len(p.Rows) != i {
		t.Errorf("%d rows, want %d", len(p.Rows), i)
	}
}

// clean checks that nothing is left in the host's temporary directory.
func clean(t *testing.T, h *lab.Host) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(h.Home, "tmp"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("left behind: %s", e.Name())
	}
}

// drop makes the host lose packets on loopback, and only there.
func drop(t *testing.T, h *lab.Host, rules ...string) {
	t.Helper()
	lab.Require(t, "nft")
	var script strings.Builder
	script.WriteString("table inet demo {\n chain in {\n  type filter hook input priority 0\n")
	for _, r := range rules {
		script.WriteString("  iif lo " + r + " drop\n")
	}
	script.WriteString(" }\n}\n")
	cmd := h.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script.String())
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	if r := h.RunCommand(ctx, cmd); r.Code != 0 {
		t.Fatal(r)
	}
}

// tool runs a program on a capture, which must accept it.
func tool(t *testing.T, h *lab.Host, name string, args ...string) string {
	t.Helper()
	lab.Require(t, name)
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	r := h.RunCommand(ctx, h.Command(name, args...))
	if r.Code != 0 {
		t.Errorf("not accepted: %s", r)
	}
	return r.Stdout
}

// accepted has the strict readers read the file.
func accepted(t *testing.T, h *lab.Host, file string) {
	t.Helper()
	tool(t, h, "capinfos", file)
	tool(t, h, "tcpdump", "-nn", "-r", file)
}

// text is a long random text of n bytes, so that no compression and no other
// line makes up for one that is missing in a capture.
func text(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyz 0123456789-"[rand.IntN(38)]
	}
	b[0] = '-'
	return string(b)
}

// Two demonstrations at a time on a noisy machine, next to a node of its own
// and one on the LAN, which notice nothing. Each capture holds all of its own
// demonstration, once, and nothing else.
func TestAmongOthers(t *testing.T) {
	t.Parallel()
	lab.Require(t, "capinfos", "tcpdump")
	l := lab.New(t, 2)
	h, far := l.Hosts[0], l.Hosts[1]
	for i, other := range l.Hosts {
		other.Init([]string{"here", "far"}[i])
		other.Serve()
	}
	noisy := h.StartService(h.Program("noise"))
	ctx, cancel := context.WithTimeout(context.Background(), 2*lab.Patience())
	defer cancel()
	if _, err := noisy.Stdout.Await(ctx, func(line string) bool { return line == "ready" }); err != nil {
		t.Fatal(err)
	}
	l.Within(15*time.Second, time.Now(), "the other nodes meet", func(ctx context.Context) error {
		return onlyPeer(ctx, h, "far")
	})

	dir := l.Dir("captures")
	say := text(16 << 10)
	var procs []*lab.Proc
	files := []string{filepath.Join(dir, "1.pcapng"), filepath.Join(dir, "2.pcap")}
	for _, file := range files {
		procs = append(procs, h.Start(h.Command(lab.Binary(t), "demo", "--json", "--say", say, "-w", file)))
	}
	var announced []string
	for i, file := range files {
		check(t, procs[i].Wait(ctx), 0, say)
		accepted(t, h, file)
		announced = append(announced, whole(t, file, len(say))...)
	}
	clean(t, h)
	seen := map[string]bool{}
	for _, id := range announced {
		if seen[id] || id == stranger {
			t.Errorf("%s is in another's capture", id)
		}
		seen[id] = true
	}

	for _, other := range l.Hosts {
		name := "far"
		if other == far {
			name = "here"
		}
		if err := onlyPeer(ctx, other, name); err != nil {
			t.Error(err)
		}
		for _, line := range strings.Split(other.Run(ctx, "doctor", "--json").Stdout, "\n") {
			for id := range seen {
				if strings.Contains(line, id) {
					t.Errorf("%s heard of the demonstration: %s", other.Name, line)
				}
			}
		}
	}
}

// onlyPeer is nil if the host's node knows exactly one peer, of that name.
func onlyPeer(ctx context.Context, h *lab.Host, name string) error {
	r := h.Run(ctx, "peers", "--json")
	lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
	var row struct{ Name, State string }
	if err := json.Unmarshal([]byte(lines[0]), &row); err != nil || len(lines) != 1 || row.Name != name || row.State != "online" {
		return &unexpected{r}
	}
	return nil
}

type unexpected struct{ r lab.Result }

func (u *unexpected) Error() string { return "unexpected: " + u.r.String() }

// A machine without any network, and texts that are easily mistaken.
func TestAlone(t *testing.T) {
	t.Parallel()
	lab.Require(t, "capinfos", "tcpdump")
	for _, say := range []string{"-w", "/me waves", "\x1b[2J\n", "…終わり"} {
		t.Run(say, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, 1, lab.NoAddress(), lab.LinkDownAtStart())
			h := l.Hosts[0]
			p := demonstrate(t, h, 0, say)
			if p.File == nil || *p.File != "demo.pcapng" || len(p.Hints) == 0 {
				t.Errorf("file %v, hints %q", p.File, p.Hints)
			}
			file := filepath.Join(h.Home, "demo.pcapng")
			accepted(t, h, file)
			if got := whole(t, file, 0); len(got) != 4 {
				t.Errorf("announced: %v", got)
			}
			clean(t, h)
		})
	}
}

// The folder of the project's captures is used if it is there.
func TestDefaultFile(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 1)
	h := l.Hosts[0]
	if err := os.Mkdir(filepath.Join(h.Home, "captures"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := demonstrate(t, h, 0, "x")
	if p.File == nil || *p.File != filepath.Join("captures", "demo.pcapng") {
		t.Errorf("file %v", p.File)
	}
	if _, err := os.Stat(filepath.Join(h.Home, "captures", "demo.pcapng")); err != nil {
		t.Error(err)
	}
}

// Without the right to capture everything else is done.
func TestWithoutPermission(t *testing.T) {
	t.Parallel()
	lab.Require(t, "setpriv")
	l := lab.New(t, 1)
	h := l.Hosts[0]
	ctx, cancel := context.WithTimeout(context.Background(), 2*lab.Patience())
	defer cancel()
	r := h.RunCommand(ctx, h.Command("setpriv", "--bounding-set=-net_raw", lab.Binary(t), "demo", "--json", "--say", "one more"))
	check(t, r, 7, "one more")
	var p printed
	if err := r.Decode(&p); err != nil || p.File != nil || len(p.Hints) > 0 {
		t.Errorf("%v: %s", err, r)
	}
	if !strings.Contains(r.Stderr, `"code":"no-permission"`) || !strings.Contains(r.Stderr, "setcap cap_net_raw+ep") {
		t.Errorf("does not say what to do: %s", r.Stderr)
	}
	if _, err := os.Stat(filepath.Join(h.Home, "demo.pcapng")); err == nil {
		t.Error("there is a file all the same")
	}
	clean(t, h)
}

// Where multicast does not work they are told each other's address.
func TestWithoutMulticast(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 1)
	h := l.Hosts[0]
	drop(t, h, "ip daddr 224.0.0.0/4", "ip6 daddr ff00::/8")
	ctx, cancel := context.WithTimeout(context.Background(), 2*lab.Patience())
	defer cancel()
	r := h.Run(ctx, "demo", "--json", "--say", "x")
	check(t, r, 0, "x")
	if strings.Count(r.Stderr, "mDNS brought nothing") != 2 || strings.Count(r.Stderr, "found each other by address") != 2 {
		t.Errorf("does not say so: %s", r.Stderr)
	}
}

// Killed in the middle, with the first conversation done and the second unable
// to begin, the file is readable.
func TestKilled(t *testing.T) {
	t.Parallel()
	lab.Require(t, "capinfos", "tcpdump")
	for _, format := range []string{"pcapng", "pcap"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, 1)
			h := l.Hosts[0]
			drop(t, h, "udp dport 28000-29399")
			file := filepath.Join(l.Dir("captures"), "killed."+format)
			p := h.StartService(h.Command(lab.Binary(t), "demo", "-w", file))
			l.Within(10*time.Second, time.Now(), "the capture grows", func(context.Context) error {
				info, err := os.Stat(file)
				if err == nil && info.Size() < 8000 {
					err = os.ErrNotExist
				}
				return err
			})
			p.Kill9()
			accepted(t, h, file)
			if got := len(packets(t, file)); got < 20 {
				t.Errorf("%d packets", got)
			}
		})
	}
}

// Interrupted it leaves nothing but a capture.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	lab.Require(t, "capinfos", "tcpdump")
	l := lab.New(t, 1)
	h := l.Hosts[0]
	drop(t, h, "meta l4proto udp", "meta l4proto tcp")
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		p := h.Start(h.Command(lab.Binary(t), "demo", "--json"))
		ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
		defer cancel()
		if _, err := p.Stderr.Await(ctx, func(line string) bool { return strings.Contains(line, "capturing to") }); err != nil {
			t.Fatal(err)
		}
		r := p.Interrupt(ctx, sig)
		if r.Code != 1 || !strings.Contains(r.Stderr, "interrupted") {
			t.Error(r)
		}
		accepted(t, h, filepath.Join(h.Home, "demo.pcapng"))
		clean(t, h)
	}
}
