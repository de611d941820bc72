package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// livedFile is what writeLived wrote when there were so many migrations. Version 1
// knew no rooms; see frozenFile for it.
func livedFile(version int) string {
	return filepath.Join("testdata", fmt.Sprintf("lived%d.db.gz", version))
}

// unpacked is the database of a version.
func unpacked(t *testing.T, version int) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(readFile(t, livedFile(version))))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// openOnce opens the database in dir, upgrading it, until it is killed or done.
func openOnce(dir string) error {
	s, err := Open(context.Background(), dir, Options{Existing: true})
	if err != nil {
		return err
	}
	return s.Close()
}

// TestUpgradeOfALivedOne: after an upgrade from any version, all that was said is
// shown, and what is unread, queued and wanted is what it was. So it is if the
// upgrade is killed, again and again: the file is of the one version or the other.
func TestUpgradeOfALivedOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	l := writeLived(t, s)
	unread, queued := must(t, s.Conversations)[0].Unread, must(t, s.QueuedCount)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if *freeze {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(readFile(t, filepath.Join(dir, FileName))); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Close(), os.WriteFile(livedFile(len(migrations)), b.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for version := range len(migrations) {
		version++
		if _, err := os.Stat(livedFile(version)); err != nil {
			continue // none was kept
		}
		tried++
		b := unpacked(t, version)
		for kills := range 4 {
			dir := t.TempDir()
			path := filepath.Join(dir, FileName)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			for range kills {
				ctx, cancel := context.WithTimeout(t.Context(), rand.N(60*time.Millisecond))
				cmd := exec.CommandContext(ctx, exe) // killed when ctx ends
				cmd.Env = append(os.Environ(), childEnv+"=open:"+dir)
				out, err := cmd.CombinedOutput()
				cancel()
				if len(out) > 0 {
					t.Fatalf("version %d, upgrade: %v, %s", version, err, out)
				}
			}
			s := openStore(t, dir, Options{Existing: true})
			if n := l.shown(t, s); n != len(l.texts) {
				t.Errorf("version %d, %d kills: %d messages shown, want %d", version, kills, n, len(l.texts))
			}
			if u, q := must(t, s.Conversations)[0].Unread, must(t, s.QueuedCount); u != unread || q != queued {
				t.Errorf("version %d, %d kills: %d unread and %d queued, want %d and %d", version, kills, u, q, unread, queued)
			}
			if wrong := must(t, fullCheck(s)); len(wrong) > 0 {
				t.Errorf("version %d, %d kills: %v", version, kills, wrong)
			}
		}
	}
	if _, err := os.Stat(livedFile(len(migrations))); err != nil || tried < 2 {
		t.Errorf("%d versions tried, the newest: %v; -store.freeze makes it", tried, err)
	}
}
