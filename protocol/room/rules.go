package room

import (
	"math/bits"
	"slices"
)

// uncut has nothing cut, see the tag nocuts.
var uncut bool

// cuts tells whether setting x, once effective, takes from its target what
// setting g gave.
func (r *Room) cuts(x, g *control) bool {
	return !uncut && x != g && x.index != 0 && x.target == g.target && x.Standing < g.Standing && !g.anc.has(x.index) &&
		(above(x.key, g.conf) || x.self() && !above(g.conf, x.key))
}

// effective judges e by what v says of the events it rests on: its authority,
// and the settings that cut it.
func (r *Room) effective(v view, e *control) bool {
	return e.index == 0 || e.counts && v.eff.has(e.auth) && r.cutter(v, e) == nil
}

// cutter is an effective setting that took e's authority away unseen by it or
// before it: one that had not seen e. It is nil if there is none.
func (r *Room) cutter(v view, e *control) *control {
	g := r.controls[e.auth]
	author := r.people[e.author]
	cuts := func(i int) bool {
		x := r.controls[i]
		return x != e && v.eff.has(i) && r.cuts(x, g) && !x.anc.has(e.index)
	}
	for _, i := range author.given {
		if cuts(i) {
			return r.controls[i]
		}
	}
	if !e.self() {
		for i := range author.resigned.without(nil) {
			if cuts(i) {
				return r.controls[i]
			}
		}
		return nil
	}
	// Resigning twice, unaware, is no contradiction: of his own only what he had
	// seen counts, so that resigning a thousand times at once costs nobody much.
	for w, word := range author.resigned {
		if w < len(e.anc) {
			for word &= e.anc[w]; word != 0; word &= word - 1 {
				if i := w<<6 + bits.TrailingZeros64(word); cuts(i) {
					return r.controls[i]
				}
			}
		}
	}
	return nil
}

// order sorts acts so that each comes after all that its effectiveness rests
// on: by descending power, one's settings of oneself first, along ctl.
func order(a, b *control) int {
	switch {
	case above(a.key, b.key):
		return -1
	case above(b.key, a.key):
		return 1
	case a.self() != b.self():
		if a.self() {
			return -1
		}
		return 1
	}
	return a.index - b.index
}

// extend adds e, whose ancestors are in v, and re-marks what it touches. It
// returns the events that became effective or ceased to be, e included.
func (r *Room) extend(v *view, e *control) []*control {
	v.set.add(e.index)
	var changed []*control
	for work := []*control{e}; len(work) > 0; {
		c := work[0]
		work = work[1:]
		now := r.effective(*v, c)
		if now == v.eff.has(c.index) {
			continue
		}
		if now {
			v.eff.add(c.index)
		} else {
			v.eff.remove(c.index)
		}
		changed = append(changed, c)
		if !c.setting() {
			continue
		}
		for _, a := range r.resting(c) {
			if !v.set.has(a.index) {
				continue
			}
			if at, queued := slices.BinarySearchFunc(work, a, order); !queued {
				work = slices.Insert(work, at, a)
			}
		}
	}
	return changed
}

// resting lists the acts whose effectiveness asks whether setting c is
// effective: those under it, and those it had not seen under the grants it cuts.
func (r *Room) resting(c *control) []*control {
	var out []*control
	for _, a := range r.acts[c.index] {
		out = append(out, r.controls[a])
	}
	for _, i := range r.people[c.target].settings {
		g := r.controls[i]
		if len(r.acts[i]) == 0 || !r.cuts(c, g) {
			continue
		}
		for _, a := range r.acts[i] {
			act := r.controls[a]
			if c.self() && act.self() && !act.anc.has(c.index) {
				continue // see cutter
			}
			if a != c.index && !c.anc.has(a) {
				out = append(out, act)
			}
		}
	}
	return out
}

// standing is what t stands when only the settings in set that are in eff are
// counted, and the index of the setting that says so, -1 for none.
func (r *Room) standing(set, eff bitset, t int) (power, int) {
	var counted []*control
	for _, i := range r.people[t].settings {
		if set.has(i) && eff.has(i) {
			counted = append(counted, r.controls[i])
		}
	}
	best := -1
	for n, g := range counted {
		if best >= 0 && !better(g, counted[best]) {
			continue
		}
		// The newest first: it is the likeliest to cut.
		dead := false
		for m := len(counted) - 1; m >= 0 && !dead; m-- {
			dead = r.cuts(counted[m], g)
		}
		if !dead {
			best = n
		}
	}
	if best < 0 {
		return power{rank: None}, -1
	}
	return counted[best].conf, counted[best].index
}

