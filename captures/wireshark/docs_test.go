package wireshark_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documented are the display filters of docs/WIRESHARK.md: first in a row of its
// table, or first in an answer to an exercise.
var documented = regexp.MustCompile("(?m)^(?:\\| |[0-9]+\\. )`([^`]+)`")

// Each filter of the documentation finds something in the sample captures, or
// nothing where it says so.
func TestDocumentedFilters(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "WIRESHARK.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := documented.FindAllStringSubmatch(string(page), -1)
	if len(all) < 30 {
		t.Fatalf("%d filters", len(all))
	}
	for _, m := range all {
		t.Run(m[1], func(t *testing.T) {
			t.Parallel()
			found := 0
			for _, sample := range []string{"lesson.pcapng", "demo.pcapng"} {
				found += len(rows(t, filepath.Join("..", "samples", sample), m[1], 1, "frame.number"))
				if found > 0 {
					break
				}
			}
			if nothing := strings.HasPrefix(m[1], "frame contains"); nothing != (found == 0) {
				t.Errorf("finds %d packets", found)
			}
		})
	}
}
