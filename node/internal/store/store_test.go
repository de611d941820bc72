package store

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

var (
	start = time.UnixMilli(1_800_000_000_000).UTC()
	conv1 = event.Conversation{1}
)

type key = identity.Key

func testKey(t testing.TB, n byte) key {
	t.Helper()
	k, err := seedKey(n)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func seedKey(n byte) (key, error) { return identity.KeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

// text signs a text; time runs with seq unless h names one.
func text(t testing.TB, k identity.Key, h event.Header, s string) *event.Event {
	t.Helper()
	body, err := event.EncodeText(s)
	if err != nil {
		t.Fatal(err)
	}
	h.Lane, h.Kind = event.LaneMessage, event.KindText
	if h.Conversation == (event.Conversation{}) {
		h.Conversation = conv1
	}
	if h.Seq > 1 && h.Prev.IsZero() {
		h.Prev[0] = 1
	}
	if h.Time == 0 {
		h.Time = event.At(start.Add(time.Duration(h.Seq) * time.Second))
	}
	e, err := event.Sign(k, h, body)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func chain(t testing.TB, k identity.Key, log byte, n int) []*event.Event {
	t.Helper()
	var out []*event.Event
	var prev event.ID
	for i := range n {
		e := text(t, k, event.Header{Log: event.LogID{log}, Seq: uint64(i + 1), Prev: prev}, "line")
		out, prev = append(out, e), e.ID
	}
	return out
}

func openStore(t testing.TB, dir string, opt Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func update(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// insert stores events in one transaction, each received when it was said, and
// returns how many were new.
func insert(t testing.TB, s *Store, events ...*event.Event) int {
	t.Helper()
	n := 0
	update(t, s, func(tx *Tx) error {
		for _, e := range events {
			isNew, err := tx.Insert(e, e.Time.Wall())
			if err != nil {
				return err
			}
			if isNew {
				n++
			}
		}
		return nil
	})
	return n
}

// must reads with a method value of the store.
func must[T any](t testing.TB, fn func(context.Context) (T, error)) T {
	t.Helper()
	v, err := fn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	me, other := testKey(t, 1), testKey(t, 2)
	events := chain(t, other, 7, 5)
	account := Account{Peer: me.ID(), Name: "me", Status: "here", Away: true, Created: start}
	func() {
		s := openStore(t, dir, Options{})
		defer s.Close()
		update(t, s, func(tx *Tx) error {
			if err := tx.SetAccount(account); err != nil {
				return err
			}
			if err := tx.SetClock(1 << 63); err != nil {
				return err
			}
			return tx.PutConversation(conv1, KindDirect, other.ID())
		})
		if n := insert(t, s, events...); n != 5 {
			t.Fatalf("%d of 5 new", n)
		}
		if n := insert(t, s, events...); n != 0 {
			t.Fatalf("%d new the second time", n)
		}
	}()
	s := openStore(t, dir, Options{})
	if got := must(t, s.Account); got != account {
		t.Errorf("account %+v, want %+v", got, account)
	}
	if got := must(t, s.Clock); got != 1<<63 {
		t.Errorf("clock %d", got)
	}
	f, err := s.Frontier(t.Context(), conv1)
	if err != nil || f[events[0].Key()] != (event.Head{Seq: 5, ID: events[4].ID}) || len(f) != 1 {
		t.Errorf("frontier %v, %v", f, err)
	}
	list := must(t, s.Conversations)
	if len(list) != 1 || list[0].Unread != 5 || list[0].Other != other.ID() || list[0].Last != events[4].Time {
		t.Errorf("conversations %+v", list)
	}
	log, err := s.Log(t.Context(), LogQuery{Conv: conv1, Last: 3})
	if err != nil || len(log) != 3 || log[0].ID != events[2].ID || log[2].ID != events[4].ID {
		t.Errorf("log %v, %v", log, err)
	}
	if faults := must(t, fullCheck(s)); len(faults) > 0 {
		t.Errorf("faults: %v", faults)
	}
}

// testPeer is one of many peer IDs that nobody signs with.
func testPeer(n int) peer.ID {
	return peer.ID(append([]byte{0, 36, 8, 1, 18, 32}, fmt.Appendf(nil, "%032d", n)...))
}

const quietKind event.Kind = 16

// roomPool is what may be told of a room: one log of the first author and two of
// the second, up to three claims to a place, texts and what is quiet; and its
// control lane, the genesis first.
func roomPool(t testing.TB) (messages, control []*event.Event) {
	sign := func(author byte, h event.Header, body string) *event.Event {
		e, err := event.Sign(testKey(t, author), h, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	second := func(n int) event.Time { return event.At(start.Add(time.Duration(n) * time.Second)) }
	genesis := sign(1, event.Header{Lane: event.LaneControl, Kind: 16, Time: second(0)}, "genesis")
	control = []*event.Event{genesis}
	room := event.Conversation(genesis.ID)
	for i := range 4 {
		control = append(control, sign(byte(i%2)+1, event.Header{
			Conversation: room, Lane: event.LaneControl, Kind: 17, Ctl: []event.ID{control[i].ID}, Time: second(i / 2),
		}, "do"))
	}
	for author := range byte(2) {
		for log := range author + 1 {
			for seq := range uint64(4) {
				for claim := range 3 {
					h := event.Header{
						Conversation: room, Lane: event.LaneMessage, Kind: event.KindText, Log: event.LogID{log + 1}, Seq: seq + 1,
						Ctl: []event.ID{genesis.ID}, Time: second((int(seq) + claim) / 2),
					}
					if seq > 0 {
						h.Prev[0] = 1
					}
					if (int(seq)+claim)%3 == 0 {
						h.Kind = quietKind
					}
					messages = append(messages, sign(author+1, h, fmt.Sprint("claim ", claim)))
				}
			}
		}
	}
	return messages, control
}

// fullCheck is [Store.Check] of everything.
func fullCheck(s *Store) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) { return s.Check(ctx, true) }
}
