package room

import (
	"slices"

	"p2pchat/protocol/event"
)

// run is a line of messages of a log without a fork: any of them is reached by
// prev from any later one.
type run struct{ first, last *message }

// log is one log of one author, as far as it is held.
type log struct {
	key      event.LogKey
	author   int
	messages []*message // ascending by seq, then ID
	joins    []*message // the same of the joins among them
	low      uint64     // nothing below is held, but for what lasts
	base     event.ID   // of a message right below low, if one is known
	linked   bool       // before and run are right
}

// compareSlot orders the messages of a log.
func compareSlot(a, b *message) int {
	switch {
	case a.seq < b.seq:
		return -1
	case a.seq > b.seq:
		return 1
	}
	return a.id.Compare(b.id)
}

// at is the index in l of the first message with seq or above.
func (l *log) at(seq uint64) int {
	i, _ := slices.BinarySearchFunc(l.messages, seq, func(m *message, seq uint64) int {
		if m.seq < seq {
			return -1
		}
		return 1
	})
	return i
}

// slot lists the messages of l with seq.
func (l *log) slot(seq uint64) []*message {
	i := l.at(seq)
	j := i
	for j < len(l.messages) && l.messages[j].seq == seq {
		j++
	}
	return l.messages[i:j]
}

// after lists the messages of l that stand at seq and name p as the one before.
func (l *log) after(p event.ID, seq uint64) []*message {
	var out []*message
	for i := l.at(seq); i < len(l.messages) && l.messages[i].first <= seq; i++ {
		if m := l.messages[i]; m.first == seq && m.prev == p {
			out = append(out, m)
		}
	}
	return out
}

// link makes the lines of l anew.
func (l *log) link() {
	if l.linked {
		return
	}
	for _, m := range l.messages {
		m.before, m.run = nil, nil
	}
	for _, m := range l.messages {
		l.append(m)
	}
	l.linked = true
}

// append puts m, which nothing held follows, into its line.
func (l *log) append(m *message) {
	if m.first > 1 {
		for _, p := range l.slot(m.first - 1) {
			if p.id == m.prev {
				m.before = p
			}
		}
	}
	if p := m.before; p != nil && p.run.last == p {
		m.run = p.run
		m.run.last = m
		return
	}
	m.run = &run{m, m}
}

// reaches tells whether prev leads from one message to m, or they are the same.
func reaches(from, m *message) bool {
	for x := from; x != nil && x.seq >= m.seq; x = x.run.first.before {
		if x.run == m.run {
			return true
		}
	}
	return false
}

// tip is a message that a cut lists for a log.
type tip struct {
	event.LogKey
	id event.ID
}

// inside tells whether the cut of c contains m. What led to a subject below what is kept
// of its log is not here: then a cut of something above, or right below, is enough.
func (r *Room) inside(c *control, m *message) bool {
	if uncut {
		return true
	}
	i, ok := slices.BinarySearchFunc(c.Cuts, m.log.key, func(c Cut, k event.LogKey) int { return c.Compare(k) })
	if !ok {
		return false
	}
	for _, id := range c.Cuts[i].Tips {
		x, l := r.messages[id], m.log
		if x != nil && x.log != l {
			continue
		}
		if m.afar() && (l.stands(id) || x != nil && l.low <= x.seq) || x != nil && reaches(x, m) {
			return true
		}
	}
	return false
}

// afar tells whether m is a subject below what is kept of its log: one that stands, and
// that all show, though it cannot be seen here from where it is reached.
func (m *message) afar() bool { return m.kind == KindSubject && m.seq < m.log.low }

// stands tells whether a message is known to be right below low.
func (l *log) stands(id event.ID) bool {
	return id == l.base || slices.ContainsFunc(l.slot(l.low), func(m *message) bool { return m.first == l.low && m.prev == id })
}

// protected tells whether a stored cut reaches m.
func (r *Room) protected(m *message) bool {
	for todo := []*message{m}; len(todo) > 0; {
		x := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if r.tips[tip{x.log.key, x.id}] > 0 {
			return true
		}
		todo = append(todo, m.log.after(x.id, x.seq+1)...)
	}
	return false
}

func (r *Room) logOf(k event.LogKey, author int) *log {
	l := r.logs[k]
	if l == nil {
		l = &log{key: k, author: author, linked: true}
		r.logs[k] = l
		r.people[author].logs = append(r.people[author].logs, l)
	}
	return l
}

// MaxForks is how many messages with one author, log and seq are kept, joins and
// others each: those with the lowest IDs.
const MaxForks = 2

// crowded lists the messages of slot, ascending, that as many of their sort as
// are kept stand below. Joins are counted apart: they are kept where the others
// are pruned, so these must not decide which joins there are.
func crowded(slot []*message) []*message {
	var out []*message
	var joins, others int
	for _, m := range slot {
		n := &others
		if m.kind == KindJoin {
			n = &joins
		}
		if *n++; *n > MaxForks {
			out = append(out, m)
		}
	}
	return out
}

