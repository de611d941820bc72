package store

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// insertRoom stores events as messages of a room, visible, and returns how many
// were new.
func insertRoom(t testing.TB, s *Store, events ...*event.Event) int {
	t.Helper()
	n := 0
	update(t, s, func(tx *Tx) error {
		for _, e := range events {
			fresh, err := tx.InsertRoom(e, start, VerdictVisible, e.Kind == quietKind)
			if err != nil {
				return err
			}
			if fresh {
				n++
			}
		}
		return nil
	})
	return n
}

func TestRoomKeepsAllClaims(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	f := forks(t, testKey(t, 1), 1, 1, 4)
	if n := insertRoom(t, s, f[3], f[1], f[0], f[2], f[1]); n != 4 {
		t.Errorf("%d new, want 4", n)
	}
	if got := head(t, s, f[0].Key()); got != at(f[0]) {
		t.Errorf("head %v, want the lowest, %v", got, at(f[0]))
	}
	update(t, s, func(tx *Tx) error { return errors.Join(tx.DropEvent(f[0].ID), tx.DropEvent(f[3].ID)) })
	if got := head(t, s, f[0].Key()); got != at(f[1]) {
		t.Errorf("head %v, want the lowest left, %v", got, at(f[1]))
	}
	log, err := s.Log(t.Context(), LogQuery{Conv: conv1})
	if err != nil || len(log) != 2 || !log[0].Forked {
		t.Errorf("log %v, %v", log, err)
	}
	// One that fails takes nothing with it, in memory neither.
	oops := errors.New("oops")
	err = s.Update(t.Context(), func(tx *Tx) error { return errors.Join(tx.DropEvent(f[1].ID), oops) })
	if got := head(t, s, f[0].Key()); !errors.Is(err, oops) || got != at(f[1]) {
		t.Errorf("head %v after %v, want %v", got, err, at(f[1]))
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	me, other := testKey(t, 1), testKey(t, 2)
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.SetAccount(Account{Peer: me.ID(), Created: start}), tx.PutConversation(conv1, KindRoom, ""))
	})
	c := chain(t, other, 1, 4)
	check := func(what string, unread int, last event.Time, listed ...*event.Event) {
		t.Helper()
		sum, err := s.Conversation(t.Context(), conv1)
		if err != nil || sum.Unread != unread || sum.Last != last {
			t.Errorf("%s: %d unread, last %d, %v, want %d, %d", what, sum.Unread, sum.Last, err, unread, last)
		}
		log, err := s.Log(t.Context(), LogQuery{Conv: conv1})
		if err != nil || !slices.EqualFunc(log, listed, func(a Stored, b *event.Event) bool { return a.ID == b.ID }) {
			t.Errorf("%s: %d listed, %v, want %d", what, len(log), err, len(listed))
		}
	}
	set := func(e *event.Event, v Verdict) { update(t, s, func(tx *Tx) error { return tx.SetVerdict(e.ID, v) }) }
	for i, v := range []Verdict{VerdictVisible, VerdictWaiting, VerdictHidden, VerdictRefused} {
		update(t, s, func(tx *Tx) error { _, err := tx.InsertRoom(c[i], start, v, false); return err })
	}
	check("one of each", 1, c[0].Time, c[0])
	if got := head(t, s, c[0].Key()); got != at(c[3]) {
		t.Errorf("head %v: what is not seen keeps its place, want %v", got, at(c[3]))
	}
	set(c[1], VerdictVisible)
	check("the join came", 2, c[1].Time, c[0], c[1])
	set(c[1], VerdictRetracted)
	check("retracted", 1, c[1].Time, c[0], c[1])
	update(t, s, func(tx *Tx) error { return tx.SetRead(conv1, me.ID(), c[0].Key(), at(c[1])) })
	check("read", 0, c[1].Time, c[0], c[1])
	set(c[1], VerdictHidden)
	set(c[0], VerdictHidden)
	check("hidden", 0, 0)
	set(c[0], VerdictVisible)
	set(c[2], VerdictVisible)
	check("one read, one beyond the marker", 1, c[2].Time, c[0], c[2])
	set(c[2], VerdictVisible)
	check("the same again", 1, c[2].Time, c[0], c[2])
	got, err := s.EventByID(t.Context(), c[3].ID)
	if err != nil || got.Verdict != VerdictRefused {
		t.Errorf("verdict %d, %v", got.Verdict, err)
	}
}

