package history_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"p2pchat/node/internal/history"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/room"
)

// disk is the real store, as the node hands it to the ledger.
type disk struct{ *store.Store }

func (d disk) Update(ctx context.Context, f func(history.Tx) error) error {
	return d.Store.Update(ctx, func(t *store.Tx) error { return f(tx{t}) })
}

type tx struct{ *store.Tx }

func (t tx) InsertRoom(e *event.Event, at time.Time, verdict uint8, quiet bool) (bool, error) {
	return t.Tx.InsertRoom(e, at, store.Verdict(verdict), quiet)
}

func (t tx) SetVerdict(id event.ID, verdict uint8) error {
	return t.Tx.SetVerdict(id, store.Verdict(verdict))
}

func (t tx) RegisterRoom(id event.Conversation) error {
	return t.PutConversation(id, store.KindRoom, "")
}

func (t tx) PutRoom(id event.Conversation, joined bool, nick string) error {
	return t.Tx.PutRoom(store.RoomRow{Conv: id, Joined: joined, Nick: nick})
}

func testKey(t *testing.T, n byte) identity.Key {
	t.Helper()
	k, err := identity.KeyFromSeed(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// bench is a ledger on a new database, in which person 1 has an account.
type bench struct {
	*history.Ledger
	disk disk
	told int // calls of Stored
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	k := testKey(t, 1)
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.SetAccount(store.Account{Peer: k.ID()}) }); err != nil {
		t.Fatal(err)
	}
	b := &bench{disk: disk{s}}
	b.Ledger = history.New(history.Config{Store: b.disk, Key: k, Rand: rand.Reader, Stored: func(*event.Event, time.Time, bool) { b.told++ }})
	return b
}

