package store

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"p2pchat/protocol/event"
)

// model is the store as one would write it without a thought for cost: it
// keeps all that it was ever told and works out each answer anew.
type model struct {
	self, other peer.ID
	told        []*event.Event // each ID once, with its body if that was ever here
	low         map[event.LogKey]uint64
	ack, read   map[peer.ID]event.Frontier
}

func (m *model) insert(e *event.Event) {
	if e.Seq < m.low[e.Key()] {
		return
	}
	for i, old := range m.told {
		if old.ID == e.ID {
			if e.HasBody() {
				m.told[i] = e
			}
			return
		}
	}
	m.told = append(m.told, e)
}

// kept are the two lowest of each place, in the order of display.
func (m *model) kept() []*event.Event {
	type place struct {
		k   event.LogKey
		seq uint64
	}
	places := map[place][]*event.Event{}
	for _, e := range m.told {
		p := place{e.Key(), e.Seq}
		places[p] = append(places[p], e)
	}
	var out []*event.Event
	for _, here := range places {
		slices.SortFunc(here, func(a, b *event.Event) int { return a.ID.Compare(b.ID) })
		out = append(out, here[:min(2, len(here))]...)
	}
	slices.SortFunc(out, func(a, b *event.Event) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	return out
}

func (m *model) frontier() event.Frontier {
	f := event.Frontier{}
	for k, low := range m.low {
		lowest := map[uint64]event.ID{}
		for _, e := range m.kept() {
			if id, ok := lowest[e.Seq]; e.Key() == k && (!ok || e.ID.Compare(id) < 0) {
				lowest[e.Seq] = e.ID
			}
		}
		seq := uint64(0)
		for lowest[seq+1] != (event.ID{}) || seq+1 < low {
			seq++
		}
		if id, ok := lowest[seq]; ok {
			f[k] = event.Head{Seq: seq, ID: id}
		}
	}
	return f
}

func (m *model) count(mine bool, marks event.Frontier) int {
	n := 0
	for _, e := range m.kept() {
		if (e.Author == m.self) == mine && e.Seq > marks[e.Key()].Seq {
			n++
		}
	}
	return n
}

func raise(marks map[peer.ID]event.Frontier, by peer.ID, k event.LogKey, h event.Head) {
	if marks[by] == nil {
		marks[by] = event.Frontier{}
	}
	old, ok := marks[by][k]
	if !ok || h.Seq > old.Seq || h.Seq == old.Seq && h.ID.Compare(old.ID) < 0 {
		marks[by][k] = h
	}
}

// pool is what may be told: three authors, two logs each, and up to three
// claims to a place, some of them at the same reading of the clock.
func modelPool(t testing.TB) []*event.Event {
	var out []*event.Event
	for author := range byte(3) {
		for log := range byte(2) {
			for seq := range uint64(5) {
				for claim := range 3 {
					out = append(out, text(t, testKey(t, author+1), event.Header{
						Log: event.LogID{log + 1}, Seq: seq + 1, Time: event.At(start.Add(time.Duration(int(seq)+claim) / 2 * time.Second)),
					}, fmt.Sprint("claim ", claim)))
				}
			}
		}
	}
	return out
}

func TestAgainstModel(t *testing.T) {
	t.Parallel()
	all := modelPool(t)
	var withoutBody []*event.Event
	for _, e := range all {
		d, err := event.Decode(e.Raw, e.Signature, nil)
		if err != nil {
			t.Fatal(err)
		}
		withoutBody = append(withoutBody, d)
	}
	self, other := testKey(t, 1).ID(), testKey(t, 2).ID()
	rapid.Check(t, func(rt *rapid.T) {
		s, err := Open(t.Context(), t.TempDir(), Options{})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				rt.Error(err)
			}
		}()
		m := &model{
			self: self, other: other, low: map[event.LogKey]uint64{},
			ack: map[peer.ID]event.Frontier{}, read: map[peer.ID]event.Frontier{},
		}
		for _, e := range all {
			m.low[e.Key()] = 0
		}
		pick := rapid.SampledFrom(all)
		holder := rapid.SampledFrom([]peer.ID{self, other})
		do := func(fn func(*Tx) error) {
			if err := s.Update(t.Context(), fn); err != nil {
				rt.Fatal(err)
			}
		}
		do(func(tx *Tx) error { return tx.SetAccount(Account{Peer: self, Created: start}) })
		step := map[string]func(*rapid.T){
			"insert": func(rt *rapid.T) {
				var batch []*event.Event
				for range rapid.IntRange(1, 12).Draw(rt, "n") {
					i := rapid.IntRange(0, len(all)-1).Draw(rt, "event")
					if rapid.IntRange(0, 5).Draw(rt, "dropped") == 0 {
						batch = append(batch, withoutBody[i])
					} else {
						batch = append(batch, all[i])
					}
				}
				do(func(tx *Tx) error {
					for _, e := range batch {
						isNew, err := tx.Insert(e, start)
						if err != nil {
							return err
						}
						before := ids(m.kept())
						m.insert(e)
						if after := ids(m.kept()); isNew != (after[e.ID] && !before[e.ID]) {
							rt.Errorf("event %s: new %v", e.ID, isNew)
						}
					}
					return nil
				})
			},
			"fail": func(rt *rapid.T) { // leaves nothing
				e, oops := pick.Draw(rt, "event"), errors.New("oops")
				err := s.Update(t.Context(), func(tx *Tx) error {
					_, err := tx.Insert(e, start)
					return errors.Join(err, tx.SetRead(conv1, self, e.Key(), at(e)), oops)
				})
				if !errors.Is(err, oops) {
					rt.Fatal(err)
				}
			},
			"ack": func(rt *rapid.T) {
				e, by := pick.Draw(rt, "up to"), holder.Draw(rt, "by")
				raise(m.ack, by, e.Key(), at(e))
				do(func(tx *Tx) error { return tx.SetAck(conv1, by, event.Frontier{e.Key(): at(e)}) })
			},
			"read": func(rt *rapid.T) {
				e, by := pick.Draw(rt, "up to"), holder.Draw(rt, "by")
				raise(m.read, by, e.Key(), at(e))
				do(func(tx *Tx) error { return tx.SetRead(conv1, by, e.Key(), at(e)) })
			},
			"low": func(rt *rapid.T) {
				k, low := pick.Draw(rt, "log").Key(), rapid.Uint64Range(1, 4).Draw(rt, "low")
				m.low[k] = max(m.low[k], low)
				do(func(tx *Tx) error { return tx.SetLow(conv1, k, low) })
			},
			"look": func(rt *rapid.T) {
				rg := event.Range{LogKey: pick.Draw(rt, "log").Key(), From: rapid.Uint64Range(1, 3).Draw(rt, "from")}
				rg.To = rg.From + rapid.Uint64Range(0, 3).Draw(rt, "length")
				sameAsOnDisk(t, rt, s, rg, rapid.IntRange(1, 2000).Draw(rt, "limit"))
			},
			"register": func(*rapid.T) {
				do(func(tx *Tx) error { return tx.PutConversation(conv1, KindDirect, other) })
			},
		}
		names := slices.Sorted(maps.Keys(step))
		names = append(names, "insert", "insert", "insert", "look") // more often than the rest
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			step[rapid.SampledFrom(names).Draw(rt, "step")](rt)
		}
		step["register"](rt)
		compareWithModel(t, rt, s, m)
	})
}

