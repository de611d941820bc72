package room

import (
	"fmt"
	"maps"
	"slices"

	"p2pchat/protocol/event"
)

// random fills in what a does.
func (h *history) random(a *act, rank Standing, among int) {
	rng := h.rng
	a.target = rng.IntN(among)
	a.kind = []event.Kind{
		KindSet, KindSet, KindSet, KindSet, KindKick, KindDevoice, KindVoice, KindConfigure, KindConfigure, KindRetract,
	}[rng.IntN(10)]
	if rng.IntN(150) == 0 {
		a.kind = KindDestroy
	}
	themselves := 10
	if rng.IntN(3) == 0 {
		switch h.fashion {
		case resigning:
			a.kind, themselves = KindSet, 2
			if rng.IntN(3) == 0 {
				a.kind = KindConfigure
			}
		case kicking:
			a.kind = KindKick
		case retracting:
			a.kind = KindRetract
		case configuring:
			a.kind = KindConfigure
		case destroying:
			if rng.IntN(5) == 0 {
				a.kind = KindDestroy
			}
		}
	}
	switch a.kind {
	case KindSet:
		a.standing = []Standing{Outcast, Outcast, None, None, Member, Moderator, Admin, Owner}[rng.IntN(8)]
		if rng.IntN(themselves) == 0 {
			a.target = a.author
		}
	case KindConfigure:
		a.field = []Field{FieldAccess, FieldModerated, FieldModerated, FieldName, FieldSubjectBy}[rng.IntN(5)]
		a.value, a.text = uint64(rng.IntN(2)), ""
		if h.fashion == resigning && rng.IntN(2) == 0 {
			a.value = 1
		}
		if a.field == FieldName {
			a.text, a.value = fmt.Sprint("room ", a.value), 0
		}
	}
	if (a.kind == KindConfigure || a.kind == KindDestroy) && rank != 0 && rank < Owner {
		a.kind = KindKick
	}
	if a.kind == KindConfigure || a.kind == KindDestroy {
		a.target = -1
	}
	if a.kind != KindSet {
		a.standing = 0
	}
	if a.kind != KindConfigure {
		a.field, a.value, a.text = 0, 0, ""
	}
}

// aboutMessage gives a retraction its message; false if none is held.
func (h *history) aboutMessage(a *act, held map[int]bool) bool {
	if a.kind != KindRetract {
		return true
	}
	ids := keys(held)
	if len(ids) == 0 {
		return false
	}
	for range 4 { // best something of somebody who stood high
		a.about = ids[h.rng.IntN(len(ids))]
		if m := h.lines[a.about]; h.world(m.past).stands(m.past, m.author).rank >= Moderator {
			break
		}
	}
	a.target = h.lines[a.about].author
	if a.honest || h.rng.IntN(2) > 0 {
		return true
	}
	a.target = h.rng.IntN(citizens) // names somebody else
	return true
}

// restore makes a give somebody back what he had; false if nobody lost anything.
func (h *history) restore(a *act, set events) bool {
	var lost []*act
	for i := range set.all() {
		if g := h.acts[i]; g.kind == KindSet && g.target != a.author && h.world(set).stands(set, g.target).rank < g.standing {
			lost = append(lost, g)
		}
	}
	if len(lost) == 0 {
		return false
	}
	g := lost[h.rng.IntN(len(lost))]
	if x := lost[h.rng.IntN(len(lost))]; x.standing > g.standing {
		g = x
	}
	a.kind, a.target, a.standing = KindSet, g.target, g.standing
	return true
}

// govern lets an honest person do something he may.
func (h *history) govern(p int) {
	n := h.actors[p]
	w := h.world(n.knows)
	stands := w.stands(n.knows, p)
	if stands.rank < Moderator || w.destroyed(n.knows) {
		return
	}
	auth := -1
	for _, g := range h.grants(n.knows, p) {
		dead := false
		for j := range n.knows.all() {
			dead = dead || h.cuts(h.acts[j], h.acts[g]) && w.holds(j)
		}
		if h.acts[g].conf == stands && w.holds(g) && !dead {
			auth = g
		}
	}
	if auth < 0 {
		return
	}
	past := h.cite(p)
	for range 6 {
		a := &act{author: p, auth: auth, anc: past, honest: true, heard: maps.Clone(n.held)}
		again := 4
		if h.fashion == resigning {
			again = 2
		}
		if h.rng.IntN(again) > 0 || !h.restore(a, n.knows) {
			h.random(a, stands.rank, citizens)
		}
		if !h.aboutMessage(a, n.held) {
			continue
		}
		a.cut = h.cutFor(a, n.held)
		if h.admit(a, n.knows) {
			n.knows |= one(a.n)
			return
		}
	}
}

