package room

import (
	"p2pchat/protocol/event"
)

// door is what enter and speak ask about somebody.
type door struct {
	standing                                   Standing
	voice                                      Voice
	destroyed, membersOnly, moderated, subject bool
}

func (w *world) door(set events, t int) door {
	return door{
		w.stands(set, t).rank, w.voice(set, t), w.destroyed(set), w.field(set, FieldAccess) == 1,
		w.field(set, FieldModerated) == 1, w.field(set, FieldSubjectBy) == 1,
	}
}

func (o *oracle) enters(d door) bool {
	switch {
	case d.destroyed && o.no != destroyedStaysOpen:
		return false
	case d.standing == Outcast && o.no != outcastsEnter:
		return false
	case d.standing == None && d.membersOnly && o.no != strangersEnter:
		return false
	}
	return true
}

func (o *oracle) speaks(d door) bool {
	if !o.enters(d) {
		return false
	}
	if d.standing >= Moderator && o.no != moderatorsNeedVoice {
		return true
	}
	if d.voice != VoiceUnset && o.no != voiceIgnored {
		return d.voice == Voiced
	}
	if d.standing >= Member && o.no != membersNeedVoice {
		return true
	}
	return !d.moderated || o.no == moderationIgnored
}

// says tells whether a message of this kind may be said.
func (o *oracle) says(d door, k event.Kind) bool {
	switch {
	case k == KindJoin && o.no == joinsMustSpeak:
		return o.speaks(d)
	case k == KindJoin || k == KindLeave:
		return o.enters(d)
	case k == KindSubject && o.no != anyoneSubject:
		return o.speaks(d) && (d.standing >= Moderator || d.subject)
	}
	return o.speaks(d)
}

func (w *world) enter(set events, t int) bool { return w.o.enters(w.door(set, t)) }
func (w *world) speak(set events, t int) bool { return w.o.speaks(w.door(set, t)) }

// storedLine is the static test of a message.
func (o *oracle) storedLine(m *line, here events) bool {
	set := m.past
	if o.no == heardOnArrival {
		set = here
	}
	return o.no == anyMessageStored || o.says(o.world(set).door(set, m.author), m.kind)
}

// kicks lists the kicks of m's author that a join must have seen.
func (o *oracle) kicks(m *line) events {
	w := o.world(m.past)
	var out events
	for i := range m.past.all() {
		k := o.acts[i]
		if k.kind != KindKick || k.target != m.author {
			continue
		}
		if o.no != kicksNeedNoEffect && !w.holds(i) {
			continue
		}
		if o.no != kicksOfAnyRank && !o.above(k.key, w.stands(m.past, m.author)) {
			continue
		}
		out |= one(i)
	}
	return out
}

// joined is rule 1. held are the messages there are.
func (o *oracle) joined(m *line, held map[int]bool) bool {
	if o.no == noJoinNeeded {
		return true
	}
	kicks := o.kicks(m)
	if o.no == joinNeedsNoKick {
		kicks = 0
	}
	for i := range held {
		j := o.lines[i]
		if j.kind == KindJoin && j.name() == m.name() && (j.seq <= m.seq || o.no == joinMayFollow) && kicks&^j.past == 0 &&
			(o.no == crowdedJoinsServe || !o.crowded(j, held)) {
			return true
		}
	}
	return false
}

// crowded tells whether two of m's sort stand in its place with lower IDs.
func (o *oracle) crowded(m *line, held map[int]bool) bool {
	lower := 0
	for j := range held {
		x := o.lines[j]
		if x.name() == m.name() && x.seq == m.seq && x.id.Compare(m.id) < 0 &&
			((x.kind == KindJoin) == (m.kind == KindJoin) || o.no == joinsCountedWithOthers) {
			lower++
		}
	}
	return lower >= 2
}

// kept are the two lowest IDs of each place, joins and others each, and what
// stored cuts in set reach.
func (o *oracle) kept(set events, held map[int]bool) map[int]bool {
	out := map[int]bool{}
	for i := range held {
		if !o.crowded(o.lines[i], held) || o.no == forksUnlimited {
			out[i] = true
		}
	}
	if o.no == cutsKeepNothing {
		return out
	}
	for i := range set.all() {
		for name, tips := range o.acts[i].cut {
			for _, t := range tips {
				for x := t; x >= 0 && held[x] && o.lines[x].name() == name; x = o.before(x) {
					out[x] = true
				}
			}
		}
	}
	return out
}

// before is the message that directly precedes x, -1 for none.
func (o *oracle) before(x int) int {
	m := o.lines[x]
	if m.prev < 0 || o.lines[m.prev].name() != m.name() || o.lines[m.prev].seq != m.seq-1 {
		return -1
	}
	return m.prev
}

// inside tells whether the cut of r contains m.
func (o *oracle) inside(m *line, r *act, held map[int]bool) bool {
	tips, listed := r.cut[m.name()]
	if !listed {
		return o.no == unlistedUncut
	}
	for _, t := range tips {
		if o.no == cutsBySeq {
			if held[t] && m.seq <= o.lines[t].seq {
				return true
			}
			continue
		}
		for x := t; x >= 0 && held[x] && o.lines[x].name() == m.name(); x = o.before(x) {
			if x == m.n {
				return true
			}
		}
	}
	return false
}

