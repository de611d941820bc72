package room

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mutation takes one line of the constitution away, or changes it.
type mutation int

const (
	exact mutation = iota
	equalsOutrank
	ownersEqual
	keyFromRankOnly
	authAnywhere
	authOfOthers
	authMayBeVoid
	creatorTouchable
	raisesHimself
	adminsMakeAdmins
	adminsConfigure
	membersKick
	targetMayBeHigher
	judgedOnArrival
	cutByAnySetting
	cutOnlyToNone
	cutByAncestors
	cutByAnyone
	noResigning
	resignFromHigher
	cutEvenWhatWasSeen
	cutWhatHadNotSeen
	cutByVoid
	resigningTwice
	selfAlwaysExempt
	standingFromVoid
	standingUncut
	worstStanding
	deeperFirst
	standingHighestID
	registerFromVoid
	registerOverwrites
	registerById
	registerHighestID
	destroyedByVoid
	destroyedStaysOpen
	outcastsEnter
	strangersEnter
	moderatorsNeedVoice
	voiceIgnored
	membersNeedVoice
	moderationIgnored
	anyoneSubject
	joinsMustSpeak
	heardOnArrival
	anyMessageStored
	noJoinNeeded
	joinNeedsNoKick
	joinMayFollow
	joinsMustNotFollow
	kicksNeedNoEffect
	kicksOfAnyRank
	grantsOnPast
	narrowedByAnyone
	outranksThenOnly
	outranksNowOnly
	heardNarrow
	voidNarrows
	cutsNothing
	cutsBySeq
	unlistedUncut
	cutsKeepNothing
	joinsCountedWithOthers
	crowdedJoinsServe
	forksUnlimited
	setsDontNarrow
	resigningDoesntNarrow
	kicksDontNarrow
	devoicesDontNarrow
	endDoesntNarrow
	endNarrowsUpward
	switchesDontNarrow
	switchesMustOutrank
	onlyCombined
	neverCombined
	retractsNothing
	retractsUpward
	retractsByWrongName
	voidRetracts
	mutations // their number
)

// mutationTexts say, for people, what each mutation does to which rule.
var mutationTexts = [mutations]string{
	equalsOutrank:          "above: equals outrank each other",
	ownersEqual:            "above: all owners are equal",
	keyFromRankOnly:        "key: its depth is lost",
	authAnywhere:           "stored: auth need not be in anc(e)",
	authOfOthers:           "stored: auth may be addressed to somebody else",
	authMayBeVoid:          "eff: auth need not be effective",
	creatorTouchable:       "may: the creator can be touched",
	raisesHimself:          "may: one can raise oneself",
	adminsMakeAdmins:       "may: admins make admins and owners",
	adminsConfigure:        "table: admins configure and destroy",
	membersKick:            "table: members kick, devoice and retract",
	targetMayBeHigher:      "may: the target need not stand lower",
	judgedOnArrival:        "stored: may is judged on what is held, not on anc(e)",
	cutByAnySetting:        "cuts: r.standing < g.standing is not asked",
	cutOnlyToNone:          "cuts: only outlawing cuts",
	cutByAncestors:         "cuts: r may be an ancestor of g",
	cutByAnyone:            "cuts: r need not outrank what g confers",
	noResigning:            "cuts: a self-setting does not cut",
	resignFromHigher:       "cuts: a self-setting cuts what is above its key",
	cutEvenWhatWasSeen:     "eff: r cuts even what it had seen",
	cutWhatHadNotSeen:      "eff: \"e had not seen r\" instead of \"r had not seen e\"",
	cutByVoid:              "eff: r need not be effective to cut",
	resigningTwice:         "eff: no exemption for two self-settings",
	selfAlwaysExempt:       "eff: two self-settings are exempt even if e had seen r",
	standingFromVoid:       "standing: settings need not be effective",
	standingUncut:          "standing: cut settings count",
	worstStanding:          "standing: the lowest instead of the best",
	deeperFirst:            "standing: of equal ranks the deeper one",
	standingHighestID:      "standing: of equal ones the highest ID",
	registerFromVoid:       "registers: setters need not be effective",
	registerOverwrites:     "registers: what is overwritten competes still",
	registerById:           "registers: the higher key does not prevail",
	registerHighestID:      "registers: the highest ID instead of the lowest",
	destroyedByVoid:        "destroy need not be effective",
	destroyedStaysOpen:     "enter: a destroyed room stays open",
	outcastsEnter:          "enter: outcasts may",
	strangersEnter:         "enter: members-only is ignored",
	moderatorsNeedVoice:    "speak: moderators need voice",
	voiceIgnored:           "speak: the voice register is ignored",
	membersNeedVoice:       "speak: members need voice in moderated rooms",
	moderationIgnored:      "speak: moderation is ignored",
	anyoneSubject:          "subject: any who may speak",
	joinsMustSpeak:         "message stored: a join needs the right to speak",
	heardOnArrival:         "message stored: judged on what is held, not on P",
	anyMessageStored:       "message stored: P is not asked",
	noJoinNeeded:           "visible 1: no join is needed",
	joinNeedsNoKick:        "visible 1: the join need not have seen the kicks",
	joinMayFollow:          "visible 1: the join may stand above",
	joinsMustNotFollow:     "visible 1: refused instead of waiting, if the join comes later",
	kicksNeedNoEffect:      "visible 1: kicks need not be effective on P",
	kicksOfAnyRank:         "visible 1: kicks need not outrank",
	grantsOnPast:           "visible 2: what is effective on P alone counts",
	narrowedByAnyone:       "visible 3: narrowings need not outrank",
	outranksThenOnly:       "visible 3, 4: only his standing on P is asked",
	outranksNowOnly:        "visible 3, 4: only his present standing is asked",
	heardNarrow:            "visible 3: narrowings in P count too",
	voidNarrows:            "visible 3: narrowings need not be effective",
	cutsNothing:            "cut: contains nothing",
	cutsBySeq:              "cut: by seq instead of by prev",
	unlistedUncut:          "cut: an unlisted log is not cut",
	cutsKeepNothing:        "cut: what it reaches is not kept",
	joinsCountedWithOthers: "kept: joins and others count together",
	crowdedJoinsServe:      "visible 1: a join kept only by a cut serves",
	forksUnlimited:         "kept: every fork",
	setsDontNarrow:         "visible 3: settings don't narrow",
	resigningDoesntNarrow:  "visible 3: self-settings don't narrow",
	kicksDontNarrow:        "visible 3: kicks don't narrow",
	devoicesDontNarrow:     "visible 3: devoices don't narrow",
	endDoesntNarrow:        "visible 3: destroy does not narrow",
	endNarrowsUpward:       "visible 3: destroy need not outrank",
	switchesDontNarrow:     "visible 3: switches don't narrow",
	switchesMustOutrank:    "visible 3: switches must outrank",
	onlyCombined:           "visible 3: each unheard setting alone is not asked",
	neverCombined:          "visible 3: unheard settings are not put together with P",
	retractsNothing:        "visible 4: retractions are ignored",
	retractsUpward:         "visible 4: a retraction need not outrank",
	retractsByWrongName:    "visible 4: a retraction may name another author",
	voidRetracts:           "visible 4: a retraction need not be effective",
}

