package account

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/gofrs/flock"
)

// LockFile is the lock's name in the data directory.
const LockFile = "lock"

// ErrInUse: another process holds the data directory.
var ErrInUse = errors.New("another p2pchat uses this data directory")

// MakeDir creates dir and its parents, 0700. One that exists is closed to
// others; if it cannot be, that is an error: whoever writes there could replace
// the key.
func MakeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(dir, 0o700); err != nil {
			return fmt.Errorf("close the data directory to others: %w", err)
		}
	}
	return nil
}

// Lock makes this process the one that may use dir, until Unlock is called on
// the result or the process ends. Errors: ErrInUse.
func Lock(dir string) (*flock.Flock, error) {
	l := flock.New(filepath.Join(dir, LockFile), flock.SetPermissions(0o600))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if !ok {
		return nil, ErrInUse
	}
	return l, nil
}

// nearest is dir or its closest ancestor that exists.
func nearest(dir string) string {
	for {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return dir
		}
		dir = parent
	}
}
