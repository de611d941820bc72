package wireshark_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"p2pchat/captures/internal/capturetest"
)

// tshark reads a capture with the plugin and no preference set, in a home of its
// own, and fails the test if Lua complains.
func tshark(t *testing.T, file string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("tshark")
	capturetest.Need(t, err == nil, "tshark")
	plugin, err := filepath.Abs("p2pchat.lua")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, append([]string{"-n", "-X", "lua_script:" + plugin, "-r", file}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC", "HOME="+t.TempDir())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("tshark %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	for line := range strings.Lines(stderr.String()) {
		if !strings.HasPrefix(line, "Running as user") {
			t.Errorf("tshark %s: %s", strings.Join(args, " "), line)
		}
	}
	return stdout.String()
}

// aggregator stands between several values of a field in one packet.
const aggregator = "|"

// rows are the values of fields, of each packet that a filter shows.
func rows(t *testing.T, file, filter string, passes int, fields ...string) [][]string {
	t.Helper()
	return rowsWith(t, nil, file, filter, passes, fields...)
}

// installed are the preferences that an installation of the plugin sets.
var installed = []string{"-o", "tcp.reassemble_out_of_order:TRUE", "-o", "tcp.try_heuristic_first:TRUE", "-o", "udp.try_heuristic_first:TRUE"}

// rowsWith are those under some preferences.
func rowsWith(t *testing.T, prefs []string, file, filter string, passes int, fields ...string) [][]string {
	t.Helper()
	args := append(slices.Clone(prefs), []string{"-T", "fields", "-E", "separator=/t", "-E", "aggregator=" + aggregator}...)
	if filter != "" {
		args = append(args, "-Y", filter)
	}
	if passes == 2 {
		args = append(args, "-2")
	}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	var out [][]string
	for line := range strings.Lines(tshark(t, file, args...)) {
		out = append(out, strings.Split(strings.TrimRight(line, "\n"), "\t"))
	}
	return out
}
