package room

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"p2pchat/protocol/event"
)

// What is beyond the ineffective events kept comes back with an effective one.
func TestAside(t *testing.T) {
	t.Parallel()
	w := newTown(t, 3)
	grant := w.does(0, w.set(1, Admin))[0]
	fall := w.does(0, w.set(1, None))[0]
	ban := func(seed int) Op {
		var s [32]byte
		s[5], s[6] = byte(seed), byte(seed>>8)
		return Op{Kind: KindSet, Auth: grant.ID, Target: freshID(t, s), Standing: Outcast}
	}
	var last *event.Event
	var flood []*event.Event
	for n := range MaxIneffective + 3 {
		ctl := grant.ID
		if last != nil && n > 0 {
			ctl = last.ID
		}
		last = w.control(1, ban(n), ctl)
		flood = append(flood, last)
	}
	people := len(w.people)
	var aside int
	for _, x := range w.AddControl(flood...).Results {
		var missing *MissingError
		if errors.Is(x.Err, ErrAside) {
			aside++
		} else if x.Err != nil && !errors.As(x.Err, &missing) {
			t.Fatal(x.Err)
		}
	}
	if aside != 3 || len(w.controls) != 3+MaxIneffective {
		t.Errorf("%d aside, %d held", aside, len(w.controls))
	}
	if got := len(w.people) - people; got != MaxIneffective {
		t.Errorf("%d people are remembered of %d", got, MaxIneffective)
	}
	root, covered := w.Root(), w.CoveredCount()
	if covered != 3 {
		t.Error("ineffective events count for the root")
	}
	// An effective one cites the last.
	kick := w.control(0, Op{Kind: KindKick, Auth: event.ID(w.ID()), Target: w.id(2)}, last.ID, fall.ID)
	for _, x := range w.AddControl(append(flood, kick)...).Results {
		if x.Err != nil {
			t.Fatal(x.Err)
		}
	}
	if w.CoveredCount() != 3+len(flood)+1 || w.Root() == root {
		t.Errorf("%d covered", w.CoveredCount())
	}
	w.all = append(w.all, flood...)
	w.all = append(w.all, kick)
	w.sameElsewhere(nil)
}

