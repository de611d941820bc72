package labtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

// No network at all: the node runs, keeps what is said, and delivers it when
// there is one.
func TestNoNetworkAtAll(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	alice, bob := pair(t, l)
	alice.node.Stop()
	alice.NIC.Remove()
	alice.restart()
	if got := object[status](alice, "status"); len(got.Connections) != 0 {
		t.Errorf("connections without a network: %+v", got.Connections)
	}
	if row := alice.peers()[0]; row.Name != "bob" || row.State != "offline" {
		t.Errorf("alice lists %+v", row)
	}
	alice.fails(exitNotDelivered, "not-delivered", "send", "@bob", "anyone?", "--wait", "200ms")
	alice.run(exitDone, "doctor", "--json")
	alice.Plug(l.Switches[0])
	plugged := time.Now()
	l.Within(10*time.Second, plugged, "a network appears", bob.has(alice, []string{"anyone?"}))
	alice.node.Stop()
}

// A first start without any network works too.
func TestFirstStartWithoutNetwork(t *testing.T) {
	t.Parallel()
	h := lab.New(t, 1).Hosts[0]
	h.NIC.Remove()
	alice := newPerson(t, h, "alice").serve()
	if got := alice.peers(); len(got) != 0 {
		t.Errorf("peers: %+v", got)
	}
	alice.node.Stop()
}

// Somebody else has the port: the node takes another one, says so, and is
// found as ever.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
	defer cancel()
	other := l.Hosts[1].StartService(l.Hosts[1].Program("occupy"))
	if _, err := other.Stdout.Await(ctx, func(line string) bool { return line == "ready" }); err != nil {
		t.Fatalf("occupy: %v\n%s", err, other.Stderr)
	}
	alice, bob := pair(t, l)
	for _, addr := range bob.node.Addrs {
		if strings.Contains(addr, fmt.Sprintf("/%d/", defaultPort)) {
			t.Errorf("bob announces the port he could not have: %s", addr)
		}
	}
	if said := bob.node.Proc.Stderr.String(); !strings.Contains(said, fmt.Sprint(defaultPort)) {
		t.Errorf("standard error does not speak of port %d: %q", defaultPort, said)
	}
	alice.tell(bob, "found you")
	bob.tell(alice, "of course")
}

// One account, one process.
func TestSecondProcess(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	alice, bob := pair(t, l)
	alice.fails(exitAccount, "in-use", "serve")
	alice.fails(exitFailed, "account-exists", "init", "--name", "mallory", "--no-password")
	alice.tell(bob, "still me")
	if got := object[lab.Account](alice, "whoami"); got != alice.who {
		t.Errorf("whoami says %+v, init said %+v", got, alice.who)
	}
}

// Several commands at a time without a node: each starts one or shares that of
// another, and all get through.
func TestCommandsWithoutNode(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	alice := newPerson(t, l.Hosts[0], "alice")
	bob := newPerson(t, l.Hosts[1], "bob").serve()

	const commands = 6
	ctx, cancel := context.WithTimeout(context.Background(), 2*lab.Patience())
	defer cancel()
	var procs []*lab.Proc
	var want []string
	for i := range commands {
		text := fmt.Sprintf("command %d", i+1)
		want = append(want, text)
		procs = append(procs, alice.Start(alice.Command(lab.Binary(t), "send", "@bob", text, "--wait", lab.Patience().String(), "--json")))
	}
	for _, p := range procs {
		r := p.Wait(ctx)
		var got receipt
		if r.Code != exitDone || r.Decode(&got) != nil || got.State != "delivered" {
			t.Errorf("%s", r)
		}
	}
	if got := object[status](alice, "status"); got.Running == nil || *got.Running {
		t.Errorf("a node still runs: %+v", got)
	}
	got := texts(bob.log(alice))
	agree(t, alice, bob, got)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("bob has %q", got)
	}
	alice.fails(exitFailed, "no-node", "tail", "@bob")
	alice.fails(exitNotFound, "not-found", "send", "@nobody", "hello", "--wait", "100ms")
}

