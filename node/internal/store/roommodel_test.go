package store

import (
	"cmp"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"p2pchat/protocol/event"
)

// roomModel is what a room's events should look like: each answer is worked out
// anew from what is held, so the order of what happened cannot matter.
type roomModel struct {
	self     peer.ID
	messages map[event.ID]roomMessage
	control  []*event.Event
	low      map[event.LogKey]uint64
	below    map[event.LogKey]event.ID
	read     event.Frontier
}

type roomMessage struct {
	*event.Event
	verdict Verdict
}

func (m roomMessage) listed() bool {
	return m.verdict == VerdictVisible || m.verdict == VerdictRetracted
}

func (m *roomModel) at(k event.LogKey, seq uint64) (ids []event.ID) {
	for _, e := range m.messages {
		if e.Key() == k && e.Seq == seq {
			ids = append(ids, e.ID)
		}
	}
	slices.SortFunc(ids, event.ID.Compare)
	return ids
}

func (m *roomModel) frontier(logs []event.LogKey) event.Frontier {
	f := event.Frontier{}
	for _, k := range logs {
		low := max(m.low[k], 1)
		seq := low - 1
		for len(m.at(k, seq+1)) > 0 {
			seq++
		}
		ids := m.at(k, seq)
		if b := m.below[k]; seq == low-1 && !b.IsZero() {
			ids = append(ids, b)
		}
		if len(ids) > 0 {
			f[k] = event.Head{Seq: seq, ID: slices.MinFunc(ids, event.ID.Compare)}
		}
	}
	return f
}

func (m *roomModel) summary() (unread int, last event.Time) {
	for _, e := range m.messages {
		if e.Kind == quietKind || !e.listed() {
			continue
		}
		last = max(last, e.Time)
		if e.verdict == VerdictVisible && e.Author != m.self && e.Seq > m.read[e.Key()].Seq {
			unread++
		}
	}
	return unread, last
}

func (m *roomModel) setLow(k event.LogKey, low uint64, below event.ID) {
	if old := max(m.low[k], 1); low < old || low == old && below.IsZero() || low == 1 {
		return
	}
	m.low[k], m.below[k] = low, below
}

func (m *roomModel) log(q LogQuery) []event.ID {
	var all []*event.Event
	for _, e := range m.messages {
		if e.listed() && (q.All || !slices.Contains(q.Skip, e.Kind)) {
			all = append(all, e.Event)
		}
	}
	if q.All {
		all = append(all, m.control...)
	}
	slices.SortFunc(all, order)
	var out []event.ID
	for _, e := range all {
		if q.Before != nil && order(e, m.find(*q.Before)) >= 0 || e.Time < event.At(q.Since) && !q.Since.IsZero() {
			continue
		}
		out = append(out, e.ID)
	}
	if q.Last > 0 && len(out) > q.Last {
		out = out[len(out)-q.Last:]
	}
	return out
}

func (m *roomModel) find(id event.ID) *event.Event {
	if e, ok := m.messages[id]; ok {
		return e.Event
	}
	for _, e := range m.control {
		if e.ID == id {
			return e
		}
	}
	return nil
}

func order(a, b *event.Event) int {
	switch {
	case a.ID == b.ID:
		return 0
	case a.Before(b):
		return -1
	}
	return 1
}