// What somebody blocked says is stored like the rest, and left out where it
// would be shown.
func TestBlockedInARoom(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	me, one, two := testKey(t, 1), testKey(t, 2), testKey(t, 3)
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.SetAccount(Account{Peer: me.ID(), Created: start}), tx.PutConversation(conv1, KindRoom, ""),
			tx.PutContact(Contact{Peer: one.ID()}))
	})
	a, b := chain(t, one, 1, 4), chain(t, two, 2, 2)
	for _, e := range append(slices.Clone(a), b...) {
		update(t, s, func(tx *Tx) error { _, err := tx.InsertRoom(e, start, VerdictVisible, false); return err })
	}
	check := func(what string, unread, shown, kept int) {
		t.Helper()
		sum, err := s.Conversation(t.Context(), conv1)
		if err != nil || sum.Unread != unread {
			t.Errorf("%s: %d unread, %v, want %d", what, sum.Unread, err, unread)
		}
		for unblocked, want := range map[bool]int{true: shown, false: kept} {
			log, err := s.Log(t.Context(), LogQuery{Conv: conv1, Unblocked: unblocked})
			if err != nil || len(log) != want {
				t.Errorf("%s: %d listed with unblocked %v, %v, want %d", what, len(log), unblocked, err, want)
			}
		}
		last, err := s.Log(t.Context(), LogQuery{Conv: conv1, Unblocked: true, Last: 2, All: true})
		if err != nil || len(last) != 2 {
			t.Errorf("%s: %d of the last 2, %v", what, len(last), err)
		}
	}
	check("nobody is blocked", 6, 6, 6)
	update(t, s, func(tx *Tx) error { return tx.PutContact(Contact{Peer: one.ID(), Blocked: true}) })
	check("one is blocked", 2, 2, 6)
	update(t, s, func(tx *Tx) error { return tx.PutContact(Contact{Peer: one.ID()}) })
	check("nobody is any more", 6, 6, 6)
}

