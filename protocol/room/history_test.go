package room

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

// Random histories: people in partitions that heal and open again, some honest,
// some not, act and speak at once.

const (
	citizens = 7 // those who may be given standings; 0 made the room
	crowd    = 9 // with two who only ever come in from the street
	maxActs  = 62
)

// crowdIDs are the peer IDs of the people of all histories.
var crowdIDs = func() (out [crowd]peer.ID) {
	for i := range out {
		var seed [32]byte
		seed[0] = byte(i + 1)
		k, err := identity.KeyFromSeed(seed[:])
		if err != nil {
			panic(err)
		}
		out[i] = k.ID()
	}
	return out
}()

func crowdName(p peer.ID) string {
	if i := slices.Index(crowdIDs[:], p); i >= 0 {
		return string(rune('A' + i))
	}
	return p.String()
}

// actor is one person's node.
type actor struct {
	knows   events
	held    map[int]bool
	hostile bool
	log     int // -1: none yet
}

type history struct {
	*oracle
	rng     *rand.Rand
	actors  [crowd]*actor
	others  [crowd]*actor // their second installations, that know of themselves what they hear
	logs    int
	genesis *event.Event
	refused int
	// fewHeads: 3 heads are cited instead of 16, so that not all fit.
	fewHeads bool
	fashion  fashion
}

// fashion is what the people of a history do more often than others.
type fashion int

const (
	noFashion fashion = iota
	resigning         // there are several owners, who resign and are made owners again
	kicking
	retracting
	configuring
	destroying
	fashions // their number
)

func keys(m map[int]bool) []int { return slices.Sorted(maps.Keys(m)) }

func (h *history) id(low bool) event.ID {
	var id event.ID
	for i := range id {
		id[i] = byte(h.rng.Uint32())
	}
	if low { // ground until it is low
		id[0] = 0
	}
	return id
}

// closed is set with all ancestors.
func (h *history) closed(set events) events {
	for i := range set.all() {
		set |= h.acts[i].anc
	}
	return set
}

func (h *history) headsOf(set events) []int {
	top := set
	for i := range set.all() {
		top &^= h.acts[i].anc
	}
	return slices.Collect(top.all())
}

func (h *history) ctl(set events) []event.ID {
	var out []event.ID
	for _, i := range h.headsOf(set) {
		out = append(out, h.acts[i].id)
	}
	slices.SortFunc(out, event.ID.Compare)
	return out
}

// newHistory makes a room and some standings in it.
func newHistory(seed uint64, no mutation) *history {
	rng := rand.New(rand.NewPCG(seed, 17))
	var config []Setting
	if rng.IntN(3) == 0 {
		config = append(config, Setting{Field: FieldAccess, Number: 1})
	}
	if rng.IntN(2) == 0 {
		config = append(config, Setting{Field: FieldModerated, Number: 1})
	}
	h := emptyHistory(seed, no, config)
	for i, a := range h.actors {
		a.hostile = i >= citizens || i > 0 && rng.IntN(5) < 2
	}
	h.fewHeads = rng.IntN(3) == 0
	h.fashion = fashion(rng.IntN(int(fashions)))
	h.found()
	for i, a := range h.actors {
		other := *a
		other.held = map[int]bool{}
		h.others[i] = &other
	}
	return h
}

// emptyHistory makes a room. config ascends.
func emptyHistory(seed uint64, no mutation, config []Setting) *history {
	rng := rand.New(rand.NewPCG(seed, 16))
	h := &history{rng: rng, oracle: &oracle{no: no, worlds: map[events]*world{}, first: map[Field]uint64{}}}
	g := &act{kind: KindGenesis, standing: Owner, honest: true, id: h.id(false)}
	h.power(g)
	for _, s := range config {
		h.first[s.Field] = s.Number
	}
	body, err := (&Genesis{Nonce: [32]byte{1}, Epoch: [32]byte{2}, Config: config}).Encode()
	if err != nil {
		panic(err)
	}
	h.genesis = &event.Event{ID: g.id, Body: body, Header: event.Header{
		Author: crowdIDs[0], Lane: event.LaneControl, Kind: KindGenesis, BodyLen: uint32(len(body)),
	}}
	h.acts = append(h.acts, g)
	for i := range h.actors {
		h.actors[i] = &actor{knows: one(0), held: map[int]bool{}, log: -1}
	}
	return h
}

