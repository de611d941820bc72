package apitest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"p2pchat/node/api"
)

// Search implements [api.Service].
func (n *FakeNode) Search(ctx context.Context, q api.SearchQuery) ([]api.Message, error) {
	s, err := api.ParseSearch(q.Words, time.Now())
	if err != nil {
		return nil, err
	}
	if err := n.enter(ctx); err != nil {
		return nil, err
	}
	defer n.leave()
	author := ""
	if s.From != "" {
		if author, err = n.author(s.From); err != nil {
			return nil, err
		}
	}
	var in talk
	if s.In != "" {
		if in, err = n.resolveTarget(s.In); err != nil {
			return nil, err
		}
	}
	type hit struct {
		api.Message
		order uint64
		place api.Place
	}
	var found []hit
	look := func(t talk, at api.Place) {
		for _, e := range t.history().log {
			m := t.view(e)
			c := n.contacts[e.Author]
			blocked := c != nil && c.blocked && (t.contact == nil || in.contact != t.contact)
			if s.In != "" && t != in || author != "" && e.Author != author || blocked || m.Retracted || !findable(s, m) {
				continue
			}
			found = append(found, hit{m, e.order, at})
		}
	}
	for _, c := range n.contacts {
		look(talk{contact: c}, api.Place{Kind: api.KindDirect, Target: c.peer.self.PeerID, Name: c.peer.self.Name})
	}
	for _, p := range n.places {
		look(talk{place: p}, api.Place{Kind: api.KindRoom, Target: p.room.id, Name: p.listing().Name})
	}
	slices.SortFunc(found, func(a, b hit) int { return cmp.Compare(a.order, b.order) })
	if q.Last > 0 && len(found) > q.Last {
		found = found[len(found)-q.Last:]
	}
	rows := []api.Message{}
	for _, h := range found {
		m := h.Message
		c := n.contacts[m.Author]
		m.Verified = c != nil && c.verified
		m.Place = &h.place
		rows = append(rows, m)
	}
	return rows, nil
}

// author is the peer ID of whom from: names, who may be oneself.
func (n *FakeNode) author(name string) (string, error) {
	c, err := n.resolve(name)
	switch {
	case api.IsCode(err, api.CodeUsage):
		return n.self.PeerID, nil
	case err != nil:
		return "", err
	}
	return c.peer.self.PeerID, nil
}

func findable(s api.Search, m api.Message) bool {
	switch m.Kind {
	case api.MessageText, api.MessageAction, api.MessagePrivate:
	default:
		return false
	}
	for _, t := range s.Terms {
		if !t.In(m.Text) {
			return false
		}
	}
	return !m.Time.Before(s.After) && (s.Before.IsZero() || m.Time.Before(s.Before))
}
