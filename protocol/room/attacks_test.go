package room

import (
	"fmt"
	"maps"
	"slices"
)

// checkPowerless lets all who stand below moderator, knowing everything, do
// whatever is stored, and those silenced or kicked say whatever is stored.
func checkPowerless(h *history, set events, held, vis map[int]bool, ref summary, found finding) {
	w := h.world(set)
	var low []int
	silent, kicked := map[int]bool{}, map[int]bool{}
	for p := 1; p < crowd; p++ {
		if ref.people[p].standing.rank >= Moderator {
			continue
		}
		low = append(low, p)
		silent[p] = !plainDoor(w, set, p).spoke
		for i := range set.all() {
			a := h.acts[i]
			kicked[p] = kicked[p] || a.kind == KindKick && a.target == p && w.holds(i)
		}
	}
	if len(low) == 0 {
		return
	}
	before := h.kept(set, held)
	after, heldAfter := set, maps.Clone(held)
	acts, lines := len(h.acts), len(h.lines)
	for n := 0; n < 40 && len(h.acts) < min(acts+14, maxActs-2); n++ {
		p := low[h.rng.IntN(len(low))]
		if h.rng.IntN(2) == 0 {
			if a := h.abuse(p, after, heldAfter, crowd, false); a != nil {
				if a.self() { // lowering oneself, also afterwards, is everybody's right
					h.undo(a)
					continue
				}
				after |= one(a.n)
			}
		} else if silent[p] || kicked[p] {
			if m := h.babble(p, after, heldAfter); m != nil {
				heldAfter[m.n] = true
			}
		}
	}
	if h.summary(after) != ref {
		found(propPowerless, fmt.Sprint(ref, h.summary(after)))
	}
	if ref.destroy && !h.world(after).destroyed(after) {
		found(propClosed, "opened again")
	}
	kept := h.kept(after, heldAfter)
	for i := range kept {
		m := h.lines[i]
		why, _ := h.hidden(after, m, kept)
		if i >= lines {
			if why == shown && !ref.destroy {
				checkBabble(h, m, after, kept, silent[m.author], kicked[m.author], found)
			}
			continue
		}
		if (why == shown) == vis[i] || !before[i] {
			continue // unchanged, or a third of its place that a cut brought back
		}
		switch {
		case !slices.Contains(low, m.author):
			found(propOthers, h.tellLine(i))
		case why != shown: // one may hide one's own old text by forking
		default:
			// A kicked person who comes back may bring what he said knowing of
			// the kick, which waited for his join.
			if was, by := h.hidden(set, m, before); was != waits {
				found(propReturn, fmt.Sprint(h.tellLine(i), ": ", was, " ", h.tell(by)))
			}
		}
	}
}

// checkBabble judges text that was made up after the fact and is shown.
func checkBabble(h *history, m *line, after events, kept map[int]bool, silent, kicked bool, found finding) {
	w := h.world(after)
	if kicked {
		for i := range (after &^ m.past).all() {
			a := h.acts[i]
			if a.kind == KindKick && a.target == m.author && w.holds(i) && plainAbove(a.key, w.stands(m.past, m.author)) {
				found(propBackdated, h.tellLine(m.n)+" past "+h.tell(a))
			}
		}
	}
	comes := (m.kind == KindJoin || m.kind == KindLeave) && plainDoor(w, after, m.author).entered
	if silent && !comes && !h.outvoted(m, after) {
		found(propBackdated, h.tellLine(m.n))
	}
}

// outvoted tells whether only such switches and devoices silence m's author as m
// cites and is let speak by: on P a setter prevailed that now is overwritten, by
// one that in its turn does not prevail. No narrowing is unheard then; who wants
// the author silent has to say so again.
func (h *history) outvoted(m *line, after events) bool {
	w := h.world(after)
	cited := func(match func(*act) bool) bool {
		a := w.register(after, match)
		return a != nil && m.past.has(a.n)
	}
	field := func(f Field) func(*act) bool {
		return func(a *act) bool { return a.kind == KindConfigure && a.field == f }
	}
	now, then := w.door(after, m.author), w.door(m.past, m.author)
	if cited(field(FieldAccess)) {
		now.membersOnly = then.membersOnly
	}
	if cited(field(FieldModerated)) {
		now.moderated = then.moderated
	}
	if cited(func(a *act) bool { return (a.kind == KindVoice || a.kind == KindDevoice) && a.target == m.author }) {
		now.voice = then.voice
	}
	return climate{now.standing, now.voice, now.destroyed, now.membersOnly, now.moderated, now.subject}.maySpeak()
}

// checkJuniors lets all who don't stand above some honest senior, knowing
// everything, do whatever is stored against him.
func checkJuniors(h *history, set events, held, vis map[int]bool, ref summary, found finding) {
	v := h.rng.IntN(citizens)
	stands := ref.people[v].standing
	if h.actors[v].hostile || ref.destroy || stands.rank < Moderator {
		return
	}
	var low []int
	for p := 1; p < crowd; p++ {
		if p != v && !plainAbove(ref.people[p].standing, stands) {
			low = append(low, p)
		}
	}
	after := set
	acts := len(h.acts)
	for n := 0; n < 40 && len(h.acts) < min(acts+14, maxActs-2); n++ {
		a := h.abuse(low[h.rng.IntN(len(low))], after, held, crowd, false)
		if a == nil {
			continue
		}
		if a.kind == KindDestroy || a.self() || a.target != v && h.rng.IntN(3) > 0 {
			h.undo(a)
			continue
		}
		after |= one(a.n)
	}
	w := h.world(after)
	if now := w.stands(after, v); now != stands && !plainAbove(now, stands) {
		found(propVictim, fmt.Sprint(stands, " became ", now))
	}
	if plainDoor(h.world(set), set, v).spoke && !plainDoor(w, after, v).spoke {
		found(propVictim, "silenced")
	}
	kept := h.kept(after, held)
	for i := range vis {
		m := h.lines[i]
		if m.author != v {
			continue
		}
		stood := w.stands(m.past, v)
		why, by := h.hidden(after, m, kept)
		if why == narrowed && by != nil && set.has(by.n) && (by.self() || plainAbove(by.key, stood)) {
			continue // what he or a senior had done; a switch by an equal only adds to it
		}
		if why != shown && !plainAbove(stands, stood) {
			found(propVictim, fmt.Sprint(h.tellLine(i), " hidden: ", why, " ", h.tell(by)))
		}
	}
}
