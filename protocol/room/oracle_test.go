package room

import (
	"math/bits"

	"p2pchat/protocol/event"
)

// This file is the constitution once more, written down as literally and as
// slowly as possible, for the tests: no state is kept, every question is
// answered from the sets. Each line has a switch (see mutations_test.go) with
// which a test takes it away, to show that some property then fails.

// events is a set of control events by index; a history has at most 64.
type events uint64

func one(i int) events          { return 1 << i }
func (s events) has(i int) bool { return s&one(i) != 0 }
func (s events) size() int      { return bits.OnesCount64(uint64(s)) }
func (s events) all() func(func(int) bool) {
	return func(yield func(int) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(bits.TrailingZeros64(uint64(s))) {
				return
			}
		}
	}
}

// act is a control event.
type act struct {
	n         int
	id        event.ID
	kind      event.Kind
	author    int
	anc       events
	auth      int // -1: names no event
	target    int // -1: none
	standing  Standing
	about     int // message retracted
	field     Field
	value     uint64
	text      string            // of a field that is one
	cut       map[logName][]int // tips
	honest    bool
	heard     map[int]bool // messages its author held
	key, conf power
	ev        *event.Event
}

type logName struct{ author, log int }

// line is a message.
type line struct {
	n      int
	id     event.ID
	kind   event.Kind
	author int
	log    int
	seq    int
	prev   int // -1: none
	past   events
	honest bool
	ev     *event.Event
}

func (m *line) name() logName { return logName{m.author, m.log} }

// oracle answers for a universe of events. The creator is person 0, the genesis
// act 0.
type oracle struct {
	acts   []*act
	lines  []*line
	first  map[Field]uint64
	no     mutation
	worlds map[events]*world
	cycles int
}

// world is a set of control events and what is effective when only they count.
type world struct {
	o   *oracle
	set events
	eff [64]int8 // 0 unknown, 1 yes, 2 no, 3 being asked
}

func (o *oracle) world(set events) *world {
	w := o.worlds[set]
	if w == nil {
		w = &world{o: o, set: set}
		o.worlds[set] = w
	}
	return w
}

func (o *oracle) above(a, b power) bool {
	if o.no == equalsOutrank && a.rank == b.rank {
		return true
	}
	if o.no == ownersEqual {
		return a.rank > b.rank
	}
	return a.rank > b.rank || a.rank == Owner && b.rank == Owner && a.depth < b.depth
}

func (a *act) self() bool { return a.n > 0 && a.kind == KindSet && a.author == a.target }

// power fills in key and conf.
func (o *oracle) power(e *act) {
	switch {
	case e.n == 0:
		e.key, e.conf = power{Owner, 0}, power{Owner, 0}
		return
	case o.no == keyFromRankOnly:
		e.key = power{o.acts[e.auth].conf.rank, 0}
	default:
		e.key = o.acts[e.auth].conf
	}
	if e.kind == KindSet {
		e.conf = power{e.standing, e.key.depth + 1}
	}
}

func (o *oracle) cuts(r, g *act) bool {
	if r.n == 0 || g.kind != KindSet && g.n != 0 || r.kind != KindSet || r == g {
		return false
	}
	if r.target != g.target {
		return false
	}
	if o.no == cutOnlyToNone && r.standing >= None || o.no != cutOnlyToNone && o.no != cutByAnySetting && r.standing >= g.standing {
		return false
	}
	if o.no != cutByAncestors && g.anc.has(r.n) {
		return false
	}
	if o.no == cutByAnyone || o.above(r.key, g.conf) {
		return true
	}
	if o.no == noResigning {
		return false
	}
	return r.self() && (o.no == resignFromHigher || !o.above(g.conf, r.key))
}

func (w *world) holds(i int) bool {
	switch w.eff[i] {
	case 1, 2:
		return w.eff[i] == 1
	case 3:
		w.o.cycles++
		return false
	}
	w.eff[i] = 3
	w.eff[i] = 2
	if w.judge(w.o.acts[i]) {
		w.eff[i] = 1
	}
	return w.eff[i] == 1
}

func (w *world) judge(e *act) bool {
	if e.n == 0 {
		return true
	}
	if w.o.no != authMayBeVoid && !w.holds(e.auth) {
		return false
	}
	return w.cutter(e) == nil
}

// cutter is what takes e's authority away.
func (w *world) cutter(e *act) *act {
	g := w.o.acts[e.auth]
	for i := range w.set.all() {
		r := w.o.acts[i]
		if r == e || !w.o.cuts(r, g) {
			continue
		}
		switch w.o.no {
		case cutEvenWhatWasSeen:
		case cutWhatHadNotSeen:
			if e.anc.has(r.n) {
				continue
			}
		default:
			if r.anc.has(e.n) {
				continue
			}
		}
		if w.o.no != resigningTwice && r.self() && e.self() && (w.o.no == selfAlwaysExempt || !e.anc.has(r.n)) {
			continue
		}
		if w.o.no == cutByVoid || w.holds(i) {
			return r
		}
	}
	return nil
}

