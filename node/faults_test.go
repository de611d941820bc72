package node

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
)

// TestRestoredSnapshot: an account put back from an older copy of its data
// starts a new log once it sees that the old one went on, and neither side
// loses or doubles a line.
func TestRestoredSnapshot(t *testing.T) {
	t.Parallel()
	aliceDir, bobDir := newAccount(t, "alice"), newAccount(t, "bob")
	alice := start(t, aliceDir)
	bob := start(t, bobDir, alice)
	say := func(n testNode, target, text string) api.Receipt {
		t.Helper()
		r, err := n.Send(t.Context(), api.SendRequest{Target: target, Text: text, Wait: api.DefaultWait})
		if err != nil || r.State != api.Delivered {
			t.Fatalf("%q: %+v, %v", text, r, err)
		}
		return r
	}
	say(bob, "alice", "one")
	bob.halt()
	copyDir := t.TempDir()
	if err := os.CopyFS(filepath.Join(copyDir, "d"), os.DirFS(bobDir)); err != nil {
		t.Fatal(err)
	}
	bob = start(t, bobDir, alice)
	say(bob, "alice", "two")
	say(bob, "alice", "three")
	bob.halt()

	bob = start(t, filepath.Join(copyDir, "d"), alice)
	until(t, bob, func(c api.Change) bool { return c.Type == api.ChangeMessage && c.Message.Text == "three" })
	say(bob, "alice", "four")
	want := []string{"one", "two", "three", "four"}
	for who, log := range map[string][]api.Message{"alice": logOf(t, alice, "bob"), "bob": logOf(t, bob, "alice")} {
		var got []string
		for _, m := range log {
			got = append(got, m.Text)
			if m.Forked {
				t.Errorf("%s: %q is forked", who, m.Text)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%s has %q, want %q", who, got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%s has %q, want %q", who, got, want)
			}
		}
		if log[3].Log == log[2].Log || log[3].Seq != 1 {
			t.Errorf("%s: the line after the restore is %d of log %s", who, log[3].Seq, log[3].Log)
		}
	}
	// What alice brought back she has.
	for _, m := range logOf(t, bob, "alice") {
		if m.State != api.Delivered {
			t.Errorf("%q is %s", m.Text, m.State)
		}
	}
	wait(t, "nothing counts as queued", func() bool {
		s, err := bob.Status(t.Context())
		return err == nil && s.Queued != nil && *s.Queued == 0
	})
}

// TestSnapshotThatWentOn: an account put back from an older copy talks before
// it learns what it had said already, so that its log has two branches. Both
// sides end with both branches, everything is delivered, and what is said then
// stands in a new log.
func TestSnapshotThatWentOn(t *testing.T) {
	t.Parallel()
	const lost = 3
	for name, fresh := range map[string]int{"less than was lost": 2, "as much": lost, "more": 5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			aliceDir, bobDir := newAccount(t, "alice"), newAccount(t, "bob")
			bob := start(t, bobDir)
			alice := start(t, aliceDir, bob)
			send := func(text string, wait time.Duration) {
				t.Helper()
				if _, err := alice.Send(t.Context(), api.SendRequest{Target: "bob", Text: text, Wait: wait}); err != nil {
					t.Fatal(err)
				}
			}
			send("kept", api.DefaultWait)
			alice.halt()
			copyDir := filepath.Join(t.TempDir(), "d")
			if err := os.CopyFS(copyDir, os.DirFS(aliceDir)); err != nil {
				t.Fatal(err)
			}
			alice = start(t, aliceDir, bob)
			for i := range lost {
				send(fmt.Sprint("lost ", i), api.DefaultWait)
			}
			alice.halt()
			bob.halt()

			alice = start(t, copyDir)
			for i := range fresh {
				send(fmt.Sprint("fresh ", i), 0)
			}
			bob = start(t, bobDir, alice)
			want := 1 + lost + fresh
			until(t, bob, func(api.Change) bool { return len(logOf(t, bob, "alice")) == want })
			until(t, alice, func(api.Change) bool {
				log := logOf(t, alice, "bob")
				return len(log) == want && !slices.ContainsFunc(log, func(m api.Message) bool { return m.State != api.Delivered })
			})
			send("after", api.DefaultWait)
			mine, theirs := logOf(t, alice, "bob"), logOf(t, bob, "alice")
			if len(mine) != want+1 || len(theirs) != want+1 {
				t.Fatalf("%d and %d messages, want %d", len(mine), len(theirs), want+1)
			}
			for i := range mine {
				if mine[i].ID != theirs[i].ID || mine[i].Forked != theirs[i].Forked {
					t.Errorf("line %d differs: %+v, %+v", i, mine[i], theirs[i])
				}
			}
			if last := mine[want]; last.Text != "after" || last.Seq != 1 || last.State != api.Delivered {
				t.Errorf("what is said then: %+v", last)
			}
		})
	}
}

