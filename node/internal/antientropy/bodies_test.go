package antientropy

import (
	"slices"
	"testing"
	"time"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
)

func bare(e *event.Event) *event.Event {
	b := *e
	b.Body = nil
	return &b
}

// lacking counts the messages held without their body.
func (m *memory) lacking() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, log := range m.logs {
		for _, events := range log {
			for _, e := range events {
				if !e.HasBody() {
					n++
				}
			}
		}
	}
	return n
}

// TestBodies: what somebody handed over without its body comes from whoever has it,
// whichever side opens, though both hold the same events. Who lacks the same are
// equal, and what was taken back is never asked for.
func TestBodies(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	all := append([]*event.Event{genesis}, c.say(1, 300)...)
	stripped := func(from, to int) []*event.Event {
		out := slices.Clone(all)
		for i := from; i < to; i++ {
			out[i] = bare(all[i])
		}
		return out
	}
	gone, never := all[300], all[299]
	for name, lacks := range map[string]struct{ opener, other [2]int }{
		"the opener":     {opener: [2]int{1, 200}},
		"the other side": {other: [2]int{1, 200}},
		"both":           {opener: [2]int{1, 100}, other: [2]int{50, 150}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newNode(t, 1, c.room, stripped(lacks.opener[0], lacks.opener[1])...)
			b := newNode(t, 2, c.room, stripped(lacks.other[0], lacks.other[1])...)
			both := [2]bool{lacks.opener[1] > 0, lacks.other[1] > 0} == [2]bool{true, true}
			for _, n := range []*node{a, b} {
				n.taken = map[event.ID]bool{gone.ID: true}
				k := all[300].Key()
				n.logs[k][gone.Seq][0], n.logs[k][never.Seq][0] = bare(gone), bare(never)
			}
			a.connect(t, b)
			a.sync(t, c.room, b)
			want := 2 // nobody has them
			if both {
				want += 50
			}
			if x, y := a.lacking(), b.lacking(); x != want || y != want {
				t.Errorf("%d and %d bodies are missing, want %d", x, y, want)
			}
			same(t, a, b)
			sent := a.ingested + b.ingested
			a.sync(t, c.room, b)
			if now := a.ingested + b.ingested; now != sent {
				t.Errorf("%d events are sent again", now-sent)
			}
		})
	}
}

// TestBodiesInVain: what nobody has the body of keeps nobody from being equal, also one
// who begins above it, is asked for now and then, and hides nothing that can be had.
func TestBodiesInVain(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	all := append([]*event.Event{genesis}, c.say(1, 3*bodiesAsked)...)
	byID := slices.SortedFunc(slices.Values(all[1:]), func(a, b *event.Event) int { return a.ID.Compare(b.ID) })
	had := map[event.ID]bool{} // the last of those that are asked for
	for _, e := range byID[len(byID)-10:] {
		had[e.ID] = true
	}
	without := func(but map[event.ID]bool) []*event.Event {
		out := slices.Clone(all)
		for i, e := range out[1:] {
			if !but[e.ID] {
				out[i+1] = bare(e)
			}
		}
		return out
	}
	a, b := newNode(t, 1, c.room, without(nil)...), newNode(t, 2, c.room, without(had)...)
	late := newNode(t, 3, c.room, genesis)
	late.low[all[1].Key()] = uint64(len(all))
	late.put(c.say(1, 1)...)
	a.put(c.logs[1][len(c.logs[1])-1])
	a.connect(t, b)
	a.connect(t, late)
	// round has as many runs as it takes to ask for all in vain.
	round := func() {
		t.Helper()
		for range 9 {
			a.sync(t, c.room, b)
			a.Service.mu.Lock()
			ask := a.asking[pairKey{c.room, b.id()}]
			done := ask.rest > 0
			if !done {
				ask.next = time.Time{} // it has come
				a.asking[pairKey{c.room, b.id()}] = ask
			}
			a.Service.mu.Unlock()
			if done {
				return
			}
		}
		t.Fatal("a round never ends")
	}
	round()
	if n := a.lacking(); n != 3*bodiesAsked-len(had) {
		t.Errorf("%d bodies are missing, want %d", n, 3*bodiesAsked-len(had))
	}
	late.sync(t, c.room, a)
	if equal, _ := late.lastSynced(a.id()); !equal {
		t.Error("who begins above what lacks its body is not equal to who holds it")
	}
	sought := func() int {
		b.memory.mu.Lock()
		defer b.memory.mu.Unlock()
		return b.sought
	}
	before := sought()
	a.sync(t, c.room, b)
	if n := sought() - before; n > 0 {
		t.Errorf("%d are asked for again at once", n)
	}
}

// TestAskedAgain: a message asked for over and over is looked for once in a run.
func TestAskedAgain(t *testing.T) {
	t.Parallel()
	c, genesis := newRoom(t, 9)
	said := c.say(1, 3)
	n := newNode(t, 1, c.room, append([]*event.Event{genesis}, said...)...)
	l := newOutsider(t, 2, n).stream()
	all := &pb.SyncListed{Control: everything(), Logs: everything()}
	mine := event.Frontier{said[0].Key(): {Seq: 3, ID: said[2].ID}}.Wire()
	var want []byte
	for range 100 {
		want = append(want, said[1].ID[:]...)
	}
	came := 0
	turn := func(f *pb.SyncFrame) {
		if err := l.write(f); err != nil {
			t.Fatal(err)
		}
		for end := false; !end; {
			f, err := l.read(time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range f.GetEvents().GetEvents() {
				if len(e.Body) > 0 && string(e.Header) == string(said[1].Raw) {
					came++
				}
			}
			end = f.End || f.Sketch != nil
		}
	}
	turn(&pb.SyncFrame{Open: &pb.SyncOpen{Room: c.room[:], Digest: make([]byte, 32)}})
	turn(&pb.SyncFrame{Listed: all, Control: genesis.ID[:], Heads: mine, Want: want, End: true})
	for range 10 {
		turn(&pb.SyncFrame{Want: want, End: true})
	}
	if n.memory.mu.Lock(); came != 1 || n.sought != 1 {
		t.Errorf("it came %d times and was looked for %d times", came, n.sought)
	}
	n.memory.mu.Unlock()
}
