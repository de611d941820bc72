package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pchat/node/nodetest/lab"
)

// fill has some other file take what is left of a small file system, but for
// so many bytes, and returns how to give it back.
func fill(t *testing.T, dir string, spare int64) (giveBack func()) {
	t.Helper()
	path := filepath.Join(dir, "holiday.avi")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		var left syscall.Statfs_t
		if err := syscall.Statfs(dir, &left); err != nil {
			t.Fatal(err)
		}
		if free := int64(left.Bavail) * left.Bsize; free <= spare {
			break
		} else if free-spare < int64(len(block)) {
			block = block[:free-spare]
		}
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// saysDiskFull waits for a person's node to say why nothing can be kept.
func (p *person) saysDiskFull(ctx context.Context) error {
	c, err := p.attach(ctx)
	if err != nil {
		return err
	}
	s, err := c.Status(ctx)
	if err == nil && !strings.Contains(strings.Join(s.Notices, "\n"), "disk is full") {
		err = fmt.Errorf("notices %q", s.Notices)
	}
	return err
}

// Bob's data directory is on a disk of 64 MiB that some other file fills while
// three talk in a room: he is told, the others go on, the room's password and
// its key change; when there is space again all that he missed comes, without a
// restart. Then what is said fills the disk, and his node crashes and starts on
// a full disk, too.
func TestRoomDiskFull(t *testing.T) {
	t.Parallel()
	l := lab.New(t, 4)
	const disk = 64 << 20
	dir := l.Hosts[1].Data
	l.Hosts[1].Tmpfs(dir, disk)
	all := people(t, l)
	l.Within(5*time.Second, time.Now(), "four online", everyoneSees(all))
	alice, bob, carol, dave := all[0], all[1], all[2], all[3]
	g := gather(t, l, all[:3])
	other := object[entry](dave, "room", "create", "elsewhere").RoomID
	alice.run(exitDone, "room", "config", g.id, "logging=true")
	want := words{}
	say := func(p *person, texts ...string) {
		t.Helper()
		p.speaks(g.id, texts, 0, "--wait", "0").end()
		want[p] = append(want[p], texts...)
	}
	long := func(p *person, what string, n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf("%s %s %d %s", p.who.Name, what, i, strings.Repeat("x", 15<<10)))
		}
		return out
	}
	for _, p := range g.all {
		say(p, lineOf(p, 0))
	}
	g.agree(10*time.Second, time.Now(), "with space", want)

	giveBack := fill(t, dir, 0)
	// Some still fits into what the files have.
	say(alice, long(alice, "while it is full", 300)...)
	say(carol, long(carol, "while it is full", 300)...)
	l.Within(10*time.Second, time.Now(), "bob is told", bob.saysDiskFull)
	bob.fails(exitFailed, "disk-full", "send", g.id, "does it fit? "+strings.Repeat("x", 15<<10), "--wait", "0")
	bob.fails(exitFailed, "disk-full", "send", "@alice", "does it fit? "+strings.Repeat("x", 15<<10), "--wait", "0")
	bob.fails(exitFailed, "disk-full", "room", "join", other, "--wait", "5s")
	bob.fails(exitFailed, "disk-full", "room", "create", "no space for it")
	for _, read := range [][]string{{"log", g.id}, {"peers"}, {"rooms"}, {"room", "members", g.id}, {"status"}, {"doctor"}} {
		bob.run(exitDone, read...)
	}
	alice.run(exitDone, "room", "config", g.id, "--password-file", alice.secret("swordfish"))
	alice.run(exitDone, "room", "subject", g.id, "no space")
	alice.leave(bob, "are you there?")
	say(carol, "after the change of keys")
	l.Within(10*time.Second, time.Now(), "the others have it all", func(ctx context.Context) error {
		return errors.Join(alice.holds(g.id, want)(ctx), carol.holds(g.id, want)(ctx))
	})
	if err := bob.holds(g.id, want)(t.Context()); err == nil {
		t.Error("the disk was not full")
	}
	giveBack()
	roomy := time.Now()
	l.Within(10*time.Second, roomy, "what bob missed has come", bob.holds(g.id, want))
	l.Within(10*time.Second, roomy, "to him alone, too", bob.heard(alice, []string{"are you there?"}))
	say(bob, "room again")
	bob.joins(other)
	g.agree(10*time.Second, roomy, "with space again", want)
	readable(t, dir, want)

	// Now by what is said.
	giveBack = fill(t, dir, 4<<20)
	say(alice, long(alice, "until it is full", 400)...)
	l.Within(10*time.Second, time.Now(), "bob is told again", bob.saysDiskFull)
	bob.node.Kill9()
	say(carol, "while bob is away")
	bob.restart()
	bob.run(exitDone, "log", g.id)
	bob.fails(exitFailed, "disk-full", "send", g.id, "does it fit? "+strings.Repeat("x", 15<<10), "--wait", "0")
	giveBack()
	bob.node.Stop()
	giveBack = fill(t, dir, 0)
	bob.fails(exitFailed, "disk-full", "serve")
	bob.run(exitDone, "log", g.id)
	giveBack()
	bob.restart()
	roomy = time.Now()
	say(bob, "and again")
	g.agree(10*time.Second, roomy, "what was said filled the disk", want)
}

// readable looks into a room's readable log: it has each line once, whole, or
// says how many it lacks.
func readable(t *testing.T, dir string, want words) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "logs", "*.log"))
	if err != nil || len(files) != 1 {
		t.Fatalf("readable logs %q, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	said, missing := map[string]bool{}, 0
	for p, texts := range want {
		for _, text := range texts {
			said["<"+p.who.Name+"> "+text] = true
		}
	}
	for line := range strings.Lines(string(b)) {
		const stamp = len("2006-01-02 15:04:05 ")
		text := strings.TrimSuffix(line[min(stamp, len(line)):], "\n")
		if _, n, ok := strings.Cut(text, "could not be written (lines: "); ok {
			var lines int
			if _, err := fmt.Sscanf(n, "%d)", &lines); err != nil {
				t.Error(err)
			}
			missing += lines
		}
		if strings.HasPrefix(text, "<") && !said[text] {
			t.Errorf("nobody said %.80q, or it stands there twice", text)
		}
		delete(said, text)
	}
	// Before the room was logged each said a line.
	if n := len(said) - missing; n > 3 {
		t.Errorf("%d lines are missing and not told", n)
	}
	t.Logf("readable log: %d lines told to be missing", missing)
}
