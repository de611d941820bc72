package campaign

import (
	"fmt"
	"strings"
)

// Verdict is what is wrong once all should agree: sentences, nothing if all is
// well.
type Verdict struct {
	Lost       []string // acknowledged, and not there
	Duplicated []string
	Diverged   []string // not the same on two members
	Forged     []string // shown or counted, and nobody said it or had the right
	Failed     string   // why there is nothing to judge
}

// OK tells whether nothing is wrong.
func (v Verdict) OK() bool {
	return v.Failed == "" && len(v.Lost)+len(v.Duplicated)+len(v.Diverged)+len(v.Forged) == 0
}

func (v Verdict) String() string {
	if v.OK() {
		return "ok"
	}
	if v.Failed != "" {
		return "FAILED: " + v.Failed
	}
	return fmt.Sprintf("FAILED: %d lost, %d duplicated, %d diverged, %d forged", len(v.Lost), len(v.Duplicated), len(v.Diverged), len(v.Forged))
}

// Details lists the first of each sort.
func (v Verdict) Details() string {
	const most = 8
	var b strings.Builder
	for _, sort := range []struct {
		what string
		all  []string
	}{{"lost", v.Lost}, {"duplicated", v.Duplicated}, {"diverged", v.Diverged}, {"forged", v.Forged}} {
		for _, s := range sort.all[:min(most, len(sort.all))] {
			fmt.Fprintf(&b, "%s: %s\n", sort.what, s)
		}
	}
	return b.String()
}

// Outcome is what became of a scenario.
type Outcome struct {
	Scenario Scenario
	Lines    int // acknowledged
	Verdict
}

// Line is the outcome as a line of a report.
func (o Outcome) Line(world string) string {
	return fmt.Sprintf("seed %d  %s  %d members  %d steps  %d messages  %d faults  %s",
		o.Scenario.Seed, world, o.Scenario.Members, len(o.Scenario.Steps), o.Lines, o.Scenario.Faults(), o.Verdict)
}
