package room

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"iter"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// Word is a message in which somebody speaks of himself: a join, leave or nick.
type Word struct {
	event.LogKey
	event.Head
	Kind event.Kind
}

// LastWord is the newest join or leave of p that is held, whatever the rules
// say of it; ok is false if there is none.
func (r *Room) LastWord(p peer.ID) (w Word, ok bool) {
	i := r.find(p)
	if i < 0 {
		return Word{}, false
	}
	last := r.lastWord(i)
	if last == nil {
		return Word{}, false
	}
	return Word{last.log.key, event.Head{Seq: last.seq, ID: last.id}, last.kind}, true
}

// lastWord is that of person i, nil if there is none.
func (r *Room) lastWord(i int) *message {
	return newest(r.people[i].said, func(m *message) bool { return m.kind != KindNick })
}

// Nick is what p calls himself: his newest visible word about it, empty if there
// is none.
func (r *Room) Nick(p peer.ID) string {
	if i := r.find(p); i >= 0 {
		if m := r.naming(i); m != nil {
			return m.nick()
		}
	}
	return ""
}

// naming is what gave person i his nick, nil if nothing did.
func (r *Room) naming(i int) *message {
	return newest(r.people[i].said, func(m *message) bool { return m.kind != KindLeave && m.counts() })
}

// presence is the newest visible word about whether person i is in the room, nil
// if there is none.
func (r *Room) presence(i int) *message {
	return newest(r.people[i].said, func(m *message) bool { return m.kind != KindNick && m.counts() })
}

// newest is the last in the order of display of those that count, nil if none does.
func newest(messages []*message, counts func(*message) bool) (last *message) {
	for _, m := range messages {
		if counts(m) && (last == nil || last.earlier(m)) {
			last = m
		}
	}
	return last
}

// NickAt is how the author of e called himself when he said it, by his own clock:
// his nick now if what gave him that one is not here.
func (r *Room) NickAt(e *event.Event) string {
	i := r.find(e.Author)
	if i < 0 {
		return ""
	}
	last := newest(r.people[i].said, func(m *message) bool { return m.kind != KindLeave && m.counts() && m.time <= e.Time })
	if last == nil || last.nick() == "" {
		return r.Nick(e.Author)
	}
	return last.nick()
}

// Idle tells whether a control event that is stored has no effect.
func (r *Room) Idle(id event.ID) bool {
	c := r.byID[id]
	return c == nil || !r.all.eff.has(c.index)
}

// nick is the nick that m, a join or nick, gives its author.
func (m *message) nick() string {
	switch b := m.body.(type) {
	case *Join:
		return b.Nick
	case *Nick:
		return b.Nick
	}
	return ""
}

// ByJoin lists those who joined, the first to do so first.
func (r *Room) ByJoin() []peer.ID {
	type first struct {
		id peer.ID
		m  *message
	}
	var all []first
	for _, p := range r.people {
		var f *message
		for _, m := range p.said {
			if m.kind == KindJoin && (f == nil || m.earlier(f)) {
				f = m
			}
		}
		if f != nil {
			all = append(all, first{p.id, f})
		}
	}
	slices.SortFunc(all, func(a, b first) int {
		if a.m.earlier(b.m) {
			return -1
		}
		return 1
	})
	out := make([]peer.ID, len(all))
	for i, f := range all {
		out[i] = f.id
	}
	return out
}

// Describe says in words what a control event does; name says how people are
// called.
func Describe(e *event.Event, name func(peer.ID) string) string {
	op, _, err := DecodeOp(e.Kind, e.Body)
	if e.Kind == KindGenesis || err != nil {
		op = Op{Kind: e.Kind}
	}
	return (&control{Op: op}).sentence(name)
}

// Tops gives the highest seq held of each log.
func (r *Room) Tops() map[event.LogKey]uint64 {
	out := make(map[event.LogKey]uint64, len(r.logs))
	for k, l := range r.logs {
		if n := len(l.messages); n > 0 {
			out[k] = l.messages[n-1].seq
		}
	}
	return out
}

// Against lists the effective control events that may have put p out, with
// their ancestors, each after those it cites: what he needs to see that they
// count. Of somebody the room knows nothing of it lists none.
func (r *Room) Against(p peer.ID) []event.ID {
	i := r.find(p)
	if i < 0 {
		return nil
	}
	return r.grounds(r.people[i].settings, r.people[i].kicks, r.setters[FieldAccess], r.destroys)
}

// Ending lists the effective acts that ended the room, with their ancestors, each
// after those it cites.
func (r *Room) Ending() []event.ID { return r.grounds(r.destroys) }

// grounds gives those of the control events listed that have effect, with their
// ancestors, each after those it cites.
func (r *Room) grounds(lists ...[]int) []event.ID {
	var all bitset
	for _, list := range lists {
		for _, c := range list {
			if r.all.eff.has(c) {
				all.union(r.controls[c].anc)
				all.add(c)
			}
		}
	}
	var out []event.ID
	for c := range all.without(nil) {
		out = append(out, r.controls[c].id)
	}
	return out
}

// NextPassword is the generation a new password is to have: above every one that
// an effective event names.
func (r *Room) NextPassword() uint64 {
	n := r.first[FieldPassword].Number
	for _, i := range r.setters[FieldPassword] {
		if r.all.eff.has(i) {
			n = max(n, r.controls[i].Setting.Number)
		}
	}
	return n + 1
}

