package room

import (
	"testing"

	"p2pchat/protocol/event"
)

// A long talk is a line for each log, however often it is looked through.
func TestCompact(t *testing.T) {
	t.Parallel()
	w := newTown(t, 2)
	k := event.LogKey{Author: w.id(1), Log: logOf(1)}
	for range 101 { // a join comes first
		w.says(1, 1, nil)
	}
	if !w.Compact(nil, 0) {
		t.Fatal("nothing was done")
	}
	lines := w.Lines(2)
	if len(lines) != 1 || lines[0].LogKey != k || lines[0].First != 2 || lines[0].Last != 102 || lines[0].Verdict.Status != Visible {
		t.Errorf("lines %+v", lines)
	}
	if w.Compact(nil, 1) {
		t.Error("done again though nothing came")
	}
}
