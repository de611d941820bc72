package node

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
)

// convs is the list of conversations with what changes often about each, so
// that nobody asks the store for it. It is guarded by its mutex.
type convs struct {
	self  peer.ID
	store *store.Store

	mu     sync.Mutex
	byPeer map[peer.ID]*conversation
	byID   map[event.Conversation]peer.ID
	rooms  map[event.Conversation]*conversation

	counting  sync.Mutex                   // held while uncounted is emptied
	uncounted *mailbox[event.Conversation] // rooms of which something was committed or read
}

type conversation struct {
	id     event.Conversation
	unread unread
	last   event.Time
}

// unread is how much was not read, and how much of that names us.
type unread struct{ messages, mentions int }

// summary is one conversation at one moment.
type summary struct {
	peer   peer.ID
	id     event.Conversation
	unread unread
	last   event.Time
}

func newConvs(ctx context.Context, self peer.ID, st *store.Store) (*convs, error) {
	rows, err := st.Conversations(ctx)
	if err != nil {
		return nil, err
	}
	c := &convs{self: self, store: st, byPeer: map[peer.ID]*conversation{}, byID: map[event.Conversation]peer.ID{}, rooms: map[event.Conversation]*conversation{}, uncounted: newMailbox[event.Conversation]()}
	for _, r := range rows {
		if r.Kind == store.KindRoom {
			c.rooms[r.Conv] = &conversation{r.Conv, unread{r.Unread, r.Mentions}, r.Last}
			continue
		}
		c.byPeer[r.Other] = &conversation{r.Conv, unread{r.Unread, r.Mentions}, r.Last}
		c.byID[r.Conv] = r.Other
	}
	return c, nil
}

// with is the conversation with p, registered if it is new.
func (c *convs) with(ctx context.Context, p peer.ID) (event.Conversation, error) {
	id := event.Direct(c.self, p)
	c.mu.Lock()
	known := c.byPeer[p] != nil
	c.mu.Unlock()
	if known {
		return id, nil
	}
	err := c.store.Update(ctx, func(tx *store.Tx) error { return tx.PutConversation(id, store.KindDirect, p) })
	if err != nil {
		return event.Conversation{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byPeer[p] == nil {
		c.byPeer[p] = &conversation{id: id}
		c.byID[id] = p
	}
	return id, nil
}

func (c *convs) has(p peer.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byPeer[p] != nil
}

// other is with whom the conversation id is; false if it is not one of two.
func (c *convs) other(id event.Conversation) (peer.ID, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.byID[id]
	return p, ok
}

// said counts an event that was committed, and what of it is unread; it returns
// the conversation's summary, and false if it is none of ours.
func (c *convs) said(e *event.Event, news unread) (summary, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.byID[e.Conversation]
	if !ok {
		return summary{}, false
	}
	row := c.byPeer[p]
	row.last = max(row.last, e.Time)
	row.unread.messages += news.messages
	row.unread.mentions += news.mentions
	return row.summary(p), true
}

func (c *convs) get(p peer.ID) (summary, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	row := c.byPeer[p]
	if row == nil {
		return summary{}, false
	}
	return row.summary(p), true
}

func (row *conversation) summary(p peer.ID) summary { return summary{p, row.id, row.unread, row.last} }

func (c *convs) list() []summary {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]summary, 0, len(c.byPeer))
	for p, row := range c.byPeer {
		out = append(out, row.summary(p))
	}
	return out
}

// peer is whom the conversation id is with.
func (c *convs) peer(id event.Conversation) peer.ID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byID[id]
}

// count reads what was committed of rooms since it was last called. Whoever
// wants to know has it counted; what is said in a room does not wait for it.
func (c *convs) count(ctx context.Context) error {
	c.counting.Lock()
	defer c.counting.Unlock()
	due := c.uncounted.take()
	for i, id := range due {
		now, err := c.store.Conversation(ctx, id)
		if err != nil {
			for _, left := range due[i:] {
				c.uncounted.put(left)
			}
			return err
		}
		c.mu.Lock()
		c.rooms[id] = &conversation{id, unread{now.Unread, now.Mentions}, now.Last}
		c.mu.Unlock()
	}
	return nil
}

// room is the row of a room.
func (c *convs) room(id event.Conversation) conversation {
	c.mu.Lock()
	defer c.mu.Unlock()
	if row := c.rooms[id]; row != nil {
		return *row
	}
	return conversation{id: id}
}

func (c *convs) roomUnread(id event.Conversation) unread { return c.room(id).unread }

// markRead moves our read marker in the conversation id up to the message named
// and returns the positions it reached in others' logs.
func (c *convs) markRead(ctx context.Context, id event.Conversation, upTo event.ID) (event.Frontier, error) {
	row, err := c.store.EventByID(ctx, upTo)
	if err != nil || row.Conversation != id {
		return nil, api.Errorf(api.CodeNotFound, "no message %s in this conversation", upTo)
	}
	marks, err := c.store.Unread(ctx, id, upTo)
	if err != nil || len(marks) == 0 {
		return nil, err
	}
	err = c.store.Update(ctx, func(tx *store.Tx) error {
		for k, h := range marks {
			if err := tx.SetRead(id, c.self, k, h); err != nil {
				return err
			}
		}
		return c.recount(tx, id)
	})
	return marks, err
}

// prune removes the beginning of a log; what is unread follows.
func (c *convs) prune(ctx context.Context, cut store.Cut) error {
	return c.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Prune(cut.Conv, cut.Log, cut.Low); err != nil || cut.Kind != store.KindDirect {
			return err
		}
		return c.recount(tx, cut.Conv)
	})
}

// recount has the row of a conversation follow what tx changed.
func (c *convs) recount(tx *store.Tx, id event.Conversation) error {
	now, err := tx.Conversation(id)
	if err != nil {
		return err
	}
	// Set in the order of commits, like said counts.
	tx.OnCommit(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if row := c.byPeer[c.byID[id]]; row != nil {
			row.unread = unread{now.Unread, now.Mentions}
		} else {
			c.uncounted.put(id)
		}
	})
	return nil
}

// conversationRows joins what is said with who could be talked to.
func conversationRows(sums []summary, who *people, readBy func(peer.ID) string) []api.Conversation {
	out := make([]api.Conversation, 0, len(sums))
	seen := map[peer.ID]bool{}
	for _, s := range sums {
		seen[s.peer] = true
		out = append(out, conversationRow(s, who, readBy))
	}
	for _, id := range who.ids() {
		if !seen[id] {
			out = append(out, conversationRow(summary{peer: id, id: event.Direct(who.self.id, id)}, who, readBy))
		}
	}
	sortConversations(out)
	return out
}

// sortConversations puts the latest activity first.
func sortConversations(rows []api.Conversation) {
	slices.SortFunc(rows, func(a, b api.Conversation) int {
		return cmp.Or(b.LastTime.Compare(a.LastTime.Time), cmp.Compare(a.Name, b.Name), cmp.Compare(a.PeerID, b.PeerID), cmp.Compare(a.ID, b.ID))
	})
}

func conversationRow(s summary, who *people, readBy func(peer.ID) string) api.Conversation {
	row := api.Conversation{
		ID: s.id.String(), Kind: api.KindDirect, Target: s.peer.String(), Name: who.name(s.peer), PeerID: s.peer.String(),
		Unread: s.unread.messages, Mentions: s.unread.mentions, ReadByOther: readBy(s.peer),
	}
	if s.last != 0 {
		row.LastTime = api.Time{Time: s.last.Wall()}
	}
	return row
}