// found gives out the first standings, before anybody parts.
func (h *history) found() {
	for t, s := range []Standing{0, Owner, Admin, Admin, Moderator, Member} {
		if t == 0 || h.rng.IntN(5) == 0 {
			continue
		}
		if h.fashion == resigning && s == Admin {
			s = Owner
		}
		by := 0
		if t >= 3 && h.rng.IntN(2) == 0 && h.fashion != resigning {
			by = 1
		}
		auths := h.grants(h.actors[0].knows, by)
		if len(auths) == 0 {
			continue
		}
		a := &act{
			kind: KindSet, author: by, target: t, standing: s, auth: auths[0], anc: h.actors[0].knows,
			honest: !h.actors[by].hostile, heard: map[int]bool{}, cut: map[logName][]int{},
		}
		if h.admit(a, a.anc) {
			h.actors[0].knows |= one(a.n)
		}
	}
	for _, a := range h.actors {
		a.knows = h.actors[0].knows
	}
}

// grants lists the settings in set that author may name as his authority.
func (h *history) grants(set events, author int) []int {
	if author == 0 {
		return []int{0}
	}
	var out []int
	for i := range set.all() {
		if a := h.acts[i]; i > 0 && a.kind == KindSet && a.target == author && a.standing >= Member {
			out = append(out, i)
		}
	}
	return out
}

// admit adds a if every node would store it.
func (h *history) admit(a *act, here events) bool {
	a.n = len(h.acts)
	if a.n >= maxActs || !h.storedAct(a, here) || len(h.headsOf(a.anc)) > event.MaxHeads {
		h.refused++
		return false
	}
	a.id = h.id(false)
	h.acts = append(h.acts, a)
	a.ev = h.actEvent(a)
	return true
}

// undo takes the last act back.
func (h *history) undo(a *act) {
	h.acts = h.acts[:a.n]
	maps.DeleteFunc(h.worlds, func(s events, _ *world) bool { return s.has(a.n) })
}

func (h *history) actEvent(a *act) *event.Event {
	op := Op{Kind: a.kind, Auth: h.acts[a.auth].id, Standing: a.standing}
	if a.target >= 0 {
		op.Target = crowdIDs[a.target]
	}
	if a.kind == KindConfigure {
		op.Setting = Setting{Field: a.field, Number: a.value, Text: a.text}
	}
	if a.kind == KindRetract {
		op.Message = h.lines[a.about].id
	}
	for name, tips := range a.cut {
		c := Cut{LogKey: logKey(name)}
		for _, t := range tips {
			c.Tips = append(c.Tips, h.lines[t].id)
		}
		op.Cuts = append(op.Cuts, c)
	}
	slices.SortFunc(op.Cuts, func(a, b Cut) int { return a.Compare(b.LogKey) })
	body, err := op.Encode()
	if err != nil {
		panic(fmt.Sprint(err, h.tell(a)))
	}
	return &event.Event{ID: a.id, Body: body, Header: event.Header{
		Conversation: event.Conversation(h.genesis.ID), Author: crowdIDs[a.author], Lane: event.LaneControl,
		Kind: a.kind, Ctl: h.ctl(a.anc), BodyLen: uint32(len(body)), Time: event.Time(a.n),
	}}
}

func logKey(n logName) event.LogKey {
	return event.LogKey{Author: crowdIDs[n.author], Log: event.LogID{1, byte(n.log >> 8), byte(n.log)}}
}

// say adds m if every node would store it.
func (h *history) say(m *line, here events) bool {
	if !h.storedLine(m, here) || len(h.headsOf(m.past)) > event.MaxHeads {
		h.refused++
		return false
	}
	m.n = len(h.lines)
	h.lines = append(h.lines, m)
	var body []byte
	var err error
	switch m.kind {
	case KindJoin:
		body, err = EncodeBody(&Join{Nick: "somebody"})
	case KindLeave:
		body, err = EncodeBody(&Leave{})
	case KindSubject:
		body, err = EncodeBody(&Subject{fmt.Sprint("subject ", m.n)})
	default:
		body, err = event.EncodeText("text")
	}
	if err != nil {
		panic(err)
	}
	k := logKey(m.name())
	hd := event.Header{
		Conversation: event.Conversation(h.genesis.ID), Author: k.Author, Lane: event.LaneMessage, Log: k.Log,
		Seq: uint64(m.seq), Kind: m.kind, Ctl: h.ctl(m.past), BodyLen: uint32(len(body)), Time: event.Time(m.n),
	}
	if m.prev >= 0 {
		hd.Prev = h.lines[m.prev].id
	}
	m.ev = &event.Event{ID: m.id, Body: body, Header: hd}
	return true
}

