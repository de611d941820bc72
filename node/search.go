package node

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

// Search implements [api.Reader].
func (n *Node) Search(ctx context.Context, q api.SearchQuery) ([]api.Message, error) {
	return search(ctx, n.store, n.people, n.resolve, n, q)
}

// Search implements [api.Reader].
func (r *Reader) Search(ctx context.Context, q api.SearchQuery) ([]api.Message, error) {
	return search(ctx, r.store, r.people, r.resolve, r, q)
}

func search(ctx context.Context, st *store.Store, who *people, resolve func(string) (peer.ID, error), all views, q api.SearchQuery) ([]api.Message, error) {
	if q.Last < 0 {
		return nil, negative(q.Last)
	}
	s, err := api.ParseSearch(q.Words, time.Now())
	if err != nil {
		return nil, err
	}
	sq := store.SearchQuery{Since: s.After, Before: s.Before, Last: q.Last, Unblocked: true}
	for _, t := range s.Terms {
		sq.Terms = append(sq.Terms, store.Term(t))
	}
	if s.From != "" {
		if sq.Author, err = author(s.From, who.self.id, resolve); err != nil {
			return nil, err
		}
	}
	shown := map[event.Conversation]view{}
	if s.In != "" {
		v, err := all.view(ctx, s.In)
		if err != nil {
			return nil, err
		}
		shown[v.conv] = v
		sq.Conv, sq.Unblocked = v.conv, v.isRoom()
	}
	rows, err := st.Search(ctx, sq)
	if err != nil {
		return nil, apiError(err)
	}
	out := make([]api.Message, 0, len(rows))
	for _, row := range rows {
		v, known := shown[row.Conversation]
		if !known {
			v, err = all.viewOf(ctx, row.Conversation)
			if api.IsCode(err, api.CodeNotFound) {
				continue // a room that is being entered just now
			}
			if err != nil {
				return nil, err
			}
			shown[v.conv] = v
		}
		ms, err := v.messages([]store.Stored{row}, who)
		if err != nil {
			return nil, err
		}
		for i := range ms {
			ms[i].Place = &v.place
		}
		out = append(out, ms...)
	}
	return out, nil
}

// author is whom from: names. That may be oneself, and somebody of whom no more
// is known than what he said in a room.
func author(name string, self peer.ID, resolve func(string) (peer.ID, error)) (peer.ID, error) {
	id, err := resolve(name)
	if errors.Is(err, errSelf) {
		return self, nil
	}
	if named, bad := peer.Decode(trimPerson(name)); bad == nil && api.IsCode(err, api.CodeNotFound) {
		if _, bad := identity.PublicKey(named); bad == nil {
			return named, nil
		}
	}
	return id, err
}
