package localapi

import (
	"context"
	"fmt"
	"net"
	"os"
)

// makePrivate makes dir. The temporary directory of Windows is the user's own
// and what is made in it inherits that.
func makePrivate(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("directory for the socket: %w", err)
	}
	return nil
}

func checkPrivate(string) error { return nil }

func bind(ctx context.Context, path string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "unix", path)
}

// nobodyListens: the caller holds the data directory's lock, so a socket that
// cannot be dialled is a leftover.
func nobodyListens(error) bool { return true }
