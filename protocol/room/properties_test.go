package room

import (
	"fmt"
	"maps"
)

// The properties of the constitution, asked of the oracle: so that a mutation
// of it can be seen to break one. That the Room decides as the oracle does is a
// property of its own (engine_test.go).
const (
	propOrder     = "same set in any order: same state, same visible messages"
	propMerge     = "state after a merge is the state of the union"
	propGrounded  = "effectiveness never rests on itself"
	propCreator   = "the creator stays"
	propTable     = "nobody does what the table of privileges denies him"
	propUsable    = "nobody uses more power than his standing shows"
	propResigned  = "who resigned and knows it does not raise himself again"
	propStored    = "honest text is never refused"
	propHeard     = "honest text the revoker had heard stays"
	propJunior    = "no junior hides a senior's text"
	propUnbanned  = "what a ban had not heard stays hidden after an unban"
	propAgain     = "who may speak is heard, also after kick, ban and devoice"
	propPowerless = "back-dated acts of those without power change nothing"
	propBackdated = "back-dated text of the silenced is not seen"
	propReturn    = "hidden text of the silenced does not return"
	propOthers    = "those without power hide nobody else's text"
	propVictim    = "no junior lowers or silences a senior"
	propPrune     = "pruning changes no visibility"
	propEntitled  = "what is visible, its author was entitled to say"
	propSubject   = "a visible subject is of somebody who might set it"
	propCame      = "nobody speaks who did not come, or was kicked and did not come back"
	propClosed    = "a destroyed room stays closed"
	propEffects   = "the effects tell of all that changes"
	propEngine    = "the Room decides as the oracle"
)

// finding is told of each violation.
type finding func(property, detail string)

// citizen is what the oracle says of one person on a set.
type citizen struct {
	standing power
	voice    Voice
}

type summary struct {
	people  [crowd]citizen
	fields  [fields]uint64
	setBy   [fields]int
	destroy bool
}

// summary is the state on set.
func (h *history) summary(set events) summary {
	var s summary
	w := h.world(set)
	for p := range s.people {
		s.people[p] = citizen{w.stands(set, p), w.voice(set, p)}
	}
	for _, f := range []Field{FieldName, FieldAccess, FieldModerated, FieldSubjectBy} {
		s.fields[f] = w.field(set, f)
		if a := w.register(set, func(a *act) bool { return a.kind == KindConfigure && a.field == f }); a != nil {
			s.setBy[f] = a.n
		}
	}
	s.destroy = w.destroyed(set)
	return s
}

func differ(a, b map[int]bool) (int, bool) {
	for i := range a {
		if !b[i] {
			return i, true
		}
	}
	for i := range b {
		if !a[i] {
			return i, true
		}
	}
	return 0, false
}

// check asks all properties of the oracle about h.
func check(h *history, found finding) {
	items := h.items()
	set, held := h.deliver(items, one(0), map[int]bool{})
	ref := h.summary(set)
	kept := h.kept(set, held)
	vis := h.visible(set, held)

	checkOrder(h, items, ref, vis, found)
	checkState(h, set, found)
	checkTable(h, found)
	checkTexts(h, set, held, kept, found)
	checkAgain(h, set, held, found)
	checkPrune(h, set, held, kept, vis, found)

	checkPowerless(h.fork(), set, held, vis, ref, found)
	checkJuniors(h.fork(), set, held, vis, ref, found)
	if h.cycles > 0 {
		found(propGrounded, "an act rests on itself")
	}
}

func checkOrder(h *history, items []item, ref summary, vis map[int]bool, found finding) {
	for range 2 {
		h.rng.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		set, held := h.deliver(items, one(0), map[int]bool{})
		if h.summary(set) != ref {
			found(propOrder, "the state differs")
		} else if i, bad := differ(vis, h.visible(set, held)); bad {
			found(propOrder, h.tellLine(i))
		}
		var here, there []item
		for _, x := range items {
			if h.rng.IntN(2) == 0 {
				here = append(here, x)
			} else {
				there = append(there, x)
			}
		}
		set, held = h.deliver(here, one(0), map[int]bool{})
		set, held = h.deliver(append(there, here...), set, held)
		if h.summary(set) != ref {
			found(propMerge, "the state differs")
		} else if i, bad := differ(vis, h.visible(set, held)); bad {
			found(propMerge, h.tellLine(i))
		}
	}
}

