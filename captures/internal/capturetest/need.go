// Package capturetest is for the tests of captures and what stands below it.
package capturetest

import (
	"fmt"
	"os"
	"testing"
)

// Need skips a test that lacks what the machine must give, so that `make test` says
// it at its end, and fails it with P2PCHAT_REQUIRE_LAB=1, where nothing may be
// skipped.
func Need(t testing.TB, ok bool, what string) {
	t.Helper()
	if !ok && os.Getenv("P2PCHAT_REQUIRE_LAB") == "1" {
		t.Fatalf("P2PCHAT_REQUIRE_LAB=1 and this machine lacks %s", what)
	}
	Want(t, ok, what)
}

// Want is Need for what not even such a machine need have.
func Want(t testing.TB, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	line := fmt.Sprintf("*** SKIPPED *** %s: this machine lacks %s", t.Name(), what)
	fmt.Fprintln(os.Stderr, line)
	if name := os.Getenv("P2PCHAT_LAB_SKIPS"); name != "" {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatalf("note the skip: %v", err)
		}
		defer f.Close()
		if _, err := fmt.Fprintln(f, line); err != nil {
			t.Fatalf("note the skip: %v", err)
		}
	}
	t.Skip(line)
}