var survive = flag.Int("survive", 4000, "random histories a mutation may survive unnoticed by the properties")

// TestMutations takes every line of the constitution away from the oracle, one
// at a time, and shows what then fails: a property of the constitution, the
// Room, which still has the line, and a scenario. The rarest takes some hundred
// histories until a property fails, most one.
func TestMutations(t *testing.T) {
	t.Parallel()
	begin := firstSeed(t)
	table := make([]string, mutations)
	t.Run("each", func(t *testing.T) {
		for no := exact + 1; no < mutations; no++ {
			t.Run(mutationTexts[no], func(t *testing.T) {
				t.Parallel()
				property, after := breaks(begin, no)
				row := mutationRow{mutationTexts[no], "", property, "-", changes(t, no)}
				if property != "" {
					row.histories = fmt.Sprint(after)
				}
				differs := differsFromRoom(begin, no)
				if row.differs = "-"; differs > 0 {
					row.differs = fmt.Sprint(differs)
				}
				table[no] = row.String()
				if property == "" {
					t.Errorf("no property failed in %d histories", *survive)
				}
				if row.scenario == "" {
					t.Error("no scenario changed")
				}
			})
		}
	})
	for i, row := range table {
		table[i] = strings.TrimRight(row, " ")
	}
	head := mutationRow{"mutation", "room", "property that failed", "after", "scenario that changed"}
	text := fmt.Sprintf("%s\n%s\n", head, strings.Join(table[1:], "\n"))
	// Which history is the first may differ; which mutations there are may not.
	kept, err := os.ReadFile(filepath.Join("testdata", "mutations.txt"))
	for _, text := range mutationTexts[1:] {
		if err != nil || !*update && !strings.Contains(string(kept), "\n"+text+"  ") {
			t.Errorf("mutations.txt is out of date: %q, %v", text, err)
		}
	}
	t.Logf("after how many random histories the Room differed, and a property failed:\n%s", text)
	if *update && *seed != 0 {
		text = fmt.Sprintf("go test ./protocol/room -run TestMutations -update -seed %d -survive %d\n\n%s", *seed, *survive, text)
		if err := os.WriteFile(filepath.Join("testdata", "mutations.txt"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// mutationRow is a line of the table.
type mutationRow struct{ mutation, differs, property, histories, scenario string }

func (r mutationRow) String() string {
	return fmt.Sprintf("%-68s %5s %5s  %-67s %s", r.mutation, r.differs, r.histories, r.property, r.scenario)
}

// changes names the first scenario that tells another story under a mutation.
func changes(t *testing.T, no mutation) string {
	all := scripts(t)
	for _, file := range slices.Sorted(maps.Keys(all)) {
		script, _, _ := strings.Cut(all[file], "\n# Audit\n")
		s, err := play(script, no)
		if err != nil || s.out.String() != script {
			return strings.TrimSuffix(filepath.Base(file), ".txt")
		}
	}
	return ""
}

// breaks tells which property of the mutated constitution fails first, and in
// which history.
func breaks(begin uint64, no mutation) (property string, after int) {
	for n := range *survive {
		h := newHistory(begin+uint64(n), no)
		h.run()
		check(h, func(p, _ string) {
			if property == "" {
				property = p
			}
		})
		if property != "" {
			return property, n + 1
		}
	}
	return "", 0
}

// differsFromRoom tells in which history the mutated oracle and the Room, which
// is not mutated, first decide differently; 0 for none.
func differsFromRoom(begin uint64, no mutation) int {
	for n := range *survive {
		s, differs := begin+uint64(n), false
		// What the mutation allows:
		h := newHistory(s, no)
		h.run()
		checkEngine(h, func(string, string) { differs = true })
		// What it forbids:
		h = newHistory(s, exact)
		h.run()
		if r, err := h.load(h.items()); err == nil {
			h.no, h.worlds = no, map[events]*world{}
			set, held := h.deliver(h.items(), one(0), map[int]bool{})
			differs = differs || h.compare(r, set, held) != ""
		}
		if differs {
			return n + 1
		}
	}
	return 0
}