func (b *bench) found(t *testing.T) event.Conversation {
	t.Helper()
	e, err := b.Found(t.Context(), room.KindGenesis, []byte("genesis"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return event.Conversation(e.ID)
}

func (b *bench) append(t *testing.T, id event.Conversation, drafts ...history.Draft) []*event.Event {
	t.Helper()
	out, err := b.AppendRoom(t.Context(), id, drafts...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (b *bench) commit(t *testing.T, id event.Conversation, batch history.RoomBatch) time.Time {
	t.Helper()
	done, err := b.CommitRoom(t.Context(), id, batch)
	if err != nil {
		t.Fatal(err)
	}
	return done.At
}

func (b *bench) ownLog(t *testing.T, id event.Conversation) event.LogKey {
	t.Helper()
	k, err := b.OwnLog(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (b *bench) verdict(t *testing.T, id event.ID) store.Verdict {
	t.Helper()
	s, err := b.disk.EventByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s.Verdict
}

func (b *bench) unread(t *testing.T, id event.Conversation) int {
	t.Helper()
	c, err := b.disk.Conversation(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c.Unread
}

func say(id event.Conversation) history.Draft {
	return history.Draft{Lane: event.LaneMessage, Kind: event.KindText, Ctl: []event.ID{event.ID(id)}, Body: []byte("text"), Counts: true}
}

// theirs signs the first n messages of a log of somebody else, or of another
// copy of our account.
func theirs(t *testing.T, who byte, log byte, id event.Conversation, n int, at time.Time) []*event.Event {
	t.Helper()
	var out []*event.Event
	var prev event.ID
	for i := range n {
		e, err := event.Sign(testKey(t, who), event.Header{
			Conversation: id, Lane: event.LaneMessage, Kind: event.KindText, Log: event.LogID{log}, Seq: uint64(i + 1), Prev: prev,
			Ctl: []event.ID{event.ID(id)}, Time: event.At(at),
		}, []byte("text"))
		if err != nil {
			t.Fatal(err)
		}
		out, prev = append(out, e), e.ID
	}
	return out
}

func visible(events []*event.Event) map[event.ID]uint8 {
	out := map[event.ID]uint8{}
	for _, e := range events {
		out[e.ID] = uint8(room.Visible)
	}
	return out
}

// TestVerdictsAreTheRooms: the numbers in the file are those of the rules.
func TestVerdictsAreTheRooms(t *testing.T) {
	t.Parallel()
	for v, s := range map[store.Verdict]room.Status{
		store.VerdictWaiting: room.Waiting, store.VerdictVisible: room.Visible, store.VerdictHidden: room.Hidden, store.VerdictRetracted: room.Retracted,
	} {
		if uint8(v) != uint8(s) {
			t.Errorf("%s is %d in the file and %d in the rules", s, v, s)
		}
	}
}

func TestFound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var room1 event.Conversation
	e, err := b.Found(t.Context(), room.KindGenesis, []byte("genesis"), func(tx history.RoomTx, e *event.Event) error {
		room1 = event.Conversation(e.ID)
		return errors.Join(tx.PutRoom(room1, true, "me"), tx.PutEpoch(room1, e.ID, [32]byte{7}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Verify(); err != nil || e.Conversation != (event.Conversation{}) || e.Lane != event.LaneControl || len(e.Ctl) > 0 || e.Time == 0 {
		t.Errorf("genesis %+v, %v", e.Header, err)
	}
	got, err := b.disk.Controls(t.Context(), room1)
	if err != nil || len(got) != 1 || got[0].ID != e.ID {
		t.Errorf("control lane %v, %v", got, err)
	}
	rows, err := b.disk.Rooms(t.Context())
	if err != nil || !slices.Equal(rows, []store.RoomRow{{Conv: room1, Joined: true, Nick: "me"}}) {
		t.Errorf("rooms %+v, %v", rows, err)
	}
	keys, err := b.disk.Epochs(t.Context(), room1)
	if err != nil || keys[e.ID] != [32]byte{7} {
		t.Errorf("epochs %v, %v", keys, err)
	}
	// Nothing is left of one that fails.
	oops := errors.New("oops")
	_, err = b.Found(t.Context(), room.KindGenesis, []byte("another"), func(history.RoomTx, *event.Event) error { return oops })
	if !errors.Is(err, oops) {
		t.Errorf("got %v", err)
	}
	b.found(t)
	list, err := b.disk.Conversations(t.Context())
	if err != nil || len(list) != 2 || list[0].Kind != store.KindRoom {
		t.Errorf("conversations %+v, %v", list, err)
	}
}

func TestAppendRoom(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.found(t)
	k := b.ownLog(t, id)
	if again := b.ownLog(t, id); again != k || k.Author != testKey(t, 1).ID() || k.Log == (event.LogID{}) {
		t.Errorf("own log %v, then %v", k, again)
	}
	join := history.Draft{Lane: event.LaneMessage, Kind: room.KindJoin, Ctl: []event.ID{event.ID(id)}, Body: []byte("join")}
	ban := history.Draft{Lane: event.LaneControl, Kind: room.KindSet, Ctl: []event.ID{event.ID(id)}, Body: []byte("ban")}
	unban, epoch := ban, history.Draft{Lane: event.LaneMessage, Kind: room.KindEpoch, Chained: true, Body: []byte("epoch")}
	unban.Chained = true
	other := theirs(t, 2, 1, id, 2, time.Now())
	b.commit(t, id, history.RoomBatch{Messages: other, Verdicts: visible(other)})
	first := b.append(t, id, join, say(id))
	second := b.append(t, id, ban, unban, epoch)
	out := slices.Concat(first, second)
	if err := event.VerifyRange(out); err != nil {
		t.Error(err)
	}
	var prev event.ID
	seq := uint64(0)
	for i, e := range out {
		if i > 0 && e.Time <= out[i-1].Time || e.Time <= other[1].Time || e.Conversation != id {
			t.Errorf("event %d: %+v", i, e.Header)
		}
		if e.Lane == event.LaneControl {
			if len(e.Heads) > 0 || e.Kind != room.KindSet {
				t.Errorf("control event %d: %+v", i, e.Header)
			}
			continue
		}
		seq++
		if e.Key() != k || e.Seq != seq || e.Prev != prev || !slices.Equal(e.Heads, []event.ID{other[1].ID}) {
			t.Errorf("event %d: %+v", i, e.Header)
		}
		if b.verdict(t, e.ID) != store.VerdictVisible {
			t.Errorf("event %d is not visible", i)
		}
		prev = e.ID
	}
	for i, cited := range map[int]event.ID{0: event.ID(id), 2: event.ID(id), 3: out[2].ID, 4: out[3].ID} {
		if !slices.Equal(out[i].Ctl, []event.ID{cited}) {
			t.Errorf("event %d cites %v, want %v", i, out[i].Ctl, cited)
		}
	}
	control, err := b.disk.Controls(t.Context(), id)
	if err != nil || len(control) != 3 {
		t.Errorf("%d control events, %v", len(control), err)
	}
	// What was said counts, who came does not.
	if n, err := b.disk.QueuedIn(t.Context(), id); err != nil || n != 1 {
		t.Errorf("%d queued, %v", n, err)
	}
	if b.told != 0 {
		t.Errorf("the node was told of %d", b.told)
	}
	// All or none.
	broken := say(id)
	broken.Kind, broken.Lane = 1, 9
	for name, drafts := range map[string][]history.Draft{
		"a lane that is none": {say(id), broken}, "chained to nothing": {epoch}, "chained to a message": {say(id), epoch},
	} {
		if _, err := b.AppendRoom(t.Context(), id, drafts...); err == nil {
			t.Errorf("%s was signed", name)
		}
	}
	if e := b.append(t, id, say(id))[0]; e.Seq != seq+1 || e.Prev != prev {
		t.Errorf("after what failed: seq %d, want %d", e.Seq, seq+1)
	}
}

func TestCommitRoom(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.found(t)
	soon := time.Now().Add(20 * time.Second)
	a := theirs(t, 2, 1, id, 4, soon)
	control, err := event.Sign(testKey(t, 2), event.Header{
		Conversation: id, Lane: event.LaneControl, Kind: room.KindKick, Ctl: []event.ID{event.ID(id)}, Time: event.At(soon),
	}, []byte("kick"))
	if err != nil {
		t.Fatal(err)
	}
	verdicts := visible(a[:3])
	verdicts[a[2].ID] = uint8(room.Hidden)
	before := time.Now()
	at := b.commit(t, id, history.RoomBatch{Control: []*event.Event{control}, Messages: a[:3], Verdicts: verdicts})
	if at.Before(before) || at.After(time.Now()) {
		t.Errorf("committed at %v", at)
	}
	if b.verdict(t, a[2].ID) != store.VerdictHidden || b.unread(t, id) != 2 {
		t.Errorf("verdict %d, %d unread", b.verdict(t, a[2].ID), b.unread(t, id))
	}
	// Our next reading of the clock is later than what came.
	if e := b.append(t, id, say(id))[0]; e.Time <= a[0].Time {
		t.Errorf("ours at %d, theirs was at %d", e.Time, a[0].Time)
	}
	// Older ones change with what comes; what comes may be quiet, superseded or
	// here already.
	claims := theirs(t, 2, 2, id, 1, soon)
	quiet, err := event.Sign(testKey(t, 2), event.Header{
		Conversation: id, Lane: event.LaneMessage, Kind: room.KindNick, Log: event.LogID{2}, Seq: 1, Ctl: []event.ID{event.ID(id)}, Time: event.At(soon),
	}, []byte("nick"))
	if err != nil {
		t.Fatal(err)
	}
	again := slices.Concat(a, claims, []*event.Event{quiet})
	verdicts = visible(again)
	verdicts[a[0].ID] = uint8(room.Retracted)
	verdicts[a[1].ID] = uint8(room.Waiting)
	b.commit(t, id, history.RoomBatch{
		Messages: again[1:], Verdicts: verdicts, Dropped: []event.ID{claims[0].ID, a[3].ID, {1}},
		Quiet: func(k event.Kind) bool { return k == room.KindNick },
	})
	for e, want := range map[*event.Event]store.Verdict{
		a[0]: store.VerdictRetracted, a[1]: store.VerdictWaiting, a[2]: store.VerdictVisible, quiet: store.VerdictVisible,
	} {
		if got := b.verdict(t, e.ID); got != want {
			t.Errorf("verdict %d, want %d", got, want)
		}
	}
	for _, e := range []*event.Event{claims[0], a[3]} {
		if has, err := b.disk.HasEvent(t.Context(), e.ID); err != nil || has {
			t.Errorf("what was dropped is here: %v", err)
		}
	}
	if n := b.unread(t, id); n != 1 {
		t.Errorf("%d unread, want 1", n)
	}
	if b.told != 0 {
		t.Errorf("the node was told of %d", b.told)
	}
	// All or none.
	for name, batch := range map[string]history.RoomBatch{
		"without a verdict":       {Messages: a[3:]},
		"of another conversation": {Messages: theirs(t, 3, 1, event.Conversation{9}, 1, soon), Verdicts: verdicts},
		"a verdict on nothing":    {Messages: a[3:], Verdicts: map[event.ID]uint8{a[3].ID: 2, {1}: 2}},
	} {
		if _, err := b.CommitRoom(t.Context(), id, batch); err == nil {
			t.Errorf("%s was committed", name)
		}
	}
	if has, err := b.disk.HasEvent(t.Context(), a[3].ID); err != nil || has {
		t.Errorf("something of a batch that failed is here: %v", err)
	}
}

// TestClockFarAhead: an author whose clock is wrong does not set ours.
func TestClockFarAhead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.found(t)
	far := theirs(t, 2, 1, id, 1, time.Now().Add(time.Hour))
	b.commit(t, id, history.RoomBatch{Messages: far, Verdicts: visible(far)})
	if e := b.append(t, id, say(id))[0]; e.Time.Wall().After(time.Now().Add(time.Minute)) {
		t.Errorf("ours is at %v", e.Time.Wall())
	}
}

// TestOwnPastIsBelieved: what another copy of ours said comes before what we say
// next, however wrong its clock was: of a leave and a join the later one counts.
func TestOwnPastIsBelieved(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.found(t)
	far := theirs(t, 1, 7, id, 1, time.Now().Add(24*time.Hour))
	b.commit(t, id, history.RoomBatch{Messages: far, Verdicts: visible(far)})
	if e := b.append(t, id, say(id))[0]; e.Time <= far[0].Time {
		t.Errorf("ours is at %v, what we said before at %v", e.Time.Wall(), far[0].Time.Wall())
	}
}

// TestOwnLogRetires: an event of our log that we lack is another copy's.
func TestOwnLogRetires(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.found(t)
	mine := b.append(t, id, say(id), say(id))
	k := mine[0].Key()
	b.commit(t, id, history.RoomBatch{Messages: mine, Verdicts: visible(mine)}) // an echo
	if got := b.ownLog(t, id); got != k {
		t.Errorf("our log became %v by an echo", got)
	}
	strange, err := event.Sign(testKey(t, 1), event.Header{
		Conversation: id, Lane: event.LaneMessage, Kind: event.KindText, Log: k.Log, Seq: 3, Prev: mine[1].ID,
		Ctl: []event.ID{event.ID(id)}, Time: mine[1].Time + 1,
	}, []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	b.commit(t, id, history.RoomBatch{Messages: []*event.Event{strange}, Verdicts: visible([]*event.Event{strange})})
	next := b.ownLog(t, id)
	if next == k {
		t.Error("our log goes on though another copy wrote in it")
	}
	if e := b.append(t, id, say(id))[0]; e.Key() != next || e.Seq != 1 {
		t.Errorf("our next is %+v", e.Header)
	}
	if err := b.Retire(t.Context(), id, next.Log); err != nil || b.ownLog(t, id) == next {
		t.Errorf("retired by hand: %v", err)
	}
}
