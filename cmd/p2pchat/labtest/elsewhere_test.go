//go:build !linux

package labtest

import (
	"os"
	"testing"
)

func TestLab(t *testing.T) {
	const why = "*** LAN LAB SKIPPED *** it needs Linux"
	if os.Getenv("P2PCHAT_REQUIRE_LAB") == "1" {
		t.Fatal(why)
	}
	os.Stderr.WriteString(why + "\n")
	t.Skip(why)
}
