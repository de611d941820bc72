package node

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/identity"
)

// Verify implements [api.Service].
func (n *Node) Verify(ctx context.Context, who string, undo bool) (api.Verification, error) {
	if err := ctx.Err(); err != nil {
		return api.Verification{}, err
	}
	id, err := n.resolve(who)
	if err != nil {
		return api.Verification{}, err
	}
	if err := n.mark(ctx, id, func(c *store.Contact) { c.Verified = !undo }); err != nil {
		return api.Verification{}, err
	}
	return api.Verification{
		PeerID: id.String(), Name: n.people.name(id), Fingerprint: identity.Fingerprint(id), Verified: !undo,
	}, nil
}

// Block implements [api.Service].
func (n *Node) Block(ctx context.Context, who string, undo bool) (api.Blocking, error) {
	if err := ctx.Err(); err != nil {
		return api.Blocking{}, err
	}
	id, err := n.resolve(who)
	if named, bad := peer.Decode(trimPerson(who)); api.IsCode(err, api.CodeNotFound) && bad == nil && !undo {
		if _, bad = identity.PublicKey(named); bad == nil { // a whole ID
			id, err = named, nil // one need not have met somebody to want nothing to do with him
		}
	}
	if err != nil {
		return api.Blocking{}, err
	}
	was := n.people.blocked(id)
	if err := n.mark(ctx, id, func(c *store.Contact) { c.Blocked = !undo }); err != nil {
		return api.Blocking{}, err
	}
	if !undo {
		n.direct.Part(id)
	}
	if was == undo {
		// What faces hold of rooms is another now. They look anew, and nobody
		// looks through all that was ever said.
		for _, r := range n.rooms.Rooms() {
			n.convs.uncounted.put(r.ID())
		}
		n.hub.forget()
	}
	if undo {
		n.direct.Wake(id) // something may have waited on either side
	}
	return api.Blocking{
		PeerID: id.String(), Name: n.people.name(id), Fingerprint: identity.Fingerprint(id), Blocked: !undo,
	}, nil
}

// mayTell refuses what goes directly to somebody who is blocked.
func (n *Node) mayTell(p peer.ID) error {
	if n.people.blocked(p) {
		return api.Errorf(api.CodeForbidden, "you have blocked %s: unblock him first (`p2pchat unblock`)", n.people.called(p))
	}
	return nil
}

// mark changes what a person decided about somebody. Other than what is learned
// again it is not written behind: it is on disk when this returns.
func (n *Node) mark(ctx context.Context, id peer.ID, f func(*store.Contact)) error {
	set := func(f func(*store.Contact)) (before, after store.Contact) {
		n.showing.Lock() // what is being told goes by the old marks
		defer n.showing.Unlock()
		return n.people.mark(id, f)
	}
	// A write-behind that is under way would bring the old mark back.
	n.writing.Lock()
	before, after := set(f)
	err := n.store.Update(ctx, func(tx *store.Tx) error { return tx.PutContact(after) })
	if err != nil {
		set(func(c *store.Contact) { c.Verified, c.Blocked = before.Verified, before.Blocked })
	}
	n.writing.Unlock()
	if err != nil {
		return apiError(err)
	}
	n.rosterChanged(id)
	return nil
}
