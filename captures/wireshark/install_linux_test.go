package wireshark

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"p2pchat/captures/internal/capturetest"
)

// For another user all belongs to him, and no link of his leads out of his home.
func TestInstallForAnother(t *testing.T) {
	t.Parallel()
	// The lab does without, in a namespace of its own; giving files away cannot.
	capturetest.Want(t, os.Geteuid() == 0, "root, who alone installs for others")
	u := user(t, nil)
	u.Owner = &Owner{UID: 12345, GID: 23456}
	done, err := u.Install()
	must(t, err)
	for path := done.Plugin; path != u.Home; path = filepath.Dir(path) {
		info, err := os.Lstat(path)
		must(t, err)
		if s := info.Sys().(*syscall.Stat_t); s.Uid != 12345 || s.Gid != 23456 {
			t.Errorf("%s belongs to %d:%d", path, s.Uid, s.Gid)
		}
	}
	u.Home = t.TempDir()
	outside := t.TempDir()
	must(t, os.Symlink(outside, filepath.Join(u.Home, ".local")))
	if _, err := u.Install(); err == nil {
		t.Error("led out of his home")
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("%v", left)
	}
	u.Home, u.Getenv = t.TempDir(), func(string) string { return outside }
	if _, err := u.Install(); !errors.Is(err, ErrRefused) {
		t.Errorf("settings outside his home: %v", err)
	}
}
