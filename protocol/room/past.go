package room

import (
	"slices"

	"p2pchat/protocol/event"
)

// past is the ancestry of a message's ctl, shared by those that cite the same.
type past struct {
	heads []int
	*unfolded
}

// unfolded is a past as a set, and what follows from it. Anybody may cite
// anything, so that only some are kept.
type unfolded struct {
	set bitset
	on  bitset // effective on set alone; nil if not asked for yet
	// standings are those of authors on set, counting what is effective now;
	// right for one revision.
	standings map[int]cachedClimate
	revision  int
}

type cachedClimate struct {
	climate
	power
}

// maxUnfolded is how many pasts are kept unfolded: more than the messages of one
// room cite in turns, at 2 bits for each control event.
const maxUnfolded = 256

// pastOf is the past of ctl. It is shared once [Room.keep] was told of it.
func (r *Room) pastOf(ctl []event.ID) (*past, error) {
	heads, err := r.heads(ctl)
	if err != nil {
		return nil, err
	}
	if p := r.pasts[pastKey(heads)]; p != nil {
		return p, nil
	}
	return &past{heads: heads}, nil
}

func pastKey(heads []int) string {
	key := make([]byte, 0, 4*len(heads))
	for _, h := range heads {
		key = append(key, byte(h>>24), byte(h>>16), byte(h>>8), byte(h))
	}
	return string(key)
}

// keep has later messages share p.
func (r *Room) keep(p *past) { r.pasts[pastKey(p.heads)] = p }

// knows tells whether p holds control event i.
func (r *Room) knows(p *past, i int) bool {
	if p.unfolded != nil {
		return p.set.has(i)
	}
	return slices.ContainsFunc(p.heads, func(h int) bool { return h == i || r.controls[h].anc.has(i) })
}

// unfold makes p's set, and forgets that of the one unfolded longest ago.
func (r *Room) unfold(p *past) *unfolded {
	if p.unfolded != nil {
		return p.unfolded
	}
	p.unfolded = &unfolded{set: r.closure(p.heads), revision: -1}
	if len(r.unfolded) < maxUnfolded {
		r.unfolded = append(r.unfolded, p)
		return p.unfolded
	}
	r.unfolded[r.oldest].unfolded = nil
	r.unfolded[r.oldest] = p
	r.oldest = (r.oldest + 1) % maxUnfolded
	return p.unfolded
}

// alone is p as a set, and what is effective on it alone.
func (r *Room) alone(p *past) view {
	u := r.unfold(p)
	if u.on == nil {
		u.on = r.viewOf(p.heads, u.set).eff
	}
	return view{u.set, u.on}
}

// climateOn is what decides, on p and counting what is effective in the whole
// set, whether author may enter and speak.
func (r *Room) climateOn(p *past, author int) (climate, power) {
	u := r.unfold(p)
	if u.revision != r.revision {
		u.revision, u.standings = r.revision, map[int]cachedClimate{}
	}
	c, ok := u.standings[author]
	if !ok {
		c.climate, c.power = r.climate(u.set, r.all.eff, author)
		u.standings[author] = c
	}
	return c.climate, c.power
}
