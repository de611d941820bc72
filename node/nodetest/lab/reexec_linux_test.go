package lab

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

const nestedEnv = "P2PCHAT_LAB_NESTED"

// TestNested is no test of its own: the tests below run this test binary with
// it, to see what becomes of a lab whose process meets its end.
func TestNested(t *testing.T) {
	mode := os.Getenv(nestedEnv)
	if mode == "" {
		return
	}
	if mode == "lack" {
		Require(t, "no-such-program")
		t.Error("not skipped")
	}
	h := New(t, 1).Hosts[0]
	cmd := h.Program("sleep")
	cmd.ExtraFiles = []*os.File{os.Stdout} // open for as long as the process lives
	p := h.Start(cmd)
	ready(t, p)
	os.Stdout.WriteString("hanging\n")
	switch mode {
	case "fail":
		t.Error("as told")
	case "hang":
		<-p.done
	case "die":
		service := h.StartService(h.Program("crash"))
		<-service.done
	}
}

// nested starts this test binary anew, in namespaces within ours, and returns
// its output up to where its host runs, and the pipe for the rest.
func nested(t *testing.T, mode string) (cmd *exec.Cmd, seen []byte, rest *os.File) {
	t.Helper()
	Require(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	cmd = exec.Command("/proc/self/exe", "-test.run=^TestNested$", "-test.v")
	cmd.Env = append(os.Environ(), nestedEnv+"="+mode, "TMPDIR="+t.TempDir())
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	for !bytes.Contains(seen, []byte("hanging\n")) {
		b := make([]byte, 1000)
		n, err := r.Read(b)
		if err != nil {
			t.Fatalf("nested test: %v\n%s", err, seen)
		}
		seen = append(seen, b[:n]...)
	}
	return cmd, seen, r
}

func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGQUIT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			cmd, _, output := nested(t, "hang")
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Errorf("exit code 0 after %s", sig)
			}
			// The pipe ends when nobody holds it any more: not the process
			// that was killed, nor its copy inside, nor the host's program.
			if _, err := io.Copy(io.Discard, output); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestExitCodeAndFlagsPassThrough(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]struct {
		code int
		says string
	}{
		"pass": {0, "--- PASS: TestNested"},
		"fail": {1, "as told"},
		"die":  {1, "ended by itself: exit status 3"},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			cmd, seen, output := nested(t, mode)
			rest, err := io.ReadAll(output)
			if err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // its exit code is what we look at
			if got := cmd.ProcessState.ExitCode(); got != want.code {
				t.Errorf("exit code %d, want %d", got, want.code)
			}
			if !strings.Contains(string(seen)+string(rest), want.says) {
				t.Errorf("does not say %q:\n%s%s", want.says, seen, rest)
			}
		})
	}
}

func TestSkipIsLoud(t *testing.T) {
	t.Parallel()
	Require(t)
	for require, want := range map[string]string{"": "*** LAN LAB SKIPPED *** TestNested", "1": "--- FAIL: TestNested"} {
		t.Run("require="+require, func(t *testing.T) {
			t.Parallel()
			skips := t.TempDir() + "/skips"
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestNested$", "-test.v")
			cmd.Env = append(os.Environ(),
				nestedEnv+"=lack", "P2PCHAT_REQUIRE_LAB="+require, "P2PCHAT_LAB_SKIPS="+skips)
			out, err := cmd.CombinedOutput()
			if failed := err != nil; failed != (require == "1") {
				t.Errorf("%v\n%s", err, out)
			}
			if !strings.Contains(string(out), want) {
				t.Errorf("does not say %q:\n%s", want, out)
			}
			note, _ := os.ReadFile(skips)
			if skipped := strings.Contains(string(note), "TestNested"); skipped != (require == "") {
				t.Errorf("note of the skip: %q", note)
			}
		})
	}
}