func TestRoomRefusals(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	k := testKey(t, 1)
	messages, control := roomPool(t)
	room := event.Conversation(control[0].ID)
	direct := text(t, k, event.Header{Conversation: event.Conversation{9}, Log: event.LogID{1}, Seq: 1}, "x")
	insert(t, s, direct)
	for name, fn := range map[string]func(*Tx) error{
		"no verdict":               func(tx *Tx) error { _, err := tx.InsertRoom(messages[0], start, VerdictNone, false); return err },
		"an unknown verdict":       func(tx *Tx) error { _, err := tx.InsertRoom(messages[0], start, 6, false); return err },
		"a verdict on direct chat": func(tx *Tx) error { return tx.SetVerdict(direct.ID, VerdictHidden) },
		"setting none":             func(tx *Tx) error { return tx.SetVerdict(direct.ID, VerdictNone) },
		"control as a message":     func(tx *Tx) error { _, err := tx.InsertRoom(control[1], start, VerdictVisible, false); return err },
		"a message as control":     func(tx *Tx) error { _, err := tx.InsertControl(room, messages[0], start); return err },
		"control of another room":  func(tx *Tx) error { _, err := tx.InsertControl(conv1, control[1], start); return err },
		"genesis of another room":  func(tx *Tx) error { _, err := tx.InsertControl(conv1, control[0], start); return err },
		"a seq too high": func(tx *Tx) error {
			_, err := tx.InsertRoom(text(t, k, event.Header{Log: event.LogID{1}, Seq: 1 << 63}, "far"), start, VerdictVisible, false)
			return err
		},
	} {
		if err := s.Update(t.Context(), fn); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	more := text(t, k, event.Header{Log: event.LogID{99}, Seq: 1}, "x")
	for i := range event.MaxLogs {
		if ok, err := s.TakesLog(t.Context(), conv1, more.Key()); err != nil || !ok {
			t.Errorf("log %d: %v, %v", i+1, ok, err)
		}
		insertRoom(t, s, text(t, k, event.Header{Log: event.LogID{byte(i + 1)}, Seq: 1}, "x"))
	}
	for log, want := range map[event.LogKey]bool{
		more.Key(): false, {Author: k.ID(), Log: event.LogID{3}}: true, {Author: testKey(t, 2).ID(), Log: event.LogID{99}}: true,
	} {
		if ok, err := s.TakesLog(t.Context(), conv1, log); err != nil || ok != want {
			t.Errorf("takes %v: %v, %v", log, ok, err)
		}
	}
	err := s.Update(t.Context(), func(tx *Tx) error { _, err := tx.InsertRoom(more, start, VerdictVisible, false); return err })
	if !errors.Is(err, ErrTooManyLogs) {
		t.Errorf("log %d: %v", event.MaxLogs+1, err)
	}
}

func TestControls(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	_, control := roomPool(t)
	room := event.Conversation(control[0].ID)
	// Even where somebody put the genesis last it is given first.
	given := []*event.Event{control[2], control[1], control[0]}
	update(t, s, func(tx *Tx) error {
		for _, e := range append(given, given[0]) {
			if _, err := tx.InsertControl(room, e, start); err != nil {
				return err
			}
		}
		return tx.PutConversation(room, KindRoom, "")
	})
	got, err := s.Controls(t.Context(), room)
	if want := []*event.Event{control[0], control[2], control[1]}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%d events, %v, or in another order", len(got), err)
	}
	if sum, err := s.Conversation(t.Context(), room); err != nil || sum.Unread != 0 || sum.Last != 0 {
		t.Errorf("control events are no messages: %+v, %v", sum, err)
	}
	if got, err := s.Controls(t.Context(), conv1); err != nil || len(got) != 0 {
		t.Errorf("another room: %v, %v", got, err)
	}
}

func TestLowOfARoom(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	c := chain(t, testKey(t, 1), 1, 8)
	k := c[0].Key()
	low := func(n uint64, below event.ID) {
		update(t, s, func(tx *Tx) error { return tx.SetLowAt(conv1, k, n, below) })
	}
	low(1, c[0].ID)
	if got := head(t, s, k); got != (event.Head{}) {
		t.Errorf("head %v below seq 1", got)
	}
	low(4, c[2].ID)
	if got := head(t, s, k); got != at(c[2]) {
		t.Errorf("head %v, want what was told, %v", got, at(c[2]))
	}
	// A join below is stored all the same and moves nothing.
	if n := insertRoom(t, s, c[1], c[2]); n != 2 {
		t.Errorf("%d new below low, want 2", n)
	}
	if got := head(t, s, k); got != at(c[2]) {
		t.Errorf("head %v, want %v", got, at(c[2]))
	}
	insertRoom(t, s, c[3], c[4])
	if got := head(t, s, k); got != at(c[4]) {
		t.Errorf("head %v, want %v", got, at(c[4]))
	}
	// With the first above it gone the log ends there again.
	update(t, s, func(tx *Tx) error { return errors.Join(tx.DropEvent(c[3].ID), tx.DropEvent(c[2].ID)) })
	if got := head(t, s, k); got != at(c[2]) {
		t.Errorf("head %v, want what was told, %v", got, at(c[2]))
	}
	low(7, event.ID{})
	if got := head(t, s, k); got != (event.Head{}) {
		t.Errorf("head %v, and nobody told it", got)
	}
	low(7, c[0].ID) // wrong, and put right
	low(7, c[5].ID)
	low(7, event.ID{})
	if got := head(t, s, k); got != at(c[5]) {
		t.Errorf("head %v, want %v", got, at(c[5]))
	}
	lows, err := s.Lows(t.Context(), conv1)
	if err != nil || !maps.Equal(lows, map[event.LogKey]uint64{k: 7}) {
		t.Errorf("lows %v, %v", lows, err)
	}
	if err := s.Update(t.Context(), func(tx *Tx) error { return tx.SetLowAt(conv1, k, 1<<63, event.ID{1}) }); err == nil {
		t.Error("a low too high was taken")
	}
}

