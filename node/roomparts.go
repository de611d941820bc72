package node

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/internal/antientropy"
	"p2pchat/node/internal/gossip"
	"p2pchat/node/internal/history"
	"p2pchat/node/internal/rooms"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// roomStore is the store as rooms see it.
type roomStore struct{ *store.Store }

func (s roomStore) Memberships(ctx context.Context) ([]rooms.Membership, error) {
	rows, err := s.Rooms(ctx)
	out := make([]rooms.Membership, len(rows))
	for i, r := range rows {
		out[i] = rooms.Membership{Room: r.Conv, Joined: r.Joined, Nick: r.Nick, Present: r.Present}
	}
	return out, err
}

func roomRow(m rooms.Membership) store.RoomRow {
	return store.RoomRow{Conv: m.Room, Joined: m.Joined, Nick: m.Nick}
}

func (s roomStore) PutMembership(ctx context.Context, m rooms.Membership) error {
	return s.Update(ctx, func(tx *store.Tx) error { return tx.PutRoom(roomRow(m)) })
}

func (s roomStore) PutPresent(ctx context.Context, id event.Conversation, at time.Time) error {
	return s.Update(ctx, func(tx *store.Tx) error { return tx.SetRoomPresent(id, at) })
}

func (s roomStore) Enter(ctx context.Context, m rooms.Membership, control []*event.Event, keys map[event.ID]envelope.Key, below []rooms.Below, standing []*event.Event) error {
	return s.Update(ctx, func(tx *store.Tx) error {
		if err := tx.PutRoom(roomRow(m)); err != nil {
			return err
		}
		now := time.Now()
		for _, e := range control {
			if _, err := tx.InsertControl(m.Room, e, now); err != nil {
				return err
			}
		}
		for _, b := range below {
			if err := tx.SetLowAt(m.Room, b.LogKey, b.Seq+1, b.ID); err != nil {
				return err
			}
		}
		for _, e := range standing {
			if _, err := tx.InsertRoom(e, now, store.VerdictWaiting, true); err != nil {
				return err
			}
		}
		return putKeys(tx, m.Room, keys)
	})
}

func putKeys(tx *store.Tx, id event.Conversation, keys map[event.ID]envelope.Key) error {
	for e, k := range keys {
		if err := tx.PutEpoch(id, e, k); err != nil {
			return err
		}
	}
	return nil
}

func (s roomStore) EachPiece(ctx context.Context, id event.Conversation, f func(*room.Line, *event.Event, room.Status) error) error {
	return s.Store.EachPiece(ctx, id, func(l *store.Line, e *event.Event, v store.Verdict) error {
		if l == nil {
			return f(nil, e, room.Status(v))
		}
		return f(&room.Line{
			LogKey: l.LogKey, First: l.First, Last: l.Last, Prev: l.Prev, ID: l.ID, Time: l.Time, Kind: l.Kind, Ctl: l.Ctl,
			Verdict: room.Verdict{Status: room.Status(l.Verdict), Cause: l.Cause},
		}, nil, room.Status(v))
	})
}

func (s roomStore) PutLines(ctx context.Context, id event.Conversation, lines []room.Line) error {
	out := make([]store.Line, len(lines))
	for i, l := range lines {
		out[i] = store.Line{
			LogKey: l.LogKey, First: l.First, Last: l.Last, Prev: l.Prev, ID: l.ID, Time: l.Time, Kind: l.Kind, Ctl: l.Ctl,
			Verdict: store.Verdict(l.Verdict.Status), Cause: l.Verdict.Cause,
		}
	}
	return s.Update(ctx, func(tx *store.Tx) error { return tx.PutLines(id, out) })
}