// What is refused stays so, and what cites it; what lacks its ctl waits.
func TestRefusedAndMissing(t *testing.T) {
	t.Parallel()
	w := newTown(t, 3)
	grant := w.control(0, Op{Kind: KindSet, Auth: event.ID(w.ID()), Target: w.id(1), Standing: Member}, event.ID(w.ID()))
	bad := w.control(1, Op{Kind: KindKick, Auth: grant.ID, Target: w.id(2)}, grant.ID)
	after := w.control(0, Op{Kind: KindKick, Auth: event.ID(w.ID()), Target: w.id(2)}, bad.ID)
	var missing *MissingError
	if err := w.AddControl(bad).Results[0].Err; !errors.As(err, &missing) || !slices.Equal(missing.IDs, []event.ID{grant.ID}) {
		t.Error(err)
	}
	fx := w.AddControl(after, bad, grant) // any order within a call
	if code(fx.Results[0].Err) != Forbidden || code(fx.Results[1].Err) != Forbidden || fx.Results[2].Err != nil {
		t.Error(fx.Results)
	}
	if !slices.Equal(fx.Governed, []event.ID{grant.ID}) || !slices.Contains(fx.People, w.id(1)) {
		t.Error(fx)
	}
	if ids := w.Covered(grant.ID[0]); !slices.Contains(ids, grant.ID) || w.Has(bad.ID) || !w.Has(grant.ID) {
		t.Error("covered")
	}
	e := *grant
	e.Body = append([]byte{0}, e.Body...)
	e.ID[0]++
	if err := w.AddControl(&e).Results[0].Err; !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

// A log may be pruned before anything of it is here.
func TestPruneFirst(t *testing.T) {
	t.Parallel()
	w := newTown(t, 2)
	for range 3 {
		w.says(1, 1, nil)
	}
	r := w.fresh()
	r.Prune(event.LogKey{Author: w.id(1), Log: logOf(1)}, 3)
	var got []string
	for _, x := range r.AddMessage(w.said...).Results {
		got = append(got, fmt.Sprint(x.Err))
	}
	if want := []string{"<nil>", ErrPruned.Error(), "<nil>", "<nil>"}; !slices.Equal(got, want) {
		t.Error(got)
	}
	for _, e := range w.said[2:] {
		if v, ok := r.Verdict(e.ID); !ok || v.Status != Visible {
			t.Error(v)
		}
	}
}

// What a cut reaches is kept, in whatever order it comes within one call; what
// is named under another log is not.
func TestForkReached(t *testing.T) {
	t.Parallel()
	w := newTown(t, 3)
	ctl := []event.ID{event.ID(w.ID())}
	text := func(log byte, seq uint64, prev event.ID, n int) *event.Event {
		body, err := event.EncodeText(fmt.Sprint("text ", n))
		if err != nil {
			t.Fatal(err)
		}
		return w.sign(1, event.Header{Conversation: w.ID(), Lane: event.LaneMessage, Log: logOf(log), Kind: event.KindText, Ctl: ctl, Seq: seq, Prev: prev}, body)
	}
	join := w.says(1, 1, &Join{Nick: "somebody"})
	var forks []*event.Event
	for n := range 3 {
		forks = append(forks, text(1, 2, join.ID, n))
	}
	slices.SortFunc(forks, func(a, b *event.Event) int { return a.ID.Compare(b.ID) })
	third := forks[2]
	next := text(1, 3, third.ID, 3)
	cut := func(log byte) *event.Event {
		k := event.LogKey{Author: w.id(1), Log: logOf(log)}
		return w.control(0, Op{
			Kind: KindKick, Auth: event.ID(w.ID()), Target: w.id(1), Cuts: []Cut{{k, []event.ID{next.ID}}},
		}, event.ID(w.ID()))
	}
	for _, c := range []struct {
		log  byte
		kept bool
	}{{1, true}, {2, false}} {
		for _, order := range [][]*event.Event{
			{forks[0], forks[1], third, next}, {third, forks[0], forks[1], next}, {next, third, forks[1], forks[0]},
		} {
			r := w.fresh()
			r.AddControl(cut(c.log))
			r.AddMessage(join)
			fx := r.AddMessage(order...)
			_, kept := r.Verdict(third.ID)
			if kept != c.kept || slices.Contains(fx.Dropped, third.ID) == c.kept && kept {
				t.Errorf("a cut of log %d: kept %t", c.log, kept)
			}
			if wanted := slices.Contains(r.Wanted(), third.ID); wanted {
				t.Error("wants what it holds, or what no cut reaches")
			}
		}
	}
	// In two calls it is asked for again.
	r := w.fresh()
	r.AddMessage(join, forks[0], forks[1], third, next)
	if _, ok := r.Verdict(third.ID); ok || len(r.Wanted()) > 0 {
		t.Error("a third fork is kept, or wanted, without reason")
	}
	r.AddControl(cut(1))
	if got := r.Wanted(); !slices.Equal(got, []event.ID{third.ID}) {
		t.Error(got)
	}
	if err := r.AddMessage(third).Results[0].Err; err != nil || len(r.Wanted()) > 0 {
		t.Error(err, r.Wanted())
	}
}

// Heads beyond what a header takes: what touches oneself is cited first.
func TestCiteCrowded(t *testing.T) {
	t.Parallel()
	w := newTown(t, 4)
	start := w.does(0, w.set(1, Admin), w.set(2, Member))[1]
	mine := w.control(1, Op{Kind: KindDevoice, Auth: w.all[0].ID, Target: w.id(2)}, start.ID)
	w.take(mine)
	for n := range 3 * event.MaxHeads {
		op := Op{Kind: KindSet, Auth: w.all[0].ID, Target: freshID(t, [32]byte{9, byte(n)}), Standing: Member}
		w.take(w.control(1, op, start.ID))
	}
	for p := range 4 {
		ctl := w.Cite(w.id(p))
		if len(ctl) != event.MaxHeads || slices.Contains(ctl, mine.ID) != (p == 2) {
			t.Errorf("person %d cites %d heads, what touches him: %t", p, len(ctl), slices.Contains(ctl, mine.ID))
		}
	}
	w.does(1, w.set(3, Member))
	if n := len(w.Cite(w.id(0))); n > event.MaxHeads {
		t.Error(n)
	}
}

// Many more events than fit into one word of a set, in partitions that meet.
func TestLarge(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	w := newTown(t, 12)
	w.does(0, w.set(1, Owner), w.set(2, Admin), w.set(3, Admin), w.set(4, Moderator))
	parts := make([]*town, 3)
	for i := range parts {
		p := *w
		p.Room = w.fresh()
		p.Room.AddControl(w.all...)
		p.clock += event.Time(i * 1_000_000)
		parts[i] = &p
	}
	for len(parts[0].all)+len(parts[1].all)+len(parts[2].all) < 1400 {
		p := parts[rng.IntN(3)]
		by, about := rng.IntN(5), 1+rng.IntN(11)
		op := []Op{
			p.set(about, Outcast+Standing(rng.IntN(6))), p.on(KindKick, about), p.on(KindDevoice, about), p.on(KindVoice, about),
			configure(FieldModerated, uint64(rng.IntN(2))),
		}[rng.IntN(5)]
		if es, err := p.draft(by, op); err == nil {
			p.take(es...)
		}
		if k := (event.LogKey{Author: p.id(about), Log: logOf(1)}); rng.IntN(8) > 0 {
			if _, _, err := p.DraftMessage(k, event.KindText); err == nil {
				p.says(about, 1, nil)
			}
		}
		if rng.IntN(200) == 0 { // two of them meet
			q := parts[rng.IntN(3)]
			p.all, q.all = union(p.all, q.all), union(q.all, p.all)
			p.said, q.said = union(p.said, q.said), union(q.said, p.said)
			for _, x := range []*town{p, q} {
				x.AddControl(x.all...)
				x.AddMessage(x.said...)
			}
		}
	}
	for _, p := range parts {
		w.all, w.said = union(w.all, p.all), union(w.said, p.said)
	}
	rng.Shuffle(len(w.all), func(i, j int) { w.all[i], w.all[j] = w.all[j], w.all[i] })
	for _, p := range parts {
		p.AddControl(w.all...)
		p.AddMessage(w.said...)
		p.all, p.said = w.all, w.said
		p.sameElsewhere(rng.Shuffle)
		if len(p.pasts) <= maxUnfolded {
			t.Errorf("%d pasts fit, so that none is ever unfolded anew", len(p.pasts))
		}
	}
}

func union(a, b []*event.Event) []*event.Event {
	out := slices.Clone(a)
	here := map[event.ID]bool{}
	for _, e := range a {
		here[e.ID] = true
	}
	for _, e := range b {
		if !here[e.ID] {
			out = append(out, e)
		}
	}
	return out
}

// A void ban is among what touches one; what shows that it is void is cited too.
func TestCiteWhatVoids(t *testing.T) {
	t.Parallel()
	w := newTown(t, 4)
	root := event.ID(w.ID())
	grants := w.does(0, w.set(1, Admin), w.set(2, Member), w.set(3, Admin))
	last := grants[2].ID
	fall := w.control(0, Op{Kind: KindSet, Auth: root, Target: w.id(1), Standing: None}, last)
	ban := w.control(1, Op{Kind: KindSet, Auth: grants[0].ID, Target: w.id(2), Standing: Outcast}, last)
	// Of somebody who has seen the ban, and not the fall, something that counts:
	voice := w.control(3, Op{Kind: KindVoice, Auth: last, Target: w.id(2)}, ban.ID)
	w.take(fall, ban, voice)
	for n := range 2 * event.MaxHeads {
		op := Op{Kind: KindSet, Auth: last, Target: freshID(t, [32]byte{8, byte(n)}), Standing: Member}
		w.take(w.control(3, op, last))
	}
	if w.effectiveNow(ban.ID) || !w.effectiveNow(voice.ID) {
		t.Fatal("the ban is not void, or the voice is")
	}
	ctl := w.Cite(w.id(2))
	if !slices.Contains(ctl, voice.ID) || !slices.Contains(ctl, fall.ID) || len(ctl) != event.MaxHeads {
		t.Errorf("cites %d heads, voice %t, fall %t", len(ctl), slices.Contains(ctl, voice.ID), slices.Contains(ctl, fall.ID))
	}
	if e := w.says(2, 1, nil); w.status(e) != Visible {
		t.Error(w.status(e))
	}
}
