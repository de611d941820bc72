//go:build unix

package captures

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pchat/captures/internal/capturetest"
)

// create makes a file through createFile, with the given content.
func create(path, content string) error {
	f, err := createFile(path, nil, captureFile)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(content); err != nil {
		return err
	}
	return f.commit()
}

func TestCreateFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.WriteFile(at("old.pcapng"), []byte("\x0a\x0d\x0d\x0aold"), 0o644))
	must(t, os.Link(at("old.pcapng"), at("hardlink")))
	must(t, os.WriteFile(at("empty"), nil, 0o644))
	must(t, os.WriteFile(at("letter"), []byte("dear bob"), 0o644))
	must(t, os.WriteFile(at("short"), []byte("abc"), 0o644))
	must(t, os.Symlink(at("old.pcapng"), at("link")))
	must(t, os.Symlink(at("nowhere"), at("dangling")))
	must(t, os.Mkdir(at("dir"), 0o700))
	must(t, syscall.Mkfifo(at("pipe"), 0o600))

	for _, name := range []string{"new.pcapng", "old.pcapng", "empty"} {
		if err := create(at(name), "new"); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		b, _ := os.ReadFile(at(name))
		info, _ := os.Stat(at(name))
		if string(b) != "new" || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %q, mode %v", name, b, info.Mode())
		}
	}
	if b, _ := os.ReadFile(at("hardlink")); !strings.HasSuffix(string(b), "old") {
		t.Errorf("another name of the old file now shows %q", b)
	}
	for _, name := range []string{"letter", "short", "link", "dangling", "dir", "pipe"} {
		before, _ := os.ReadFile(at("old.pcapng"))
		var usage *UsageError
		if err := create(at(name), "new"); !errors.As(err, &usage) || !strings.Contains(usage.Text, name) {
			t.Errorf("%s: error %v", name, err)
		}
		if after, _ := os.ReadFile(at("old.pcapng")); string(after) != string(before) {
			t.Errorf("%s: the file behind it was changed", name)
		}
	}
	if b, _ := os.ReadFile(at("letter")); string(b) != "dear bob" {
		t.Errorf("the letter is now %q", b)
	}
	if err := create(at("no/such/x.pcap"), ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
	left, _ := filepath.Glob(at(".*"))
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Until commit the old capture stands, and abandoning leaves it.
func TestCreateFileAbandon(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.pcap")
	must(t, create(path, "\x0a\x0d\x0d\x0aold"))
	f, err := createFile(path, nil, captureFile)
	must(t, err)
	f.abandon()
	if b, _ := os.ReadFile(path); !strings.HasSuffix(string(b), "old") {
		t.Errorf("the old file is now %q", b)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestSudoOwner(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		euid     int
		uid, gid string
		want     *owner
	}{
		{0, "1000", "1001", &owner{1000, 1001}},
		{1000, "1000", "1001", nil},
		{0, "", "", nil},
		{0, "0", "0", nil},
		{0, "1000", "", nil},
		{0, "-1", "5", nil},
		{0, "x", "5", nil},
	} {
		got := sudoOwner(tc.euid, func(key string) string {
			return map[string]string{"SUDO_UID": tc.uid, "SUDO_GID": tc.gid}[key]
		})
		if (got == nil) != (tc.want == nil) || (got != nil && *got != *tc.want) {
			t.Errorf("%+v: %+v", tc, got)
		}
	}
}

func TestCreateFileForOwner(t *testing.T) {
	t.Parallel()
	capturetest.Need(t, os.Geteuid() == 0, "root, to give files away")
	path := filepath.Join(t.TempDir(), "x.pcap")
	f, err := createFile(path, &owner{12345, 23456}, captureFile)
	must(t, err)
	defer f.Close()
	info, err := f.Stat()
	must(t, err)
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 12345 || st.Gid != 23456 || info.Mode().Perm() != 0o600 {
		t.Errorf("owner %d:%d, mode %v", st.Uid, st.Gid, info.Mode())
	}
}

// A named pipe is waited for, and gets what a reader reads.
func TestOpenStream(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(path, 0o600))
	read := make(chan string, 1) // one value is sent
	w, err := openStream(t.Context(), path, func() {
		go func() { // ends when the pipe's writer closes
			f, err := os.Open(path)
			if err != nil {
				read <- err.Error()
				return
			}
			b, _ := io.ReadAll(f)
			f.Close()
			read <- string(b)
		}()
	})
	must(t, err)
	_, err = w.WriteString("hello")
	must(t, err)
	must(t, w.Close())
	if got := <-read; got != "hello" {
		t.Errorf("read %q", got)
	}

	ctx, cancel := context.WithCancel(t.Context())
	if _, err := openStream(ctx, path, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("a pipe that nobody reads: %v", err)
	}
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if err := writeError("x.pcap", &fs.PathError{Op: "write", Path: "x.pcap", Err: errno}); !errors.Is(err, ErrDiskFull) {
			t.Errorf("%v: %v", errno, err)
		}
	}
	if err := writeError("x.pcap", syscall.EIO); errors.Is(err, ErrDiskFull) || !errors.Is(err, syscall.EIO) {
		t.Errorf("EIO: %v", err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	node := Target{UDP: AnyAddr(47700)}
	for i, tc := range []struct {
		opts Options
		want string // part of the usage error, "" if there is none
	}{
		{Options{Path: "x.pcap", Target: node}, ""},
		{Options{Path: "X.PCAPNG", Target: node}, ""},
		{Options{Path: "-", Target: node, Stdout: io.Discard}, ""},
		{Options{Path: pipe, Target: node}, ""},
		{Options{Path: "x.pcap", Refresh: func(context.Context) (Target, error) { return node, nil }}, ""},
		{Options{Target: node}, "no file"},
		{Options{Path: "x.cap", Target: node}, ".pcapng"},
		{Options{Path: "x", Target: node}, ".pcapng"},
		{Options{Path: "x.pcap"}, "listens nowhere"},
		{Options{Path: "x.pcap", Target: node, Duration: -time.Second}, "-1s"},
		{Options{Path: "x.pcap", Target: node, Ring: Ring{Size: 1, Files: 2}}, "65536"},
		{Options{Path: "x.pcap", Target: node, Ring: Ring{Size: 1e6, Files: 1}}, "2 files"},
		{Options{Path: "-", Target: node, Stdout: io.Discard, Ring: Ring{Size: 1e6, Files: 2}}, "ring"},
		{Options{Path: pipe, Target: node, Ring: Ring{Size: 1e6, Files: 2}}, "ring"},
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			_, err := tc.opts.plan()
			var usage *UsageError
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("%+v: %v", tc.opts.Path, err)
			case tc.want != "" && (!errors.As(err, &usage) || !strings.Contains(usage.Text, tc.want)):
				t.Errorf("%+v: %v, want %q in it", tc.opts.Path, err, tc.want)
			}
		})
	}
}
