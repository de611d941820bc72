package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"p2pchat/protocol/event"
)

// rawDB runs statements on a file without the store.
func rawDB(t testing.TB, path string, statements ...string) {
	t.Helper()
	db, err := openDB(path, "mode=rwc")
	if err != nil {
		t.Fatal(err)
	}
	defer func(db *sql.DB) {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}(db)
	for _, q := range statements {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRefusedFilesStayAsTheyAre(t *testing.T) {
	t.Parallel()
	ours := func(t *testing.T, path string) {
		s := openStore(t, filepath.Dir(path), Options{})
		update(t, s, add("/x"))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	write := func(content []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tc := range []struct {
		name string
		make func(*testing.T, string)
		want error
	}{
		{"newer", func(t *testing.T, path string) { ours(t, path); rawDB(t, path, `PRAGMA user_version = 999`) }, ErrNewer},
		{"another application's", func(t *testing.T, path string) {
			rawDB(t, path, `CREATE TABLE t (x)`, `PRAGMA application_id = 42`, `PRAGMA user_version = 1`)
		}, ErrForeign},
		{"another application's, WAL", func(t *testing.T, path string) {
			rawDB(t, path, `PRAGMA journal_mode = wal`, `CREATE TABLE t (x)`, `PRAGMA application_id = 42`)
		}, ErrForeign},
		{"an application's without ID", func(t *testing.T, path string) { rawDB(t, path, `CREATE TABLE t (x)`) }, ErrForeign},
		{"another application's, empty", func(t *testing.T, path string) { rawDB(t, path, `PRAGMA application_id = 42`) }, ErrForeign},
		{"garbage", write(bytes.Repeat([]byte("no database"), 1000)), ErrDamaged},
		{"a byte of garbage", write([]byte("x")), ErrDamaged},
		{"a little garbage", write(bytes.Repeat([]byte("x"), 511)), ErrDamaged},
		{"some garbage", write(bytes.Repeat([]byte("x"), 512)), ErrDamaged},
		{"zeros", write(make([]byte, 4096)), ErrDamaged},
		{"a directory", func(t *testing.T, path string) {
			if err := os.MkdirAll(filepath.Join(path, "inner"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, ErrDamaged},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, FileName)
			tc.make(t, path)
			var before []byte
			if info, err := os.Stat(path); err == nil && !info.IsDir() {
				before = readFile(t, path)
			}
			for _, opt := range []Options{{}, {ReadOnly: true}} {
				s, err := Open(t.Context(), dir, opt)
				if !errors.Is(err, tc.want) {
					t.Errorf("read-only %v: got %v, want %v", opt.ReadOnly, err, tc.want)
				}
				if err == nil {
					_ = s.Close()
				}
			}
			if before != nil && !bytes.Equal(before, readFile(t, path)) {
				t.Error("the file was changed")
			}
			if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 {
				t.Errorf("a log of %d bytes was written", wal.Size())
			}
		})
	}
}

func TestOpenEmptyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{ReadOnly: true}); !errors.Is(err, ErrNotFound) {
		t.Errorf("read-only: %v", err)
	}
	s := openStore(t, dir, Options{}) // what a crash while it was made leaves behind
	update(t, s, add("/x"))
	if runtime.GOOS == "windows" {
		return
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s: %v, %v", suffix, info.Mode(), err)
		}
	}
}

// killedWhileMade writes what is left in dir of a database whose maker was
// killed in the middle of its second migration, with the first pages written.
func killedWhileMade(t *testing.T, dir string) {
	t.Helper()
	making := t.TempDir()
	path := filepath.Join(making, FileName)
	rawDB(t, path)
	db, err := openDB(path, "mode=rwc")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // it is given up
	c, err := openConn(t.Context(), db, making)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	if err := apply(t.Context(), c, 1, migrations[0]); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`PRAGMA cache_size = 1`, // so that pages are written before the end
		`BEGIN IMMEDIATE`, migrations[1].sql, `CREATE TABLE filler (x)`,
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO filler SELECT zeroblob(4000) FROM n`,
	} {
		if _, err := c.c.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	for _, suffix := range []string{"", "-journal"} {
		if err := copyFile(filepath.Join(dir, FileName+suffix), path+suffix); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKilledWhileMade opens a database with a journal that has to be played back
// first, which who only looks may not do.
func TestKilledWhileMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	killedWhileMade(t, dir)
	before := readFile(t, filepath.Join(dir, FileName))
	if _, err := Open(t.Context(), dir, Options{ReadOnly: true}); !interrupted(err) {
		t.Errorf("read-only: %v", err)
	}
	if !bytes.Equal(before, readFile(t, filepath.Join(dir, FileName))) {
		t.Error("who may only read wrote")
	}
	s := openStore(t, dir, Options{})
	update(t, s, add("/x"))
	if faults := must(t, fullCheck(s)); len(faults) > 0 {
		t.Error(faults)
	}

	// Repair takes it too, and leaves no journal that would be played into the new file.
	dir = t.TempDir()
	killedWhileMade(t, dir)
	if _, err := Repair(t.Context(), dir, frozenAccount(t).Peer, "anna", Options{}); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, Options{})
	if a := must(t, s.Account); a.Name != "anna" {
		t.Errorf("repaired: %+v", a)
	}
	if faults := must(t, fullCheck(s)); len(faults) > 0 {
		t.Errorf("repaired: %v", faults)
	}
}

func TestOpenFailures(t *testing.T) {
	t.Parallel()
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "none"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if _, err := Open(t.Context(), t.TempDir(), Options{ReadOnly: true}); !errors.Is(err, ErrNotFound) {
		t.Errorf("no database: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, t.TempDir(), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("context ended: %v", err)
	}
}

// TestPaths opens databases in directories whose names mean something in a URI.
func TestPaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b", "a%20b", "a?mode=memory", "a#b", "a&b=c", "ü"} {
		if runtime.GOOS == "windows" && name == "a?mode=memory" {
			continue
		}
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		s := openStore(t, dir, Options{})
		update(t, s, add("/x"))
		if info, err := os.Stat(filepath.Join(dir, FileName)); err != nil || info.Size() == 0 {
			t.Errorf("%q: %v", name, err)
		}
		if got := must(t, s.StaticAddrs); len(got) != 1 {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := openStore(t, dir, Options{})
	update(t, w, add("/one"))
	check := func(when string, want int) {
		t.Helper()
		r := openStore(t, dir, Options{ReadOnly: true})
		if got := must(t, r.StaticAddrs); len(got) != want {
			t.Errorf("%s: %v", when, got)
		}
		if err := r.Update(t.Context(), add("/two")); !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: update: %v", when, err)
		}
		if faults := must(t, fullCheck(r)); len(faults) > 0 {
			t.Errorf("%s: %v", when, faults)
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	check("beside a writer", 1)
	update(t, w, add("/two"))
	check("after more", 2)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	check("after the writer", 2)
	check("once more", 2)
	w = openStore(t, dir, Options{})
	update(t, w, add("/three"))
	check("beside another writer", 3)
}

// TestDamage breaks what is stored and looks whether anybody notices.
func TestDamage(t *testing.T) {
	t.Parallel()
	e := chain(t, testKey(t, 1), 1, 1)[0]
	for _, query := range []string{
		`UPDATE event SET header = x'00'`,
		`UPDATE event SET body = x'0a0179'`,
		`UPDATE event SET signature = zeroblob(64)`,
		`UPDATE event SET signature = zeroblob(63)`,
	} {
		dir := t.TempDir()
		s := openStore(t, dir, Options{})
		insert(t, s, e)
		update(t, s, func(tx *Tx) error { _, err := tx.exec(query); return err })
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, dir, Options{}) // one that remembers nothing
		if _, err := s.EventByID(t.Context(), e.ID); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", query, err)
		}
		if _, err := s.Log(t.Context(), LogQuery{Conv: conv1}); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", query, err)
		}
		rg := event.Range{LogKey: e.Key(), From: 1, To: 1}
		if _, err := s.Range(t.Context(), conv1, rg, 1<<20); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestDamagedPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	s := openStore(t, dir, Options{})
	insert(t, s, chain(t, testKey(t, 1), 1, 500)...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b := readFile(t, path)
	for i := len(b) / 2; i < len(b)/2+8*4096; i++ {
		b[i] = 0xa5
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, Options{})
	if faults := must(t, fullCheck(s)); len(faults) == 0 {
		t.Error("nobody noticed")
	}
	if _, err := s.Log(t.Context(), LogQuery{Conv: conv1}); !errors.Is(err, ErrDamaged) {
		t.Errorf("log: %v", err)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	before := must(t, s.Size)
	var big []*event.Event
	for i := range 50 {
		big = append(big, text(t, testKey(t, 1), event.Header{Log: event.LogID{1}, Seq: uint64(i + 1)}, fmt.Sprintf("%016000d", i)))
	}
	insert(t, s, big...)
	if after := must(t, s.Size); after < before+50*16000 {
		t.Errorf("size %d after %d bytes, %d before", after, 50*16000, before)
	}
}
