package account

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"p2pchat/protocol/identity"
)

func testKey(t *testing.T) identity.Key {
	t.Helper()
	k, err := identity.KeyFromSeed(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	for name, password := range map[string][]byte{"plain": nil, "encrypted": []byte("correct horse")} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if exists, _, err := State(dir); exists || err != nil {
				t.Fatalf("an empty directory: %v, %v", exists, err)
			}
			if _, err := Unlock(dir, password); !errors.Is(err, ErrNoAccount) {
				t.Fatalf("no key: %v", err)
			}
			k := testKey(t)
			if err := Write(dir, k, password); err != nil {
				t.Fatal(err)
			}
			if exists, locked, err := State(dir); !exists || locked != (password != nil) || err != nil {
				t.Errorf("State = %v, %v, %v", exists, locked, err)
			}
			got, err := Unlock(dir, password)
			if err != nil || got.ID() != k.ID() {
				t.Errorf("Unlock = %v, %v", got.ID(), err)
			}
			before, err := os.ReadFile(filepath.Join(dir, KeyFile))
			if err != nil {
				t.Fatal(err)
			}
			if err := Write(dir, k, nil); !errors.Is(err, ErrExists) {
				t.Errorf("a second key: %v", err)
			}
			if password != nil {
				for _, wrong := range []string{"", "correct hors", "Correct horse"} {
					if _, err := Unlock(dir, []byte(wrong)); !errors.Is(err, ErrWrongPassword) {
						t.Errorf("password %q: %v", wrong, err)
					}
				}
				if bytes.Contains(before, []byte("p2pchat-key")) {
					t.Error("the encrypted file shows its content")
				}
			}
			after, err := os.ReadFile(filepath.Join(dir, KeyFile))
			if err != nil || !bytes.Equal(before, after) {
				t.Error("the key file was touched")
			}
			info, err := os.Stat(filepath.Join(dir, KeyFile))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			names, _ := os.ReadDir(dir)
			if len(names) != 1 {
				t.Errorf("left behind: %v", names)
			}
		})
	}
}

func TestDamagedKeyFile(t *testing.T) {
	t.Parallel()
	enc := t.TempDir()
	if err := Write(enc, testKey(t), []byte("pw")); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(enc, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty":     "",
		"garbage":   "garbage\n",
		"not64":     keyPrefix + "!!!\n",
		"short":     keyPrefix + "AAAA\n",
		"huge":      strings.Repeat("x", maxKeyFile+1),
		"truncated": string(good[:len(good)/2]),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, KeyFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Unlock(dir, []byte("pw")); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("a second lock: %v", err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(dir)
	if err != nil {
		t.Fatalf("after unlocking: %v", err)
	}
	_ = again.Unlock()
}

// TestRewrite: a password is set, changed and taken away; what goes wrong leaves
// the file as it is, and no other file is left.
func TestRewrite(t *testing.T) {
	t.Parallel()
	dir, key := t.TempDir(), testKey(t)
	if _, err := Rewrite(dir, nil, nil); !errors.Is(err, ErrNoAccount) {
		t.Errorf("no key: %v", err)
	}
	if err := Write(dir, key, nil); err != nil {
		t.Fatal(err)
	}
	old := ""
	for _, next := range []string{"one", "two", "", "three"} {
		if old != "" {
			if _, err := Rewrite(dir, []byte("wrong"), []byte(next)); !errors.Is(err, ErrWrongPassword) {
				t.Errorf("from a wrong password to %q: %v", next, err)
			}
		}
		if _, err := Unlock(dir, []byte(old)); err != nil {
			t.Fatalf("before the change to %q: %v", next, err)
		}
		got, err := Rewrite(dir, []byte(old), []byte(next))
		if err != nil || got.ID() != key.ID() {
			t.Fatalf("to %q: %v, %v", next, got.ID(), err)
		}
		if _, locked, err := State(dir); locked != (next != "") || err != nil {
			t.Errorf("after %q: locked %v, %v", next, locked, err)
		}
		if got, err := Unlock(dir, []byte(next)); err != nil || got.ID() != key.ID() {
			t.Errorf("unlock with %q: %v", next, err)
		}
		if next != "" {
			if _, err := Unlock(dir, []byte(old)); !errors.Is(err, ErrWrongPassword) {
				t.Errorf("unlock with the old %q: %v", old, err)
			}
		}
		old = next
	}
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("left in the directory: %v, %v", files, err)
	}
}
