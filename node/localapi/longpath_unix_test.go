//go:build unix

package localapi_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
	"p2pchat/node/localapi"
)

// longDir makes a data directory whose path is too long for a socket, and the
// temporary directory one of the test's own.
func longDir(t *testing.T) (dir, private string) {
	t.Helper()
	tmp, err := os.MkdirTemp("/tmp", "p2p")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tmp) })
	t.Setenv("TMPDIR", tmp)
	dir = filepath.Join(tmp, strings.Repeat("long", 40))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := socketPath(t, dir)
	private = filepath.Dir(path)
	if len(path) > 100 || filepath.Dir(private) != tmp {
		t.Fatalf("the socket of %s is %s", dir, path)
	}
	return dir, private
}

func TestLongPath(t *testing.T) {
	dir, private := longDir(t)
	if _, err := localapi.Dial(t.Context(), dir); !api.IsCode(err, api.CodeNoNode) {
		t.Errorf("dial before: %v", err)
	}
	for range 2 { // the second time as after a crash: the directory is there
		l := listen(t, dir)
		if info, err := os.Lstat(private); err != nil || info.Mode() != os.ModeDir|0o700 {
			t.Errorf("the directory is %v (%v)", info.Mode(), err)
		}
		l.Close()
		if exists(private) {
			t.Error("the directory is still there")
		}
		if err := os.Mkdir(private, 0o700); err != nil {
			t.Fatal(err)
		}
		leftBehind(t, socketPath(t, dir))
	}
	_, alice, _ := apitest.NewFixture()
	l := listen(t, dir)
	server := localapi.NewServer(alice, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	over := make(chan error, 1)                  // the one result
	go func() { over <- server.Serve(ctx, l) }() // ends with ctx
	if _, err := dial(t, dir).Whoami(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
}

func TestSquattedDirectory(t *testing.T) {
	dir, private := longDir(t)
	elsewhere := t.TempDir()
	open := func(mode os.FileMode) func() error {
		return func() error {
			// Mkdir's mode is cut by the umask.
			return errors.Join(os.Mkdir(private, 0o700), os.Chmod(private, mode))
		}
	}
	tests := map[string]func() error{
		"open to the group": open(0o770),
		"readable to all":   open(0o755),
		"open to all":       open(0o777),
		"a link":            func() error { return os.Symlink(elsewhere, private) },
		"a file":            func() error { return os.WriteFile(private, nil, 0o700) },
	}
	if os.Geteuid() == 0 { // only root can give a directory away
		tests["somebody else's"] = func() error {
			return errors.Join(os.Mkdir(private, 0o700), os.Chown(private, 12345, 12345))
		}
	}
	for name, squat := range tests {
		if err := squat(); err != nil {
			t.Fatal(err)
		}
		if _, err := localapi.Listen(t.Context(), dir); !api.IsCode(err, api.CodeNoPermission) {
			t.Errorf("listening in a directory that is %s: %v", name, err)
		}
		if _, err := localapi.Dial(t.Context(), dir); !api.IsCode(err, api.CodeNoPermission) {
			t.Errorf("dialling in a directory that is %s: %v", name, err)
		}
		if err := os.RemoveAll(private); err != nil {
			t.Fatal(err)
		}
	}
}
