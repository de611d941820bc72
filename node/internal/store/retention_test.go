package store

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// prune cuts until nothing that is older than before is left that may go.
func prune(t *testing.T, s *Store, before time.Time) (cuts []Cut) {
	t.Helper()
	for {
		c, ok, err := s.OldestCut(t.Context(), before)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return cuts
		}
		cuts = append(cuts, c)
		update(t, s, func(tx *Tx) error { return tx.Prune(c.Conv, c.Log, c.Low) })
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	l := writeLived(t, s)
	other := event.LogKey{Author: testKey(t, frozenPeople[1]).ID(), Log: event.LogID{2}}
	theirs := event.LogKey{Author: other.Author, Log: event.LogID{3}}
	mine := event.LogKey{Author: l.mine.Author, Log: event.LogID{8}}
	before := map[event.Conversation]event.Frontier{}
	for _, conv := range []event.Conversation{l.direct, l.room} {
		f, err := s.Frontier(t.Context(), conv)
		if err != nil {
			t.Fatal(err)
		}
		before[conv] = f
	}
	// By age: message n of each log was said n seconds after the start. Ours to the
	// other is held by him up to 40, ours in the room by nobody.
	prune(t, s, start.Add(100*time.Second))
	for _, want := range []struct {
		conv event.Conversation
		log  event.LogKey
		low  uint64
	}{{l.direct, l.mine, 40}, {l.direct, other, 100}, {l.room, theirs, 100}, {l.room, mine, 1}} {
		events, err := s.Range(t.Context(), want.conv, event.Range{LogKey: want.log, From: 1, To: 1000}, 1<<30)
		if err != nil || events[0].Seq != want.low {
			t.Errorf("log %s begins with %d, %v, want %d", want.log.Log, events[0].Seq, err, want.low)
		}
	}
	// Who is asked what he holds says the same as before, and what is gone does not
	// come back.
	for conv, f := range before {
		if got, err := s.Frontier(t.Context(), conv); err != nil || !slices.Equal(got.Keys(), f.Keys()) || !slices.Equal(got.IDs(16), f.IDs(16)) {
			t.Errorf("frontier %v, %v, was %v", got, err, f)
		}
	}
	old := text(t, testKey(t, frozenPeople[1]), event.Header{Conversation: l.direct, Log: event.LogID{2}, Seq: 5}, "again")
	if n := insert(t, s, old); n != 0 {
		t.Error("what is below low was stored")
	}
	if wrong := must(t, fullCheck(s)); len(wrong) > 0 {
		t.Error(wrong)
	}
	if n := l.shown(t, s); n != 600-39-99-99 {
		t.Errorf("%d messages shown", n)
	}
	if cuts := prune(t, s, start.Add(100*time.Second)); len(cuts) > 0 {
		t.Errorf("again: %+v", cuts)
	}
	// All that may go: the last of each log stays, and with it what comes next.
	prune(t, s, time.Time{})
	if n := l.shown(t, s); n != (150-39)+1+1+100 {
		t.Errorf("%d messages shown", n)
	}
	if c, err := s.Conversation(t.Context(), l.room); err != nil || c.Unread != 1 {
		t.Errorf("room %+v, %v", c, err)
	}
	if n := must(t, s.QueuedCount); n != 110 {
		t.Errorf("%d queued", n)
	}
	if err := s.Update(t.Context(), func(tx *Tx) error { return tx.Prune(l.direct, other, 200) }); err == nil {
		t.Error("pruned beyond the head")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, Options{})
	next := text(t, testKey(t, frozenPeople[1]), event.Header{Conversation: l.direct, Log: event.LogID{2}, Seq: 151}, "next")
	if n := insert(t, s, next); n != 1 {
		t.Error("what comes next was not stored")
	}
	if f, err := s.Frontier(t.Context(), l.direct); err != nil || f[other].Seq != 151 {
		t.Errorf("frontier %v, %v", f, err)
	}
	if wrong := must(t, fullCheck(s)); len(wrong) > 0 {
		t.Error(wrong)
	}
}