// sameAsOnDisk compares what may come from memory with what is in the file.
func sameAsOnDisk(t *testing.T, rt *rapid.T, s *Store, rg event.Range, limit int) {
	f, err1 := s.Frontier(t.Context(), conv1)
	events, err2 := s.Range(t.Context(), conv1, rg, limit)
	err3 := s.View(t.Context(), func(r *Reader) error {
		want, err := r.Frontier(conv1)
		if !maps.Equal(f, want) {
			rt.Errorf("frontier %v, on disk %v", f, want)
		}
		stored, err2 := r.Range(conv1, rg, limit)
		if !slices.EqualFunc(events, stored, func(a, b *event.Event) bool { return a.ID == b.ID && a.HasBody() == b.HasBody() }) {
			rt.Errorf("range %v: %v, on disk %v", rg, events, stored)
		}
		return errors.Join(err, err2)
	})
	if err := errors.Join(err1, err2, err3); err != nil {
		rt.Fatal(err)
	}
}

func ids(events []*event.Event) map[event.ID]bool {
	out := map[event.ID]bool{}
	for _, e := range events {
		out[e.ID] = true
	}
	return out
}

func compareWithModel(t *testing.T, rt *rapid.T, s *Store, m *model) {
	kept := m.kept()
	log, err := s.Log(t.Context(), LogQuery{Conv: conv1})
	if err != nil {
		rt.Fatal(err)
	}
	if len(log) != len(kept) {
		rt.Fatalf("%d events, want %d", len(log), len(kept))
	}
	var last event.Time
	for i, e := range kept {
		forked := slices.ContainsFunc(kept, func(o *event.Event) bool { return o.Key() == e.Key() && o.Seq == e.Seq && o.ID != e.ID })
		if !reflect.DeepEqual(log[i].Event, e) || log[i].Forked != forked {
			rt.Errorf("event %d is %v forked %v, want %v forked %v", i, log[i].Event, log[i].Forked, e, forked)
		}
		last = max(last, e.Time)
	}
	f, err := s.Frontier(t.Context(), conv1)
	if want := m.frontier(); err != nil || !reflect.DeepEqual(f, want) {
		rt.Errorf("frontier %v, %v, want %v", f, err, want)
	}
	for k := range m.low {
		got, err := s.Range(t.Context(), conv1, event.Range{LogKey: k, From: 1, To: 1 << 40}, 1<<30)
		if err != nil {
			rt.Fatal(err)
		}
		var want []event.ID
		inLog := slices.DeleteFunc(slices.Clone(kept), func(e *event.Event) bool { return e.Key() != k })
		slices.SortFunc(inLog, func(a, b *event.Event) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), a.ID.Compare(b.ID)) })
		for _, e := range inLog {
			want = append(want, e.ID)
		}
		if !slices.EqualFunc(got, want, func(e *event.Event, id event.ID) bool { return e.ID == id }) {
			rt.Errorf("range of %v: %d events, want %d", k, len(got), len(want))
		}
		err = s.View(t.Context(), func(r *Reader) error {
			h, ok, err := r.Head(conv1, k)
			if want, has := f[k]; h != want || ok != has {
				rt.Errorf("head %v %v, want %v %v", h, ok, want, has)
			}
			return err
		})
		if err != nil {
			rt.Fatal(err)
		}
	}
	for _, by := range []peer.ID{m.self, m.other} {
		ack, err := s.Ack(t.Context(), conv1, by)
		if err != nil || !maps.Equal(ack, m.ack[by]) {
			rt.Errorf("ack %v, %v, want %v", ack, err, m.ack[by])
		}
		read, err := s.Read(t.Context(), conv1, by)
		if err != nil || !maps.Equal(read, m.read[by]) {
			rt.Errorf("read %v, %v, want %v", read, err, m.read[by])
		}
	}
	c, err := s.Conversation(t.Context(), conv1)
	if want := m.count(false, m.read[m.self]); err != nil || c.Unread != want || c.Last != last {
		rt.Errorf("conversation %+v, %v, want %d unread, last %d", c, err, want, last)
	}
	queued, err := s.QueuedCount(t.Context())
	if want := m.count(true, m.ack[m.other]); err != nil || queued != want {
		rt.Errorf("queued %d, %v, want %d", queued, err, want)
	}
}

