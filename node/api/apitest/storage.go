package apitest

import (
	"context"

	"p2pchat/node/api"
)

// Storage implements [api.Reader].
func (n *FakeNode) Storage(ctx context.Context) (api.Storage, error) {
	if err := n.enter(ctx); err != nil {
		return api.Storage{}, err
	}
	defer n.leave()
	return n.storage(), nil
}

func (n *FakeNode) storage() api.Storage {
	s := api.Storage{Bytes: 8192, Used: 4096, Retention: n.limits, Conversations: []api.StoredConversation{}}
	for _, c := range n.conversations() {
		if c.LastTime.IsZero() {
			continue
		}
		s.Conversations = append(s.Conversations, api.StoredConversation{
			ID: c.ID, Kind: c.Kind, Name: c.Name, Events: 1, Bytes: 256, Oldest: &api.Time{Time: c.LastTime.Time},
		})
	}
	return s
}

// SetRetention implements [api.Service]. What is beyond the limits is not removed
// here.
func (n *FakeNode) SetRetention(ctx context.Context, r api.Retention) (api.Storage, error) {
	if err := r.Check(); err != nil {
		return api.Storage{}, err
	}
	if err := n.enter(ctx); err != nil {
		return api.Storage{}, err
	}
	defer n.leave()
	n.limits = r
	return n.storage(), nil
}