// The disk fills up while alice talks: she is told, nothing that was
// acknowledged is lost, and it goes on when there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	const small, large = 3 << 20, 64 << 20
	resize := l.Hosts[0].Tmpfs(l.Hosts[0].Data, small)
	alice, bob := pair(t, l)
	alice.tell(bob, "plenty of room")
	want := []string{"plenty of room"}

	full := ""
	for i := 0; full == ""; i++ {
		text := fmt.Sprintf("%d %s", i, strings.Repeat("x", 15<<10))
		ctx, cancel := context.WithTimeout(context.Background(), lab.Patience())
		r := alice.Host.Run(ctx, "send", "@bob", text, "--wait", "0", "--json")
		cancel()
		switch {
		case r.Code == exitDone:
			want = append(want, text)
		case r.Code == exitFailed && strings.Contains(r.Stderr, `"disk-full"`):
			full = text
		default:
			t.Fatal(r)
		}
		if i > small/(15<<10) {
			t.Fatal("the disk does not fill up")
		}
	}
	t.Logf("full after %d messages", len(want))
	if got := alice.peers(); len(got) != 1 {
		t.Errorf("peers with a full disk: %+v", got)
	}
	l.Within(10*time.Second, time.Now(), "what was acknowledged arrives", bob.has(alice, want))

	// Bob goes on talking; alice cannot keep it yet.
	bob.leave(alice, "can you hear me?")
	resize(large)
	roomy := time.Now()
	alice.tell(bob, "room again")
	l.Within(10*time.Second, roomy, "what could not be kept arrives", alice.heard(bob, []string{"can you hear me?"}))
	sameLogs(t, alice, bob, append(want, "room again"), []string{"can you hear me?"})
	alice.node.Stop()
	alice.restart()
	sameLogs(t, alice, bob, append(want, "room again"), []string{"can you hear me?"})
}

// The receiver's disk is full: the sender is not told "delivered".
func TestReceiversDiskFull(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 2)
	const small, large = 3 << 20, 64 << 20
	resize := l.Hosts[1].Tmpfs(l.Hosts[1].Data, small)
	alice, bob := pair(t, l)
	var want []string
	for i := range small / (15 << 10) {
		text := fmt.Sprintf("%d %s", i, strings.Repeat("x", 15<<10))
		want = append(want, text)
		alice.leave(bob, text)
	}
	alice.fails(exitNotDelivered, "not-delivered", "send", "@bob", "does it fit?", "--wait", "1s")
	want = append(want, "does it fit?")
	resize(large)
	l.Within(10*time.Second, time.Now(), "the rest arrives when there is room", bob.has(alice, want))
	agree(t, alice, bob, want)
}

// A copy of bob's data directory is started on another machine: both say so,
// and neither sends until one of them quits.
func TestTwin(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 3)
	alice := newPerson(t, l.Hosts[0], "alice").serve()
	bob := newPerson(t, l.Hosts[1], "bob").serve()
	l.Within(3*time.Second, time.Now(), "both online", everyoneSees([]*person{alice, bob}))
	bob.tell(alice, "the one and only")
	bob.node.Stop()

	twin := &person{Host: l.Hosts[2], who: bob.who, t: t}
	if err := os.CopyFS(twin.Data, os.DirFS(bob.Data)); err != nil {
		t.Fatal(err)
	}
	private(t, twin.Data)
	bob.restart()
	l.Within(3*time.Second, time.Now(), "bob is back", everyoneSees([]*person{alice, bob}))
	twin.serve()
	started := time.Now()
	for _, p := range []*person{bob, twin} {
		l.Within(15*time.Second, started, "the twin is noticed", func(ctx context.Context) error {
			c, err := p.attach(ctx)
			if err != nil {
				return err
			}
			s, err := c.Status(ctx)
			if err == nil && len(s.Notices) == 0 {
				return fmt.Errorf("%s: no notice", p.Host.Name)
			}
			return err
		})
		if human := p.run(exitDone, "status").Stdout; !strings.Contains(human, object[status](p, "status").Notices[0]) {
			t.Errorf("human status does not show the notice: %s", human)
		}
	}
	bob.fails(exitAccount, "in-use", "send", "@alice", "which one am I?", "--wait", "1s")
	twin.fails(exitAccount, "in-use", "send", "@alice", "which one am I?", "--wait", "1s")

	twin.node.Stop()
	l.Within(15*time.Second, time.Now(), "the notice is taken back", func(ctx context.Context) error {
		c, err := bob.attach(ctx)
		if err != nil {
			return err
		}
		s, err := c.Status(ctx)
		if err == nil && len(s.Notices) != 0 {
			return fmt.Errorf("notices %q", s.Notices)
		}
		return err
	})
	bob.tell(alice, "alone again")
	agree(t, alice, bob, []string{"the one and only", "alone again"})
}

// private gives a copied data directory the modes of the original.
func private(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := os.FileMode(0o600)
		if d.IsDir() {
			mode = 0o700
		}
		return os.Chmod(path, mode)
	})
	if err != nil {
		t.Fatal(err)
	}
}
