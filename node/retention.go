package node

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/rooms"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
)

// Storage implements [api.Service].
func (n *Node) Storage(ctx context.Context) (api.Storage, error) {
	return storage(ctx, n.store, n.people, n.self.account().Peer, func(id event.Conversation) string {
		r, err := n.rooms.Room(id)
		if err != nil {
			return ""
		}
		info, err := r.Info(ctx)
		if err != nil {
			return ""
		}
		return info.Config.Name()
	})
}

// Storage implements [api.Reader].
func (r *Reader) Storage(ctx context.Context) (api.Storage, error) {
	names := map[event.Conversation]string{}
	err := r.eachRoom(ctx, func(s *rooms.StoredRoom) {
		info := s.Info()
		names[info.Room] = info.Config.Name()
	})
	if err != nil {
		return api.Storage{}, err
	}
	return storage(ctx, r.store, r.people, r.acc.Peer, func(id event.Conversation) string { return names[id] })
}

func storage(ctx context.Context, st *store.Store, who *people, self peer.ID, roomName func(event.Conversation) string) (api.Storage, error) {
	limits, err := st.Retention(ctx)
	if err != nil {
		return api.Storage{}, apiError(err)
	}
	out := api.Storage{Retention: retention(limits), Conversations: []api.StoredConversation{}}
	size, err := st.Size(ctx)
	used, usedErr := st.Used(ctx)
	usages, usagesErr := st.Usages(ctx)
	known, knownErr := st.Conversations(ctx)
	if err := errors.Join(err, usedErr, usagesErr, knownErr); err != nil {
		return api.Storage{}, apiError(err)
	}
	out.Bytes, out.Used = size, used
	others := map[event.Conversation]store.ConvSummary{}
	for _, c := range known {
		others[c.Conv] = c
	}
	for _, u := range usages {
		row := api.StoredConversation{ID: u.Conv.String(), Kind: api.KindRoom, Events: u.Events, Bytes: u.Bytes}
		if c := others[u.Conv]; c.Kind == store.KindDirect {
			row.Kind, row.Name = api.KindDirect, who.name(c.Other)
		} else {
			row.Name = roomName(u.Conv)
		}
		if u.Oldest != 0 {
			row.Oldest = &api.Time{Time: u.Oldest.Wall()}
		}
		out.Conversations = append(out.Conversations, row)
	}
	slices.SortFunc(out.Conversations, func(a, b api.StoredConversation) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

func retention(r store.Retention) api.Retention {
	var out api.Retention
	if r.Age > 0 {
		out.MaxAge = &api.Duration{Duration: r.Age}
	}
	if r.Size > 0 {
		out.MaxSize = &r.Size
	}
	return out
}

// SetRetention implements [api.Service]. What is beyond the limits is gone when it
// returns.
func (n *Node) SetRetention(ctx context.Context, r api.Retention) (api.Storage, error) {
	if err := errors.Join(ctx.Err(), r.Check()); err != nil {
		return api.Storage{}, err
	}
	var limits store.Retention
	if r.MaxAge != nil {
		limits.Age = r.MaxAge.Duration
	}
	if r.MaxSize != nil {
		limits.Size = *r.MaxSize
	}
	if err := n.store.Update(ctx, func(tx *store.Tx) error { return tx.SetRetention(limits) }); err != nil {
		return api.Storage{}, apiError(err)
	}
	if err := n.prune(ctx, n.cfg.Seams.Now()); err != nil { // who sets a limit sees what goes
		return api.Storage{}, apiError(err)
	}
	return n.Storage(ctx)
}

// pruneEvery is how often the limits are looked at.
const pruneEvery = time.Minute

// retain keeps the history within its limits until ctx ends.
func (n *Node) retain(ctx context.Context) error {
	for {
		now, err := n.sureNow(ctx)
		if err := errors.Join(err, n.prune(ctx, now)); err != nil && ctx.Err() == nil {
			n.uncommitted("keep the history within its limits", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pruneEvery):
		}
	}
}

// clockLeap is how far our clock may run ahead of the latest that was said, with
// nobody to confirm it, before it is taken to be wrong.
const clockLeap = 24 * time.Hour

// sureNow is the time by which messages grow old. A clock that was set to another
// year would empty the history: it counts if somebody else's agrees, and otherwise
// no further than a day beyond the latest that was said here.
func (n *Node) sureNow(ctx context.Context) (time.Time, error) {
	now := n.cfg.Seams.Now()
	if _, _, agree := n.clocks.apart(); agree > 0 {
		return now, nil
	}
	latest, err := n.store.Clock(ctx)
	if bound := latest.Wall().Add(clockLeap); now.After(bound) {
		now = bound
	}
	return now, err
}

// prune removes what is beyond the limits at a time, the oldest first, a little in
// each commit so that what is said meanwhile need not wait.
func (n *Node) prune(ctx context.Context, now time.Time) error {
	n.pruning.Lock()
	defer n.pruning.Unlock()
	limits, err := n.store.Retention(ctx)
	if err != nil || limits == (store.Retention{}) {
		return err
	}
	for {
		cut, ok, err := n.nextCut(ctx, limits, now)
		if err != nil {
			return err
		}
		if !ok {
			return n.store.Shrink(ctx)
		}
		if err := n.cut(ctx, cut); err != nil {
			return err
		}
	}
}

// nextCut finds what to remove next; ok is false if nothing is to be, or can be.
func (n *Node) nextCut(ctx context.Context, limits store.Retention, now time.Time) (cut store.Cut, ok bool, err error) {
	if limits.Age > 0 {
		if cut, ok, err = n.store.OldestCut(ctx, now.Add(-limits.Age)); ok || err != nil {
			return cut, ok, err
		}
	}
	if limits.Size == 0 {
		return cut, false, nil
	}
	used, err := n.store.Used(ctx)
	if err != nil || used <= limits.Size {
		return cut, false, err
	}
	return n.store.OldestCut(ctx, time.Time{})
}

// cut removes the beginning of a log.
func (n *Node) cut(ctx context.Context, c store.Cut) error {
	if c.Kind == store.KindRoom {
		if r, err := n.rooms.Room(c.Conv); err == nil {
			n.convs.uncounted.put(c.Conv)
			return r.Prune(ctx, c.Log, c.Low)
		}
	}
	return n.convs.prune(ctx, c)
}
