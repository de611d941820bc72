package localapi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

const (
	socketName = "api.sock"
	// maxPath is the longest path used for a socket, in bytes. Systems take
	// 103 (macOS) to 107 (Linux).
	maxPath = 100
)

// SocketPath is where the node of data directory dir listens: api.sock in dir,
// or, if that path were over 100 bytes, in a directory under the system's
// temporary one whose name comes from dir's hash. Symbolic links in dir are
// followed first, so that every way to spell dir gives the same path. Nothing
// is created.
func SocketPath(dir string) (string, error) {
	path, _, err := socketPath(dir)
	return path, err
}

// socketPath also returns the temporary directory the socket is in, "" if it
// is in the data directory.
func socketPath(dir string) (path, private string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", "", fmt.Errorf("data directory: %w", err)
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if path = filepath.Join(dir, socketName); len(path) <= maxPath {
		return path, "", nil
	}
	sum := sha256.Sum256([]byte(dir))
	name := "p2pchat-" + hex.EncodeToString(sum[:8])
	roots := []string{os.TempDir()}
	if runtime.GOOS != "windows" {
		roots = append(roots, "/tmp") // TMPDIR may be long itself
	}
	for _, root := range roots {
		private = filepath.Join(root, name)
		if path = filepath.Join(private, socketName); len(path) <= maxPath {
			return path, private, nil
		}
	}
	return "", "", fmt.Errorf("no place for the socket: %s is longer than %d bytes", path, maxPath)
}