// stands is the standing of t on set, counting what is effective in w.
func (w *world) stands(set events, t int) power {
	p, _ := w.standsBy(set, t)
	return p
}

// standsBy also gives the setting that says so.
func (w *world) standsBy(set events, t int) (power, *act) {
	best, by := power{rank: None}, (*act)(nil)
	for i := range set.all() {
		g := w.o.acts[i]
		if g.kind != KindSet && g.n != 0 || g.target != t || w.o.no != standingFromVoid && !w.holds(i) {
			continue
		}
		dead := false
		for j := range set.all() {
			r := w.o.acts[j]
			if w.o.no != standingUncut && w.o.cuts(r, g) && (w.o.no == standingFromVoid || w.holds(j)) {
				dead = true
			}
		}
		if dead {
			continue
		}
		better := by == nil || g.conf.rank > best.rank
		if w.o.no == worstStanding {
			better = by == nil || g.conf.rank < best.rank
		}
		if by != nil && g.conf.rank == best.rank {
			better = g.conf.depth < best.depth
			if w.o.no == deeperFirst {
				better = g.conf.depth > best.depth
			}
			if g.conf.depth == best.depth {
				better = g.id.Compare(by.id) < 0 != (w.o.no == standingHighestID)
			}
		}
		if better {
			best, by = g.conf, g
		}
	}
	return best, by
}

// register is the prevailing setter among those in set that match.
func (w *world) register(set events, match func(*act) bool) *act {
	var setters []*act
	for i := range set.all() {
		if e := w.o.acts[i]; i > 0 && match(e) && (w.o.no == registerFromVoid || w.holds(i)) {
			setters = append(setters, e)
		}
	}
	var best *act
	for _, e := range setters {
		later := false
		for _, x := range setters {
			later = later || x.anc.has(e.n)
		}
		if later && w.o.no != registerOverwrites {
			continue
		}
		switch {
		case best == nil:
			best = e
		case w.o.no != registerById && w.o.above(e.key, best.key):
			best = e
		case w.o.no != registerById && w.o.above(best.key, e.key):
		case e.id.Compare(best.id) < 0 != (w.o.no == registerHighestID):
			best = e
		}
	}
	return best
}

func (w *world) field(set events, f Field) uint64 {
	if e := w.register(set, func(e *act) bool { return e.kind == KindConfigure && e.field == f }); e != nil {
		return e.value
	}
	if v, ok := w.o.first[f]; ok {
		return v
	}
	return fieldSpecs[f].normal
}

func (w *world) voice(set events, t int) Voice {
	e := w.register(set, func(e *act) bool { return (e.kind == KindVoice || e.kind == KindDevoice) && e.target == t })
	switch {
	case e == nil:
		return VoiceUnset
	case e.kind == KindVoice:
		return Voiced
	}
	return Devoiced
}

func (w *world) destroyed(set events) bool {
	for i := range set.all() {
		if w.o.acts[i].kind == KindDestroy && (w.o.no == destroyedByVoid || w.holds(i)) {
			return true
		}
	}
	return false
}

// may is the static test of act e under power k. set is anc(e).
func (o *oracle) may(e *act, k power, set events) bool {
	if e.kind == KindConfigure || e.kind == KindDestroy {
		return k.rank == Owner || o.no == adminsConfigure && k.rank == Admin
	}
	if e.target == 0 && o.no != creatorTouchable {
		return false
	}
	if e.kind == KindSet && e.target == e.author {
		return e.standing < k.rank || o.no == raisesHimself
	}
	if o.no != targetMayBeHigher && !o.above(k, o.world(set).stands(set, e.target)) {
		return false
	}
	if e.kind == KindSet {
		return k.rank == Owner || k.rank == Admin && (e.standing <= Moderator || o.no == adminsMakeAdmins)
	}
	return k.rank >= Moderator || o.no == membersKick && k.rank >= Member
}

// storedAct is the static test of an act. here is what the node that asks
// holds; only a mutation looks at it.
func (o *oracle) storedAct(e *act, here events) bool {
	if e.auth < 0 {
		return false
	}
	if !e.anc.has(e.auth) && o.no != authAnywhere {
		return false
	}
	g := o.acts[e.auth]
	if g.kind != KindSet && g.n != 0 || g.target != e.author && o.no != authOfOthers {
		return false
	}
	o.power(e)
	set := e.anc
	if o.no == judgedOnArrival {
		set = here
	}
	return o.may(e, e.key, set)
}
