package cli

import (
	"bytes"
	"strings"
	"testing"

	"p2pchat/cmd/p2pchat/internal/term"
)

// On a terminal no line of the table is wider than the screen, and no text
// takes more than its share of lines.
func TestDemoTableFits(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("and so on ", 1600) + "終わり"
	r := DemoResult{Rows: []DemoRow{
		{Transport: "tcp", Input: "Hi! server, need help", Expected: "Hi! server, need help", Observed: "Hi! server, need help", Result: "Success"},
		{Transport: "quic-v1", Input: "Hi client! glad to help", Expected: "Hi client! glad to help", Observed: "", Result: "Failure"},
		{Transport: "quic-v1", Input: long, Expected: long, Observed: strings.Repeat("x", 4000) + "\x1b[2J\n", Result: "Failure"},
	}}
	for _, columns := range []int{60, 80, 100, 200} {
		var b bytes.Buffer
		if _, err := demoTable(r, columns, term.Style{}).WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		for _, line := range lines {
			if got := term.Width(line); got > columns {
				t.Errorf("%d columns: a line has %d: %q", columns, got, line)
			}
		}
		if limit := 1 + 2*demoLines + demoLines; len(lines) > limit {
			t.Errorf("%d columns: %d lines, want at most %d", columns, len(lines), limit)
		}
		if columns >= 100 && !strings.Contains(b.String(), "Hi client! glad to help") {
			t.Errorf("%d columns: wrapped although there is room:\n%s", columns, b.String())
		}
	}
	// Into a file everything goes as it is.
	var b bytes.Buffer
	if _, err := demoTable(r, 0, term.Style{}).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), long) || strings.Count(b.String(), "\n") != 4 {
		t.Errorf("without a terminal the table is changed: %.300q", b.String())
	}
}
