package node

import (
	"context"
	"errors"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/account"
	"p2pchat/node/internal/store"
)

// Reader reads an account's store without its key, also while a node runs.
type Reader struct {
	store   *store.Store
	acc     store.Account
	people  *people
	convs   *convs
	version string
}

var _ api.Reader = (*Reader)(nil)

// OpenReader opens the store in dir. Errors: no-account, newer-database,
// damaged.
func OpenReader(ctx context.Context, dir, version string) (*Reader, error) {
	if exists, _, err := account.State(dir); err != nil || !exists {
		if err == nil {
			err = account.ErrNoAccount
		}
		return nil, dirError(dir, err)
	}
	st, err := store.Open(ctx, dir, store.Options{ReadOnly: true})
	if errors.Is(err, store.ErrNotFound) {
		return nil, noDatabase(dir)
	}
	if err != nil {
		return nil, dirError(dir, err)
	}
	r := &Reader{store: st, version: version}
	if err := r.load(ctx, dir); err != nil {
		return nil, errors.Join(dirError(dir, err), st.Close())
	}
	return r, nil
}

func (r *Reader) load(ctx context.Context, dir string) error {
	var err error
	if r.acc, err = storedAccount(ctx, dir, r.store); err != nil {
		return err
	}
	contacts, err := r.store.Contacts(ctx)
	if err != nil {
		return err
	}
	r.people = newPeople(person{r.acc.Peer, r.acc.Name}, contacts)
	r.convs, err = newConvs(ctx, r.acc.Peer, r.store)
	return err
}

// Close closes the store.
func (r *Reader) Close() error { return r.store.Close() }

// Status describes the account as stored: nothing runs.
func (r *Reader) Status(ctx context.Context) (api.Status, error) {
	return storedStatus(ctx, r.store, whoami(r.acc), r.version)
}

// Whoami implements [api.Reader].
func (r *Reader) Whoami(context.Context) (api.Identity, error) { return whoami(r.acc), nil }

// Peers implements [api.Reader]; everybody is offline.
func (r *Reader) Peers(context.Context) ([]api.Peer, error) { return r.people.list(), nil }

// Conversations implements [api.Reader].
func (r *Reader) Conversations(ctx context.Context) ([]api.Conversation, error) {
	d := newDelivery(r.acc.Peer, r.store, func(api.Change) {})
	return conversationRows(r.convs.list(), r.people, func(p peer.ID) string {
		pr, err := d.of(ctx, p)
		if err != nil {
			return ""
		}
		return d.newestRead(pr)
	}), nil
}

// Log implements [api.Reader].
func (r *Reader) Log(ctx context.Context, q api.LogQuery) ([]api.Message, error) {
	p, err := r.people.resolve(q.Target, r.convs.has)
	if err != nil {
		return nil, err
	}
	state, err := newDelivery(r.acc.Peer, r.store, func(api.Change) {}).states(ctx, p)
	if err != nil {
		return nil, apiError(err)
	}
	return readLog(ctx, r.store, r.people, r.acc.Peer, p, q, state)
}
