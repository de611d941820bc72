package room

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// Cite lists, ascending, the control events that author's next event cites in
// ctl: the heads of the covered set. Where these are more than a header takes,
// first what touches the author (his settings, kicks and voice, both switches,
// the room's end), then the newest: nobody is to be silenced by a flood of
// heads.
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
	var touching []int
	lists := [][]int{r.destroys, r.setters[FieldAccess], r.setters[FieldModerated]}
	if a >= 0 {
		p := r.people[a]
		lists = append(lists, p.settings, p.kicks, p.voices)
	}
	for _, l := range lists {
		for _, i := range l {
			if r.all.eff.has(i) {
				touching = append(touching, i)
			}
		}
	}
	slices.Sort(touching)
	var picked []int
	for _, i := range slices.Backward(touching) {
		above := slices.ContainsFunc(picked, func(p int) bool { return r.controls[p].anc.has(i) })
		if !above && len(picked) < event.MaxHeads {
			picked = append(picked, i)
		}
	}
	for _, h := range heads {
		if slices.Contains(picked, h) {
			continue
		}
		rest := slices.DeleteFunc(slices.Clone(picked), func(p int) bool { return r.controls[h].anc.has(p) })
		if len(rest) < event.MaxHeads {
			picked = append(rest, h)
		}
	}
	return picked
}