// TestOrderOfArrival tells two stores the same in different orders.
func TestOrderOfArrival(t *testing.T) {
	t.Parallel()
	all := modelPool(t)
	rapid.Check(t, func(rt *rapid.T) {
		told := rapid.SliceOfN(rapid.SampledFrom(all), 1, 80).Draw(rt, "told")
		var stores [2]*Store
		for i := range stores {
			s, err := Open(t.Context(), t.TempDir(), Options{})
			if err != nil {
				rt.Fatal(err)
			}
			defer s.Close()
			stores[i] = s
			order := told
			if i == 1 {
				order = rapid.Permutation(told).Draw(rt, "order")
			}
			err = s.Update(t.Context(), func(tx *Tx) error {
				for _, e := range order {
					if _, err := tx.Insert(e, start); err != nil {
						return err
					}
				}
				return tx.PutConversation(conv1, KindRoom, "")
			})
			if err != nil {
				rt.Fatal(err)
			}
		}
		type answers struct {
			Log      []Stored
			Frontier event.Frontier
			Summary  []ConvSummary
		}
		var got [2]answers
		for i, s := range stores {
			var errs [3]error
			got[i].Log, errs[0] = s.Log(t.Context(), LogQuery{Conv: conv1})
			got[i].Frontier, errs[1] = s.Frontier(t.Context(), conv1)
			got[i].Summary, errs[2] = s.Conversations(t.Context())
			if err := errors.Join(errs[:]...); err != nil {
				rt.Fatal(err)
			}
		}
		if !reflect.DeepEqual(got[0], got[1]) {
			rt.Errorf("one has %+v, the other %+v", got[0], got[1])
		}
	})
}