// tips is how far held goes in the logs of those asked for.
func (h *history) tips(held map[int]bool, whose func(int) bool) map[logName][]int {
	followed := map[int]bool{}
	for i := range held {
		if p := h.before(i); p >= 0 {
			followed[p] = true
		}
	}
	out := map[logName][]int{}
	for _, i := range keys(held) {
		if m := h.lines[i]; whose(m.author) && !followed[i] {
			out[m.name()] = append(out[m.name()], i)
		}
	}
	for name, tips := range out {
		slices.SortStableFunc(tips, func(a, b int) int { return h.lines[b].seq - h.lines[a].seq })
		out[name] = tips[:min(len(tips), MaxTips)]
	}
	return out
}

// cutFor is the cut a's author would make of what he holds.
func (h *history) cutFor(a *act, held map[int]bool) map[logName][]int {
	op := Op{Kind: a.kind, Setting: Setting{Field: a.field, Number: a.value}}
	if !op.cutting() {
		return nil
	}
	return h.tips(held, func(p int) bool { return a.target < 0 || p == a.target })
}

// fork is the same history, to which more can be added without changing h.
func (h *history) fork() *history {
	o := *h.oracle
	o.acts, o.lines = slices.Clone(h.acts), slices.Clone(h.lines)
	o.worlds = maps.Clone(h.worlds)
	f := *h
	f.oracle = &o
	return &f
}

// item is an event on its way: an act's index, or below zero a line's.
type item int

func (i item) line() (int, bool) { return int(-i - 1), i < 0 }

func (h *history) items() []item {
	var out []item
	for i := 1; i < len(h.acts); i++ {
		out = append(out, item(i))
	}
	for i := range h.lines {
		out = append(out, item(-i-1))
	}
	return out
}

// deliver hands events to a node that holds set and held, in this order: what
// lacks its ctl waits.
func (h *history) deliver(order []item, set events, held map[int]bool) (events, map[int]bool) {
	held = maps.Clone(held)
	for progress := true; progress; {
		var waiting []item
		progress = false
		for _, x := range order {
			if i, ok := x.line(); ok {
				m := h.lines[i]
				if m.past&^set != 0 {
					waiting = append(waiting, x)
					continue
				}
				if h.storedLine(m, set) && (h.no != joinsMustNotFollow || m.kind == KindJoin || h.joined(m, held)) {
					held[i] = true
				}
			} else {
				a := h.acts[x]
				if a.anc&^set != 0 {
					waiting = append(waiting, x)
					continue
				}
				if h.storedAct(a, set) {
					set |= one(a.n)
				}
			}
			progress = true
		}
		order = waiting
	}
	return set, held
}

// tell describes an act for people.
func (h *history) tell(a *act) string {
	if a == nil {
		return "nothing"
	}
	who := func(p int) string {
		if p < 0 {
			return "the room"
		}
		return string(rune('A' + p))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "act %d by %s", a.n, who(a.author))
	switch a.kind {
	case KindSet:
		fmt.Fprintf(&b, " sets %s %s", who(a.target), a.standing)
	case KindConfigure:
		fmt.Fprintf(&b, " configures %s=%d", a.field.Key(), a.value)
	case KindRetract:
		fmt.Fprintf(&b, " retracts line %d", a.about)
	default:
		fmt.Fprintf(&b, " kind %d on %s", a.kind, who(a.target))
	}
	fmt.Fprintf(&b, " under %d %v, knowing %v", a.auth, a.key, slices.Collect(a.anc.all()))
	return b.String()
}

func (h *history) tellLine(i int) string {
	m := h.lines[i]
	return fmt.Sprintf("line %d by %s kind %d log %d seq %d after %d knowing %v", i, string(rune('A'+m.author)), m.kind, m.log, m.seq, m.prev, slices.Collect(m.past.all()))
}