// reason says which rule hides a message.
type reason string

const (
	shown     reason = ""
	waits     reason = "waits for its join"
	withdrawn reason = "its author had it from what is void"
	narrowed  reason = "an unheard narrowing"
	retracted reason = "retracted"
)

// hidden is rules 1 to 4 for m on set, held being the messages kept.
func (o *oracle) hidden(set events, m *line, held map[int]bool) (reason, *act) {
	w := o.world(set)
	if o.no != joinsMustNotFollow && !o.joined(m, held) {
		return waits, nil
	}
	d := w.door(m.past, m.author)
	if o.no == grantsOnPast {
		d = o.world(m.past).door(m.past, m.author)
	}
	if !o.says(d, m.kind) {
		return withdrawn, nil
	}
	stood, stands := w.stands(m.past, m.author), w.stands(set, m.author)
	outranks := func(r *act) bool {
		switch o.no {
		case narrowedByAnyone:
			return true
		case outranksThenOnly:
			return o.above(r.key, stood)
		case outranksNowOnly:
			return o.above(r.key, stands)
		}
		return o.above(r.key, stood) || o.above(r.key, stands)
	}
	var unheard []*act
	for i := range set.all() {
		r := o.acts[i]
		if m.past.has(i) && o.no != heardNarrow || !w.holds(i) && o.no != voidNarrows || o.no != cutsNothing && o.inside(m, r, held) {
			continue
		}
		switch r.kind {
		case KindSet:
			if r.target != m.author || o.no == setsDontNarrow || !r.self() && !outranks(r) ||
				o.no == resigningDoesntNarrow && r.self() {
				continue
			}
		case KindKick:
			if r.target != m.author || o.no == kicksDontNarrow || !outranks(r) {
				continue
			}
		case KindDevoice:
			if r.target != m.author || o.no == devoicesDontNarrow || !outranks(r) {
				continue
			}
		case KindDestroy:
			if o.no == endDoesntNarrow || o.no != endNarrowsUpward && !outranks(r) {
				continue
			}
		case KindConfigure:
			if r.value != 1 || r.field != FieldAccess && r.field != FieldModerated || o.no == switchesDontNarrow {
				continue
			}
			if o.no == switchesMustOutrank && !outranks(r) {
				continue
			}
		default:
			continue
		}
		unheard = append(unheard, r)
	}
	// A kick or the room's end hides; otherwise as standing the lowest.
	with := m.past
	for _, r := range unheard {
		switch r.kind {
		case KindKick, KindDestroy:
			return narrowed, cause(unheard, stood)
		case KindSet:
			if r.standing < stood.rank {
				with |= one(r.n)
			}
			if o.no != onlyCombined {
				d.standing = min(d.standing, r.standing)
			}
		case KindDevoice:
			d.voice = Devoiced
		case KindConfigure:
			d.membersOnly = d.membersOnly || r.field == FieldAccess
			d.moderated = d.moderated || r.field == FieldModerated
		}
	}
	if o.no != neverCombined {
		d.standing = min(d.standing, w.stands(with, m.author).rank)
	}
	if !o.says(d, m.kind) {
		return narrowed, cause(unheard, stood)
	}
	var by *act
	for i := range set.all() {
		r := o.acts[i]
		if r.kind != KindRetract || r.about != m.n || o.no == retractsNothing {
			continue
		}
		if (r.target == m.author || o.no == retractsByWrongName) && (w.holds(i) || o.no == voidRetracts) &&
			(o.no == retractsUpward || outranks(r)) {
			if by == nil || r.id.Compare(by.id) < 0 {
				by = r
			}
		}
	}
	if by != nil {
		return retracted, by
	}
	return shown, nil
}

// cause is the narrowing that is named as the reason: the first kind of this
// list, then the lowest ID.
func cause(unheard []*act, stood power) *act {
	for _, is := range []func(a *act) bool{
		func(a *act) bool { return a.kind == KindKick },
		func(a *act) bool { return a.kind == KindDestroy },
		func(a *act) bool { return a.kind == KindSet && a.standing < stood.rank },
		func(a *act) bool { return a.kind == KindDevoice },
		func(a *act) bool { return a.field == FieldAccess },
		func(a *act) bool { return a.field == FieldModerated },
		func(a *act) bool { return true }, // under a mutation
	} {
		var by *act
		for _, a := range unheard {
			if is(a) && (by == nil || a.id.Compare(by.id) < 0) {
				by = a
			}
		}
		if by != nil {
			return by
		}
	}
	return nil
}

// visible are the messages shown on set, held being the messages there are.
func (o *oracle) visible(set events, held map[int]bool) map[int]bool {
	out := map[int]bool{}
	kept := o.kept(set, held)
	for i := range kept {
		if why, _ := o.hidden(set, o.lines[i], kept); why == shown {
			out[i] = true
		}
	}
	return out
}