func better(a, b *control) bool {
	if a.conf.rank != b.conf.rank {
		return a.conf.rank > b.conf.rank
	}
	if a.conf.depth != b.conf.depth {
		return a.conf.depth < b.conf.depth
	}
	return a.id.Compare(b.id) < 0
}

// register is the setter that prevails among those in set and eff: of the
// causally maximal ones that of the higher key, then of the lower ID. It is nil
// if there is none. setters ascends.
func (r *Room) register(set, eff bitset, setters []int) *control {
	var maximal []*control
	for n := len(setters) - 1; n >= 0; n-- {
		i := setters[n]
		if !set.has(i) || !eff.has(i) {
			continue
		}
		if slices.ContainsFunc(maximal, func(m *control) bool { return m.anc.has(i) }) {
			continue
		}
		maximal = append(maximal, r.controls[i])
	}
	var best *control
	for _, c := range maximal {
		if best == nil || above(c.key, best.key) || !above(best.key, c.key) && c.id.Compare(best.id) < 0 {
			best = c
		}
	}
	return best
}

// setting is the value of field f.
func (r *Room) setting(set, eff bitset, f Field) Setting {
	if c := r.register(set, eff, r.setters[f]); c != nil {
		return c.Setting
	}
	return r.first[f]
}

// voice is the register of voice and devoice of t.
func (r *Room) voice(set, eff bitset, t int) Voice {
	switch c := r.register(set, eff, r.people[t].voices); {
	case c == nil:
		return VoiceUnset
	case c.Kind == KindVoice:
		return Voiced
	}
	return Devoiced
}

// destroyed is an effective end of the room in set, nil if there is none: of
// several the one with the highest key, then the lowest ID.
func (r *Room) destroyed(set, eff bitset) *control {
	var best *control
	for _, i := range r.destroys {
		if c := r.controls[i]; set.has(i) && eff.has(i) &&
			(best == nil || above(c.key, best.key) || !above(best.key, c.key) && c.id.Compare(best.id) < 0) {
			best = c
		}
	}
	return best
}

// minVersion is the highest version an effective configuration in v asks for.
func (r *Room) minVersion(v view) uint64 {
	n := r.first[FieldMinVersion].Number
	for _, i := range r.setters[FieldMinVersion] {
		if v.eff.has(i) {
			n = max(n, r.controls[i].Setting.Number)
		}
	}
	return n
}

// climate is all that decides whether somebody may enter and speak.
type climate struct {
	standing    Standing
	voice       Voice
	destroyed   bool
	membersOnly bool
	moderated   bool
	anySubject  bool // participants may change the subject
}

// climate is that of t on set, counting what is in eff.
func (r *Room) climate(set, eff bitset, t int) (climate, power) {
	p, _ := r.standing(set, eff, t)
	return climate{
		standing:    p.rank,
		voice:       r.voice(set, eff, t),
		destroyed:   r.destroyed(set, eff) != nil,
		membersOnly: r.setting(set, eff, FieldAccess).Number == 1,
		moderated:   r.setting(set, eff, FieldModerated).Number == 1,
		anySubject:  r.setting(set, eff, FieldSubjectBy).Number == 1,
	}, p
}

// need is what a message asks of its author.
type need uint8

const (
	toEnter need = iota
	toSpeak
	toSetSubject
)

func (c climate) mayEnter() bool {
	return !c.destroyed && c.standing != Outcast && (c.standing != None || !c.membersOnly)
}

func (c climate) maySpeak() bool {
	switch {
	case !c.mayEnter():
		return false
	case c.standing >= Moderator:
		return true
	case c.voice != VoiceUnset:
		return c.voice == Voiced
	}
	return c.standing >= Member || !c.moderated
}

func (c climate) may(n need) bool {
	switch n {
	case toEnter:
		return c.mayEnter()
	case toSetSubject:
		return c.maySpeak() && (c.standing >= Moderator || c.anySubject)
	}
	return c.maySpeak()
}

// role is what somebody is while present.
func (c climate) role() Role {
	switch {
	case !c.mayEnter():
		return Nobody
	case c.standing >= Moderator:
		return column(c.standing)
	case c.maySpeak():
		return Participant
	}
	return Visitor
}
