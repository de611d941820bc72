package rooms

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/room"
)

// crowd is a room with members and control events, loaded but not running: its
// goroutine is the benchmark.
type crowd struct {
	*Room
	disk *disk
	keys []identity.Key
	seq  []uint64
	prev []event.ID
}

func newCrowd(b *testing.B, members, acts int) *crowd {
	b.Helper()
	c := &crowd{disk: newDisk(keyOf(b, 1)), seq: make([]uint64, members), prev: make([]event.ID, members)}
	body, err := (&room.Genesis{Nonce: [32]byte{1}, Epoch: room.EpochCommitment([32]byte{1})}).Encode()
	if err != nil {
		b.Fatal(err)
	}
	g, err := c.disk.Found(b.Context(), body, "me", true, [32]byte{1})
	if err != nil {
		b.Fatal(err)
	}
	id := event.Conversation(g.ID)
	w := &town{}
	p := &person{town: w, disk: c.disk}
	s, err := New(b.Context(), Config{
		Host: &pipes{person: p}, Key: c.disk.key, Store: quick{c.disk}, Ledger: quick{c.disk}, Sync: &p.keep, Handler: nobody{&p.keep},
		Receipt: func(p peer.ID, _ event.Conversation, _ event.LogKey, _ event.Head) {}, Away: func() bool { return false }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	if c.Room, err = s.Room(id); err != nil {
		b.Fatal(err)
	}
	ctl := []event.ID{g.ID}
	for i := range acts {
		op := room.Op{Kind: room.KindConfigure, Auth: g.ID, Setting: room.Setting{Field: room.FieldDescription, Text: fmt.Sprint(i)}}
		body, err := op.Encode()
		if err != nil {
			b.Fatal(err)
		}
		e, err := event.Sign(c.disk.key, event.Header{Conversation: id, Lane: event.LaneControl, Kind: op.Kind, Ctl: ctl, Time: event.At(time.UnixMilli(int64(i)))}, body)
		if err != nil {
			b.Fatal(err)
		}
		ctl = []event.ID{e.ID}
		if res := c.rules.AddControl(e).Results[0]; res.Err != nil {
			b.Fatal(res.Err)
		}
	}
	for i := range members {
		seed := make([]byte, 32)
		seed[0], seed[1], seed[2] = byte(i), byte(i>>8), 7
		k, err := identity.KeyFromSeed(seed)
		if err != nil {
			b.Fatal(err)
		}
		c.keys = append(c.keys, k)
		join, err := room.EncodeBody(&room.Join{Nick: fmt.Sprint("n", i)})
		if err != nil {
			b.Fatal(err)
		}
		if res := c.rules.AddMessage(c.next(b, i, room.KindJoin, join)).Results[0]; res.Err != nil {
			b.Fatal(res.Err)
		}
	}
	c.peopleChanged()
	return c
}

func (c *crowd) next(b *testing.B, i int, kind event.Kind, body []byte) *event.Event {
	b.Helper()
	c.seq[i]++
	e, err := event.Sign(c.keys[i], event.Header{
		Conversation: c.id, Lane: event.LaneMessage, Kind: kind, Log: event.LogID{1}, Seq: c.seq[i], Prev: c.prev[i],
		Ctl: c.rules.Cite(c.keys[i].ID()), Time: event.At(time.UnixMilli(1_800_000_000_000 + int64(c.seq[i]))),
	}, body)
	if err != nil {
		b.Fatal(err)
	}
	c.prev[i] = e.ID
	return e
}

// quick is a disk that keeps nothing: what the room does is measured.
type quick struct{ *disk }

func (quick) Commit(context.Context, event.Conversation, Batch) (Committed, error) {
	return Committed{}, nil
}

func (quick) Frontier(context.Context, event.Conversation) (event.Frontier, error) {
	return event.Frontier{}, nil
}

type nobody struct{ *heard }

func (nobody) Messages(event.Conversation, Scene, []Message)                          {}
func (nobody) MemberChanged(event.Conversation, Member, bool)                         {}
func (nobody) Governed(event.Conversation, Scene, []*event.Event, []Aside, time.Time) {}

// BenchmarkIngest is what the room's goroutine does for one message of a member,
// without the store.
func BenchmarkIngest(b *testing.B) {
	for _, size := range []struct{ members, acts int }{{10, 10}, {1000, 10}, {1000, 10000}} {
		for _, batch := range []int{1, 100} {
			b.Run(fmt.Sprintf("members=%d/acts=%d/batch=%d", size.members, size.acts, batch), func(b *testing.B) {
				c := newCrowd(b, size.members, size.acts)
				text, err := event.EncodeText("x")
				if err != nil {
					b.Fatal(err)
				}
				var all []*event.Event
				for i := range b.N {
					all = append(all, c.next(b, i%size.members, event.KindText, text))
				}
				b.ResetTimer()
				for len(all) > 0 {
					n := min(batch, len(all))
					c.ingest(b.Context(), []arrival{newArrival("", all[:n], nil)})
					all = all[n:]
				}
			})
		}
	}
}

// BenchmarkEpoch is what finding the key to seal with costs.
func BenchmarkEpoch(b *testing.B) {
	c := newCrowd(b, 10, 10000)
	for b.Loop() {
		c.epoch()
	}
}