// cite is what p's next event cites, with its ancestors: all that he knows, but
// where these are too many heads first what touches him, then the newest.
func (h *history) cite(p int) events {
	set := h.actors[p].knows
	heads, most := h.headsOf(set), event.MaxHeads
	if h.fewHeads {
		most = 3
	}
	if len(heads) <= most {
		return set
	}
	w := h.world(set)
	var touching events
	for i := range set.all() {
		switch a := h.acts[i]; {
		case i == 0 || !w.holds(i):
		case a.kind == KindDestroy, a.kind == KindConfigure && a.field != FieldName,
			a.kind != KindRetract && a.target == p:
			touching |= one(i)
		}
	}
	out := h.closed(one(0) | touching)
	for i := h.unsettled(set, out, p); i >= 0; i = h.unsettled(set, out, p) {
		out = h.closed(out | one(i))
	}
	most = max(most, len(h.headsOf(out)))
	filled := out
	for _, i := range slices.Backward(heads) {
		if more := h.closed(filled | one(i)); len(h.headsOf(more)) <= most {
			filled = more
		}
	}
	if h.unsettled(set, filled, p) >= 0 {
		return out
	}
	return filled
}

// unsettled is an act of set without which something that touches p seems to
// have an effect that it has not, or the other way round; -1 if part has it all.
func (h *history) unsettled(set, part events, p int) int {
	w, v := h.world(set), h.world(part)
	for i := range part.all() {
		a := h.acts[i]
		if a.target != p && a.kind != KindDestroy && a.kind != KindConfigure || v.holds(i) == w.holds(i) {
			continue
		}
		for range h.acts { // up to what is missing, which is higher
			with := w
			if w.holds(a.n) {
				with = v
			}
			x := with.cutter(a)
			if x == nil {
				x = h.acts[a.auth]
			} else if !part.has(x.n) {
				return x.n
			}
			a = x
		}
		return -1 // under a mutation
	}
	return -1
}

// emit lets somebody say something in his log, as an honest client does.
func (h *history) emit(p int, kind event.Kind) int {
	n := h.actors[p]
	if n.log < 0 {
		h.logs++
		n.log = h.logs
	}
	m := &line{id: h.id(false), kind: kind, author: p, log: n.log, prev: -1, past: h.cite(p), honest: true}
	for i := range n.held {
		if x := h.lines[i]; x.name() == m.name() && x.seq > m.seq {
			m.seq, m.prev = x.seq, i
		}
	}
	m.seq++
	if !h.say(m, n.knows) {
		return -1
	}
	n.held[m.n] = true
	return m.n
}

// speak lets an honest person say something, after a join where one is needed.
// It returns the message, -1 if he may not speak.
func (h *history) speak(p int) int {
	n := h.actors[p]
	w := h.world(n.knows)
	if !w.speak(n.knows, p) {
		if w.enter(n.knows, p) && n.log < 0 && h.rng.IntN(2) == 0 {
			h.emit(p, KindJoin) // to listen
		}
		return -1
	}
	if n.log < 0 || !h.joined(&line{author: p, log: n.log, seq: 1 << 30, past: h.cite(p)}, n.held) {
		h.emit(p, KindJoin)
	}
	kind := event.KindText
	switch h.rng.IntN(20) {
	case 0:
		kind = KindLeave
	case 1, 2:
		kind = KindSubject
		if !h.says(w.door(n.knows, p), kind) {
			kind = event.KindText
		}
	}
	return h.emit(p, kind)
}

// some picks up to k of set, closed.
func (h *history) some(set events, k int) events {
	all := slices.Collect(set.all())
	out := one(0)
	for range k {
		out |= one(all[h.rng.IntN(len(all))])
	}
	return h.closed(out)
}

// abuse lets somebody who keeps to no rule but those that are enforced act,
// knowing set and held. It returns nil if nothing was stored.
func (h *history) abuse(p int, set events, held map[int]bool, among int, peaceful bool) *act {
	rng := h.rng
	for range 4 {
		a := &act{author: p}
		a.anc = one(0)
		if rng.IntN(4) == 0 {
			a.anc = set
		} else {
			a.anc = h.some(set, 1+rng.IntN(4))
		}
		if gs := h.grants(set, p); len(gs) > 0 {
			a.auth = gs[rng.IntN(len(gs))]
			if h.no != authAnywhere {
				a.anc = h.closed(a.anc | one(a.auth))
			}
		}
		if rng.IntN(12) == 0 { // somebody else's
			all := slices.Collect(a.anc.all())
			a.auth = all[rng.IntN(len(all))]
		}
		h.random(a, 0, among)
		if peaceful && (a.kind == KindConfigure || a.kind == KindDestroy) {
			a.kind, a.target = KindKick, rng.IntN(among)
		}
		if !h.aboutMessage(a, held) {
			continue
		}
		if rng.IntN(2) == 0 {
			a.cut = h.cutFor(a, held)
		}
		if h.admit(a, set) {
			return a
		}
	}
	return nil
}

