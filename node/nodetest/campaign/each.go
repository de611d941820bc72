package campaign

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var (
	lasts = flag.Duration("campaign.for", 0, "how long a campaign goes on; 0: -campaign.seeds")
	seeds = flag.Int("campaign.seeds", 0, "how many seeds a campaign runs; 0: a few")
	first = flag.Uint64("campaign.seed", 1, "the first seed of a campaign")
)

// Each runs seeds in a world, one after another: as many as the flags say, few if
// they say nothing. Of each it prints a line, and one of the whole.
func Each(t *testing.T, world string, few int, happens func(t *testing.T, seed uint64) Outcome) {
	t.Helper()
	begun := time.Now()
	n, failed, lines, faults := 0, 0, 0, 0
	var lost, duplicated, diverged, forged int
	if *seeds > 0 {
		few = *seeds
	}
	for seed := *first; *lasts > 0 && time.Since(begun) < *lasts || *lasts == 0 && n < few; seed++ {
		var o Outcome
		ok := t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			o = happens(t, seed)
			if !o.OK() {
				t.Errorf("%s\n%s%s", o.Line(world), o.Details(), o.Scenario)
			}
		})
		n++
		lines, faults = lines+o.Lines, faults+o.Scenario.Faults()
		lost, duplicated, diverged, forged = lost+len(o.Lost), duplicated+len(o.Duplicated), diverged+len(o.Diverged), forged+len(o.Forged)
		if !ok {
			failed++
		}
		fmt.Println(o.Line(world))
	}
	fmt.Printf("%s: %d seeds in %v, %d messages, %d faults: %d lost, %d duplicated, %d diverged, %d forged; %d seeds failed\n",
		world, n, time.Since(begun).Round(time.Second), lines, faults, lost, duplicated, diverged, forged, failed)
}
