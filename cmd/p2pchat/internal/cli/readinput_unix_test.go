//go:build unix

package cli

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOpenInput: a pipe that nobody writes to holds nobody up whose context has ended.
func TestOpenInput(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := openInput(ctx, pipe); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
