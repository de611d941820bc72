package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"p2pchat/protocol/event"
)

const mountEnv = "P2PCHAT_STORE_MOUNTS"

// inMountNamespace has the calling test run again in a process of its own that
// may mount what it likes and whose mounts vanish with it: with a user
// namespace, or as root without. It returns true in that process.
func inMountNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(mountEnv) != "" {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatalf("make mounts private: %v", err)
		}
		return true
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	start := func(attr *syscall.SysProcAttr) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), exe, "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), mountEnv+"=1")
		cmd.SysProcAttr = attr
		return cmd.CombinedOutput()
	}
	self := func(id int) []syscall.SysProcIDMap { return []syscall.SysProcIDMap{{HostID: id, Size: 1}} }
	out, err := start(&syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWUSER, UidMappings: self(os.Getuid()), GidMappings: self(os.Getgid()),
	})
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		out, err = start(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS})
	}
	switch exit := (*exec.ExitError)(nil); {
	case err == nil && strings.Contains(string(out), "--- PASS: "+t.Name()):
	case err == nil || errors.As(err, &exit):
		t.Fatalf("in the mount namespace: %v\n%s", err, out)
	case os.Getenv("P2PCHAT_REQUIRE_LAB") == "1":
		t.Fatalf("no mount namespace, and P2PCHAT_REQUIRE_LAB is set: %v", err)
	default:
		// go test hides the output of packages that pass; the file is printed
		// by who runs it.
		line := fmt.Sprintf("*** SKIPPED *** %s: needs root or unprivileged user namespaces: %v", t.Name(), err)
		if name := os.Getenv("P2PCHAT_LAB_SKIPS"); name != "" {
			f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := fmt.Fprintln(f, line); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprintln(os.Stderr, line)
		t.Skip(line)
	}
	return false
}

