package room

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// control is a stored control event. It never changes.
type control struct {
	Op
	id     event.ID
	time   event.Time
	index  int
	author int
	target int // -1 where the operation has none
	auth   int // index of the authority; 0 for the genesis itself
	heads  []int
	anc    bitset // all ancestors, without itself
	after  bitset // what is effective on anc and itself
	key    power  // what it was issued under
	conf   power  // what it confers on its target; settings only
	// counts is false for what this version does not know or the room's
	// min_version does not yet allow.
	counts bool
	// introduces: nobody had heard of its target before.
	introduces bool
	// lowers: on anc its target stood higher than it says.
	lowers bool
}

func (c *control) setting() bool { return c.counts && (c.Kind == KindSet || c.Kind == KindGenesis) }

// self tells whether c is a setting of its author's own standing.
func (c *control) self() bool {
	return c.counts && c.Kind == KindSet && c.author == c.target
}

// view is a set of control events closed under ctl, and what is effective when
// only these are counted.
type view struct{ set, eff bitset }

func (v view) clone() view { return view{v.set.clone(), v.eff.clone()} }

// list makes c findable by what it is about. The lists ascend.
func (r *Room) list(c *control) {
	r.controls = append(r.controls, c)
	r.byID[c.id] = c
	r.acts = append(r.acts, nil)
	if !c.counts {
		return
	}
	i := c.index
	if c.Kind != KindGenesis {
		r.acts[c.auth] = append(r.acts[c.auth], i)
	}
	switch c.Kind {
	case KindGenesis, KindSet:
		p := r.people[c.target]
		p.settings = append(p.settings, i)
		if c.self() {
			p.resigned.add(i)
		} else {
			p.given = append(p.given, i)
		}
	case KindKick:
		r.people[c.target].kicks = append(r.people[c.target].kicks, i)
	case KindVoice, KindDevoice:
		r.people[c.target].voices = append(r.people[c.target].voices, i)
	case KindRetract:
		r.retracts[c.Message] = append(r.retracts[c.Message], i)
		r.single(c.Message)
	case KindConfigure:
		r.setters[c.Setting.Field] = append(r.setters[c.Setting.Field], i)
	case KindDestroy:
		r.destroys = append(r.destroys, i)
	}
	for _, cut := range c.Cuts {
		for _, t := range cut.Tips {
			r.tips[tip{cut.LogKey, t}]++
			if r.messages[t] == nil {
				r.single(t)
			}
		}
	}
}

// unlist takes back the last event listed, which is ineffective.
func (r *Room) unlist(c *control) {
	r.controls = r.controls[:c.index]
	delete(r.byID, c.id)
	r.acts = r.acts[:c.index]
	if !c.counts {
		return
	}
	last := func(l *[]int) { *l = (*l)[:len(*l)-1] }
	last(&r.acts[c.auth])
	switch c.Kind {
	case KindSet:
		p := r.people[c.target]
		last(&p.settings)
		if c.self() {
			p.resigned.remove(c.index)
		} else {
			last(&p.given)
		}
	case KindKick:
		last(&r.people[c.target].kicks)
	case KindVoice, KindDevoice:
		last(&r.people[c.target].voices)
	case KindRetract:
		l := r.retracts[c.Message]
		if last(&l); len(l) == 0 {
			delete(r.retracts, c.Message)
		} else {
			r.retracts[c.Message] = l
		}
	case KindConfigure:
		last(&r.setters[c.Setting.Field])
	case KindDestroy:
		last(&r.destroys)
	}
	for _, cut := range c.Cuts {
		for _, t := range cut.Tips {
			at := tip{cut.LogKey, t}
			if r.tips[at]--; r.tips[at] == 0 {
				delete(r.tips, at)
			}
		}
	}
}

// person is all that is known of a peer ID in a room.
type person struct {
	id                      peer.ID
	settings, kicks, voices []int  // control events about him
	given                   []int  // settings by others
	resigned                bitset // settings by himself
	logs                    []*log
	said                    []*message // his joins, leaves and nicks
	outside                 int        // his control events that are not covered
	refusals                int        // of his, remembered
	// What he stands now and the setting that says so (-1 for none), if fresh.
	standing power
	by       int
	fresh    bool
}

// person is the index of id, made on first sight.
func (r *Room) person(id peer.ID) int {
	if i, ok := r.byPeer[id]; ok {
		return i
	}
	r.people = append(r.people, &person{id: id, by: -1})
	r.byPeer[id] = len(r.people) - 1
	return len(r.people) - 1
}

// find is the index of id, or -1 for somebody the room never heard of.
func (r *Room) find(id peer.ID) int {
	if i, ok := r.byPeer[id]; ok {
		return i
	}
	return -1
}
