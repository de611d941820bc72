//go:build unix

package cli_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestInterruptedInput: a command that waits for what it is to read ends with the
// first signal.
func TestInterruptedInput(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"verify-log":    {"verify-log"},
		"capture read":  {"capture", "read"},
		"password file": {"init", "--name", "me", "--account-password-file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pipe := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			p := newProgram(t, filepath.Join(t.TempDir(), "data"), append(args, pipe)...)
			p.start()
			f, err := os.OpenFile(pipe, os.O_WRONLY, 0) // waits for the command to open it
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			p.signal(syscall.SIGTERM)
			p.code(1)
		})
	}
	t.Run("standard input", func(t *testing.T) {
		t.Parallel()
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		p := newProgram(t, "", "verify-log", "-")
		p.Stdin = in
		p.start()
		_ = in.Close()
		if _, err := out.Write(make([]byte, 1<<20)); err != nil { // more than the pipe takes before it is read
			t.Fatal(err)
		}
		p.signal(syscall.SIGTERM)
		p.code(1)
	})
}
