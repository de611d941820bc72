package sim

import (
	"os/exec"
	"regexp"
	"testing"
)

// Without sync, campaigns fail: what gossip loses stays lost.
func TestCampaignWithoutSync(t *testing.T) {
	for seed := range uint64(5) {
		o := happens(t, seed, false)
		if t.Log(o.Line("sim, without sync")); len(o.Lost) > 0 {
			return
		}
	}
	t.Error("no campaign found anything lost")
}

// Without de-duplication, and where nothing is cut, campaigns fail. The program
// is built without them, by a tag. One of three seeds is enough: in which order
// goroutines run is none of a seed's.
func TestCampaignMutants(t *testing.T) {
	for tag, found := range map[string]*regexp.Regexp{
		"nodedup": regexp.MustCompile(` [1-9]\d* duplicated`),
		"nocuts":  regexp.MustCompile(` [1-9]\d* forged`),
	} {
		t.Run(tag, func(t *testing.T) {
			cmd := exec.Command("go", "test", "-count=1", "-tags", tag, "-run", "^TestCampaign$", ".", "-campaign.seed", "18", "-campaign.seeds", "3")
			out, err := cmd.CombinedOutput()
			if err == nil || !found.Match(out) {
				t.Errorf("the campaign did not find %s: %v\n%s", found, err, out)
			}
		})
	}
}
