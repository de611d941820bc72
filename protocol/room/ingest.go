package room

import (
	"errors"
	"slices"

	"p2pchat/protocol/event"
)

// AddControl hands in control events whose signatures were verified. An event
// may come before one that it cites only if both are in the same call. An event
// that is here already changes nothing.
func (r *Room) AddControl(events ...*event.Event) Effects {
	t := r.touch()
	became := make(map[event.ID]error, len(events))
	aside := map[event.ID]*event.Event{}
	for _, e := range alongCtl(events) {
		became[e.ID] = r.addControl(e, aside, t)
	}
	for _, e := range events {
		err := became[e.ID]
		if errors.Is(err, ErrAside) && r.byID[e.ID] != nil {
			err = nil // an effective one that came later cites it
		}
		t.Results = append(t.Results, Result{e.ID, err})
	}
	r.settle(t)
	return t.Effects
}

// alongCtl sorts events so that each comes once, after those it cites.
func alongCtl(events []*event.Event) []*event.Event {
	given := make(map[event.ID]*event.Event, len(events))
	for _, e := range events {
		given[e.ID] = e
	}
	out := make([]*event.Event, 0, len(events))
	type step struct {
		e    *event.Event
		next int
	}
	for _, e := range events {
		if given[e.ID] == nil {
			continue
		}
		// Depth first, with a stack of our own since chains may be long.
		delete(given, e.ID)
		for stack := []step{{e: e}}; len(stack) > 0; {
			top := &stack[len(stack)-1]
			if top.next == len(top.e.Ctl) {
				out = append(out, top.e)
				stack = stack[:len(stack)-1]
				continue
			}
			id := top.e.Ctl[top.next]
			top.next++
			if p := given[id]; p != nil {
				delete(given, id)
				stack = append(stack, step{e: p})
			}
		}
	}
	return out
}

// addControl takes in e. aside holds what this call could not keep.
func (r *Room) addControl(e *event.Event, aside map[event.ID]*event.Event, t *touched) error {
	if r.byID[e.ID] != nil {
		return nil
	}
	added, changed := r.revive(e, aside)
	alone := len(added) == 0
	c, more, err := r.take(e)
	if err == nil {
		added, changed = append(added, c), append(changed, more...)
		if !r.all.eff.has(c.index) && (!alone || r.people[c.author].outside > MaxIneffective) {
			aside[e.ID] = e
			err = ErrAside
		}
	}
	if err != nil {
		// What was revived may have become effective meanwhile.
		n := len(added)
		for n > 0 && !r.all.eff.has(added[n-1].index) {
			n--
		}
		r.retire(added[n:])
		added = added[:n]
	}
	if len(added) > 0 {
		r.revision++
		t.govern(changed)
		r.recount(changed)
	}
	return err
}

// revive takes in the ancestors of e that were put aside: e may be effective
// and need them.
func (r *Room) revive(e *event.Event, aside map[event.ID]*event.Event) (out, changed []*control) {
	var need []*event.Event
	for todo := []*event.Event{e}; len(todo) > 0; todo = todo[1:] {
		for _, id := range todo[0].Ctl {
			if a := aside[id]; a != nil && r.byID[id] == nil {
				need, todo = append(need, a), append(todo, a)
			}
		}
	}
	for _, a := range alongCtl(need) {
		if c, x, err := r.take(a); err == nil {
			out, changed = append(out, c), append(changed, x...)
		}
	}
	return out, changed
}

// retire takes the last events listed, all ineffective, back out.
func (r *Room) retire(cs []*control) {
	for _, c := range slices.Backward(cs) {
		r.all.set.remove(c.index)
		r.people[c.author].outside--
		r.unlist(c)
		if c.target == len(r.people)-1 && c.introduces {
			delete(r.byPeer, c.Target)
			r.people = r.people[:c.target]
		}
	}
}

// take decides on e by its own ancestry, lists it and re-marks the acts it
// touches.
func (r *Room) take(e *event.Event) (*control, []*control, error) {
	c, v, err := r.prepare(e)
	if err != nil {
		var no *Refusal
		if errors.As(err, &no) {
			r.remember(e)
		}
		return nil, nil, err
	}
	latest := v.set.count() == r.all.set.count()
	r.list(c)
	r.people[c.author].outside++
	changed := r.extend(&r.all, c)
	if latest {
		c.after = r.all.eff.clone()
	} else {
		r.extend(&v, c)
		c.after = v.eff
	}
	return c, changed, nil
}

// remember keeps what was refused from being waited for. Of strangers, whose
// number has no bound, nothing is remembered.
func (r *Room) remember(e *event.Event) {
	if a := r.find(e.Author); a >= 0 && r.people[a].refusals < MaxIneffective && !r.refused[e.ID] {
		r.people[a].refusals++
		r.refused[e.ID] = true
	}
}

