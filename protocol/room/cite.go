package room

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// Cite lists, ascending, the control events that author's next event cites in
// ctl: the heads of the covered set. Where these are more than a header takes,
// first what touches the author (his settings, kicks and voice, the switches, who
// sets the subject, the room's end) and what shows that some of it has no effect,
// then the newest: nobody is to be silenced by a flood of heads.
func (r *Room) Cite(author peer.ID) []event.ID {
	heads := r.coveredHeads()
	if len(heads) > event.MaxHeads {
		heads = r.fewer(r.find(author), heads)
	}
	out := make([]event.ID, len(heads))
	for i, h := range heads {
		out[i] = r.controls[h].id
	}
	slices.SortFunc(out, event.ID.Compare)
	return out
}

// coveredHeads lists the covered events that no covered one cites, the newest
// first.
func (r *Room) coveredHeads() []int {
	var cited bitset
	var out []int
	for i := len(r.controls) - 1; i >= 0; i-- {
		if !r.covered.has(i) {
			continue
		}
		if !cited.has(i) {
			out = append(out, i)
		}
		for _, h := range r.controls[i].heads {
			cited.add(h)
		}
	}
	return out
}

// fewer picks [event.MaxHeads] heads for person a. heads come newest first.
func (r *Room) fewer(a int, heads []int) []int {
	touching := r.touching(a)
	var picked []int
	for _, i := range slices.Backward(touching) {
		known := slices.ContainsFunc(picked, func(p int) bool { return r.controls[p].anc.has(i) })
		if r.all.eff.has(i) && !known && len(picked) < event.MaxHeads {
			picked = append(picked, i)
		}
	}
	for range event.MaxHeads {
		i := r.unsettled(touching, picked)
		if i < 0 {
			break
		}
		more, fits := r.withHead(picked, i)
		if !fits {
			break
		}
		picked = more
	}
	filled := picked
	for _, h := range heads {
		if !slices.Contains(filled, h) {
			filled, _ = r.withHead(filled, h)
		}
	}
	// What was put in for its age may need more to be seen for what it is.
	if r.unsettled(touching, filled) >= 0 && r.unsettled(touching, picked) < 0 {
		return picked
	}
	return filled
}

// touching lists, ascending, the control events that may decide whether person a
// may speak or set the subject; -1 is somebody unheard of.
func (r *Room) touching(a int) []int {
	lists := [][]int{r.destroys, r.setters[FieldAccess], r.setters[FieldModerated], r.setters[FieldSubjectBy]}
	if a >= 0 {
		p := r.people[a]
		lists = append(lists, p.settings, p.kicks, p.voices)
	}
	out := slices.Concat(lists...)
	slices.Sort(out)
	return out
}

// withHead adds head i to heads, in the place of those that it has seen. fits is
// false, and heads are as they were, if these are too many then.
func (r *Room) withHead(heads []int, i int) (out []int, fits bool) {
	rest := slices.DeleteFunc(slices.Clone(heads), func(h int) bool { return r.controls[i].anc.has(h) })
	if len(rest) >= event.MaxHeads {
		return heads, false
	}
	return append(rest, i), true
}

// unsettled is an event that is not among heads and their ancestors, and without
// which one of touching seems effective that is not, or the other way round; -1
// if there is none.
func (r *Room) unsettled(touching, heads []int) int {
	if len(heads) == 0 {
		return -1
	}
	v := r.viewOf(heads, r.closure(heads))
	for _, i := range touching {
		if v.set.has(i) && v.eff.has(i) != r.all.eff.has(i) {
			return r.because(v, r.controls[i])
		}
	}
	return -1
}

// because finds, outside v, why c is effective in v and not in the whole set, or
// the other way round. What that rests on is always of a higher power.
func (r *Room) because(v view, c *control) int {
	for {
		with := r.all
		if r.all.eff.has(c.index) {
			with = v
		}
		x := r.cutter(with, c)
		switch {
		case x == nil:
			x = r.controls[c.auth]
		case !v.set.has(x.index):
			return x.index
		}
		c = x
	}
}
