package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// forks signs n events for the same place of a log, by ascending ID.
func forks(t testing.TB, k key, log byte, seq uint64, n int) []*event.Event {
	t.Helper()
	var out []*event.Event
	for i := range n {
		out = append(out, text(t, k, event.Header{Log: event.LogID{log}, Seq: seq}, fmt.Sprintf("claim %d of %d", i, seq)))
	}
	slices.SortFunc(out, func(a, b *event.Event) int { return a.ID.Compare(b.ID) })
	return out
}

func head(t testing.TB, s *Store, k event.LogKey) event.Head {
	t.Helper()
	f, err := s.Frontier(t.Context(), conv1)
	if err != nil {
		t.Fatal(err)
	}
	return f[k]
}

func at(e *event.Event) event.Head { return event.Head{Seq: e.Seq, ID: e.ID} }

func TestHeadWaitsForGaps(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	c := chain(t, testKey(t, 1), 1, 6)
	k := c[0].Key()
	for _, step := range []struct {
		insert int // seq
		head   int // seq afterwards
	}{{3, 0}, {1, 1}, {6, 1}, {2, 3}, {5, 3}, {4, 6}} {
		insert(t, s, c[step.insert-1])
		want := event.Head{}
		if step.head > 0 {
			want = at(c[step.head-1])
		}
		if got := head(t, s, k); got != want {
			t.Errorf("after %d: head %v, want %v", step.insert, got, want)
		}
	}
}

func TestForkKeepsTwoLowest(t *testing.T) {
	t.Parallel()
	f := forks(t, testKey(t, 1), 1, 1, 3)
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			t.Parallel()
			s := openStore(t, t.TempDir(), Options{})
			lowest := order[0]
			for _, i := range order {
				insert(t, s, f[i])
				lowest = min(lowest, i)
				if got := head(t, s, f[0].Key()); got != at(f[lowest]) {
					t.Errorf("head %v after %d, want %v", got, i, at(f[lowest]))
				}
			}
			if n := insert(t, s, f...); n != 0 {
				t.Errorf("%d new when told again", n)
			}
			log, err := s.Log(t.Context(), LogQuery{Conv: conv1})
			if err != nil || len(log) != 2 || log[0].ID != f[0].ID || log[1].ID != f[1].ID || !log[0].Forked || !log[1].Forked {
				t.Errorf("log %v, %v", log, err)
			}
		})
	}
}

func TestForkAboveGap(t *testing.T) {
	t.Parallel()
	k := testKey(t, 1)
	s := openStore(t, t.TempDir(), Options{})
	first, second := forks(t, k, 1, 1, 1)[0], forks(t, k, 1, 2, 2)
	insert(t, s, second[1], second[0], first)
	if got := head(t, s, first.Key()); got != at(second[0]) {
		t.Errorf("head %v, want the lower of the two at 2, %v", got, at(second[0]))
	}
	third := forks(t, k, 1, 3, 1)[0]
	insert(t, s, third)
	if got := head(t, s, first.Key()); got != at(third) {
		t.Errorf("head %v, want %v", got, at(third))
	}
}

func TestRange(t *testing.T) {
	t.Parallel()
	k := testKey(t, 1)
	s := openStore(t, t.TempDir(), Options{})
	c := chain(t, k, 1, 6)
	twin := text(t, k, event.Header{Log: event.LogID{1}, Seq: 3}, "another third")
	insert(t, s, append(slices.Clone(c), twin)...)
	third := []*event.Event{c[2], twin}
	slices.SortFunc(third, func(a, b *event.Event) int { return a.ID.Compare(b.ID) })
	size := c[0].Size()
	for _, tc := range []struct {
		name     string
		from, to uint64
		limit    int
		want     []*event.Event
	}{
		{"all", 1, 6, 1 << 20, []*event.Event{c[0], c[1], third[0], third[1], c[3], c[4], c[5]}},
		{"a piece", 2, 3, 1 << 20, []*event.Event{c[1], third[0], third[1]}},
		{"beyond the end", 6, 1<<64 - 1, 1 << 20, []*event.Event{c[5]}},
		{"nothing there", 7, 9, 1 << 20, nil},
		{"one in any case", 1, 6, 0, []*event.Event{c[0]}},
		{"both of a fork in any case", 3, 6, 0, third},
		{"a fork is not cut in two", 1, 6, 3*size + size/2, []*event.Event{c[0], c[1]}},
		{"the limit is reached", 4, 6, 2*size + size/2, []*event.Event{c[3], c[4]}},
	} {
		got, err := s.Range(t.Context(), conv1, event.Range{LogKey: c[0].Key(), From: tc.from, To: tc.to}, tc.limit)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got, tc.want, func(a, b *event.Event) bool { return a.ID == b.ID }) {
			t.Errorf("%s: got %d events %v, want %d", tc.name, len(got), got, len(tc.want))
		}
	}
	got, err := s.Range(t.Context(), conv1, event.Range{LogKey: event.LogKey{Author: testKey(t, 9).ID()}, From: 1, To: 2}, 1)
	if err != nil || got != nil {
		t.Errorf("unknown log: %v, %v", got, err)
	}
}