func (s roomStore) SetVerdicts(ctx context.Context, verdicts map[event.ID]room.Status) error {
	return s.Update(ctx, func(tx *store.Tx) error {
		for id, v := range verdicts {
			if err := tx.SetVerdict(id, store.Verdict(v)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s roomStore) Prune(ctx context.Context, id event.Conversation, k event.LogKey, low uint64) error {
	return s.Update(ctx, func(tx *store.Tx) error { return tx.Prune(id, k, low) })
}

func (s roomStore) Newest(ctx context.Context, id event.Conversation, n uint64, since time.Time) ([]rooms.Below, error) {
	f, err := s.Store.Newest(ctx, id, int(min(n, math.MaxInt32)), since)
	var out []rooms.Below
	for _, k := range f.Keys() {
		out = append(out, rooms.Below{LogKey: k, Head: f[k]})
	}
	return out, err
}

func (s roomStore) Latest(ctx context.Context, id event.Conversation, n int) ([]*event.Event, error) {
	stored, err := s.Log(ctx, store.LogQuery{Conv: id, Last: n})
	out := make([]*event.Event, len(stored))
	for i, e := range stored {
		out[i] = e.Event
	}
	return out, err
}

func (s roomStore) Keys(ctx context.Context, id event.Conversation) (map[event.ID]envelope.Key, error) {
	keys, err := s.Epochs(ctx, id)
	out := make(map[event.ID]envelope.Key, len(keys))
	for e, k := range keys {
		out[e] = k
	}
	return out, err
}

func (s roomStore) PutKeys(ctx context.Context, id event.Conversation, keys map[event.ID]envelope.Key) error {
	return s.Update(ctx, func(tx *store.Tx) error { return putKeys(tx, id, keys) })
}

func (s roomStore) PutAcks(ctx context.Context, id event.Conversation, acks map[peer.ID]event.Frontier) error {
	return s.Update(ctx, func(tx *store.Tx) error {
		for p, f := range acks {
			if err := tx.SetAck(id, p, f); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s roomStore) PutAdmitted(ctx context.Context, id event.Conversation, people []peer.ID) error {
	return s.Update(ctx, func(tx *store.Tx) error {
		for _, p := range people {
			if err := tx.PutAdmitted(id, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s roomStore) PutSecret(ctx context.Context, id event.Conversation, generation uint64, sealed []byte) error {
	return s.Update(ctx, func(tx *store.Tx) error { return tx.PutSecret(id, generation, sealed) })
}

// quietKinds are those of messages that nobody reads as messages.
var quietKinds = []event.Kind{
	room.KindJoin, room.KindLeave, room.KindNick, room.KindSubject, room.KindEpoch, event.KindEdit, event.KindRetract, event.KindReact,
}

func quiet(k event.Kind) bool { return slices.Contains(quietKinds, k) }

// roomLedger is the ledger as rooms see it.
type roomLedger struct{ *history.Ledger }

func (l roomLedger) Found(ctx context.Context, body []byte, nick string, joined bool, key envelope.Key) (*event.Event, error) {
	return l.Ledger.Found(ctx, room.KindGenesis, body, func(tx history.RoomTx, e *event.Event) error {
		id := event.Conversation(e.ID)
		return errors.Join(tx.PutRoom(id, joined, nick), tx.PutEpoch(id, e.ID, key))
	})
}

func (l roomLedger) Append(ctx context.Context, id event.Conversation, drafts []room.Draft) ([]*event.Event, error) {
	out := make([]history.Draft, len(drafts))
	for i, d := range drafts {
		out[i] = history.Draft{Lane: d.Lane, Kind: d.Kind, Ctl: d.Ctl, Chained: d.Chained, Body: d.Body, Counts: !quiet(d.Kind)}
	}
	return l.AppendRoom(ctx, id, out...)
}

func (l roomLedger) Commit(ctx context.Context, id event.Conversation, b rooms.Batch) (rooms.Committed, error) {
	verdicts := make(map[event.ID]uint8, len(b.Verdicts))
	for e, v := range b.Verdicts {
		verdicts[e] = uint8(v)
	}
	done, err := l.CommitRoom(ctx, id, history.RoomBatch{
		Control: b.Control, Messages: b.Messages, Verdicts: verdicts, Dropped: b.Dropped, Quiet: quiet,
	})
	return rooms.Committed(done), err
}

// roomGossip carries rooms on GossipSub topics.
type roomGossip struct {
	*gossip.Service
	talk *talk
}

func (g roomGossip) Join(topic string, h rooms.TopicHandler) (rooms.Topic, error) {
	return g.Service.Join(topic, gossipHandler{h, g.talk})
}

func (g roomGossip) FloodsFrom() int { return g.SuppressAbove() }

type gossipHandler struct {
	rooms.TopicHandler
	talk *talk
}

func (h gossipHandler) Deliver(from peer.ID, data any) {
	if rooms.Says(data) {
		h.talk.note()
	}
	h.TopicHandler.Deliver(from, data)
}

func (h gossipHandler) Validate(_ context.Context, from peer.ID, payload []byte) (gossip.Verdict, any) {
	v, data := h.TopicHandler.Validate(from, payload)
	return gossip.Verdict(v), data
}

// flooded reads the flag of an envelope.
func flooded(payload []byte) bool {
	e, err := envelope.Decode(payload)
	return err == nil && e.Flooded
}

// syncRooms is what sync moves.
type syncRooms struct{ n *Node }

func (s syncRooms) Replica(id event.Conversation, p peer.ID, named bool) (antientropy.Replica, bool) {
	r, err := s.n.rooms.Room(id)
	if err != nil || !r.Entitled(p, named) {
		return nil, false
	}
	return replica{s.n, r}, true
}

func (s syncRooms) Partners(id event.Conversation) []peer.ID {
	r, err := s.n.rooms.Room(id)
	if err != nil {
		return nil
	}
	return r.Partners()
}

func (s syncRooms) NotServed(id event.Conversation, p peer.ID) {
	if r, err := s.n.rooms.Room(id); err == nil {
		r.NotServed(p)
	}
}

type replica struct {
	n *Node
	*rooms.Room
}

func (r replica) Summary(ctx context.Context) (antientropy.Summary, error) {
	s, err := r.Room.Summary(ctx)
	return antientropy.Summary(s), err
}

func (r replica) Ingest(ctx context.Context, from peer.ID, events []*event.Event) (int, error) {
	fresh, err := r.Room.Ingest(ctx, from, events)
	if errors.Is(err, rooms.ErrRefused) || errors.Is(err, store.ErrTooManyLogs) {
		return fresh, fmt.Errorf("%w: %w", antientropy.ErrRefused, err)
	}
	return fresh, err
}

func (r replica) Committed(from peer.ID, f event.Frontier) {
	r.Room.Committed(r.n.ctx, from, f)
	r.n.persistSoon()
}

func (r replica) Synced(from peer.ID, equal, ended bool) {
	r.Room.Synced(from, equal, ended)
	r.n.roomsDue.put(r.ID()) // nothing more is being fetched
}
