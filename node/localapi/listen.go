package localapi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"

	"p2pchat/node/api"
)

// listener is the socket of a node. Closing it removes the file.
type listener struct {
	net.Listener
	path, private string
	file          os.FileInfo
	once          sync.Once
	err           error
}

// Listen makes the socket for data directory dir, which must exist and whose
// lock the caller holds. What a killed node left behind is replaced; a socket
// somebody answers on never is.
// Errors: in-use, no-permission.
func Listen(ctx context.Context, dir string) (net.Listener, error) {
	path, private, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	if private != "" {
		if err := makePrivate(private); err != nil {
			return nil, err
		}
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	inner, err := bind(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if u, ok := inner.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // by then the path may be another node's
	}
	file, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("socket: %w", err), inner.Close())
	}
	return &listener{Listener: inner, path: path, private: private, file: file}, nil
}

func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("socket: %s is in the way and not a socket", path)
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close() // it was only to see whether somebody answers
		return api.Errorf(api.CodeInUse, "another node answers on %s", path)
	}
	if !nobodyListens(err) {
		return api.Errorf(api.CodeInUse, "another node may be using %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("left-over socket: %w", err)
	}
	return nil
}

// Close stops listening and removes the socket, unless the file is no longer
// the one that was made here.
func (l *listener) Close() error {
	l.once.Do(func() {
		if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.file) {
			l.err = os.Remove(l.path)
		}
		l.err = errors.Join(l.err, l.Listener.Close())
		if l.private != "" {
			_ = os.Remove(l.private) // stays if it is not empty
		}
	})
	return l.err
}