func TestInsertRefusals(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	k := testKey(t, 1)
	control, err := event.Sign(k, event.Header{Lane: event.LaneControl, Kind: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	far := text(t, k, event.Header{Log: event.LogID{1}, Seq: 1 << 63}, "far")
	for _, e := range []*event.Event{control, far} {
		err := s.Update(t.Context(), func(tx *Tx) error { _, err := tx.Insert(e, start); return err })
		if err == nil {
			t.Errorf("event of lane %d, seq %d was taken", e.Lane, e.Seq)
		}
	}
	for i := range event.MaxLogs {
		insert(t, s, text(t, k, event.Header{Log: event.LogID{byte(i + 1)}, Seq: 1}, "x"))
	}
	more := text(t, k, event.Header{Log: event.LogID{99}, Seq: 1}, "x")
	// The refusal is an answer: what else the transaction does stands.
	update(t, s, func(tx *Tx) error {
		if _, err := tx.Insert(more, start); !errors.Is(err, ErrTooManyLogs) {
			t.Errorf("log %d: %v", event.MaxLogs+1, err)
		}
		_, err := tx.Insert(text(t, testKey(t, 2), event.Header{Log: event.LogID{99}, Seq: 1}, "x"), start)
		return err
	})
	f, err := s.Frontier(t.Context(), conv1)
	if err != nil || len(f) != event.MaxLogs+1 {
		t.Errorf("%d logs, %v", len(f), err)
	}
}

func TestDroppedBody(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	e := chain(t, testKey(t, 1), 1, 1)[0]
	dropped, err := event.Decode(e.Raw, e.Signature, nil)
	if err != nil {
		t.Fatal(err)
	}
	stored := func() Stored {
		got, err := s.EventByID(t.Context(), e.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if insert(t, s, dropped) != 1 || stored().HasBody() {
		t.Error("the event without its body is not there as such")
	}
	if insert(t, s, e) != 0 || string(stored().Body) != string(e.Body) {
		t.Error("the body was not added")
	}
	if insert(t, s, dropped) != 0 || !stored().HasBody() {
		t.Error("the body is gone again")
	}
	if got := stored(); string(got.Raw) != string(e.Raw) || string(got.Signature) != string(e.Signature) || !got.Received.Equal(e.Time.Wall()) || got.Forked {
		t.Errorf("stored %+v", got)
	}
	has, err := s.HasEvent(t.Context(), e.ID)
	if err != nil || !has {
		t.Errorf("has: %v, %v", has, err)
	}
	if has, err = s.HasEvent(t.Context(), event.ID{1}); err != nil || has {
		t.Errorf("has what was never there: %v, %v", has, err)
	}
	if _, err := s.EventByID(t.Context(), event.ID{1}); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown event: %v", err)
	}
}

func TestEmptyBody(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	e, err := event.Sign(testKey(t, 1), event.Header{
		Conversation: conv1, Lane: event.LaneMessage, Log: event.LogID{1}, Seq: 1, Kind: 9999, Time: 1<<64 - 1,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	insert(t, s, e)
	got, err := s.EventByID(t.Context(), e.ID)
	if err != nil || !got.HasBody() || got.Kind != 9999 || got.Time != e.Time {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestLow(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	c := chain(t, testKey(t, 1), 1, 8)
	k := c[0].Key()
	insert(t, s, c[0], c[4], c[5])
	setLow := func(low uint64) { update(t, s, func(tx *Tx) error { return tx.SetLow(conv1, k, low) }) }
	setLow(1)
	if got := head(t, s, k); got != at(c[0]) {
		t.Errorf("head %v", got)
	}
	setLow(5) // what is held from 5 on joins at once
	if got := head(t, s, k); got != at(c[5]) {
		t.Errorf("head %v, want %v", got, at(c[5]))
	}
	if n := insert(t, s, c[1], c[6]); n != 1 {
		t.Errorf("%d new, want the one above low only", n)
	}
	setLow(2)
	if n := insert(t, s, c[2]); n != 0 {
		t.Error("low was lowered")
	}
	setLow(20)
	if got := head(t, s, k); got != (event.Head{}) {
		t.Errorf("head %v where nothing is held", got)
	}
	later := text(t, testKey(t, 1), event.Header{Log: event.LogID{1}, Seq: 20}, "x")
	insert(t, s, later)
	if got := head(t, s, k); got != at(later) {
		t.Errorf("head %v, want %v", got, at(later))
	}
}

func TestOwnLog(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	a, b := event.LogID{1}, event.LogID{2}
	want := func(log event.LogID, ok bool, own ...event.LogID) {
		t.Helper()
		err := s.View(t.Context(), func(r *Reader) error {
			got, gotOK, err := r.OwnLog(conv1)
			if err != nil || got != log || gotOK != ok {
				t.Errorf("own log %v %v %v, want %v %v", got, gotOK, err, log, ok)
			}
			for _, l := range []event.LogID{a, b} {
				if is, err := r.IsOwnLog(conv1, l); err != nil || is != slices.Contains(own, l) {
					t.Errorf("own %v: %v, %v", l, is, err)
				}
			}
			_, gotOK, err = r.OwnLog(event.Conversation{2})
			if err != nil || gotOK {
				t.Errorf("own log of another conversation: %v, %v", gotOK, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	want(event.LogID{}, false)
	update(t, s, func(tx *Tx) error { return tx.SetOwnLog(conv1, a) })
	update(t, s, func(tx *Tx) error { return tx.SetOwnLog(conv1, a) })
	want(a, true, a)
	update(t, s, func(tx *Tx) error { return tx.SetOwnLog(conv1, b) })
	want(b, true, a, b)
	if err := s.Update(t.Context(), func(tx *Tx) error { return tx.SetOwnLog(conv1, a) }); err == nil {
		t.Error("a retired log came back")
	}
	want(b, true, a, b)
}

// TestDisplayOrder puts events that differ in one part of the order only.
func TestDisplayOrder(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	var all []*event.Event
	for n := range byte(3) {
		for log := range byte(3) {
			for seq := range uint64(3) {
				for i := range 2 {
					all = append(all, text(t, testKey(t, n+1), event.Header{
						Log: event.LogID{log + 1}, Seq: seq + 1, Time: event.At(start.Add(time.Duration(i) * time.Second)),
					}, "x"))
				}
			}
		}
	}
	insert(t, s, all...)
	slices.SortFunc(all, func(a, b *event.Event) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	check := func(name string, q LogQuery, want []*event.Event) {
		t.Helper()
		q.Conv = conv1
		got, err := s.Log(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got, want, func(a Stored, b *event.Event) bool { return a.ID == b.ID }) {
			t.Errorf("%s: %d events, want %d, or in another order", name, len(got), len(want))
		}
	}
	check("all", LogQuery{}, all)
	check("last", LogQuery{Last: 5}, all[len(all)-5:])
	check("since", LogQuery{Since: start.Add(time.Second)}, all[len(all)/2:])
	check("since, last", LogQuery{Since: start.Add(time.Second), Last: 3}, all[len(all)-3:])
	check("since later", LogQuery{Since: start.Add(time.Minute)}, nil)
	for i, e := range all {
		check(fmt.Sprintf("before %d", i), LogQuery{Before: &e.ID}, all[:i])
		check(fmt.Sprintf("5 before %d", i), LogQuery{Before: &e.ID, Last: 5}, all[max(0, i-5):i])
	}
	check("before and since", LogQuery{Before: &all[len(all)/2+2].ID, Since: start.Add(time.Second)}, all[len(all)/2:len(all)/2+2])
	if _, err := s.Log(t.Context(), LogQuery{Conv: conv1, Before: &event.ID{1}}); !errors.Is(err, ErrNotFound) {
		t.Errorf("before an unknown event: %v", err)
	}
}

func TestUnreadAndQueued(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	me, other := testKey(t, 1), testKey(t, 2)
	mine, theirs := chain(t, me, 1, 4), chain(t, other, 2, 6)
	update(t, s, func(tx *Tx) error { return tx.SetAccount(Account{Peer: me.ID(), Created: start}) })
	check := func(unread, queued int) {
		t.Helper()
		c, err := s.Conversation(t.Context(), conv1)
		if err != nil || c.Unread != unread {
			t.Errorf("unread %d, %v, want %d", c.Unread, err, unread)
		}
		if n := must(t, s.QueuedCount); n != queued {
			t.Errorf("queued %d, want %d", n, queued)
		}
	}
	ack := func(by peer.ID, seq int) {
		update(t, s, func(tx *Tx) error {
			return tx.SetAck(conv1, by, event.Frontier{mine[0].Key(): at(mine[seq-1])})
		})
	}
	readUpTo := func(by peer.ID, e *event.Event) {
		update(t, s, func(tx *Tx) error { return tx.SetRead(conv1, by, e.Key(), at(e)) })
	}
	// What comes before the conversation is registered counts all the same.
	insert(t, s, mine[:2]...)
	insert(t, s, theirs[:3]...)
	ack(other.ID(), 1)
	if _, err := s.Conversation(t.Context(), conv1); !errors.Is(err, ErrNotFound) {
		t.Errorf("not registered yet: %v", err)
	}
	if n := must(t, s.QueuedCount); n != 0 {
		t.Errorf("queued %d with nobody known to be sent to", n)
	}
	update(t, s, func(tx *Tx) error { return tx.PutConversation(conv1, KindDirect, other.ID()) })
	check(3, 1)
	insert(t, s, mine[2:]...)
	check(3, 3)
	ack(me.ID(), 4) // says nothing of the other side
	check(3, 3)
	ack(other.ID(), 3)
	ack(other.ID(), 2)
	check(3, 1)
	readUpTo(me.ID(), theirs[1])
	readUpTo(me.ID(), theirs[0])
	readUpTo(other.ID(), theirs[2])
	check(1, 1)
	readUpTo(me.ID(), theirs[4]) // further than what is here
	check(0, 1)
	insert(t, s, theirs[3:]...)
	check(1, 1)
	ack(other.ID(), 4)
	check(1, 0)
	got, err := s.Ack(t.Context(), conv1, other.ID())
	if err != nil || got[mine[0].Key()] != at(mine[3]) {
		t.Errorf("ack %v, %v", got, err)
	}
	got, err = s.Read(t.Context(), conv1, other.ID())
	if err != nil || got[theirs[0].Key()] != at(theirs[2]) {
		t.Errorf("read %v, %v", got, err)
	}
	// Marks for a log that is not here yet: read and delivered elsewhere.
	late, lateMine := chain(t, other, 3, 2), chain(t, me, 4, 2)
	readUpTo(me.ID(), late[0])
	update(t, s, func(tx *Tx) error {
		return tx.SetAck(conv1, other.ID(), event.Frontier{lateMine[0].Key(): at(lateMine[0])})
	})
	insert(t, s, late...)
	insert(t, s, lateMine...)
	check(2, 1)
}

func TestMarksAreBounded(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	me, other := testKey(t, 1).ID(), testKey(t, 2).ID()
	f := event.Frontier{}
	for i := range byte(3 * event.MaxLogs) {
		f[event.LogKey{Author: me, Log: event.LogID{i + 1}}] = event.Head{Seq: 1, ID: event.ID{1}}
	}
	update(t, s, func(tx *Tx) error { return tx.SetAck(conv1, other, f) })
	got, err := s.Ack(t.Context(), conv1, other)
	if err != nil || len(got) != event.MaxLogs {
		t.Errorf("%d marks, %v", len(got), err)
	}
	for _, h := range []event.Head{{}, {Seq: 1 << 63, ID: event.ID{1}}} {
		err := s.Update(t.Context(), func(tx *Tx) error {
			return tx.SetAck(conv1, other, event.Frontier{{Author: me, Log: event.LogID{1}}: h})
		})
		if err == nil {
			t.Errorf("mark at %d was taken", h.Seq)
		}
	}
}