// place puts m into its log, where [MaxForks] of one seq stand, and what a cut
// reaches.
func (r *Room) place(m *message, t *touched) error {
	l := m.log
	if line := l.lineAt(m.seq); line != nil && !r.loosen(line, m.seq, m.seq) {
		return r.broken
	}
	i, _ := slices.BinarySearchFunc(l.messages, m, compareSlot)
	l.messages = slices.Insert(l.messages, i, m)
	over := crowded(l.slot(m.seq))
	if slices.Contains(over, m) && !r.protected(m) {
		l.messages = slices.Delete(l.messages, i, i+1)
		return ErrSuperseded
	}
	r.messages[m.id] = m
	r.loose++
	if m.kind == KindJoin {
		i, _ := slices.BinarySearchFunc(l.joins, m, compareSlot)
		l.joins = slices.Insert(l.joins, i, m)
	}
	r.note(m)
	for _, old := range over {
		if old != m && !r.protected(old) {
			r.drop(old)
			t.Dropped = append(t.Dropped, old.id)
			l.linked = false
			t.logs[l] = true
		}
	}
	if l.linked && len(l.after(m.id, m.seq+1)) == 0 {
		l.append(m)
	} else {
		l.linked = false
	}
	// What came late may bring others inside a cut, and a join may be what
	// others waited for.
	if !l.linked || r.tips[tip{l.key, m.id}] > 0 || m.kind == KindJoin {
		t.logs[l] = true
		return nil
	}
	if !t.logs[l] {
		m.verdict = r.judge(m)
		t.Visibility = append(t.Visibility, m.id)
	}
	return nil
}

// note makes m findable by what it says.
func (r *Room) note(m *message) {
	switch m.kind {
	case KindJoin, KindLeave, KindNick:
		r.people[m.author].said = append(r.people[m.author].said, m)
	case KindSubject:
		r.subjects = append(r.subjects, m)
	case KindEpoch:
		r.epochs = append(r.epochs, m)
	}
}

// drop forgets m.
func (r *Room) drop(m *message) {
	without := func(l []*message) []*message {
		return slices.DeleteFunc(l, func(x *message) bool { return x == m })
	}
	delete(r.messages, m.id)
	m.log.messages = without(m.log.messages)
	m.log.joins = without(m.log.joins)
	switch m.kind {
	case KindJoin, KindLeave, KindNick:
		r.people[m.author].said = without(r.people[m.author].said)
	case KindSubject:
		r.subjects = without(r.subjects)
	case KindEpoch:
		r.epochs = without(r.epochs)
	}
}

// Prune forgets, and from now on refuses, what is below seq low of a log, but
// for what says who is here under which name, the subject and the epochs. What
// stays is as visible as before. The log need not be known yet.
func (r *Room) Prune(k event.LogKey, low uint64) {
	l := r.logOf(k, r.person(k.Author))
	if low <= l.low {
		return
	}
	clear(r.letIn) // joins below count, whatever was said of them
	l.low, l.base = low, event.ID{}
	for _, m := range slices.Clone(l.messages[:l.at(low)]) {
		switch {
		case !lasts(m.kind):
			r.drop(m)
		case m.verdict.Status == Visible && m.afar():
			m.settled = len(r.controls)
		}
	}
	if line := l.lineAt(low); line != nil && line.first < low {
		line.first, line.prev = low, event.ID{} // what stands before it is not held
	}
	l.linked = false
}

// Under says which message is right below the low mark of a log, of which nothing above
// need be held.
func (r *Room) Under(k event.LogKey, id event.ID) { r.logOf(k, r.person(k.Author)).base = id }

// Keep has subjects below low marks be visible that are hidden only because what led
// from a cut to them is not here: as they were stored, or stand by the word of whoever
// handed them over. By the word of their author nothing does.
func (r *Room) Keep(ids ...event.ID) Effects {
	t := r.touch()
	for _, id := range ids {
		if m := r.messages[id]; m != nil && m.afar() {
			m.settled = len(r.controls)
			t.logs[m.log] = true
		}
	}
	r.settle(t)
	return t.Effects
}

// lasts tells the kinds of messages that something rests on for as long as the
// room exists.
func lasts(k event.Kind) bool {
	switch k {
	case KindJoin, KindLeave, KindNick, KindSubject, KindEpoch:
		return true
	}
	return false
}

// Wanted lists, ascending, messages not held that stored cuts name or reach: a
// third with one author, log and seq is kept only once a cut reaches it, and may
// have been superseded before. Whoever holds them is to be asked, since what a
// cut contains rests on them. Nobody need have them: a cut may name anything.
func (r *Room) Wanted() []event.ID {
	want := map[event.ID]bool{}
	for _, c := range r.controls {
		for _, cut := range c.Cuts {
			if l := r.logs[cut.LogKey]; c.counts && l != nil {
				r.want(l, cut.Tips, want)
			} else if c.counts {
				for _, t := range cut.Tips {
					want[t] = true
				}
			}
		}
	}
	return sortedIDs(want)
}

func (r *Room) want(l *log, tips []event.ID, want map[event.ID]bool) {
	l.link()
	for _, id := range tips {
		m := r.messages[id] // a line ends at every tip
		if m == nil {
			want[id] = true
			continue
		}
		for m.log == l {
			first := m.run.first
			if first.before == nil {
				// What is held and does not directly precede leads no further.
				if first.first > max(l.low, 1) && r.holding(first.prev) == nil {
					want[first.prev] = true
				}
				break
			}
			m = first.before
		}
	}
}

func sortedIDs(set map[event.ID]bool) []event.ID {
	out := make([]event.ID, 0, len(set))
	for id := range set {
		out = append(out, id)
	}
	slices.SortFunc(out, event.ID.Compare)
	return out
}