// babble lets somebody who keeps to no rule but those that are enforced speak:
// back-dated, in fresh logs, forking, with IDs ground low.
func (h *history) babble(p int, set events, held map[int]bool) *line {
	rng := h.rng
	m := &line{id: h.id(rng.IntN(3) == 0), kind: event.KindText, author: p, prev: -1}
	if rng.IntN(3) == 0 {
		m.kind = KindJoin
	} else if rng.IntN(12) == 0 {
		m.kind = KindSubject
	}
	var own []int
	for _, i := range keys(held) {
		if h.lines[i].author == p {
			own = append(own, i)
		}
	}
	if len(own) == 0 || rng.IntN(4) == 0 {
		h.logs++
		m.log, m.seq = h.logs, 1
		if rng.IntN(2) == 0 {
			m.kind = KindJoin
		}
	} else {
		x := h.lines[own[rng.IntN(len(own))]]
		m.log = x.log
		switch rng.IntN(4) {
		case 0: // a fork
			m.seq, m.prev = x.seq, x.prev
		case 1: // perhaps with a hole
			m.seq, m.prev = x.seq+1+rng.IntN(2), x.n
		default:
			for _, i := range own {
				if y := h.lines[i]; y.log == x.log && y.seq > x.seq {
					x = y
				}
			}
			m.seq, m.prev = x.seq+1, x.n
		}
	}
	switch {
	case m.prev >= 0 && rng.IntN(3) == 0:
		m.past = h.lines[m.prev].past
	case rng.IntN(4) == 0:
		m.past = set
	case rng.IntN(3) == 0 && len(h.grants(set, p)) > 0: // when he was given something
		g := h.grants(set, p)
		m.past = h.closed(one(g[rng.IntN(len(g))]) | one(0))
	default:
		m.past = h.some(set, 1+rng.IntN(4))
	}
	if !h.say(m, set) {
		return nil
	}
	return m
}

// elbow puts two joins before one with which somebody came, best after a kick,
// to crowd it out.
func (h *history) elbow(set events, held map[int]bool) {
	var joins, back []*line
	for _, i := range keys(held) {
		m := h.lines[i]
		if m.kind != KindJoin || !h.actors[m.author].hostile {
			continue
		}
		joins = append(joins, m)
		if h.kicks(m) != 0 {
			back = append(back, m)
		}
	}
	if len(back) > 0 {
		joins = back
	}
	if len(joins) == 0 {
		return
	}
	j := joins[h.rng.IntN(len(joins))]
	for range 2 {
		m := &line{id: h.id(true), kind: KindJoin, author: j.author, log: j.log, seq: j.seq, prev: j.prev, past: h.some(set, h.rng.IntN(2))}
		if h.say(m, set) {
			held[m.n] = true
		}
	}
}

// pull lets p take over what from has, or some of it. An honest node takes logs
// from their beginning.
func (h *history) pull(p, from *actor, all bool) {
	if all || h.rng.IntN(3) > 0 {
		p.knows |= from.knows
	} else {
		p.knows |= h.some(from.knows, 1+h.rng.IntN(3))
	}
	share := 3 + h.rng.IntN(8)
	for _, i := range keys(from.held) {
		m := h.lines[i]
		if m.past&^p.knows != 0 || !all && h.rng.IntN(10) >= share {
			continue
		}
		if b := h.before(i); b < 0 || p.held[b] || p.hostile {
			p.held[i] = true
		}
	}
}

// run lets the crowd live for a while.
func (h *history) run() {
	rng := h.rng
	begun := len(h.acts)
	doubles := rng.IntN(3) == 0
	var part [crowd]int
	for step := 0; len(h.acts) < begun+24 && step < 400; step++ {
		if step%40 == 0 {
			for i := range part {
				part[i] = rng.IntN(1 + rng.IntN(3))
			}
		}
		p := rng.IntN(crowd)
		if doubles && rng.IntN(8) == 0 {
			h.actors[p], h.others[p] = h.others[p], h.actors[p]
		}
		n := h.actors[p]
		switch x := rng.IntN(10); {
		case x < 4:
			if from := rng.IntN(crowd); from != p && (part[from] == part[p] || n.hostile) {
				h.pull(n, h.actors[from], rng.IntN(3) == 0)
			}
		case x < 7:
			if len(h.lines) > 70 {
				continue
			}
			if !n.hostile || rng.IntN(3) == 0 {
				h.speak(p)
			} else if m := h.babble(p, n.knows, n.held); m != nil {
				n.held[m.n] = true
			}
		case !n.hostile || rng.IntN(4) == 0:
			h.govern(p)
		case p < citizens:
			if a := h.abuse(p, n.knows, n.held, citizens+1, false); a != nil {
				n.knows |= one(a.n) | a.anc
			}
		}
	}
	h.lie()
}

// lie lets those who keep to no rule, once all is over and known to them, say
// that they had not heard of it; and some second installations, which have not.
func (h *history) lie() {
	for p := range citizens {
		if h.rng.IntN(3) == 0 {
			h.actors[p], h.others[p] = h.others[p], h.actors[p]
			h.speak(p)
		}
	}
	set, held := h.deliver(h.items(), one(0), map[int]bool{})
	h.elbow(set, held)
	for range 14 {
		if p := h.rng.IntN(crowd); !h.actors[p].hostile {
			continue
		} else if m := h.babble(p, set, held); m != nil {
			held[m.n] = true
		}
	}
}
