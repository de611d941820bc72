package room

import "fmt"

// The properties of what is decided: standings, fields, voices.

// plainAbove is above without any mutation.
func plainAbove(a, b power) bool {
	return a.rank > b.rank || a.rank == Owner && b.rank == Owner && a.depth < b.depth
}

// takesBack tells whether setting r, without any mutation, takes back what g
// gave: it is lower, unseen by g, and by somebody above that, or his own word
// with a power that is not below it.
func takesBack(r, g *act) bool {
	return r.kind == KindSet && r.target == g.target && r.standing < g.standing && !g.anc.has(r.n) &&
		(plainAbove(r.key, g.conf) || r.self() && !plainAbove(g.conf, r.key))
}

// checkState asks who stands where, and what has effect.
func checkState(h *history, set events, found finding) {
	w := h.world(set)
	if s := w.stands(set, 0); s.rank != Owner || s.depth != 0 {
		found(propCreator, fmt.Sprint(s))
	}
	ended := false
	for i := range set.all() {
		ended = ended || h.acts[i].kind == KindDestroy && w.holds(i)
	}
	if w.destroyed(set) != ended {
		found(propEnd, fmt.Sprint(ended))
	}
	for i := range set.all() {
		g := h.acts[i]
		if g.self() {
			checkSelf(h, w, g, found)
		}
		if i > 0 && !w.holds(i) && w.holds(g.auth) {
			if r := w.cutter(g); r != nil && r.anc.has(i) {
				found(propSeen, h.tell(r)+"; "+h.tell(g))
			}
		}
		if g.kind != KindSet || !w.holds(i) {
			continue
		}
		taken := false
		for j := range set.all() {
			taken = taken || takesBack(h.acts[j], g) && w.holds(j)
		}
		stands, by := w.standsBy(set, g.target)
		switch {
		case taken:
			if by == g {
				found(propLowered, h.tell(g))
			}
		case g.conf.rank > stands.rank:
			found(propHolds, h.tell(g))
		case by == nil || by == g || g.conf.rank < stands.rank:
		case g.conf.depth < stands.depth, g.conf.depth == stands.depth && g.id.Compare(by.id) < 0:
			found(propNearer, h.tell(g)+"; "+h.tell(by))
		}
	}
}

// checkSelf asks about g, somebody's setting of himself, and his others.
func checkSelf(h *history, w *world, g *act, found finding) {
	if !w.holds(g.n) {
		if r := w.cutter(g); r != nil && r.self() && !g.anc.has(r.n) {
			found(propTwice, h.tell(r)+"; "+h.tell(g))
		}
		return
	}
	for j := range g.anc.all() {
		if r := h.acts[j]; r.self() && r.target == g.target && r.standing < g.standing && w.holds(j) && h.cuts(r, h.acts[g.auth]) {
			found(propResigned, h.tell(r)+"; "+h.tell(g))
		}
	}
}

// checkRegisters asks who prevails of those who set a field or somebody's voice.
func checkRegisters(h *history, set events, found finding) {
	for _, f := range []Field{FieldName, FieldAccess, FieldModerated, FieldSubjectBy} {
		checkRegister(h, set, func(a *act) bool { return a.kind == KindConfigure && a.field == f }, found)
	}
	for p := range crowd {
		checkRegister(h, set, func(a *act) bool { return (a.kind == KindVoice || a.kind == KindDevoice) && a.target == p }, found)
	}
}

func checkRegister(h *history, set events, match func(*act) bool, found finding) {
	w := h.world(set)
	best := w.register(set, match)
	var setters, seen events
	for i := range set.all() {
		if a := h.acts[i]; match(a) && w.holds(i) {
			setters |= one(i)
			seen |= a.anc
		}
	}
	for i := range setters.all() {
		a := h.acts[i]
		switch {
		case a == best:
		case best == nil || a.anc.has(best.n):
			found(propKnowing, h.tell(a)+"; "+h.tell(best))
		case seen.has(i) || plainAbove(best.key, a.key):
		case plainAbove(a.key, best.key):
			found(propHigher, h.tell(a)+"; "+h.tell(best))
		case a.id.Compare(best.id) < 0:
			found(propLowestID, h.tell(a)+"; "+h.tell(best))
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
