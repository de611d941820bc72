//go:build unix

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Windows does not let go of files that are open, so that they stay in their place.

// TestTakenAway: nothing is acknowledged that goes into a file which is not the one in
// the data directory any more, and it goes on when that is back.
func TestTakenAway(t *testing.T) {
	t.Parallel()
	other := filepath.Join(t.TempDir(), "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFrozen(t, openStore(t, other, Options{})) // with a log of its own
	for name, replace := range map[string]func(t *testing.T, dir string){
		"moved": func(*testing.T, string) {},
		"directory replaced": func(t *testing.T, dir string) {
			if err := os.CopyFS(dir, os.DirFS(other)); err != nil {
				t.Fatal(err)
			}
		},
		"file replaced": func(t *testing.T, dir string) {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, FileName), readFile(t, filepath.Join(other, FileName)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "d")
			away := dir + ".away"
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			s := openStore(t, dir, Options{})
			update(t, s, add("/before"))
			if err := os.Rename(dir, away); err != nil {
				t.Fatal(err)
			}
			replace(t, dir)
			for i, err := range inOneGroup(t, s, add("/lost"), add("/lost/too")) {
				if !errors.Is(err, ErrMoved) {
					t.Errorf("member %d: %v", i, err)
				}
			}
			if err := errors.Join(os.RemoveAll(dir), os.Rename(away, dir)); err != nil {
				t.Fatal(err)
			}
			update(t, s, add("/after"))
			if got := must(t, s.StaticAddrs); !slices.Equal(got, []string{"/after", "/before"}) {
				t.Errorf("stored %v", got)
			}
			// Ended while another one is there, it does that one no harm.
			if err := os.Rename(dir, away); err != nil {
				t.Fatal(err)
			}
			replace(t, dir)
			before, _ := os.ReadDir(dir)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if after, _ := os.ReadDir(dir); len(after) != len(before) {
				t.Errorf("%v are left of %v", after, before)
			}
		})
	}
}

// TestLogTakenAway: what was committed last stands in the write-ahead log, so without
// that nothing is acknowledged either.
func TestLogTakenAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	update(t, s, add("/before"))
	if err := os.Remove(filepath.Join(dir, FileName+"-wal")); err != nil {
		t.Fatal(err)
	}
	for _, err := range inOneGroup(t, s, add("/lost")) {
		if !errors.Is(err, ErrMoved) {
			t.Errorf("acknowledged: %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, Options{})
	if got := must(t, s.StaticAddrs); !slices.Equal(got, []string{"/before"}) {
		t.Errorf("stored %v", got)
	}
}

// TestLogCutShort: behind the end of a log that was cut short nothing is written, and
// the hole is not moved into the file, which stays as it was.
func TestLogCutShort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	self := frozenAccount(t)
	s := openStore(t, dir, Options{})
	update(t, s, func(tx *Tx) error { return tx.SetAccount(self) })
	update(t, s, add("/before"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, add("/lost"))
	if err := os.Truncate(filepath.Join(dir, FileName+"-wal"), 0); err != nil {
		t.Fatal(err)
	}
	for _, err := range inOneGroup(t, s, add("/never")) {
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("acknowledged: %v", err)
		}
	}
	if err := s.Close(); !errors.Is(err, ErrDamaged) {
		t.Errorf("close: %v", err)
	}
	// As another process finds it: in this one it is still open.
	found := t.TempDir()
	for _, name := range []string{FileName, FileName + "-wal", cutMark} {
		file, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(found, name), file, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	// It looks sound, and is older than what others hold of it.
	if _, err := Open(t.Context(), found, Options{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("opened: %v", err)
	}
	s = openStore(t, found, Options{ReadOnly: true})
	if wrong, err := s.Check(t.Context(), false); err != nil || len(wrong) == 0 {
		t.Errorf("checked: %q, %v", wrong, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := Repair(t.Context(), found, self.Peer, "", Options{}); err != nil || r.Sound || r.Kept == "" {
		t.Errorf("repaired: %+v, %v", r, err)
	}
	s = openStore(t, found, Options{})
	if got := must(t, s.StaticAddrs); !slices.Equal(got, []string{"/before"}) {
		t.Errorf("stored %v", got)
	}
}

// TestLogCutShortUnderOthers: so it is where the first to notice would be a member that
// reads, and where what was cut is what was there at the start; and where the mark could
// not be made at once, it is made later.
func TestLogCutShortUnderOthers(t *testing.T) {
	t.Parallel()
	read := func(tx *Tx) error { _, err := tx.StaticAddrs(); return err }
	for name, fn := range map[string]func(*Tx) error{"a member reads": read, "a member writes": add("/never")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s, err := Open(t.Context(), dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 50 {
				update(t, s, add(fmt.Sprint("/before", i)))
			}
			started := t.TempDir() // as after a crash
			for _, name := range []string{FileName, FileName + "-wal"} {
				file, err := os.ReadFile(filepath.Join(dir, name))
				if err == nil {
					err = os.WriteFile(filepath.Join(started, name), file, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if s, err = Open(t.Context(), started, Options{}); err != nil {
				t.Fatal(err)
			}
			log := filepath.Join(started, FileName+"-wal")
			info, err := os.Stat(log)
			if err == nil {
				err = os.Truncate(log, info.Size()/2)
			}
			mark := filepath.Join(started, cutMark)
			if err := errors.Join(err, os.Symlink("nowhere/to/be/found", mark)); err != nil { // there is no space
				t.Fatal(err)
			}
			try := func() {
				t.Helper()
				if err := s.Update(t.Context(), fn); !errors.Is(err, ErrDamaged) {
					t.Errorf("acknowledged: %v", err)
				}
			}
			try()
			if err := os.Remove(mark); err != nil {
				t.Fatal(err)
			}
			try()
			if err := wasCut(started); !errors.Is(err, ErrDamaged) {
				t.Errorf("no mark: %v", err)
			}
			if err := s.Close(); !errors.Is(err, ErrDamaged) {
				t.Errorf("close: %v", err)
			}
		})
	}
}