// TestTwin: only who proves the key counts as another node of this account,
// and only until he is gone.
func TestTwin(t *testing.T) {
	t.Parallel()
	dir := newAccount(t, "alice")
	copyDir := filepath.Join(t.TempDir(), "d")
	if err := os.CopyFS(copyDir, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	alice, stranger := start(t, dir), start(t, newAccount(t, "eve"))
	settle := func() { // until what was begun has ended
		alice.twins.wg.Wait()
	}
	alice.twins.heard(stranger.host.Addrs()) // as forged multicast would have it
	settle()
	alice.twins.heard(alice.host.Addrs())
	settle()
	if err := alice.mayWrite(); err != nil {
		t.Fatalf("a hint alone: %v", err)
	}
	twin := start(t, copyDir)
	alice.twins.heard(twin.host.Addrs())
	settle()
	if err := alice.mayWrite(); !api.IsCode(err, api.CodeInUse) {
		t.Fatalf("a real twin: %v", err)
	}
	findings, err := alice.Diagnose(t.Context())
	if err != nil || !slices.ContainsFunc(findings, func(f api.Finding) bool {
		return f.Check == "notice" && f.Level == api.LevelFail && strings.Contains(f.Seen, "another node with this account's key")
	}) {
		t.Errorf("doctor knows nothing of the twin: %+v, %v", findings, err)
	}
	alice.twins.parted() // a goodbye anybody can forge
	settle()
	if err := alice.mayWrite(); !api.IsCode(err, api.CodeInUse) {
		t.Fatalf("a forged goodbye: %v", err)
	}
	twin.halt()
	alice.twins.parted()
	settle()
	if err := alice.mayWrite(); err != nil {
		t.Fatalf("after the twin is gone: %v", err)
	}
}

func logOf(t *testing.T, n testNode, target string) []api.Message {
	t.Helper()
	log, err := n.Log(t.Context(), api.LogQuery{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// TestAccounts: each way to get an account or a data directory wrong has its
// code and changes nothing.
func TestAccounts(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	code := func(what string, err error, want api.Code) {
		t.Helper()
		if !api.IsCode(err, want) {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	dir := filepath.Join(t.TempDir(), "new", "dir")
	_, _, err := Unlock(dir, nil)
	code("no account", err, api.CodeNoAccount)
	_, err = OpenReader(ctx, dir, "test")
	code("no account to read", err, api.CodeNoAccount)
	for _, name := range []string{"", "a b", "a\x1bb", "#x"} {
		_, err = CreateAccount(ctx, dir, name, nil)
		code("name "+name, err, api.CodeBadText)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused name made the directory: %v", err)
	}
	id, err := CreateAccount(ctx, dir, "alice", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = CreateAccount(ctx, dir, "bob", nil)
	code("a second account", err, api.CodeAccountExists)
	for _, pw := range [][]byte{nil, []byte("Secret")} {
		_, _, err = Unlock(dir, pw)
		code("wrong password", err, api.CodeWrongPassword)
	}
	lock, key, err := Unlock(dir, []byte("secret"))
	if err != nil || key.ID().String() != id.PeerID {
		t.Fatalf("unlock: %v", err)
	}
	_, _, err = Unlock(dir, []byte("secret"))
	code("a second process", err, api.CodeInUse)
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}

	// Somebody else's key: the database says whose it is.
	other := newAccount(t, "carol")
	keyFile, err := os.ReadFile(filepath.Join(other, "account.key"))
	if err != nil {
		t.Fatal(err)
	}
	mixed := newAccount(t, "dave")
	if err := os.WriteFile(filepath.Join(mixed, "account.key"), keyFile, 0o600); err != nil {
		t.Fatal(err)
	}
	lock, key, err = Unlock(mixed, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Release() }()
	_, err = Start(ctx, Config{Dir: mixed, Key: key, NoMDNS: true, Logger: testLog()})
	code("a key of another account", err, api.CodeDamaged)
}

// TestDamagedWhileRunning: what is damaged is not shown, the person is told, and
// what is not damaged goes on.
func TestDamagedWhileRunning(t *testing.T) {
	t.Parallel()
	aliceDir, bobDir, carolDir := newAccount(t, "alice"), newAccount(t, "bob"), newAccount(t, "carol")
	bob, carol := start(t, bobDir), start(t, carolDir)
	alice := start(t, aliceDir, bob, carol)
	say := func(target, text string) {
		t.Helper()
		if r, err := alice.Send(t.Context(), api.SendRequest{Target: target, Text: text, Wait: api.DefaultWait}); err != nil || r.State != api.Delivered {
			t.Fatalf("%q: %+v, %v", text, r, err)
		}
	}
	say("bob", "a line as it was said")
	say("carol", "another")
	alice.halt()
	path := filepath.Join(aliceDir, "p2pchat.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[bytes.Index(b, []byte("a line as it was said"))] = 'A'
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	alice = start(t, aliceDir, bob, carol)
	if log, err := alice.Log(t.Context(), api.LogQuery{Target: "bob"}); !api.IsCode(err, api.CodeDamaged) {
		t.Errorf("damaged, and the log is %+v, %v", log, err)
	}
	if s, err := alice.Status(t.Context()); err != nil || len(s.Notices) != 1 || !strings.Contains(s.Notices[0], "doctor --repair") {
		t.Errorf("notices %q, %v", s.Notices, err)
	}
	say("carol", "it goes on")
	if log := logOf(t, alice, "carol"); len(log) != 2 {
		t.Errorf("the log that is not damaged: %+v", log)
	}
}

// TestStatusOfDamaged: a status tells all but what stands in the damaged part.
func TestStatusOfDamaged(t *testing.T) {
	t.Parallel()
	dir := newAccount(t, "alice")
	bob := start(t, newAccount(t, "bob"))
	alice := start(t, dir, bob)
	says(t, alice, "bob", "before")
	alice.halt() // which leaves all in one file
	alice = start(t, dir, bob)
	f, err := os.OpenFile(filepath.Join(dir, "p2pchat.db"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	const first = 4096 // which says whose the file is
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, int(info.Size())-first), first); err != nil {
		t.Fatal(err)
	}
	s, err := alice.Status(t.Context())
	if err != nil || s.Queued != nil || s.Name != "alice" || len(s.Addrs) == 0 || s.Storage == 0 || !strings.Contains(strings.Join(s.Notices, "\n"), "doctor --repair") {
		t.Errorf("status %+v, %v", s, err)
	}
}

// TestDirectoryTakenAway: a node whose data directory is moved acknowledges nothing
// and says why; when it is back, what came meanwhile comes again.
func TestDirectoryTakenAway(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not let go of a directory in which files are open")
	}
	dir := newAccount(t, "bob")
	alice := start(t, newAccount(t, "alice"))
	bob := start(t, dir, alice)
	says(t, alice, "bob", "before")
	moves := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	notices := func() int {
		t.Helper()
		s, err := bob.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(s.Notices)
	}
	moves(dir, dir+".away")
	if n := notices(); n != 1 {
		t.Errorf("%d notices before anything is to be written", n)
	}
	moves(dir+".away", dir)
	if n := notices(); n != 0 {
		t.Errorf("%d notices when it is back", n)
	}
	moves(dir, dir+".away")
	if _, err := bob.Send(t.Context(), api.SendRequest{Target: "alice", Text: "into nothing"}); err == nil || !strings.Contains(err.Error(), "put it back") {
		t.Errorf("sent: %v", err)
	}
	r, err := alice.Send(t.Context(), api.SendRequest{Target: "bob", Text: "meanwhile", Wait: 100 * time.Millisecond})
	if err != nil || r.State == api.Delivered {
		t.Errorf("meanwhile: %+v, %v", r, err)
	}
	if got := bob.notices.list(); len(got) != 1 || !strings.Contains(got[0], "moved") {
		t.Errorf("notices %q", got)
	}
	moves(dir+".away", dir)
	until(t, alice, func(api.Change) bool {
		log := logOf(t, alice, "bob")
		return log[len(log)-1].State == api.Delivered
	})
	if got := textsOf(t, bob, "alice"); !slices.Equal(got, []string{"before", "meanwhile"}) {
		t.Errorf("bob has %q", got)
	}
	if n := notices(); n != 0 {
		t.Errorf("%d notices when it is back for good", n)
	}
}
