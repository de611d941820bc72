package rooms

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// arrives hands events in as if by gossip, each in a batch of its own.
func (p *person) arrives(from *person, id event.Conversation, events ...*event.Event) {
	p.town.t.Helper()
	for _, e := range events {
		p.room(id).arrive(newArrival(from.id(), []*event.Event{e}, nil))
		synctest.Wait()
	}
}

// since lists what is stored of a room beyond what was before.
func (d *disk) since(id event.Conversation, control int) (acts []*event.Event, said []*event.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.of(id)
	return r.control[control:], r.messages
}

// TestParking: an event waits for what it cites, which is asked for, whatever
// order they come in.
func TestParking(t *testing.T) {
	for name, order := range map[string][]int{"message first": {2, 1, 0}, "middle last": {2, 0, 1}, "all at once": nil} {
		t.Run(name, func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				a, b := w.person(), w.person()
				id := w.found(nil, a, b)
				w.lose(true)
				a.does(id, room.Op{Kind: room.KindConfigure, Setting: room.Setting{Field: room.FieldDescription, Text: "1"}})
				a.does(id, room.Op{Kind: room.KindConfigure, Setting: room.Setting{Field: room.FieldDescription, Text: "2"}})
				said := a.says(id, "after two acts")
				acts, _ := a.disk.since(id, 1)
				all := []*event.Event{acts[0], acts[1], said}
				b.keep.forget()
				if order == nil {
					// The second act waits already; the first and the message come together.
					b.arrives(a, id, acts[1])
					b.room(id).arrive(newArrival(a.id(), []*event.Event{said, acts[0]}, nil))
					synctest.Wait()
				}
				for i, n := range order {
					b.arrives(a, id, all[n])
					if i == 0 && !b.keep.kicked(a.id()) {
						t.Error("what is missing is not asked for")
					}
				}
				equal(t, "shown", b.keep.shown(), []string{"nick0: after two acts"})
				if s, err := b.room(id).Status(t.Context()); err != nil || s.Parked != 0 {
					t.Errorf("%d still wait: %v", s.Parked, err)
				}
			})
		})
	}
}

// TestParkingIsBounded: one peer takes no more than his share.
func TestParkingIsBounded(t *testing.T) {
	t.Parallel()
	k := keyOf(t, 9)
	var p parking
	var first *event.Event
	for i := range 2 * maxParked {
		e, err := event.Sign(k, event.Header{
			Conversation: event.Conversation{1}, Lane: event.LaneMessage, Kind: event.KindText, Log: event.LogID{1}, Seq: uint64(i + 1),
			Prev: event.ID{byte(i), byte(i >> 8), 1}, Ctl: []event.ID{{byte(i), byte(i >> 8), 2}}, Time: event.At(time.UnixMilli(1)),
		}, []byte("\x0a\x01x"))
		if i == 0 {
			e, err = event.Sign(k, event.Header{
				Conversation: event.Conversation{1}, Lane: event.LaneMessage, Kind: event.KindText, Log: event.LogID{1}, Seq: 1,
				Ctl: []event.ID{{1, 2, 3}}, Time: event.At(time.UnixMilli(1)),
			}, []byte("\x0a\x01x"))
			first = e
		}
		if err != nil {
			t.Fatal(err)
		}
		p.put(e, "mallory", e.Ctl)
		p.put(e, "mallory", e.Ctl) // again
	}
	p.put(first, "alice", first.Ctl)
	if p.len() != maxParked+1 {
		t.Errorf("%d parked", p.len())
	}
	if got := p.ready(first.Ctl[0]); len(got) != 1 || got[0].event != first || got[0].from != "alice" {
		t.Errorf("ready: %v", got)
	}
	if len(p.wanted()) != maxParked || p.len() != maxParked {
		t.Errorf("%d wanted, %d parked", len(p.wanted()), p.len())
	}
}

// TestFalseReceipts: somebody who says that he holds events of ours which are not
// here is asked for them; his word alone does not have us give our log up, of
// which we may open so many only.
func TestFalseReceipts(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.found(nil, a, b)
		b.keep.forget()
		own := b.disk.of(id).own
		for i := range 2 * event.MaxLogs {
			b.room(id).Committed(t.Context(), a.id(), event.Frontier{b.disk.of(id).own: {Seq: uint64(1000 + i), ID: event.ID{byte(i)}}})
			synctest.Wait()
		}
		if b.disk.of(id).own != own {
			t.Error("a false receipt made him give his log up")
		}
		if !b.keep.kicked(a.id()) {
			t.Error("he does not ask for what he may have lost")
		}
		if len(b.keep.delivered) > 0 {
			t.Error("delivered by a false receipt")
		}
	})
}

// TestReceiptsDoNotWait: whoever brings receipts is not held up by a room that is
// busy.
func TestReceiptsDoNotWait(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.found(nil, a, b)
		var said []*event.Event
		for i := range 2 * workSize {
			said = append(said, a.says(id, fmt.Sprint(i)))
		}
		free := make(chan struct{})
		go func() { _ = a.room(id).do(context.Background(), func() { <-free }) }()
		synctest.Wait()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for _, e := range said {
				a.room(id).Committed(context.Background(), b.id(), event.Frontier{e.Key(): {Seq: e.Seq, ID: e.ID}})
			}
		}()
		synctest.Wait()
		select {
		case <-done:
		default:
			t.Error("receipts wait for the room")
		}
		close(free)
		<-done
	})
}