func TestRoomAgainstModel(t *testing.T) {
	t.Parallel()
	all, control := roomPool(t)
	room := event.Conversation(control[0].ID)
	byPlace := map[place][]event.ID{}
	var logs []event.LogKey
	for _, e := range all {
		p := place{room, e.Key(), e.Seq}
		byPlace[p] = append(byPlace[p], e.ID)
		if !slices.Contains(logs, e.Key()) {
			logs = append(logs, e.Key())
		}
	}
	self := testKey(t, 1).ID()
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
		m := &roomModel{
			self: self, messages: map[event.ID]roomMessage{}, low: map[event.LogKey]uint64{}, below: map[event.LogKey]event.ID{},
			read: event.Frontier{},
		}
		pick, verdict := rapid.SampledFrom(all), rapid.SampledFrom([]Verdict{VerdictWaiting, VerdictVisible, VerdictHidden, VerdictRetracted, VerdictRefused})
		// mostly draws one that is held
		mostly := func(rt *rapid.T) *event.Event {
			var held []*event.Event
			for _, e := range all {
				if _, ok := m.messages[e.ID]; ok {
					held = append(held, e)
				}
			}
			if len(held) == 0 || rapid.IntRange(0, 4).Draw(rt, "any") == 0 {
				return pick.Draw(rt, "event")
			}
			return rapid.SampledFrom(held).Draw(rt, "held")
		}
		do := func(fn func(*Tx) error) {
			if err := s.Update(t.Context(), fn); err != nil {
				rt.Fatal(err)
			}
		}
		do(func(tx *Tx) error {
			return errors.Join(tx.SetAccount(Account{Peer: self, Created: start}), tx.PutConversation(room, KindRoom, ""))
		})
		// One Update may do several of these.
		change := map[string]func(*rapid.T) func(*Tx) error{
			"insert": func(rt *rapid.T) func(*Tx) error {
				e, v := pick.Draw(rt, "event"), verdict.Draw(rt, "verdict")
				return func(tx *Tx) error {
					fresh, err := tx.InsertRoom(e, start, v, e.Kind == quietKind)
					if _, here := m.messages[e.ID]; fresh == here {
						rt.Errorf("event %s: new %v", e.ID, fresh)
					}
					if fresh {
						m.messages[e.ID] = roomMessage{e, v}
					}
					return err
				}
			},
			"verdict": func(rt *rapid.T) func(*Tx) error {
				e, v := mostly(rt), verdict.Draw(rt, "verdict")
				return func(tx *Tx) error {
					err := tx.SetVerdict(e.ID, v)
					if _, here := m.messages[e.ID]; !here {
						if !errors.Is(err, ErrNotFound) {
							rt.Errorf("verdict on what is not here: %v", err)
						}
						return nil
					}
					m.messages[e.ID] = roomMessage{e, v}
					return err
				}
			},
			"drop": func(rt *rapid.T) func(*Tx) error {
				e := mostly(rt)
				return func(tx *Tx) error {
					delete(m.messages, e.ID)
					return tx.DropEvent(e.ID)
				}
			},
			"low": func(rt *rapid.T) func(*Tx) error {
				k, low := rapid.SampledFrom(logs).Draw(rt, "log"), rapid.Uint64Range(1, 5).Draw(rt, "low")
				below := event.ID{}
				if ids := byPlace[place{room, k, low - 1}]; len(ids) > 0 {
					below = rapid.SampledFrom(append([]event.ID{{}}, ids...)).Draw(rt, "below")
				}
				return func(tx *Tx) error {
					m.setLow(k, low, below)
					return tx.SetLowAt(room, k, low, below)
				}
			},
			"read": func(rt *rapid.T) func(*Tx) error {
				e := mostly(rt)
				return func(tx *Tx) error {
					if h := m.read[e.Key()]; e.Seq > h.Seq {
						m.read[e.Key()] = at(e)
					}
					return tx.SetRead(room, self, e.Key(), at(e))
				}
			},
			"control": func(*rapid.T) func(*Tx) error {
				return func(tx *Tx) error {
					if len(m.control) == len(control) {
						return nil
					}
					m.control = control[:len(m.control)+1]
					_, err := tx.InsertControl(room, m.control[len(m.control)-1], start)
					return err
				}
			},
		}
		names := slices.Sorted(maps.Keys(change))
		names = append(names, "insert", "insert", "insert", "insert")
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			var fns []func(*Tx) error
			for range rapid.IntRange(1, 4).Draw(rt, "changes") {
				fns = append(fns, change[rapid.SampledFrom(names).Draw(rt, "change")](rt))
			}
			do(func(tx *Tx) error {
				for _, fn := range fns {
					if err := fn(tx); err != nil {
						return err
					}
				}
				return nil
			})
			rg := event.Range{LogKey: rapid.SampledFrom(logs).Draw(rt, "log"), From: rapid.Uint64Range(1, 3).Draw(rt, "from")}
			rg.To = rg.From + rapid.Uint64Range(0, 2).Draw(rt, "length")
			roomOnDisk(t, rt, s, room, rg)
			compareRoom(t, rt, s, m, room, logs)
		}
		for range 8 {
			q := LogQuery{Conv: room, Last: rapid.IntRange(0, 6).Draw(rt, "last"), All: rapid.Bool().Draw(rt, "all")}
			if rapid.Bool().Draw(rt, "skips") {
				q.Skip = []event.Kind{quietKind, 99}
			}
			if rapid.Bool().Draw(rt, "since") {
				q.Since = start.Add(time.Second)
			}
			if e := rapid.SampledFrom(slices.Concat(all, control)).Draw(rt, "before"); m.find(e.ID) != nil {
				q.Before = &e.ID
			}
			got, err := s.Log(t.Context(), q)
			if want := m.log(q); err != nil || !slices.EqualFunc(got, want, func(a Stored, id event.ID) bool { return a.ID == id }) {
				rt.Errorf("log %+v: %d events %v, want %d", q, len(got), err, len(want))
			}
			for _, row := range got {
				if row.Verdict != m.messages[row.ID].verdict {
					rt.Errorf("event %s has verdict %d, want %d", row.ID, row.Verdict, m.messages[row.ID].verdict)
				}
			}
		}
	})
}