func mount(t *testing.T, source, target, fs string, flags uintptr, data string) {
	t.Helper()
	if err := unix.Mount(source, target, fs, flags, data); err != nil {
		t.Fatalf("mount %s on %s: %v", fs, target, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}

// fillDisk takes all space left in dir and returns how to give it back.
func fillDisk(t *testing.T, dir string) (giveBack func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{64 << 10, 4 << 10} {
		for block := make([]byte, size); ; {
			if _, err := f.Write(block); errors.Is(err, unix.ENOSPC) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// TestDiskFull fills the disk under several writers, more than once.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if !inMountNamespace(t) {
		return
	}
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "size=8m")
	s := openStore(t, dir, Options{})
	const writers = 4
	var mu sync.Mutex
	var acked []*event.Event
	seqs := make([]uint64, writers)
	write := func(w int, size int) error { // the next event of log w
		e := text(t, testKey(t, 1), event.Header{Log: event.LogID{byte(w + 1)}, Seq: seqs[w] + 1}, strings.Repeat("x", size))
		err := s.Update(t.Context(), func(tx *Tx) error { _, err := tx.Insert(e, start); return err })
		if err == nil {
			mu.Lock()
			acked = append(acked, e)
			mu.Unlock()
			seqs[w]++
		}
		return err
	}
	check := func(s *Store) {
		t.Helper()
		for _, e := range acked {
			if has, err := s.HasEvent(t.Context(), e.ID); err != nil || !has {
				t.Errorf("acknowledged and lost: %s, %v", e.ID, err)
			}
		}
		if faults := must(t, fullCheck(s)); len(faults) > 0 {
			t.Error(faults)
		}
	}
	for round := range 3 {
		before := len(acked)
		for w := range writers {
			if err := write(w, 100); err != nil {
				t.Fatalf("round %d, with space: %v", round, err)
			}
		}
		giveBack := fillDisk(t, dir)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				var err error
				for err == nil { // some still fits into what the files have
					err = write(w, 5000)
				}
				if !errors.Is(err, ErrDiskFull) {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		wg.Wait()
		check(s)
		if err := write(0, 16000); !errors.Is(err, ErrDiskFull) {
			t.Errorf("round %d, still full: %v", round, err)
		}
		if got := finds(t, s, SearchQuery{Terms: []Term{{Text: "x", Prefix: true}}}); len(got) != len(acked) {
			t.Errorf("round %d, still full: %d of %d are found", round, len(got), len(acked))
		}
		giveBack()
		for w := range writers {
			if err := write(w, 5000); err != nil {
				t.Fatalf("round %d, with space again: %v", round, err)
			}
		}
		check(s)
		t.Logf("round %d: %d events", round, len(acked)-before)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	check(openStore(t, dir, Options{}))
}

// TestDiskFullIndex: that the index does not fit fails nobody whose own does.
func TestDiskFullIndex(t *testing.T) {
	t.Parallel()
	if !inMountNamespace(t) {
		return
	}
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "size=16m")
	s := openStore(t, dir, Options{})
	for i := range uint64(40) {
		e := text(t, testKey(t, 1), event.Header{Log: event.LogID{1}, Seq: i + 1}, strings.Repeat(fmt.Sprint("w", i, " "), 4000))
		if err := s.Update(t.Context(), func(tx *Tx) error { _, err := tx.Insert(e, start); return err }); err != nil {
			t.Fatal(err)
		}
	}
	fillDisk(t, dir)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for s.Hindered() == nil {
				if err := s.Update(t.Context(), func(*Tx) error { return nil }); err != nil {
					t.Errorf("nothing does not fit: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if !errors.Is(s.Hindered(), ErrDiskFull) {
		t.Error("the index fitted")
	}
}

// TestDiskFullFromTheStart opens, with no space for a byte: a new database, and
// one that is there.
func TestDiskFullFromTheStart(t *testing.T) {
	t.Parallel()
	if !inMountNamespace(t) {
		return
	}
	for _, tc := range []struct {
		name, size string
		inodes     bool // of which there are too few, rather than bytes
	}{{"no bytes", "size=2m", false}, {"no inodes", "size=2m,nr_inodes=5", true}} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			mount(t, "tmpfs", dir, "tmpfs", 0, tc.size)
			fill := func() (giveBack func()) {
				if !tc.inodes {
					return fillDisk(t, dir)
				}
				var names []string
				for i := 0; ; i++ {
					name := filepath.Join(dir, fmt.Sprint("ballast", i))
					err := os.WriteFile(name, nil, 0o600)
					if errors.Is(err, unix.ENOSPC) {
						break
					} else if err != nil {
						t.Fatal(err)
					}
					names = append(names, name)
				}
				return func() {
					for _, name := range names {
						if err := os.Remove(name); err != nil {
							t.Error(err)
						}
					}
				}
			}
			giveBack := fill()
			if s, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrDiskFull) {
				t.Errorf("a new one: %v", err)
				_ = s.Close()
			}
			giveBack()
			s := openStore(t, dir, Options{})
			update(t, s, add("/one"))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			giveBack = fill()
			if s, err := Open(t.Context(), dir, Options{}); err == nil {
				// Nothing needed writing yet; then the first update says it.
				err = s.Update(t.Context(), add("/two"))
				if !errors.Is(err, ErrDiskFull) {
					t.Errorf("one that is there: %v", err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			} else if !errors.Is(err, ErrDiskFull) {
				t.Errorf("one that is there: %v", err)
			}
			// Reading works all the same.
			r := openStore(t, dir, Options{ReadOnly: true})
			if got := must(t, r.StaticAddrs); !slices.Equal(got, []string{"/one"}) {
				t.Errorf("read %v", got)
			}
			giveBack()
			s = openStore(t, dir, Options{})
			update(t, s, add("/two"))
			if got := must(t, s.StaticAddrs); !slices.Equal(got, []string{"/one", "/two"}) {
				t.Errorf("stored %v", got)
			}
		})
	}
}

// TestDiskFullMigration: with no space for the backup nothing is migrated.
func TestDiskFullMigration(t *testing.T) {
	t.Parallel()
	if !inMountNamespace(t) {
		return
	}
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "size=4m")
	s := openStore(t, dir, Options{})
	writeFrozen(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	giveBack := fillDisk(t, dir)
	more := append(slices.Clone(migrations), migration{name: "more", sql: `DELETE FROM event`})
	if s, err := open(t.Context(), dir, Options{}, more); !errors.Is(err, ErrDiskFull) {
		t.Errorf("got %v", err)
		_ = s.Close()
	}
	giveBack()
	if left, err := filepath.Glob(filepath.Join(dir, "*.bak*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	checkFrozen(t, openStore(t, dir, Options{}))
}

// TestRepairDiskFull repairs with ever more space: until there is enough nothing is
// changed, and then all is saved.
func TestRepairDiskFull(t *testing.T) {
	t.Parallel()
	if !inMountNamespace(t) {
		return
	}
	from := t.TempDir()
	s := openStore(t, from, Options{})
	l := writeLived(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b := readFile(t, filepath.Join(from, FileName))
	b[bytes.Index(b, []byte("line 77 of log 2"))] = 'L'
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "size=64m")
	path := filepath.Join(dir, FileName)
	write(t, path, b)
	full := 0
	for space := 0; ; space += 64 << 10 { // beside the database
		size := fmt.Sprintf("size=%d", len(b)+space)
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT, size); err != nil {
			t.Fatal(err)
		}
		r, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "me", Options{})
		if err == nil {
			if n := l.checkRepaired(t, size, dir, r); n != len(l.texts)-1 {
				t.Errorf("%s: %d messages, want %d: %+v", size, n, len(l.texts)-1, r)
			}
			break
		}
		full++
		if space := (SpaceError{}); !errors.Is(err, ErrDiskFull) || full == 1 && (!errors.As(err, &space) || space.Need <= space.Free) {
			t.Errorf("%s: %v", size, err)
		}
		left, err := filepath.Glob(path + ".*")
		if err != nil || len(left) > 0 || hasLog(path) || !bytes.Equal(readFile(t, path), b) {
			t.Fatalf("%s: something was changed: %v, %v", size, left, err)
		}
	}
	if full < 10 {
		t.Errorf("%d times too little space", full)
	}
}

// TestSettleDiskFull: what a new database has in its log is in its file when that
// is moved, or it is not moved. Space ends at any point, also while the log is
// folded into the file.
func TestSettleDiskFull(t *testing.T) {
	t.Parallel()
	if !inMountNamespace(t) {
		return
	}
	from := t.TempDir()
	s := openStore(t, from, Options{})
	said := chain(t, testKey(t, 1), 1, 400)
	update(t, s, func(tx *Tx) error { return tx.SetAccount(frozenAccount(t)) })
	insert(t, s, said...) // all of it in the log
	main, log := readFile(t, filepath.Join(from, FileName)), readFile(t, filepath.Join(from, FileName+"-wal"))
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "size=64m")
	for space := 0; ; space += 16 << 10 {
		work := filepath.Join(dir, "work")
		if err := errors.Join(os.RemoveAll(work), unix.Mount("", dir, "", unix.MS_REMOUNT, fmt.Sprintf("size=%d", len(main)+len(log)+space)), os.Mkdir(work, 0o700)); err != nil {
			t.Fatal(err)
		}
		path := placeFiles(t, work, main, log)
		if err := settle(t.Context(), work, frozenAccount(t), Options{}); err != nil {
			if !errors.Is(err, ErrDiskFull) {
				t.Errorf("with %d bytes: %v", space, err)
			}
			continue
		}
		alone := t.TempDir()
		write(t, filepath.Join(alone, FileName), readFile(t, path))
		s := openStore(t, alone, Options{Existing: true})
		for _, e := range said {
			if has, err := s.HasEvent(t.Context(), e.ID); err != nil || !has {
				t.Fatalf("with %d bytes: lost %s, %v", space, e.ID, err)
			}
		}
		if space == 0 {
			t.Error("there was space enough from the start")
		}
		return
	}
}

// TestReadOnlyMount reads databases where nothing can be written: closed
// properly, with a log left by a crash, and with the log's index too.
func TestReadOnlyMount(t *testing.T) {
	t.Parallel()
	if !inMountNamespace(t) {
		return
	}
	closed := t.TempDir()
	s := openStore(t, closed, Options{})
	writeFrozen(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	live := t.TempDir()
	s = openStore(t, live, Options{})
	writeFrozen(t, s) // all of it in the log
	for _, tc := range []struct {
		name string
		from string
		keep []string
	}{
		{"closed", closed, []string{""}},
		{"crashed", live, []string{"", "-wal"}},
		{"crashed, with its index", live, []string{"", "-wal", "-shm"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, suffix := range tc.keep {
				if err := os.WriteFile(filepath.Join(dir, FileName+suffix), readFile(t, filepath.Join(tc.from, FileName+suffix)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			mount(t, dir, dir, "", unix.MS_BIND, "")
			if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
			r := openStore(t, dir, Options{ReadOnly: true})
			checkFrozen(t, r)
			scratch := r.scratch
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if scratch != "" {
				if _, err := os.Stat(scratch); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("the private copy is left: %v", err)
				}
			}
			if s, err := Open(t.Context(), dir, Options{}); err == nil {
				_ = s.Close()
				t.Error("opened for writing")
			} else if !errors.Is(err, syscall.EROFS) {
				t.Errorf("opened for writing: %v", err)
			}
		})
	}
}
