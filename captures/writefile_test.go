package captures

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestWriteFile(t *testing.T) {
	t.Parallel()
	ours := func(head []byte) bool { return bytes.HasPrefix(head, []byte("ours")) }
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := io.WriteString(w, s)
			return err
		}
	}
	broken := func(err error) func(io.Writer) error {
		return func(w io.Writer) error { return errors.Join(text("ours, half of it")(w), err) }
	}
	for name, x := range map[string]struct {
		before string // "" for no file, "-" for an empty one
		write  func(io.Writer) error
		after  string
		usage  bool
		full   bool
	}{
		"new":                {"", text("ours"), "ours", false, false},
		"over ours":          {"ours, long ago", text("ours"), "ours", false, false},
		"over an empty one":  {"-", text("ours"), "ours", false, false},
		"over another":       {"mine", text("ours"), "mine", true, false},
		"fails":              {"", broken(syscall.EIO), "", false, false},
		"fails over ours":    {"ours, long ago", broken(syscall.EIO), "ours, long ago", false, false},
		"full disk":          {"ours, long ago", broken(syscall.ENOSPC), "ours, long ago", false, true},
		"shorter than asked": {"ou", text("ours"), "ou", true, false},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "report.html")
		if x.before != "" {
			must(t, os.WriteFile(path, bytes.TrimPrefix([]byte(x.before), []byte("-")), 0o644))
		}
		err := WriteFile(path, "report", ours, x.write)
		var usage *UsageError
		if errors.As(err, &usage) != x.usage || errors.Is(err, ErrDiskFull) != x.full || err == nil != (x.after == "ours") {
			t.Errorf("%s: %v", name, err)
		}
		left, err := os.ReadDir(dir)
		must(t, err)
		if x.after == "" {
			if len(left) > 0 {
				t.Errorf("%s: left %v", name, left)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != x.after || len(left) != 1 {
			t.Errorf("%s: %q, %v, %d files", name, got, err, len(left))
		}
		if info, err := os.Stat(path); err != nil || x.after == "ours" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "real"), []byte("ours"), 0o600))
	must(t, os.Symlink("real", filepath.Join(dir, "link")))
	var usage *UsageError
	if err := WriteFile(filepath.Join(dir, "link"), "report", ours, text("ours too")); !errors.As(err, &usage) {
		t.Errorf("through a link: %v", err)
	}
}
