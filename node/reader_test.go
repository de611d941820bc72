package node

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"p2pchat/node/api"
	"p2pchat/node/internal/account"
	"p2pchat/node/internal/store"
)

// TestReadOlderDatabase: who only reads brings the database of an older version up to
// date, unless that version runs.
func TestReadOlderDatabase(t *testing.T) {
	t.Parallel()
	dir := newAccount(t, "me")
	f, err := os.Open(filepath.Join("internal", "store", "testdata", "lived7.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	older, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, store.FileName), older, 0o600); err != nil {
		t.Fatal(err)
	}
	lock, err := account.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReader(t.Context(), dir, "test"); err == nil || !strings.Contains(err.Error(), "p2pchat serve") {
		t.Errorf("while the older one runs: %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReader(t.Context(), dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if log, err := r.Log(t.Context(), api.LogQuery{Target: "other"}); err != nil || len(log) == 0 {
		t.Errorf("%d messages, %v", len(log), err)
	}
}

// TestForbidden: the person is told why nothing can be written.
func TestForbidden(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"read-only file system": &os.PathError{Op: "open", Path: "lock", Err: syscall.EROFS},
		"must belong to you":    &os.PathError{Op: "open", Path: "lock", Err: syscall.EACCES},
	} {
		if err := dirError("d", err); !api.IsCode(err, api.CodeNoPermission) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
