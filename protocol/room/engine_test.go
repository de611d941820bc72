package room

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"p2pchat/protocol/event"
)

var (
	histories = flag.Int("histories", 2000, "random histories per property test")
	seed      = flag.Uint64("seed", 0, "first seed; 0: a new one")
)

// load hands events to a new room in this order: what lacks its ctl, and what a
// cut asks for, comes again.
func (h *history) load(order []item) (*Room, error) {
	r, err := New(h.genesis)
	if err != nil {
		return nil, err
	}
	return r, h.feed(r, order)
}

func (h *history) feed(r *Room, order []item) error {
	return h.feedTo(r, order, func(Effects) {})
}

// feedTo also tells of the effects.
func (h *history) feedTo(r *Room, order []item, tell func(Effects)) error {
	for len(order) > 0 {
		var waiting []item
		for _, x := range order {
			var fx Effects
			i, isLine := x.line()
			if isLine {
				fx = r.AddMessage(h.lines[i].ev)
			} else {
				fx = r.AddControl(h.acts[x].ev)
			}
			tell(fx)
			err := fx.Results[0].Err
			var missing *MissingError
			switch {
			case err == nil, errors.Is(err, ErrSuperseded), errors.Is(err, ErrPruned):
			case errors.As(err, &missing):
				waiting = append(waiting, x)
			default:
				what := ""
				if isLine {
					what = h.tellLine(i)
				} else {
					what = h.tell(h.acts[x])
				}
				return fmt.Errorf("refused: %w: %s", err, what)
			}
		}
		if len(waiting) == len(order) {
			return fmt.Errorf("%d events wait for ever", len(waiting))
		}
		order = waiting
	}
	byID := map[event.ID]*event.Event{}
	for _, m := range h.lines {
		byID[m.id] = m.ev
	}
	for again := true; again; {
		again = false
		for _, id := range r.Wanted() {
			if e := byID[id]; e != nil {
				fx := r.AddMessage(e)
				tell(fx)
				again = again || fx.Results[0].Err == nil
			}
		}
	}
	return nil
}

// compare tells how r differs from what the oracle says of set and held.
func (h *history) compare(r *Room, set events, held map[int]bool) string {
	w := h.world(set)
	for i := range set.all() {
		c := r.byID[h.acts[i].id]
		if c == nil {
			return "not held: " + h.tell(h.acts[i])
		}
		if got := r.all.eff.has(c.index); got != w.holds(i) {
			return fmt.Sprintf("effective %t: %s", got, h.tell(h.acts[i]))
		}
	}
	if len(r.controls) != set.size() {
		return fmt.Sprintf("holds %d control events of %d", len(r.controls), set.size())
	}
	for p, id := range crowdIDs {
		c := r.climateOf(r.find(id))
		d := w.door(set, p)
		if got := (door{c.standing, c.voice, c.destroyed, c.membersOnly, c.moderated, c.anySubject}); got != d {
			return fmt.Sprintf("%s: %+v, want %+v", crowdName(id), got, d)
		}
		if i := r.find(id); i >= 0 {
			want, act := w.standsBy(set, p)
			if got, by := r.standingOf(i); got != want || (by < 0) != (act == nil) || by >= 0 && r.controls[by].id != act.id {
				return fmt.Sprintf("%s stands %v, want %v by %s", crowdName(id), got, want, h.tell(act))
			}
		}
		if c.mayEnter() != h.enters(d) || c.maySpeak() != h.speaks(d) {
			return crowdName(id) + " may not what he should, or may what he should not"
		}
	}
	name := func(a *act) bool { return a.kind == KindConfigure && a.field == FieldName }
	if a := w.register(set, name); a != nil && r.config.Name() != a.text {
		return "the name is " + r.config.Name()
	}
	kept := h.kept(set, held)
	if r.size() != len(kept) {
		return fmt.Sprintf("holds %d messages, want %d", r.size(), len(kept))
	}
	for i := range kept {
		m := h.lines[i]
		v, ok := r.Verdict(m.id)
		if !ok {
			return "not held: " + h.tellLine(i)
		}
		why, by := h.hidden(set, m, kept)
		want := map[reason]Status{shown: Visible, waits: Waiting, withdrawn: Hidden, narrowed: Hidden, retracted: Retracted}[why]
		if v.Status != want {
			return fmt.Sprintf("%s, not %s (%s): %s", v.Status, want, why, h.tellLine(i))
		}
		if by != nil && v.Cause != by.id || by == nil && !v.Cause.IsZero() {
			return fmt.Sprintf("%s by another cause than %s: %s", v.Status, h.tell(by), h.tellLine(i))
		}
	}
	return ""
}