func checkState(h *history, set events, found finding) {
	w := h.world(set)
	if s := w.stands(set, 0); s.rank != Owner || s.depth != 0 {
		found(propCreator, fmt.Sprint(s))
	}
	for i := range set.all() {
		g := h.acts[i]
		if g.kind != KindSet || !w.holds(i) {
			continue
		}
		if stands := w.stands(set, g.target); g.conf.rank > stands.rank {
			dead := false
			for j := range set.all() {
				dead = dead || h.cuts(h.acts[j], g) && w.holds(j)
			}
			if !dead {
				found(propUsable, h.tell(g))
			}
		}
		if !g.self() {
			continue
		}
		for j := range g.anc.all() {
			if r := h.acts[j]; r.self() && r.target == g.target && r.standing < g.standing && w.holds(j) && h.cuts(r, h.acts[g.auth]) {
				found(propResigned, h.tell(r)+"; "+h.tell(g))
			}
		}
	}
}

// checkTable asks the table, and who stands above whom, of what is stored.
func checkTable(h *history, found finding) {
	for _, a := range h.acts[1:] {
		key := h.acts[a.auth].conf
		lower := a.target >= 0 && plainAbove(key, h.world(a.anc).stands(a.anc, a.target))
		may := a.anc.has(a.auth) && a.target != 0
		switch {
		case a.kind == KindConfigure:
			may = may && governs(key.rank, Configure)
		case a.kind == KindDestroy:
			may = may && governs(key.rank, Destroy)
		case a.self():
			may = may && a.standing < key.rank
		case a.kind == KindSet:
			may = may && lower && governs(key.rank, privilegeOf(a.standing))
		default:
			may = may && lower && governs(key.rank, Kick)
		}
		if !may {
			found(propTable, h.tell(a))
		}
	}
}

// heard tells whether r's author had heard m when he issued r.
func (h *history) heard(m *line, r *act, kept map[int]bool) bool {
	if r.honest {
		return r.heard[m.n]
	}
	return h.inside(m, r, kept)
}

// plainAbove is above without any mutation.
func plainAbove(a, b power) bool {
	return a.rank > b.rank || a.rank == Owner && b.rank == Owner && a.depth < b.depth
}

func personal(a *act) bool {
	return a.kind == KindSet && !a.self() || a.kind == KindKick || a.kind == KindDevoice || a.kind == KindDestroy
}

func checkTexts(h *history, set events, held, kept map[int]bool, found finding) {
	w := h.world(set)
	for i, m := range h.lines {
		if !m.honest || h.actors[m.author].hostile {
			continue
		}
		if !held[i] {
			found(propStored, h.tellLine(i))
			continue
		}
		why, by := h.hidden(set, m, kept)
		stood, stands := w.stands(m.past, m.author), w.stands(set, m.author)
		switch why {
		case waits:
			found(propStored, "no join serves "+h.tellLine(i))
		case withdrawn:
			unheard := false
			for j := range (set &^ m.past).all() {
				a := h.acts[j]
				unheard = unheard || a.kind == KindSet && w.holds(j) && !h.heard(m, a, kept)
			}
			if !unheard {
				found(propHeard, h.tellLine(i))
			}
		case narrowed:
			if by == nil {
				found(propHeard, h.tellLine(i)+" by nothing")
				continue
			}
			if h.heard(m, by, kept) {
				found(propHeard, h.tellLine(i)+" by "+h.tell(by))
			}
			if personal(by) && !plainAbove(by.key, stood) && !plainAbove(by.key, stands) {
				found(propJunior, h.tellLine(i)+" by "+h.tell(by))
			}
		case retracted:
			if !plainAbove(by.key, stood) && !plainAbove(by.key, stands) {
				found(propJunior, h.tellLine(i)+" by "+h.tell(by))
			}
		}
	}
	for i := range kept {
		m := h.lines[i]
		if why, _ := h.hidden(set, m, kept); why != shown {
			continue
		}
		// On P, of what is effective, he must have been let.
		d := plainDoor(w, m.past, m.author)
		if !d.entered || m.kind != KindJoin && m.kind != KindLeave && !d.spoke {
			found(propEntitled, h.tellLine(i))
		}
		if m.kind == KindSubject && d.standing < Moderator && w.field(m.past, FieldSubjectBy) == 0 {
			found(propSubject, h.tellLine(i))
		}
		if !h.came(m, kept) {
			found(propCame, h.tellLine(i))
		}
		for j := range (set &^ m.past).all() {
			a := h.acts[j]
			if a.kind == KindSet && a.target == m.author && a.standing == Outcast && w.holds(j) && !a.self() &&
				plainAbove(a.key, w.stands(m.past, m.author)) && !h.inside(m, a, kept) {
				found(propUnbanned, h.tellLine(i)+" past "+h.tell(a))
			}
		}
	}
}