// TestPruneKeeps: invitations and who came and went stay where the rest goes, and
// the oldest goes first over all logs.
func TestPruneKeeps(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	other := testKey(t, frozenPeople[1])
	conv := event.Direct(testKey(t, frozenPeople[0]).ID(), other.ID())
	var prev event.ID
	var invite *event.Event
	update(t, s, func(tx *Tx) error {
		err := errors.Join(tx.SetAccount(frozenAccount(t)), tx.PutConversation(conv, KindDirect, other.ID()))
		for seq := uint64(1); seq <= 20; seq++ {
			h := event.Header{Conversation: conv, Lane: event.LaneMessage, Kind: event.KindText, Log: event.LogID{1}, Seq: seq, Prev: prev, Time: event.At(start.Add(time.Duration(seq) * time.Second))}
			if seq == 4 {
				h.Kind = 24
			}
			body, _ := event.EncodeText("line")
			e, signErr := event.Sign(other, h, body)
			if signErr != nil {
				return signErr
			}
			if seq == 4 {
				invite = e
			}
			_, insertErr := tx.Insert(e, e.Time.Wall())
			err, prev = errors.Join(err, insertErr), e.ID
		}
		return err
	})
	// Another log, of which the middle is as old as the beginning of the first.
	var late []*event.Event
	for i, e := range chain(t, testKey(t, frozenPeople[2]), 9, 6) {
		h := e.Header
		h.Conversation, h.Time = conv, event.At(start.Add(time.Duration(i*4+2)*time.Second))
		late = append(late, text(t, testKey(t, frozenPeople[2]), h, "late"))
	}
	insert(t, s, late...)
	var order strings.Builder
	for _, c := range prune(t, s, start.Add(12*time.Second)) {
		order.WriteString(map[peer.ID]string{other.ID(): "a", late[0].Author: "b"}[c.Log.Author])
	}
	if got := order.String(); !strings.HasPrefix(got, "abab") {
		t.Errorf("cut in the order %s", got)
	}
	if got := must(t, s.Invitations); len(got) != 1 || got[0].ID != invite.ID {
		t.Errorf("invitations %v", got)
	}
	if c, err := s.Conversation(t.Context(), conv); err != nil || c.Unread != 9+1+3 {
		t.Errorf("unread %d, %v", c.Unread, err)
	}
	if wrong := must(t, fullCheck(s)); len(wrong) > 0 {
		t.Error(wrong)
	}
}

// TestPruneWrongClocks: who dates ahead neither has others' messages go before his own
// nor keeps his from growing old, and a wrong clock of ours ages nothing.
func TestPruneWrongClocks(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	for _, tt := range []struct {
		name   string
		ahead  time.Duration // of a's clock when a says something, a minute before b does
		ours   time.Duration // of ours when it comes
		order  string        // in which they go if none may stay
		byDate string        // and those that are older than a minute after b's
	}{
		{"right", 0, 0, "ab", "ab"},
		{"author ahead", 200 * year, 0, "ab", "ab"},
		{"author behind", -20 * year, 0, "ab", "ab"},
		{"ours ahead", 0, 70 * year, "ab", "ab"},
		{"ours behind", 0, -20 * year, "ab", "ab"},
		{"ours behind, author ahead", year, -20 * year, "ba", "b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, before := range []time.Time{{}, start.Add(2 * time.Minute)} {
				s := openStore(t, t.TempDir(), Options{})
				update(t, s, func(tx *Tx) error {
					errs := []error{tx.SetAccount(frozenAccount(t))}
					for i, ahead := range []time.Duration{tt.ahead, 0} {
						for seq := range uint64(2) {
							at := start.Add(time.Duration(i) * time.Minute)
							h := event.Header{Log: event.LogID{'a' + byte(i)}, Seq: seq + 1, Time: event.At(at.Add(ahead))}
							_, err := tx.Insert(text(t, testKey(t, 2), h, "line"), at.Add(tt.ours))
							errs = append(errs, err)
						}
					}
					return errors.Join(errs...)
				})
				var order strings.Builder
				for _, c := range prune(t, s, before) {
					order.WriteByte(c.Log.Log[0])
				}
				want := tt.order
				if !before.IsZero() {
					want = tt.byDate
				}
				if got := order.String(); got != want {
					t.Errorf("before %s: cut in the order %q, want %q", before, got, want)
				}
			}
		})
	}
}

// TestShrink: what pruning freed is given back.
func TestShrink(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	update(t, s, func(tx *Tx) error { return tx.SetAccount(frozenAccount(t)) })
	var big []*event.Event
	for i := range 200 {
		big = append(big, text(t, testKey(t, 2), event.Header{Log: event.LogID{1}, Seq: uint64(i + 1)}, strings.Repeat("x", 16000)))
	}
	insert(t, s, big...)
	before := must(t, s.Used)
	prune(t, s, time.Time{})
	if err := s.Shrink(t.Context()); err != nil {
		t.Fatal(err)
	}
	var free, pages int64
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.row(`PRAGMA freelist_count`, nil, &free), tx.row(`PRAGMA page_count`, nil, &pages))
	})
	if after := must(t, s.Used); after > before/10 || free != 0 || pages*4096 != after {
		t.Errorf("%d bytes used, %d before; %d pages, %d free", after, before, pages, free)
	}
	u := must(t, s.Usages)
	if len(u) != 1 || u[0].Events != 1 || u[0].Bytes < 16000 || u[0].Oldest != big[199].Time {
		t.Errorf("usage %+v", u)
	}
	if wrong := must(t, fullCheck(s)); len(wrong) > 0 {
		t.Error(wrong)
	}
}