func TestEventsByID(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	c := chain(t, testKey(t, 1), 1, 5)
	insertRoom(t, s, c...)
	size := c[0].Size()
	for _, tc := range []struct {
		name  string
		ids   []event.ID
		limit int
		want  []*event.Event
	}{
		{"as asked for", []event.ID{c[3].ID, c[0].ID, c[4].ID}, 1 << 20, []*event.Event{c[3], c[0], c[4]}},
		{"those held", []event.ID{{1}, c[2].ID, {2}}, 1 << 20, []*event.Event{c[2]}},
		{"one at least", []event.ID{{1}, c[2].ID, c[1].ID}, 0, []*event.Event{c[2]}},
		{"the limit", []event.ID{c[0].ID, c[1].ID, c[2].ID}, 2*size + size/2, []*event.Event{c[0], c[1]}},
		{"none", nil, 1, nil},
	} {
		got, err := s.EventsByID(t.Context(), tc.ids, tc.limit)
		if err != nil || !slices.EqualFunc(got, tc.want, func(a, b *event.Event) bool { return a.ID == b.ID }) {
			t.Errorf("%s: %d events, %v, want %d", tc.name, len(got), err, len(tc.want))
		}
	}
}

func TestEachRoomMessageEnds(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	insertRoom(t, s, slices.Concat(chain(t, testKey(t, 1), 1, 3), chain(t, testKey(t, 1), 2, 3))...)
	oops := errors.New("oops")
	n := 0
	err := s.EachRoomMessage(t.Context(), conv1, func(*event.Event, Verdict) error {
		if n++; n == 2 {
			return oops
		}
		return nil
	})
	if !errors.Is(err, oops) || n != 2 {
		t.Errorf("%d calls, %v", n, err)
	}
}

func TestMembershipAndEpochs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := event.Conversation{1}, event.Conversation{2}
	func() {
		s := openStore(t, dir, Options{})
		defer s.Close()
		update(t, s, func(tx *Tx) error {
			return errors.Join(
				tx.PutRoom(RoomRow{Conv: b, Joined: true, Nick: "bee"}),
				tx.PutRoom(RoomRow{Conv: a, Joined: true, Nick: "ay"}),
				tx.PutRoom(RoomRow{Conv: a, Nick: "aye"}),
				tx.PutEpoch(a, event.ID{1}, [32]byte{1}),
				tx.PutEpoch(a, event.ID{2}, [32]byte{2}),
				tx.PutEpoch(a, event.ID{2}, [32]byte{3}),
				tx.PutEpoch(b, event.ID{1}, [32]byte{4}),
				tx.SetRoomPresent(b, start),
				tx.PutRoom(RoomRow{Conv: b, Joined: true, Nick: "bee"}), // which leaves it alone
			)
		})
	}()
	s := openStore(t, dir, Options{})
	if got, want := must(t, s.Rooms), []RoomRow{{a, false, "aye", time.Time{}}, {b, true, "bee", start}}; !slices.Equal(got, want) {
		t.Errorf("rooms %+v", got)
	}
	keys, err := s.Epochs(t.Context(), a)
	if err != nil || !maps.Equal(keys, map[event.ID][32]byte{{1}: {1}, {2}: {3}}) {
		t.Errorf("epochs %v, %v", keys, err)
	}
	list := must(t, s.Conversations)
	if len(list) != 2 || list[0].Kind != KindRoom || list[0].Other != "" {
		t.Errorf("conversations %+v", list)
	}
}