// came tells whether m's author came before he said m, and again after each kick
// of a superior that m knows of.
func (h *history) came(m *line, kept map[int]bool) bool {
	w := h.world(m.past)
	var kicks events
	for i := range m.past.all() {
		if k := h.acts[i]; k.kind == KindKick && k.target == m.author && w.holds(i) && plainAbove(k.key, w.stands(m.past, m.author)) {
			kicks |= one(i)
		}
	}
	for i := range kept {
		if j := h.lines[i]; j.kind == KindJoin && j.name() == m.name() && j.seq <= m.seq && kicks&^j.past == 0 {
			return true
		}
	}
	return false
}

type plain struct {
	standing       Standing
	entered, spoke bool
}

// plainDoor is what enter and speak say without any mutation of these two.
func plainDoor(w *world, set events, p int) plain {
	d := w.door(set, p)
	c := climate{d.standing, d.voice, d.destroyed, d.membersOnly, d.moderated, d.subject}
	return plain{d.standing, c.mayEnter(), c.maySpeak()}
}

// checkAgain lets everybody honest who may speak do so, once all know all.
func checkAgain(h *history, set events, held map[int]bool, found finding) {
	f := h.fork()
	w := f.world(set)
	for p := range citizens {
		n := f.actors[p]
		if n.hostile {
			continue
		}
		d := plainDoor(w, set, p)
		if d.spoke != w.speak(set, p) {
			found(propAgain, "the right to speak is not what it should be: "+string(rune('A'+p)))
		}
		if !d.spoke {
			continue
		}
		saved := *n
		begun := len(f.lines)
		n.knows, n.held = set, maps.Clone(held)
		i := f.speak(p)
		if i < 0 {
			found(propAgain, string(rune('A'+p))+" may speak and cannot")
		} else if why, by := f.hidden(set, f.lines[i], n.held); why != shown {
			found(propAgain, fmt.Sprint(f.tellLine(i), " hidden: ", why, " ", f.tell(by)))
		}
		f.lines = f.lines[:begun]
		*n = saved
	}
}

func checkPrune(h *history, set events, held, kept, vis map[int]bool, found finding) {
	low := map[logName]int{}
	for _, i := range keys(held) {
		if name := h.lines[i].name(); low[name] == 0 {
			low[name] = 1 + h.rng.IntN(5)
		}
	}
	rest := map[int]bool{}
	for i := range held {
		if m := h.lines[i]; m.kind == KindJoin || m.seq >= low[m.name()] {
			rest[i] = true
		}
	}
	pruned := h.visible(set, rest)
	for i := range rest {
		if m := h.lines[i]; m.seq >= low[m.name()] && kept[i] && pruned[i] != vis[i] {
			found(propPrune, h.tellLine(i))
		}
	}
}