// prepare decodes e and judges what its own ancestry decides. The view is that
// of its ancestry.
func (r *Room) prepare(e *event.Event) (*control, view, error) {
	if e.Lane != event.LaneControl || e.Conversation != r.id || len(e.Ctl) == 0 || e.Kind == KindGenesis || !e.HasBody() {
		return nil, view{}, malformed("no control event of this room")
	}
	op, known, err := DecodeOp(e.Kind, e.Body)
	if err != nil {
		return nil, view{}, malformed("%v", err)
	}
	heads, err := r.heads(e.Ctl)
	if err != nil {
		return nil, view{}, err
	}
	c := &control{
		Op: op, id: e.ID, time: e.Time, index: len(r.controls), heads: heads,
		author: r.find(e.Author), target: r.find(op.Target),
	}
	c.anc = r.closure(heads)
	if c.author < 0 || !slices.ContainsFunc(r.people[c.author].settings, c.anc.has) {
		return nil, view{}, refuse(Forbidden, "its author was never given a standing")
	}
	v := r.viewOf(heads, c.anc)
	if c.counts = known && r.minVersion(v) >= introduced[e.Kind]; c.counts {
		if no := r.static(c, v); no != nil {
			return nil, view{}, no
		}
	}
	if op.Target != "" {
		c.introduces = c.target < 0
		c.target = r.person(op.Target)
	}
	return c, v, nil
}

// heads finds the events cited.
func (r *Room) heads(ctl []event.ID) ([]int, error) {
	var missing []event.ID
	heads := make([]int, 0, len(ctl))
	for _, id := range ctl {
		switch c := r.byID[id]; {
		case c != nil:
			heads = append(heads, c.index)
		case r.refused[id]:
			return nil, refuse(Forbidden, "it cites an event that is refused")
		default:
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		return nil, &MissingError{missing}
	}
	return heads, nil
}

// closure is heads and all their ancestors.
func (r *Room) closure(heads []int) bitset {
	b := make(bitset, 0, len(r.controls)>>6+1)
	for _, h := range heads {
		b.union(r.controls[h].anc)
		b.add(h)
	}
	return b
}

// viewOf is set and what is effective on it alone. heads are its heads.
func (r *Room) viewOf(heads []int, set bitset) view {
	if set.count() == r.all.set.count() {
		return r.all.clone()
	}
	base := r.controls[heads[0]]
	for _, h := range heads[1:] {
		if c := r.controls[h]; c.anc.count() > base.anc.count() {
			base = c
		}
	}
	v := view{base.anc.clone(), base.after.clone()}
	v.set.add(base.index)
	for i := range set.without(v.set) {
		r.extend(&v, r.controls[i])
	}
	return v
}

// static is what e's own ancestry decides: it is the same everywhere.
func (r *Room) static(c *control, v view) *Refusal {
	g := r.byID[c.Auth]
	if g == nil || !c.anc.has(g.index) || !g.setting() || g.target != c.author {
		return refuse(Forbidden, "it is not issued under a standing that was given to its author")
	}
	c.auth, c.key = g.index, g.conf
	if c.Kind == KindSet {
		c.conf = power{c.Standing, c.key.depth + 1}
	}
	switch c.Kind {
	case KindConfigure:
		return c.governed(Configure)
	case KindDestroy:
		return c.governed(Destroy)
	}
	if c.target == r.creator {
		return refuse(Forbidden, "nobody can touch the creator of the room")
	}
	was := power{rank: None}
	if c.target >= 0 {
		was, _ = r.standing(v.set, v.eff, c.target)
	}
	c.lowers = was.rank > c.Standing
	if c.self() {
		if c.Standing >= c.key.rank {
			return refuse(Forbidden, "one can only lower oneself")
		}
		return nil
	}
	if !above(c.key, was) {
		return refuse(Forbidden, "%s cannot act on %s", acting(c.key), acted(was, c.key))
	}
	switch c.Kind {
	case KindKick:
		return c.governed(Kick)
	case KindVoice, KindDevoice:
		return c.governed(Hush)
	case KindRetract:
		return c.governed(Retract)
	}
	return c.governed(privilegeOf(c.Standing))
}

func (c *control) governed(p Privilege) *Refusal {
	if !governs(c.key.rank, p) {
		return refuse(Forbidden, "%s may not %s", acting(c.key), p)
	}
	return nil
}

func acting(p power) string {
	if p.rank == None {
		return "somebody without standing"
	}
	return article(p.rank)
}

func acted(p, by power) string {
	switch {
	case p.rank != by.rank:
		return article(p.rank)
	case p.rank == Owner:
		return "an owner as near the creator or nearer"
	}
	return "another " + p.rank.String()
}

func article(s Standing) string {
	switch s {
	case None:
		return "somebody without standing"
	case Outcast, Admin, Owner:
		return "an " + s.String()
	}
	return "a " + s.String()
}