// roomOnDisk compares what may come from memory with what is in the file.
func roomOnDisk(t *testing.T, rt *rapid.T, s *Store, room event.Conversation, rg event.Range) {
	f, err1 := s.Frontier(t.Context(), room)
	events, err2 := s.Range(t.Context(), room, rg, 1<<20)
	err3 := s.View(t.Context(), func(r *Reader) error {
		want, err := r.Frontier(room)
		if !maps.Equal(f, want) {
			rt.Errorf("frontier %v, on disk %v", f, want)
		}
		stored, err2 := r.Range(room, rg, 1<<20)
		if !slices.EqualFunc(events, stored, func(a, b *event.Event) bool { return a.ID == b.ID }) {
			rt.Errorf("range %v: %v, on disk %v", rg, events, stored)
		}
		return errors.Join(err, err2)
	})
	if err := errors.Join(err1, err2, err3); err != nil {
		rt.Fatal(err)
	}
}

func compareRoom(t *testing.T, rt *rapid.T, s *Store, m *roomModel, room event.Conversation, logs []event.LogKey) {
	f, err := s.Frontier(t.Context(), room)
	if want := m.frontier(logs); err != nil || !maps.Equal(f, want) {
		rt.Errorf("frontier %v, %v, want %v", f, err, want)
	}
	for _, k := range logs {
		var top uint64
		for _, e := range m.messages {
			if e.Key() == k {
				top = max(top, e.Seq)
			}
		}
		err := s.View(t.Context(), func(r *Reader) error {
			l, err := r.logRow(room, k)
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			if uint64(l.top) != top {
				rt.Errorf("top of %v is %d, want %d", k, l.top, top)
			}
			return err
		})
		if err != nil {
			rt.Error(err)
		}
	}
	unread, last := m.summary()
	c, err := s.Conversation(t.Context(), room)
	if err != nil || c.Unread != unread || c.Last != last || c.Kind != KindRoom {
		rt.Errorf("summary %+v, %v, want %d unread, last %d", c, err, unread, last)
	}
	lows, err := s.Lows(t.Context(), room)
	if err != nil || !maps.Equal(lows, m.low) {
		rt.Errorf("lows %v, %v, want %v", lows, err, m.low)
	}
	var want []roomMessage
	for _, e := range m.messages {
		want = append(want, e)
	}
	var got []roomMessage
	err = s.EachRoomMessage(t.Context(), room, func(e *event.Event, v Verdict) error {
		if n := len(got); n > 0 && got[n-1].Key() == e.Key() && cmp.Or(cmp.Compare(got[n-1].Seq, e.Seq), got[n-1].ID.Compare(e.ID)) >= 0 {
			rt.Errorf("%s comes after %s", e.ID, got[n-1].ID)
		}
		got = append(got, roomMessage{e, v})
		return nil
	})
	byID := func(a, b roomMessage) int { return a.ID.Compare(b.ID) }
	slices.SortFunc(got, byID)
	slices.SortFunc(want, byID)
	if err != nil || !slices.EqualFunc(got, want, func(a, b roomMessage) bool { return reflect.DeepEqual(a, b) }) {
		rt.Errorf("%d messages, %v, want %d", len(got), err, len(want))
	}
	controls, err := s.Controls(t.Context(), room)
	if err != nil || !slices.EqualFunc(controls, m.control, func(a, b *event.Event) bool { return reflect.DeepEqual(a, b) }) {
		rt.Errorf("%d control events, %v, want %d", len(controls), err, len(m.control))
	}
}
