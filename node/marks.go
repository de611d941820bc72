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

// mark changes what a person decided about somebody. Other than what is learned
// again it is not written behind: it is on disk when this returns.
func (n *Node) mark(ctx context.Context, id peer.ID, f func(*store.Contact)) error {
	// A write-behind that is under way would bring the old mark back.
	n.writing.Lock()
	before, after := n.people.mark(id, f)
	err := n.store.Update(ctx, func(tx *store.Tx) error { return tx.PutContact(after) })
	if err != nil {
		n.people.mark(id, func(c *store.Contact) { c.Verified, c.Blocked = before.Verified, before.Blocked })
	}
	n.writing.Unlock()
	if err != nil {
		return apiError(err)
	}
	n.rosterChanged(id)
	return nil
}
