package captures

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"p2pchat/captures/internal/capturetest"
)

// tool runs a program that reads captures, and fails the test unless it accepts
// the file without complaint.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	capturetest.Need(t, err == nil, name)
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String()
}

// accepted fails the test unless the strict readers take the whole file; it
// returns how many packets tcpdump sees.
func accepted(t *testing.T, path string) int {
	t.Helper()
	tool(t, "capinfos", path)
	return strings.Count(tool(t, "tcpdump", "-nn", "-t", "-r", path), "\n")
}

// fields runs tshark and returns a row per packet.
func fields(t *testing.T, path string, names ...string) [][]string {
	t.Helper()
	args := []string{"-n", "-N", "n", "-r", path, "-T", "fields", "-E", "separator=|"}
	for _, n := range names {
		args = append(args, "-e", n)
	}
	var rows [][]string
	for line := range strings.Lines(tool(t, "tshark", args...)) {
		rows = append(rows, strings.Split(strings.TrimRight(line, "\n"), "|"))
	}
	return rows
}
