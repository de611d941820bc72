package localapi_test

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"p2pchat/node/api"
	"p2pchat/node/api/apitest"
	"p2pchat/node/localapi"
)

func listen(t *testing.T, dir string) net.Listener {
	t.Helper()
	l, err := localapi.Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func socketPath(t *testing.T, dir string) string {
	t.Helper()
	path, err := localapi.SocketPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func TestSocketFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := socketPath(t, dir)
	if filepath.Base(path) != "api.sock" {
		t.Errorf("the socket is %s", path)
	}
	l := listen(t, dir)
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %04o", info.Mode().Perm())
	}
	if err := l.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if exists(path) {
		t.Error("the socket is still there")
	}
	if err := l.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
}

func TestLiveSocketIsLeft(t *testing.T) {
	t.Parallel()
	_, alice, _ := apitest.NewFixture()
	dir, _, _ := serve(t, alice)
	if _, err := localapi.Listen(t.Context(), dir); !api.IsCode(err, api.CodeInUse) {
		t.Errorf("listening where a node answers: %v", err)
	}
	if _, err := dial(t, dir).Whoami(t.Context()); err != nil {
		t.Errorf("the first node: %v", err)
	}
}

func TestCloseLeavesSuccessor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := socketPath(t, dir)
	first := listen(t, dir)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	listen(t, dir)
	first.Close()
	if !exists(path) {
		t.Error("the first node removed the second one's socket")
	}
}

func TestFileInTheWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := socketPath(t, dir)
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := localapi.Listen(t.Context(), dir); err == nil {
		l.Close()
		t.Error("a file in the way was no error")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file is now %q (%v)", b, err)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	empty, stale := t.TempDir(), t.TempDir()
	leftBehind(t, socketPath(t, stale))
	for name, dir := range map[string]string{
		"empty": empty, "missing": filepath.Join(empty, "missing"), "stale": stale,
	} {
		if _, err := localapi.Dial(t.Context(), dir); !api.IsCode(err, api.CodeNoNode) {
			t.Errorf("dial with data directory %s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := localapi.Dial(ctx, empty); !errors.Is(err, context.Canceled) {
		t.Errorf("dial with a context that is over: %v", err)
	}
	listen(t, stale)
}

// leftBehind makes a socket nobody listens on.
func leftBehind(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

// A listener that never answers is a node that hangs: no client waits for it
// for ever.
func TestNodeHangs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	listen(t, dir)
	if _, err := localapi.Dial(t.Context(), dir); !api.IsCode(err, api.CodeNoNode) {
		t.Errorf("dial of a node that hangs: %v", err)
	}
}

// TestKilledNode kills a process that serves and takes over its socket.
func TestKilledNode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServeForKill$")
	cmd.Env = append(os.Environ(), "P2PCHAT_TEST_SERVE="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the process said %q (%v)", line, err)
	}
	c := dial(t, dir)
	if _, err := c.Whoami(t.Context()); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	<-c.Done()
	if !exists(socketPath(t, dir)) {
		t.Fatal("a killed process left no socket: the test shows nothing")
	}
	if _, err := localapi.Dial(t.Context(), dir); !api.IsCode(err, api.CodeNoNode) {
		t.Errorf("dial after the kill: %v", err)
	}
	listen(t, dir)
}

// TestServeForKill is the process that [TestKilledNode] kills.
func TestServeForKill(t *testing.T) {
	dir := os.Getenv("P2PCHAT_TEST_SERVE")
	if dir == "" {
		return
	}
	_, alice, _ := apitest.NewFixture()
	l := listen(t, dir)
	os.Stdout.WriteString("ready\n")
	if err := localapi.NewServer(alice, slog.New(slog.DiscardHandler)).Serve(t.Context(), l); err != nil {
		t.Error(err)
	}
}

func TestPathIsOneForAllSpellings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	want := socketPath(t, dir)
	for _, spelling := range []string{dir + "/", filepath.Join(dir, "x", ".."), dir + "/./", link} {
		if got := socketPath(t, spelling); got != want {
			t.Errorf("%s has socket %s, want %s", spelling, got, want)
		}
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if relative, err := filepath.Rel(wd, dir); err == nil && socketPath(t, relative) != want {
		t.Errorf("%s has socket %s, want %s", relative, socketPath(t, relative), want)
	}
}

func TestPathLength(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for length, inside := range map[int]bool{99: true, 100: true, 101: false, 300: false} {
		dir := root + "/" + strings.Repeat("d", length-len(root)-len("//api.sock"))
		path := socketPath(t, dir)
		if (path == dir+"/api.sock") != inside || len(path) > 100 {
			t.Errorf("where the path would have %d bytes the socket is %s", length, path)
		}
	}
}
