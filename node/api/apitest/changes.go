package apitest

import (
	"context"
	"iter"
	"slices"

	"p2pchat/node/api"
)

// Backlog is how many changes a [FakeNode] keeps for a watcher that is slow or
// comes back.
const Backlog = 256

// changes numbers what happened at a node and keeps the newest. Guarded by the
// LAN's lock.
type changes struct {
	seq  uint64 // of the newest change; 1 at the start, so that 0 means none
	kept []api.Change
	wake chan struct{} // closed at the next change
}

func newChanges() changes { return changes{seq: 1, wake: make(chan struct{})} }

func (h *changes) add(c api.Change) {
	h.seq++
	c.Seq = h.seq
	if len(h.kept) == Backlog {
		h.kept = slices.Delete(h.kept, 0, 1)
	}
	h.kept = append(h.kept, c)
	close(h.wake)
	h.wake = make(chan struct{})
}

// after returns the changes after seq, or false if it does not have them all.
func (h *changes) after(seq uint64) ([]api.Change, bool) {
	if seq > h.seq || h.seq-seq > uint64(len(h.kept)) {
		return nil, false
	}
	return slices.Clone(h.kept[len(h.kept)-int(h.seq-seq):]), true
}

// forget has every watcher begin anew with a snapshot.
func (h *changes) forget() {
	h.seq += 2 // as a node does: the change that says so stands before the snapshot
	h.kept = nil
	close(h.wake)
	h.wake = make(chan struct{})
}

// publish numbers a change and wakes watchers and waiters.
func (n *FakeNode) publish(c api.Change) {
	n.changes.add(c)
	close(n.lan.news)
	n.lan.news = make(chan struct{})
}

func (n *FakeNode) publishPeer(c *contact) {
	row := c.row()
	n.publish(api.Change{Type: api.ChangePeer, Peer: &row})
}

func (n *FakeNode) publishConversation(c *contact) {
	row := c.conversation()
	n.publish(api.Change{Type: api.ChangeConversation, Conversation: &row})
}

// Watch implements [api.Service].
func (n *FakeNode) Watch(ctx context.Context, since uint64) iter.Seq2[api.Change, error] {
	return func(yield func(api.Change, error) bool) {
		seq, fresh := since, true
		for ctx.Err() == nil {
			batch, wake := n.next(seq, fresh)
			if len(batch) == 0 {
				select {
				case <-wake:
				case <-n.stopped:
					return
				case <-ctx.Done():
					return
				}
			}
			for _, c := range batch {
				if ctx.Err() != nil || !yield(c, nil) {
					return
				}
				seq, fresh = c.Seq, false
			}
		}
	}
}

// next returns what a watcher that has seen everything up to seq sees next, or
// what to wait for.
func (n *FakeNode) next(seq uint64, fresh bool) ([]api.Change, <-chan struct{}) {
	n.lan.mu.Lock()
	defer n.lan.mu.Unlock()
	if batch, ok := n.changes.after(seq); ok && seq > 0 {
		return batch, n.changes.wake
	}
	snapshot := api.Change{Seq: n.changes.seq, Type: api.ChangeSnapshot, Snapshot: n.snapshot()}
	if fresh {
		return []api.Change{snapshot}, nil
	}
	// At least one change was dropped, so the number below is free.
	return []api.Change{{Seq: snapshot.Seq - 1, Type: api.ChangeLagged}, snapshot}, nil
}

func (n *FakeNode) snapshot() *api.Snapshot {
	return &api.Snapshot{
		Self:          n.self,
		Peers:         n.peers(),
		Conversations: n.conversations(),
		Rooms:         n.rooms(),
		Notices:       slices.Clone(n.notices),
	}
}
