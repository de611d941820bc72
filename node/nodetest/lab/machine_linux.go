package lab

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// machine is what Main found out about this machine.
var machine = struct {
	missing error // why there can be no lab
}{missing: fmt.Errorf("TestMain did not call lab.Main")}

// Require skips the test, loudly, if this machine cannot run a lab or lacks
// one of the programs named. With P2PCHAT_REQUIRE_LAB=1 it fails instead.
func Require(t testing.TB, programs ...string) {
	t.Helper()
	missing := machine.missing
	for _, p := range programs {
		if missing == nil {
			_, missing = exec.LookPath(p)
		}
	}
	if missing == nil {
		return
	}
	if os.Getenv("P2PCHAT_REQUIRE_LAB") == "1" {
		t.Fatalf("the LAN lab cannot run, and P2PCHAT_REQUIRE_LAB=1: %v", missing)
	}
	line := fmt.Sprintf("*** LAN LAB SKIPPED *** %s: %v", t.Name(), missing)
	fmt.Fprintln(os.Stderr, line)
	if name := os.Getenv("P2PCHAT_LAB_SKIPS"); name != "" {
		if err := appendLine(name, line); err != nil {
			t.Fatalf("note the skip: %v", err)
		}
	}
	t.Skip(line)
}

// appendLine adds one line to a file; lines of several processes don't mix.
func appendLine(name, line string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(line + "\n"); err != nil {
		return err
	}
	return f.Close()
}
