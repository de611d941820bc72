package room

import (
	"fmt"
	"maps"

	"p2pchat/protocol/event"
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
	propHolds     = "a grant holds until a senior, or he himself, takes it back"
	propLowered   = "whom a senior lowers, or who lowers himself, stands lower"
	propNearer    = "of equal grants the nearer the creator counts, then the lowest ID"
	propSeen      = "what one had done, seen by him who lowered one, stays"
	propEnd       = "a room ends by an act that has effect, and by nothing else"
	propResigned  = "who resigned and knows it does not raise himself again"
	propTwice     = "resigning twice, unaware, is no contradiction"
	propKnowing   = "who changes what he has heard of changes it"
	propHigher    = "of changes at once the higher one's holds"
	propLowestID  = "of changes at once by equals that with the lowest ID holds"
	propStored    = "honest text is never refused"
	propAsked     = "nothing is stored that its author, as he cites, may not say"
	propPlace     = "two joins and two others of each place are kept"
	propForks     = "more than that is kept only if a cut reaches it"
	propReached   = "what a cut reaches is kept"
	propHeard     = "honest text the revoker had heard stays"
	propJunior    = "no junior hides a senior's text"
	propUnbanned  = "what a ban had not heard stays hidden after an unban"
	propUnheard   = "who had not heard is seen only if he may speak under all of it"
	propRetracted = "what a senior retracts is not seen"
	propNamed     = "a retraction hides only text of the one it names"
	propAgain     = "who may speak is heard, also after kick, ban and devoice"
	propListen    = "who may enter comes"
	propPowerless = "back-dated acts of those without power change nothing"
	propBackdated = "back-dated text of the silenced is not seen"
	propReturn    = "hidden text of the silenced does not return"
	propOthers    = "those without power hide nobody else's text"
	propVictim    = "no junior lowers or silences a senior"
	propPrune     = "pruning changes no visibility"
	propEntitled  = "what is visible, its author was entitled to say"
	propSubject   = "a visible subject is of somebody who might set it"
	propCame      = "nobody speaks who did not come, or was kicked and did not come back"
	propWaits     = "nobody waits who came, and came back after each kick that counts"
	propClosed    = "a destroyed room stays closed"
	propEffects   = "the effects tell of all that changes"
	propCompact   = "what was given up comes back from the archive"
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
	checkRegisters(h, set, found)
	checkTable(h, found)
	checkKept(h, set, held, kept, found)
	checkTexts(h, set, held, kept, found)
	checkShown(h, set, kept, found)
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

// heard tells whether r's author had heard m when he issued r.
func (h *history) heard(m *line, r *act, kept map[int]bool) bool {
	if r.honest {
		return r.heard[m.n]
	}
	return h.inside(m, r, kept)
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
				// In a crowded ctl a revoker cannot cite all that he has heard.
				a := h.acts[j]
				cited := h.heard(m, a, kept) && m.past&^a.anc == 0
				unheard = unheard || a.kind == KindSet && w.holds(j) && !cited
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
}

// checkShown asks why what is kept is shown, and why not, whoever said it.
func checkShown(h *history, set events, kept map[int]bool, found finding) {
	w := h.world(set)
	for i := range kept {
		m := h.lines[i]
		why, by := h.hidden(set, m, kept)
		if came := h.came(m, kept); came && why == waits {
			found(propWaits, h.tellLine(i))
		} else if !came && why == shown {
			found(propCame, h.tellLine(i))
		}
		senior := h.seniorsOf(m, set)
		if why == retracted {
			if !senior(by) {
				found(propJunior, h.tellLine(i)+" by "+h.tell(by))
			}
			if by.target != m.author {
				found(propNamed, h.tellLine(i)+" by "+h.tell(by))
			}
		}
		if why != shown {
			continue
		}
		// On P, of what is effective, he must have been let.
		if d := w.door(m.past, m.author); !plainSays(d, m.kind) {
			p := propEntitled
			if m.kind == KindSubject && plainSays(d, event.KindText) {
				p = propSubject
			}
			found(p, h.tellLine(i))
		}
		d, ban := h.worst(set, m, kept)
		if ban != nil {
			found(propUnbanned, h.tellLine(i)+" past "+h.tell(ban))
		}
		if !plainSays(d, m.kind) {
			found(propUnheard, h.tellLine(i))
		}
		for j := range set.all() {
			if a := h.acts[j]; a.kind == KindRetract && a.about == i && a.target == m.author && w.holds(j) && senior(a) {
				found(propRetracted, h.tellLine(i)+" by "+h.tell(a))
			}
		}
	}
}

// seniorsOf tells of acts whether they are of somebody above what m's author
// stood as m cites, or above what he stands.
func (h *history) seniorsOf(m *line, set events) func(*act) bool {
	w := h.world(set)
	stood, stands := w.stands(m.past, m.author), w.stands(set, m.author)
	return func(a *act) bool { return plainAbove(a.key, stood) || plainAbove(a.key, stands) }
}

// worst is what lets m's author speak, or not, when all counts that m had not
// heard of and that had not heard m; and a ban among that.
func (h *history) worst(set events, m *line, kept map[int]bool) (d door, ban *act) {
	w := h.world(set)
	d = w.door(m.past, m.author)
	stood, senior := d.standing, h.seniorsOf(m, set)
	with := m.past // and what lowers him
	for i := range (set &^ m.past).all() {
		a := h.acts[i]
		if !w.holds(i) || h.inside(m, a, kept) {
			continue
		}
		mine := a.target == m.author
		switch {
		case a.kind == KindSet && mine && (a.self() || senior(a)):
			d.standing = min(d.standing, a.standing)
			if a.standing < stood {
				with |= one(i)
			}
			if a.standing == Outcast && !a.self() {
				ban = a
			}
		case a.kind == KindDevoice && mine && senior(a):
			d.voice = Devoiced
		case (a.kind == KindKick && mine || a.kind == KindDestroy) && senior(a):
			d.destroyed = true // which lets nobody say anything
		case a.kind == KindConfigure && a.value == 1:
			d.membersOnly = d.membersOnly || a.field == FieldAccess
			d.moderated = d.moderated || a.field == FieldModerated
		}
	}
	d.standing = min(d.standing, w.stands(with, m.author).rank)
	return d, ban
}

// checkKept asks whether just that is kept which has to be.
func checkKept(h *history, set events, held, kept map[int]bool, found finding) {
	for i := range held {
		m := h.lines[i]
		if !plainSays(h.world(m.past).door(m.past, m.author), m.kind) {
			found(propAsked, h.tellLine(i))
		}
		if !h.third(m, held) {
			if !kept[i] {
				found(propPlace, h.tellLine(i))
			}
			continue
		}
		reached := false
		for j := range set.all() {
			reached = reached || len(h.acts[j].cut[m.name()]) > 0 && h.inside(m, h.acts[j], held)
		}
		if reached && !kept[i] {
			found(propReached, h.tellLine(i))
		} else if kept[i] && !reached {
			found(propForks, h.tellLine(i))
		}
	}
}

// third tells whether two of m's sort stand in its place with lower IDs.
func (h *history) third(m *line, held map[int]bool) bool {
	lower := 0
	for j := range held {
		x := h.lines[j]
		if x.name() == m.name() && x.seq == m.seq && (x.kind == KindJoin) == (m.kind == KindJoin) && x.id.Compare(m.id) < 0 {
			lower++
		}
	}
	return lower >= 2
}

// came tells whether m's author came before he said m, and again after each kick
// of a superior that m knows of. Of a place two joins count.
func (h *history) came(m *line, kept map[int]bool) bool {
	w := h.world(m.past)
	var kicks events
	for i := range m.past.all() {
		if k := h.acts[i]; k.kind == KindKick && k.target == m.author && w.holds(i) && plainAbove(k.key, w.stands(m.past, m.author)) {
			kicks |= one(i)
		}
	}
	for i := range kept {
		if j := h.lines[i]; j.kind == KindJoin && j.name() == m.name() && j.seq <= m.seq && kicks&^j.past == 0 && !h.third(j, kept) {
			return true
		}
	}
	return false
}

type plain struct {
	standing       Standing
	entered, spoke bool
}

func (d door) climate() climate {
	return climate{d.standing, d.voice, d.destroyed, d.membersOnly, d.moderated, d.subject}
}

// plainDoor is what enter and speak say without any mutation of these two.
func plainDoor(w *world, set events, p int) plain {
	c := w.door(set, p).climate()
	return plain{c.standing, c.mayEnter(), c.maySpeak()}
}

// plainSays is says without any mutation.
func plainSays(d door, k event.Kind) bool { return d.climate().may(needOf(k)) }

// checkAgain lets everybody honest who may speak do so, once all know all, and
// those who may only enter come.
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
		if !d.entered {
			continue
		}
		saved := *n
		begun := len(f.lines)
		n.knows, n.held = set, maps.Clone(held)
		property, i := propAgain, -1
		if d.spoke {
			i = f.speak(p)
		} else {
			property, i = propListen, f.emit(p, KindJoin)
		}
		if i < 0 {
			found(property, string(rune('A'+p))+" may and cannot")
		} else if why, by := f.hidden(set, f.lines[i], n.held); why != shown {
			found(property, fmt.Sprint(f.tellLine(i), " hidden: ", why, " ", f.tell(by)))
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