// visibleIn lists the messages r shows.
func (h *history) visibleIn(r *Room) map[int]bool {
	out := map[int]bool{}
	for i, m := range h.lines {
		if v, ok := r.Verdict(m.id); ok && v.Status == Visible {
			out[i] = true
		}
	}
	return out
}

// checkEngine asks of the Room what the oracle says, in several orders, half by
// half, on the way and pruned.
func checkEngine(h *history, found finding) {
	items := h.items()
	set, held := h.deliver(items, one(0), map[int]bool{})
	var state []byte
	for round := range 3 {
		r, err := h.load(items)
		if err != nil {
			found(propEngine, err.Error())
			return
		}
		if d := h.compare(r, set, held); d != "" {
			found(propEngine, d)
			return
		}
		if got := r.State().Encode(); round == 0 {
			state = got
		} else if string(got) != string(state) {
			found(propOrder, fmt.Sprintf("the Room's state:\n%s\nand:\n%s", state, got))
		}
		h.rng.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	}
	// On the way: after each of some prefixes.
	r, err := New(h.genesis)
	if err != nil {
		found(propEngine, err.Error())
		return
	}
	told := newMirror(r)
	compacts := h.rng.IntN(2) == 0
	inOrder := h.items()
	slices.SortFunc(inOrder, func(a, b item) int { return h.when(a) - h.when(b) })
	for n := 0; n < len(inOrder); {
		next := min(n+1+h.rng.IntN(30), len(inOrder))
		if err := h.feedTo(r, inOrder[n:next], told.apply); err != nil {
			found(propEngine, err.Error())
			return
		}
		if compacts {
			r.kept = 0
			r.Compact(shelf{h, told}, 0)
		}
		if r.Err() != nil {
			found(propCompact, r.Err().Error())
			return
		}
		if d := told.differs(); d != "" {
			found(propEffects, fmt.Sprintf("after %d of %d: %s", next, len(inOrder), d))
			return
		}
		n = next
		set, held := h.deliver(inOrder[:n], one(0), map[int]bool{})
		if d := h.compare(r, set, held); d != "" {
			found(propEngine, fmt.Sprintf("after %d of %d: %s", n, len(inOrder), d))
			return
		}
	}
	if compacts {
		if r, err = h.reopened(r, told); err != nil {
			found(propCompact, err.Error())
			return
		}
		set, held := h.deliver(inOrder, one(0), map[int]bool{})
		if d := h.compare(r, set, held); d != "" {
			found(propCompact, "loaded anew: "+d)
			return
		}
		plain, err := h.load(items)
		if err != nil {
			found(propEngine, err.Error())
			return
		}
		if !maps.Equal(forksOf(r), forksOf(plain)) {
			found(propCompact, "other forks")
		}
	}
	vis, below := h.visibleIn(r), map[int]bool{}
	for _, k := range slices.SortedFunc(maps.Keys(r.logs), event.LogKey.Compare) {
		low := uint64(1 + h.rng.IntN(5))
		r.Prune(k, low)
		for i, m := range h.lines {
			if logKey(m.name()) == k && uint64(m.seq) < low {
				below[i] = true
			}
		}
	}
	// Everything again: what is below stays away, what stays is as visible.
	if err := h.feed(r, inOrder); err != nil {
		found(propEngine, err.Error())
	}
	r.judgeEverything()
	if r.Err() != nil {
		found(propCompact, r.Err().Error())
	}
	pruned := h.visibleIn(r)
	for i := range below {
		if m := h.lines[i]; r.holding(m.id) != nil && !lasts(m.kind) {
			found(propPrune, "still in the Room: "+h.tellLine(i))
		}
		delete(vis, i)
		delete(pruned, i)
	}
	if i, bad := differ(vis, pruned); bad {
		found(propPrune, "in the Room: "+h.tellLine(i))
	}
}