func TestNewest(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	// Three logs; the third spoke in the beginning only, the second of late.
	said := func(n byte, from, to int) (out []*event.Event) {
		for i := from; i < to; i++ {
			out = append(out, text(t, testKey(t, n), event.Header{
				Log: event.LogID{n}, Seq: uint64(i - from + 1), Time: event.At(start.Add(time.Duration(10*i+int(n)) * time.Second)),
			}, "x"))
		}
		return out
	}
	a, b, c := said(1, 0, 10), said(2, 7, 10), said(3, 0, 2)
	insertRoom(t, s, slices.Concat(a, b, c)...)
	hidden := text(t, testKey(t, 3), event.Header{Log: event.LogID{3}, Seq: 3, Time: event.At(start.Add(time.Hour))}, "no")
	update(t, s, func(tx *Tx) error { _, err := tx.InsertRoom(hidden, start, VerdictHidden, false); return err })
	for _, tc := range []struct {
		name  string
		last  int
		since time.Time
		want  []*event.Event
	}{
		{"none", 0, time.Time{}, []*event.Event{a[9], b[2], hidden}},
		{"the last 3", 3, time.Time{}, []*event.Event{a[8], b[0], hidden}},
		{"the last 10", 10, time.Time{}, []*event.Event{a[2], hidden}},
		{"more than there are", 100, time.Time{}, nil},
		{"since", 0, start.Add(85 * time.Second), []*event.Event{a[8], b[1], hidden}},
		{"since long ago", 0, start.Add(-time.Hour), nil},
		{"both: the number", 3, start.Add(-time.Hour), []*event.Event{a[8], b[0], hidden}},
	} {
		want := event.Frontier{}
		for _, e := range tc.want {
			want[e.Key()] = at(e)
		}
		got, err := s.Newest(t.Context(), conv1, tc.last, tc.since)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", tc.name, got, err, want)
		}
	}
	// Who has not all himself says where his own begins.
	k := a[0].Key()
	part := openStore(t, t.TempDir(), Options{})
	update(t, part, func(tx *Tx) error { return tx.SetLowAt(conv1, k, 5, a[3].ID) })
	insertRoom(t, part, a[4:]...)
	got, err := part.Newest(t.Context(), conv1, 100, time.Time{})
	if err != nil || got[k] != at(a[3]) {
		t.Errorf("%v, %v, want %v", got, err, at(a[3]))
	}
}

func TestReceiptsInARoom(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	me, b, c := testKey(t, 1), testKey(t, 2), testKey(t, 3)
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.SetAccount(Account{Peer: me.ID(), Created: start}), tx.PutRoom(RoomRow{Conv: conv1, Joined: true}))
	})
	mine := chain(t, me, 1, 5)
	insertRoom(t, s, mine[:4]...)
	insertRoom(t, s, chain(t, b, 1, 3)...)
	update(t, s, func(tx *Tx) error { _, err := tx.InsertRoom(mine[4], start, VerdictVisible, true); return err })
	check := func(want int) {
		t.Helper()
		if n, err := s.QueuedIn(t.Context(), conv1); err != nil || n != want {
			t.Errorf("queued %d, %v, want %d", n, err, want)
		}
		if n := must(t, s.QueuedCount); n != 0 {
			t.Errorf("%d of rooms are queued to people", n)
		}
	}
	ack := func(by peer.ID, n int) {
		update(t, s, func(tx *Tx) error { return tx.SetAck(conv1, by, event.Frontier{mine[0].Key(): at(mine[n-1])}) })
	}
	check(4)
	ack(me.ID(), 4) // says nothing of others
	check(4)
	ack(b.ID(), 1)
	ack(c.ID(), 3)
	check(1)
	k := mine[0].Key()
	want := map[peer.ID]event.Frontier{me.ID(): {k: at(mine[3])}, b.ID(): {k: at(mine[0])}, c.ID(): {k: at(mine[2])}}
	if got, err := s.Acks(t.Context(), conv1); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("acks %v, %v, want %v", got, err, want)
	}
}
