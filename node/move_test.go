package node

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
	"p2pchat/node/internal/account"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
)

// exported writes the account in dir into a file.
func exported(t *testing.T, dir string, password []byte) (file string) {
	t.Helper()
	r, err := OpenReader(t.Context(), dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "account.p2pchat")
	got, err := r.ExportAccount(t.Context(), file, password)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || got.File != file || got.Size != info.Size() || got.PeerID == "" || got.Name == "" {
		t.Errorf("exported %+v, %v", got, err)
	}
	if _, err := r.ExportAccount(t.Context(), file, password); !api.IsCode(err, api.CodeUsage) {
		t.Errorf("over a file: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, exportDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a copy is left: %v", err)
	}
	return file
}

// TestExportFromReadOnly: an export needs no room in the data directory.
func TestExportFromReadOnly(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		t.Skip("nothing is forbidden to root, nor by a mode on Windows")
	}
	dir := newAccount(t, "alice")
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	exported(t, dir, nil)
	if err := os.Chmod(dir, 0o700); err != nil { // so that it can be removed
		t.Error(err)
	}
}

// inDir lists what is in a directory, but for the lock.
func inDir(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != account.LockFile {
			names = append(names, e.Name())
		}
	}
	return names
}

// An account that is exported while its node runs, and goes on afterwards, is
// imported elsewhere: it is whole, and what was said since comes from the others.
func TestMoveAccount(t *testing.T) {
	t.Parallel()
	old := newAccount(t, "alice")
	bob := start(t, newAccount(t, "bob"))
	alice := start(t, old, bob)
	const patience = 30 * time.Second
	for _, text := range []string{"one", "two"} {
		if _, err := alice.Send(t.Context(), api.SendRequest{Target: "bob", Text: text, Wait: patience}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := alice.Verify(t.Context(), "bob", false); err != nil {
		t.Fatal(err)
	}
	file := exported(t, old, []byte("for the way"))
	if r, err := alice.Send(t.Context(), api.SendRequest{Target: "bob", Text: "after the export", Wait: patience}); err != nil || r.State != api.Delivered {
		t.Fatalf("%+v, %v", r, err)
	}
	alice.halt()

	dir := filepath.Join(t.TempDir(), "new")
	id, err := ImportAccount(t.Context(), dir, file, []byte("for the way"))
	if err != nil || id.PeerID != alice.key.ID().String() || id.Name != "alice" || id.Fingerprint == "" {
		t.Fatalf("imported %+v, %v", id, err)
	}
	if got := inDir(t, dir); !slices.Equal(got, []string{account.KeyFile, store.FileName}) {
		t.Errorf("in the directory: %q", got)
	}
	alice = start(t, dir, bob)
	if r, err := alice.Send(t.Context(), api.SendRequest{Target: "bob", Text: "from the new one", Wait: patience}); err != nil || r.State != api.Delivered {
		t.Fatalf("%+v, %v", r, err)
	}
	all := []string{"one", "two", "after the export", "from the new one"}
	wait(t, "her history is whole", func() bool { return slices.Equal(textsOf(t, alice, "bob"), all) })
	wait(t, "his is", func() bool { return slices.Equal(textsOf(t, bob, "alice"), all) })
	log := logOf(t, bob, "alice")
	if log[0].Log != log[2].Log || log[3].Log == log[0].Log || log[3].Seq != 1 {
		t.Errorf("the logs: %+v", log)
	}
	peers, err := alice.Peers(t.Context())
	if err != nil || len(peers) != 1 || !peers[0].Verified {
		t.Errorf("whom she had verified: %+v, %v", peers, err)
	}
}

// An import goes into a new directory only, and leaves nothing when it fails.
func TestImportRefused(t *testing.T) {
	t.Parallel()
	password := []byte("for the way")
	file := exported(t, newAccount(t, "alice"), password)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other := newAccount(t, "bob")
	// Her key with his messages.
	mixed := newAccount(t, "mixed")
	his, err := os.ReadFile(filepath.Join(other, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	mixedFile := filepath.Join(t.TempDir(), "mixed")
	if err := os.WriteFile(filepath.Join(mixed, store.FileName), his, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := account.Pack(mixedFile, mixed, filepath.Join(mixed, store.FileName), password); err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut")
	if err := os.WriteFile(cut, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "holiday.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dir, file string
		password  []byte
		want      api.Code
	}{
		"an account":       {other, file, password, api.CodeAccountExists},
		"something else":   {full, file, password, api.CodeAccountExists},
		"a wrong password": {filepath.Join(t.TempDir(), "new"), file, []byte("guess"), api.CodeWrongPassword},
		"no password":      {filepath.Join(t.TempDir(), "new"), file, nil, api.CodeWrongPassword},
		"a part":           {filepath.Join(t.TempDir(), "new"), cut, password, api.CodeDamaged},
		"two accounts":     {filepath.Join(t.TempDir(), "new"), mixedFile, password, api.CodeDamaged},
		"no archive":       {filepath.Join(t.TempDir(), "new"), filepath.Join(full, "holiday.jpg"), password, api.CodeDamaged},
		"no file":          {filepath.Join(t.TempDir(), "new"), filepath.Join(full, "nothing"), password, api.CodeUsage},
	} {
		before := inDir(t, c.dir)
		if _, err := ImportAccount(t.Context(), c.dir, c.file, c.password); !api.IsCode(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if after := inDir(t, c.dir); !slices.Equal(before, after) {
			t.Errorf("%s: %q are left", name, after)
		}
	}
	if kept, err := os.ReadFile(filepath.Join(other, store.FileName)); err != nil || !bytes.Equal(kept, his) {
		t.Errorf("the account that was there is another: %v", err)
	}
}

// An import that ends anywhere has made no account, and the next one works, or has
// made the whole account.
func TestImportInterrupted(t *testing.T) {
	t.Parallel()
	file := exported(t, newAccount(t, "alice"), nil)
	steps := len((&moving{}).steps())
	whole := 0
	for done := range steps + 1 {
		dir := t.TempDir()
		a, err := account.OpenArchive(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		m := &moving{dir: dir, work: filepath.Join(dir, importDir), from: a}
		for i, step := range m.steps()[:done] {
			if err := step(t.Context()); err != nil {
				t.Fatalf("step %d: %v", i+1, err)
			}
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		exists, _, err := AccountState(dir)
		if err != nil {
			t.Fatal(err)
		}
		if exists {
			whole++
		} else if _, err := ImportAccount(t.Context(), dir, file, nil); err != nil {
			t.Errorf("again after %d steps: %v", done, err)
		}
		start(t, dir).halt()
		if left := inDir(t, dir); slices.Contains(left, importDir) != (done == steps-1) { // which is empty then
			t.Errorf("after %d steps: %q", done, left)
		}
	}
	if whole != 2 { // before and after tidying up
		t.Errorf("after %d of %d steps there was an account", whole, steps)
	}
}

// Whoever would rather begin anew after an interrupted import can.
func TestInitAfterInterruptedImport(t *testing.T) {
	t.Parallel()
	file, dir := exported(t, newAccount(t, "alice"), nil), t.TempDir()
	a, err := account.OpenArchive(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &moving{dir: dir, work: filepath.Join(dir, importDir), from: a}
	for _, step := range m.steps()[:5] { // the database is there, the key is not
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(inDir(t, dir), store.FileName) {
		t.Fatal("the database was not moved yet")
	}
	if _, err := CreateAccount(t.Context(), dir, "bob", nil); err != nil {
		t.Fatal(err)
	}
	if left := inDir(t, dir); !slices.Equal(left, []string{account.KeyFile, store.FileName}) {
		t.Errorf("in the directory: %q", left)
	}
	start(t, dir).halt()
}

// The steps of an import fail, each in turn: nothing is left.
func TestImportFails(t *testing.T) {
	t.Parallel()
	file := exported(t, newAccount(t, "alice"), nil)
	for fails := range len((&moving{}).steps()) - 1 { // there is an account before the last
		dir := t.TempDir()
		a, err := account.OpenArchive(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		m := &moving{dir: dir, work: filepath.Join(dir, importDir), from: a}
		steps := m.steps()
		broken := errors.New("broken")
		steps[fails] = func(context.Context) error { return broken }
		if err := m.run(t.Context(), steps); !errors.Is(err, broken) {
			t.Errorf("step %d: %v", fails+1, err)
		}
		if left := inDir(t, dir); len(left) > 0 {
			t.Errorf("after step %d failed %q are left", fails+1, left)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Whoever has moved too often for a conversation is told so; having moved and said
// nothing does not count.
func TestMovedTooOften(t *testing.T) {
	t.Parallel()
	bob := start(t, newAccount(t, "bob"))
	dir := newAccount(t, "alice")
	move := func() {
		t.Helper()
		file, next := exported(t, dir, nil), t.TempDir()
		if _, err := ImportAccount(t.Context(), next, file, nil); err != nil {
			t.Fatal(err)
		}
		dir = next
	}
	room := ""
	for i := range event.MaxLogs + 1 {
		if i == 3 {
			move() // and says nothing
		}
		alice := start(t, dir, bob)
		if room == "" {
			wait(t, "they meet", func() bool {
				p, err := alice.Peers(t.Context())
				return err == nil && len(p) == 1 && p[0].State == api.Online
			})
			room = alice.create(t, api.CreateRoomRequest{Name: "dev"})
		}
		for _, target := range []string{"bob", room} {
			_, err := alice.Send(t.Context(), api.SendRequest{Target: target, Text: "here I am"})
			if want := i == event.MaxLogs; want != api.IsCode(err, api.CodeFull) || !want && err != nil {
				t.Fatalf("log %d of %s: %v", i+1, target, err)
			}
		}
		alice.halt()
		move()
	}
}

// Key and database of different accounts are named as such, and nothing is done.
func TestKeyOfAnother(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), t.TempDir()
	for name, d := range map[string]string{"anna": dir, "bob": other} {
		if _, err := CreateAccount(t.Context(), d, name, nil); err != nil {
			t.Fatal(err)
		}
	}
	key, err := os.ReadFile(filepath.Join(other, account.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, account.KeyFile), key, 0o600); err != nil {
		t.Fatal(err)
	}
	before := inDir(t, dir)
	says := func(what string, err error) {
		t.Helper()
		if !api.IsCode(err, api.CodeDamaged) || !strings.Contains(err.Error(), "belong to different accounts") {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = Repair(t.Context(), dir, nil, "anna")
	says("repair", err)
	r, err := OpenReader(t.Context(), dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "account.p2pchat")
	_, err = r.ExportAccount(t.Context(), file, nil)
	says("export", err)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("exported: %v", err)
	}
	after := slices.DeleteFunc(inDir(t, dir), func(name string) bool { return strings.HasSuffix(name, "-wal") || strings.HasSuffix(name, "-shm") })
	if !slices.Equal(after, before) {
		t.Errorf("there was %v, now there is %v", before, after)
	}
}
