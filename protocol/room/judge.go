package room

import "p2pchat/protocol/event"

// Status is what a stored message is.
type Status uint8

// The statuses.
const (
	// Waiting: no join in its log, at its seq or below, has seen every kick it
	// knows of. Not refused: the join may come.
	Waiting Status = iota + 1
	Visible
	Hidden
	// Retracted: shown as a tombstone; kept, since the retraction may fall.
	Retracted
)

var statusNames = [...]string{"", "waiting", "visible", "hidden", "retracted"}

func (s Status) String() string { return statusNames[s] }

// Verdict is what the constitution says of a stored message, and why.
type Verdict struct {
	Status Status
	// Cause is the control event it is hidden or retracted by. It is zero where
	// on the message's own ancestry its author may no longer say it, since what
	// he had it from is void.
	Cause event.ID
}

// Verdict says what became of message id; ok is false if it is not held.
func (r *Room) Verdict(id event.ID) (v Verdict, ok bool) {
	m := r.holding(id)
	if m == nil {
		return Verdict{}, false
	}
	return m.verdict, true
}

// judgeLog judges all messages of l anew.
func (r *Room) judgeLog(l *log, t *touched) {
	l.link()
	for i := 0; i < len(l.messages); i++ {
		m := l.messages[i]
		v := r.judge(m)
		if v == m.verdict {
			continue
		}
		if m.first < m.seq { // each is to be told of
			if !r.loosen(m, m.first, min(m.first+loosenChunk-1, m.seq)) {
				return
			}
			l.link()
			i--
			continue
		}
		m.verdict = v
		t.Visibility = append(t.Visibility, m.id)
	}
}

// judge applies the four rules of visibility, in their order.
func (r *Room) judge(m *message) Verdict {
	if !r.joined(m) {
		return Verdict{Status: Waiting}
	}
	on, stood := r.climateOn(m.past, m.author)
	if !on.may(needOf(m.kind)) {
		return Verdict{Status: Hidden}
	}
	if by := r.narrowed(m, on, stood); by != nil {
		return Verdict{Hidden, by.id}
	}
	var by *control
	for _, i := range r.retracts[m.id] {
		c := r.controls[i]
		if r.all.eff.has(i) && c.target == m.author && r.outranks(c, stood, m.author) {
			by = lowestID(by, c)
		}
	}
	if by != nil {
		return Verdict{Retracted, by.id}
	}
	return Verdict{Status: Visible}
}

// lowestID keeps a verdict's cause from depending on what came first. a may be
// nil.
func lowestID(a, b *control) *control {
	if a == nil || b.id.Compare(a.id) < 0 {
		return b
	}
	return a
}

// joined is rule 1: a join in m's log, at its seq or below, has seen every kick
// of the author that m knows of. One that is only kept because a cut reaches it
// serves nobody: what reaches it may be pruned elsewhere.
func (r *Room) joined(m *message) bool {
	joins := m.log.joins
	for i, j := range joins {
		if j.seq > m.seq {
			break
		}
		if i >= MaxForks && joins[i-MaxForks].seq == j.seq {
			continue
		}
		seen := true
		for _, k := range m.kicks {
			seen = seen && r.knows(j.past, k)
		}
		if seen {
			return true
		}
	}
	return false
}

// outranks tells whether c outranks what its target stood, or stands now.
func (r *Room) outranks(c *control, stood power, target int) bool {
	if above(c.key, stood) {
		return true
	}
	stands, _ := r.standingOf(target)
	return above(c.key, stands)
}

// narrowed is rule 3: the effective narrowings that m had not heard of, and
// whose author had not heard m, must leave it standing. on and stood are its
// author's on P. It returns what hides m, nil for nothing: of several a kick, the
// room's end, a setting, a devoice, a switch, in this order.
func (r *Room) narrowed(m *message, on climate, stood power) *control {
	unheard := func(i int) bool {
		return i >= m.settled && !r.knows(m.past, i) && r.all.eff.has(i) && !r.inside(r.controls[i], m)
	}
	him := r.people[m.author]
	for _, hiding := range [][]int{him.kicks, r.destroys} {
		var by *control
		for _, i := range hiding {
			if c := r.controls[i]; unheard(i) && r.outranks(c, stood, m.author) {
				by = lowestID(by, c)
			}
		}
		if by != nil {
			return by
		}
	}
	var why [4]*control // a setting, a devoice, each switch
	lowest := on.standing
	var lower []int // those below what he stood
	for _, i := range him.settings {
		c := r.controls[i]
		if !unheard(i) || !c.self() && !r.outranks(c, stood, m.author) {
			continue
		}
		if c.Standing < on.standing {
			lower = append(lower, i)
			why[0] = lowestID(why[0], c)
		}
		lowest = min(lowest, c.Standing)
	}
	if len(lower) > 0 {
		with := r.unfold(m.past).set.clone()
		for _, i := range lower {
			with.add(i)
		}
		p, _ := r.standing(with, r.all.eff, m.author)
		lowest = min(lowest, p.rank)
	}
	on.standing = lowest
	for _, i := range him.voices {
		if c := r.controls[i]; c.Kind == KindDevoice && unheard(i) && r.outranks(c, stood, m.author) {
			on.voice = Devoiced
			why[1] = lowestID(why[1], c)
		}
	}
	for n, f := range []Field{FieldAccess, FieldModerated} {
		for _, i := range r.setters[f] {
			if c := r.controls[i]; c.Setting.narrows() && unheard(i) {
				on.membersOnly = on.membersOnly || f == FieldAccess
				on.moderated = on.moderated || f == FieldModerated
				why[2+n] = lowestID(why[2+n], c)
			}
		}
	}
	if on.may(needOf(m.kind)) {
		return nil
	}
	for _, c := range why {
		if c != nil {
			return c
		}
	}
	return nil // never: nothing unheard changes nothing
}