func forksOf(r *Room) map[event.LogKey][32]byte {
	f, _ := r.Forks()
	return f
}

// reopened is a Room made of the control events of r, its lines and what it
// holds beside them.
func (h *history) reopened(r *Room, told *mirror) (*Room, error) {
	out, err := New(h.genesis)
	if err != nil {
		return nil, err
	}
	acts, lines := map[event.ID]*event.Event{}, map[event.ID]*event.Event{}
	for _, a := range h.acts {
		acts[a.id] = a.ev
	}
	for _, m := range h.lines {
		lines[m.id] = m.ev
	}
	for _, c := range r.controls[1:] {
		if err := out.AddControl(acts[c.id]).Results[0].Err; err != nil && !errors.Is(err, ErrAside) {
			return nil, err
		}
	}
	var single []*event.Event
	for _, l := range r.logs {
		for _, m := range l.messages {
			if m.first == m.seq {
				single = append(single, lines[m.id])
			}
		}
	}
	if _, err := out.AddLines(shelf{h, told}, r.Lines(2), single...); err != nil {
		return nil, err
	}
	out.Split()
	return out, out.Err()
}

// size is how many messages r holds, one by one or in lines.
func (r *Room) size() int {
	n := 0
	for _, l := range r.logs {
		for _, m := range l.messages {
			n += int(m.seq - m.first + 1)
		}
	}
	return n
}

// shelf is the archive of a Room whose effects told hears of.
type shelf struct {
	h    *history
	told *mirror
}

func (s shelf) Line(k event.LogKey, from, to uint64) ([]*event.Event, error) {
	var out []*event.Event
	for _, m := range s.h.lines {
		if _, here := s.told.verdicts[m.id]; here && m.ev.Key() == k && from <= m.ev.Seq && m.ev.Seq <= to {
			out = append(out, m.ev)
		}
	}
	slices.SortFunc(out, func(a, b *event.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, nil
}

func (s shelf) Find(id event.ID) (*event.Event, error) {
	if _, here := s.told.verdicts[id]; here {
		for _, m := range s.h.lines {
			if m.id == id {
				return m.ev, nil
			}
		}
	}
	return nil, nil
}

// judgeEverything judges all messages anew, so that nothing remembered helps.
func (r *Room) judgeEverything() {
	t := r.touch()
	for _, l := range r.logs {
		l.linked = false
		r.judgeLog(l, t)
	}
}

// when orders items so that each comes after what it cites, acts and lines
// mixed.
func (h *history) when(x item) int {
	if i, ok := x.line(); ok {
		last := 0
		for n := range h.lines[i].past.all() {
			last = max(last, n)
		}
		return last*1000 + i + 1
	}
	return int(x) * 1000
}

// firstSeed is -seed, or a new one, which is printed.
func firstSeed(t testing.TB) uint64 {
	s := *seed
	if s == 0 {
		s = 1 + rand.Uint64N(1<<40)
	}
	t.Logf("first seed %d: repeat with -seed %d", s, s)
	return s
}

// TestProperties asks every property of random histories, of the oracle and of
// the Room, on as many goroutines as there are processors.
func TestProperties(t *testing.T) {
	t.Parallel()
	begin := firstSeed(t)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() { // ends when the histories are used up, or one fails
			for !t.Failed() {
				n := next.Add(1) - 1
				if n >= int64(*histories) {
					return
				}
				s := begin + uint64(n)
				bad := func(property, detail string) { t.Errorf("seed %d: %s: %s", s, property, detail) }
				h := newHistory(s, exact)
				h.run()
				check(h, bad)
				checkEngine(h, bad)
			}
		})
	}
	wg.Wait()
	t.Logf("%d histories", *histories)
}
