package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"p2pchat/protocol/event"
)

// TestAdopt: a database of any version is taken over, with nothing lost and no log
// that is written on.
func TestAdopt(t *testing.T) {
	t.Parallel()
	for version := 1; version <= len(migrations); version++ {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, FileName)
			if err := os.WriteFile(path, readFile(t, filepath.Join("testdata", "v"+strconv.Itoa(version)+".db")), 0o600); err != nil {
				t.Fatal(err)
			}
			acc, err := Adopt(t.Context(), dir, Options{})
			if err != nil || acc.Peer != frozenAccount(t).Peer {
				t.Fatalf("%+v, %v", acc, err)
			}
			if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a log is left: %v", err)
			}
			s := openStore(t, dir, Options{})
			if _, ok, err := ownLog(t, s, conv1); ok || err != nil {
				t.Errorf("a log goes on: %v", err)
			}
			if err := s.Update(t.Context(), func(tx *Tx) error { return tx.SetOwnLog(conv1, frozenOwnLog) }); err == nil {
				t.Error("the old log came back")
			}
		})
	}
}

func ownLog(t testing.TB, s *Store, conv event.Conversation) (log event.LogID, ok bool, err error) {
	t.Helper()
	err = s.View(t.Context(), func(r *Reader) error {
		log, ok, err = r.OwnLog(conv)
		return err
	})
	return log, ok, err
}

// TestAdoptRefuses: what is no whole database of this program is refused, and not
// written to.
func TestAdoptRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want error
		make func(t *testing.T, path string)
	}{
		"no database": {ErrDamaged, func(t *testing.T, path string) { write(t, path, make([]byte, 4096)) }},
		"empty":       {ErrDamaged, func(t *testing.T, path string) { write(t, path, nil) }},
		"another's":   {ErrForeign, func(t *testing.T, path string) { rawDB(t, path, `CREATE TABLE t (a)`) }},
		"a newer one": {ErrNewer, func(t *testing.T, path string) { altered(t, path, `PRAGMA user_version = 1000`) }},
		"nobody's":    {ErrDamaged, func(t *testing.T, path string) { altered(t, path, `DELETE FROM account`) }},
		"one that acts": {ErrDamaged, func(t *testing.T, path string) {
			altered(t, path, `CREATE TRIGGER x AFTER UPDATE ON own_log BEGIN DELETE FROM event; END`)
		}},
		"cut": {ErrDamaged, func(t *testing.T, path string) {
			altered(t, path, `SELECT 1`)
			b := readFile(t, path)
			write(t, path, b[:len(b)/2])
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, FileName)
			c.make(t, path)
			if _, err := Adopt(t.Context(), dir, Options{}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// altered makes a good database on which a statement is run.
func altered(t *testing.T, path, statement string) {
	t.Helper()
	s := openStore(t, filepath.Dir(path), Options{})
	writeFrozen(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rawDB(t, path, statement)
}

// TestCopyTo: the copy of a database that is written to is one of its states, whole.
func TestCopyTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	writeFrozen(t, s)
	reader := openStore(t, dir, Options{ReadOnly: true})
	events := chain(t, testKey(t, 9), 9, 200)
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() { // ends with the events or ctx
		for _, e := range events {
			if err := s.Update(ctx, func(tx *Tx) error { _, err := tx.Insert(e, start); return err }); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	to := t.TempDir()
	path := filepath.Join(to, FileName)
	err := reader.CopyTo(t.Context(), path)
	cancel()
	if werr := <-written; werr != nil && !errors.Is(werr, context.Canceled) {
		t.Error(werr)
	}
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := reader.CopyTo(t.Context(), path); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a copy: %v", err)
	}
	if acc, err := Adopt(t.Context(), to, Options{}); err != nil || acc.Peer != frozenAccount(t).Peer {
		t.Errorf("%+v, %v", acc, err)
	}
}
