package room

import (
	"maps"
	"slices"
)

// touched gathers what has to be looked at again after events were handed in.
type touched struct {
	Effects
	room   *Room
	people map[int]bool
	logs   map[*log]bool
	rules  bool // some configuration or the room's end
}

func (r *Room) touch() *touched {
	clear(r.letIn)
	return &touched{room: r, people: map[int]bool{}, logs: map[*log]bool{}}
}

// govern notes what control events that became effective or ceased to be touch.
func (t *touched) govern(changed []*control) {
	for _, c := range changed {
		t.Governed = append(t.Governed, c.id)
		switch c.Kind {
		case KindDestroy:
			t.rules, t.Everyone = true, true
		case KindConfigure:
			t.rules = true
			switch c.Setting.Field {
			case FieldAccess, FieldModerated, FieldSubjectBy:
				t.Everyone = true
			}
		default:
			t.people[c.target] = true
			t.room.people[c.target].fresh = false
		}
	}
}

// settle brings what depends on the set up to date.
func (r *Room) settle(t *touched) {
	if t.rules {
		for f := FieldName; f < fields; f++ {
			r.config[f] = r.setting(r.all.set, r.all.eff, f)
		}
		r.ended = r.destroyed(r.all.set, r.all.eff)
	}
	for i := range t.people {
		t.People = append(t.People, r.people[i].id)
		for _, l := range r.people[i].logs {
			t.logs[l] = true
		}
	}
	slices.Sort(t.People)
	if t.Everyone {
		for _, l := range r.logs {
			t.logs[l] = true
		}
	}
	logs := slices.SortedFunc(maps.Keys(t.logs), func(a, b *log) int { return a.key.Compare(b.key) })
	for _, l := range logs {
		r.judgeLog(l, t)
	}
}

// standingOf is what person i stands now, and the setting that says so.
func (r *Room) standingOf(i int) (power, int) {
	p := r.people[i]
	if !p.fresh {
		p.standing, p.by = r.standing(r.all.set, r.all.eff, i)
		p.fresh = true
	}
	return p.standing, p.by
}

// climateOf is what decides now whether person i may enter and speak; -1 is
// somebody unheard of.
func (r *Room) climateOf(i int) climate {
	c := climate{
		standing: None, destroyed: r.ended != nil, membersOnly: r.config.MembersOnly(),
		moderated: r.config.Moderated(), anySubject: r.config[FieldSubjectBy].Number == 1,
	}
	if i >= 0 {
		p, _ := r.standingOf(i)
		c.standing, c.voice = p.rank, r.voice(r.all.set, r.all.eff, i)
	}
	return c
}

// cover notes that c is effective: it and its ancestors count for the root.
func (r *Room) cover(c *control) {
	for i := range c.anc.without(r.covered) {
		r.coverOne(i)
	}
	if !r.covered.has(c.index) {
		r.coverOne(c.index)
	}
}

func (r *Room) coverOne(i int) {
	c := r.controls[i]
	r.covered.add(i)
	r.people[c.author].outside--
	r.digests.put(c.id)
}

// recount brings covered up to date after changed.
func (r *Room) recount(changed []*control) {
	fell := slices.ContainsFunc(changed, func(x *control) bool { return !r.all.eff.has(x.index) })
	if !fell {
		for _, x := range changed {
			r.cover(x)
		}
		return
	}
	before := r.covered
	r.covered = nil
	for i := len(r.controls) - 1; i >= 0; i-- {
		if r.all.eff.has(i) {
			r.covered.add(i)
		}
		if r.covered.has(i) {
			for _, h := range r.controls[i].heads {
				r.covered.add(h)
			}
		}
	}
	for i := range before.without(r.covered) {
		r.people[r.controls[i].author].outside++
		r.digests.drop(r.controls[i].id)
	}
	for i := range r.covered.without(before) {
		r.people[r.controls[i].author].outside--
		r.digests.put(r.controls[i].id)
	}
}