// Lasting lists, in the order of their logs, what somebody needs to know who is in
// the room under which name, what the room is about, and to show what they say: the
// joins of those who are in it and what gave them the nick they have now, also of
// those who were put out, since what did that may fall; and the subject with what
// tells of its author whether he joined and left.
func (r *Room) Lasting() []event.ID {
	picked := map[*message]bool{}
	for i, p := range r.people {
		last := r.lastWord(i)
		if _, in := r.occupant(i); !in && (last == nil || last.kind != KindJoin) {
			continue
		}
		for _, l := range p.logs {
			pick(picked, l.joins...)
		}
		naming := r.naming(i)
		if naming == nil { // hidden, as long as he is out
			naming = newest(p.said, func(m *message) bool { return m.kind != KindLeave })
		}
		if naming != nil {
			pick(picked, naming)
		}
	}
	if m := r.topic(); m != nil {
		pick(picked, m)
		pick(picked, m.log.joins...)
		if word := r.presence(m.author); word != nil {
			pick(picked, word)
		}
	}
	return inOrder(picked)
}

// TopicWord gives the message that set the subject that stands: its log, seq and ID, and
// what shows it, itself included: the joins before it, at most [MaxTips], and the
// last that is known of whether its author is in. Nothing if none stands.
func (r *Room) TopicWord() (k event.LogKey, h event.Head, all []event.ID) {
	m := r.topic()
	if m == nil {
		return k, h, nil
	}
	picked := map[*message]bool{m: true}
	n := 0
	for n < len(m.log.joins) && m.log.joins[n].seq < m.seq {
		n++
	}
	pick(picked, m.log.joins[max(0, n-MaxTips):n]...)
	if word := r.presence(m.author); word != nil {
		pick(picked, word)
	}
	return m.log.key, event.Head{Seq: m.seq, ID: m.id}, inOrder(picked)
}

// inOrder lists messages in the order of their logs.
func inOrder(picked map[*message]bool) []event.ID {
	all := slices.SortedFunc(maps.Keys(picked), func(a, b *message) int {
		return cmp.Or(a.log.key.Compare(b.log.key), compareSlot(a, b))
	})
	out := make([]event.ID, len(all))
	for i, m := range all {
		out[i] = m.id
	}
	return out
}

func pick(from map[*message]bool, messages ...*message) {
	for _, m := range messages {
		from[m] = true
	}
}

// JoinsOf lists the newest joins in each of some logs, at most [MaxTips] of each.
func (r *Room) JoinsOf(logs iter.Seq[event.LogKey]) []event.ID {
	var out []event.ID
	for k := range logs {
		if l := r.logs[k]; l != nil {
			for _, j := range l.joins[max(0, len(l.joins)-MaxTips):] {
				out = append(out, j.id)
			}
		}
	}
	return out
}

// FirstJoins lists the first join in each of some logs.
func (r *Room) FirstJoins(logs iter.Seq[event.LogKey]) []event.ID {
	var out []event.ID
	for k := range logs {
		if l := r.logs[k]; l != nil && len(l.joins) > 0 {
			out = append(out, l.joins[0].id)
		}
	}
	return out
}

const forksDomain = "p2pchat forks v1\x00"

// Forks gives, for each log in which its author signed several events for one
// place, also if only what follows shows that, or of which something is held above a
// place where nothing is, SHA-256(domain ‖
// the IDs kept of each such place, ascending, by seq ‖ for each piece that lies
// above such a gap: first and last seq in 8 bytes each, big-endian, and the lowest
// ID at the last): two who hold the same head need not hold the same branches, of
// what a cut reaches one may have given up what the other kept, and a gap that
// nobody can fill is not to keep anybody from what is above it.
//
// scattered tells which of these logs have such pieces and no branches.
func (r *Room) Forks() (forks map[event.LogKey][32]byte, scattered map[event.LogKey]bool) {
	forks, scattered = map[event.LogKey][32]byte{}, map[event.LogKey]bool{}
	for k, l := range r.logs {
		h := sha256.New()
		h.Write([]byte(forksDomain))
		branches := l.hashBranches(h)
		if pieces := l.hashPieces(h); pieces || branches {
			forks[k] = [32]byte(h.Sum(nil))
			if !branches {
				scattered[k] = true
			}
		}
	}
	return forks, scattered
}

func (l *log) hashBranches(h hash.Hash) (some bool) {
	for rest := l.messages; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].seq == rest[0].seq {
			n++
		}
		if n > 1 || l.severed(rest[:n], rest[n:]) {
			some = true
			for _, m := range rest[:n] {
				h.Write(m.id[:])
			}
		}
		rest = rest[n:]
	}
	return some
}

// severed tells whether one of those that directly follow slot names none in it.
func (l *log) severed(slot, after []*message) bool {
	seq := slot[0].seq
	for _, m := range after {
		if m.first != seq+1 || seq < l.low {
			break
		}
		if !slices.ContainsFunc(slot, func(x *message) bool { return x.id == m.prev }) {
			return true
		}
	}
	return false
}

func (l *log) hashPieces(h hash.Hash) (some bool) {
	from := l.at(l.low) // below it joins stand alone
	next := max(l.low, 1)
	first := uint64(0) // of the piece, 0 for what lies below every gap
	var last *message  // the lowest at its seq
	tell := func() {
		if first > 0 {
			some = true
			b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, first), last.seq)
			h.Write(append(b, last.id[:]...))
		}
	}
	for _, m := range l.messages[from:] {
		if m.first > next {
			tell()
			first = m.first
		}
		if last == nil || m.seq > last.seq {
			last, next = m, m.seq+1
		}
	}
	tell()
	return some
}
