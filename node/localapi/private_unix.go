//go:build unix

package localapi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"p2pchat/node/api"
)

// makePrivate makes dir with mode 0700, or accepts one that is there already
// and is nobody else's.
func makePrivate(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("directory for the socket: %w", err)
	}
	return checkPrivate(dir)
}

// checkPrivate tells whether dir belongs to us alone. Anybody can make
// directories where it is: one who made ours first would read what is said.
func checkPrivate(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("directory for the socket: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return api.Errorf(api.CodeNoPermission, "%s is in the way of the node's socket: it is not a directory", dir)
	case !ok || int(owner.Uid) != os.Geteuid():
		return api.Errorf(api.CodeNoPermission, "%s belongs to somebody else: choose a shorter data directory", dir)
	case info.Mode().Perm() != 0o700:
		return api.Errorf(api.CodeNoPermission, "%s is open to others (mode %04o): remove it", dir, info.Mode().Perm())
	}
	return nil
}

// bind listens on path with mode 0600 from the first moment on.
func bind(ctx context.Context, path string) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			// Linux gives the mode to the file that bind makes. Others may
			// refuse; the chmod below is for them.
			_ = syscall.Fchmod(int(fd), 0o600)
		})
	}}
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// nobodyListens tells whether err, from dialling a socket that exists, says
// that its listener is gone.
func nobodyListens(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
