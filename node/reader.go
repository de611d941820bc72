package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/account"
	"p2pchat/node/internal/rooms"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
)

// Reader reads an account's store without its key, also while a node runs.
type Reader struct {
	dir     string
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
	if errors.Is(err, store.ErrOlder) {
		if upgradeErr := upgrade(ctx, dir); upgradeErr != nil {
			return nil, apiError(fmt.Errorf("%w (%w)", err, upgradeErr))
		}
		st, err = store.Open(ctx, dir, store.Options{ReadOnly: true})
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, noDatabase(dir)
	}
	if err != nil {
		return nil, dirError(dir, err)
	}
	r := &Reader{dir: dir, store: st, version: version}
	if err := r.load(ctx, dir); err != nil {
		return nil, errors.Join(dirError(dir, err), st.Close())
	}
	return r, nil
}

// upgrade brings the database in dir up to date if nobody uses it.
func upgrade(ctx context.Context, dir string) error {
	lock, err := account.Lock(dir)
	if err != nil {
		return err
	}
	defer lock.Unlock() //nolint:errcheck // the process holds it no longer either way
	st, err := store.Open(ctx, dir, store.Options{Existing: true})
	if err != nil {
		return err
	}
	return st.Close()
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
	rows := conversationRows(r.convs.list(), r.people, func(p peer.ID) string {
		pr, err := d.of(ctx, p)
		if err != nil {
			return ""
		}
		return d.newestRead(pr)
	})
	err := r.eachRoom(ctx, func(s *rooms.StoredRoom) {
		if info := s.Info(); info.Joined {
			rows = append(rows, roomConversation(info, r.convs.room(info.Room)))
		}
	})
	sortConversations(rows)
	return rows, err
}

// eachRoom reads every room we are or were in.
func (r *Reader) eachRoom(ctx context.Context, f func(*rooms.StoredRoom)) error {
	mine, err := roomStore{r.store}.Memberships(ctx)
	if err != nil {
		return apiError(err)
	}
	for _, m := range mine {
		s, err := rooms.Stored(ctx, roomStore{r.store}, r.acc.Peer, m)
		if err != nil {
			return apiError(err)
		}
		f(s)
	}
	return nil
}

// room reads the room a ROOM names.
func (r *Reader) room(ctx context.Context, target string) (*rooms.StoredRoom, error) {
	var known []namedRoom
	all := map[event.Conversation]*rooms.StoredRoom{}
	err := r.eachRoom(ctx, func(s *rooms.StoredRoom) {
		info := s.Info()
		all[info.Room] = s
		known = append(known, namedRoom{info.Room, info.Config.Name(), info.Joined, info.Destroyed})
	})
	if err != nil {
		return nil, err
	}
	id, err := pickRoom(target, known)
	return all[id], err
}

// Rooms implements [api.Reader]: those joined, with all also those that were
// left; nobody can be asked for others.
func (r *Reader) Rooms(ctx context.Context, all bool) ([]api.Room, error) {
	out := []api.Room{}
	err := r.eachRoom(ctx, func(s *rooms.StoredRoom) {
		if info := s.Info(); info.Joined || all {
			out = append(out, infoRow(info, r.convs.roomUnread(info.Room)))
		}
	})
	sortRooms(out)
	return out, err
}

// Members implements [api.Reader]; everybody is offline.
func (r *Reader) Members(ctx context.Context, target string) ([]api.Member, error) {
	s, err := r.room(ctx, target)
	if err != nil {
		return nil, err
	}
	return memberRows(s.Members(), r.acc.Peer, r.people), nil
}

// RoomState implements [api.Reader].
func (r *Reader) RoomState(ctx context.Context, target string) (api.RoomState, error) {
	s, err := r.room(ctx, target)
	if err != nil {
		return api.RoomState{}, err
	}
	return stateRow(s.State()), nil
}

// Log implements [api.Reader].
func (r *Reader) Log(ctx context.Context, q api.LogQuery) ([]api.Message, error) {
	return readLog(ctx, r.store, r.people, r, q)
}

func (r *Reader) resolve(who string) (peer.ID, error) { return r.people.resolve(who, r.convs.has) }

func (r *Reader) view(ctx context.Context, target string) (view, error) {
	p, in, isRoom, err := pickTarget(target,
		func() (peer.ID, error) { return r.resolve(target) },
		func() (*rooms.StoredRoom, error) { return r.room(ctx, target) })
	switch {
	case err != nil:
		return view{}, err
	case isRoom:
		return r.roomView(ctx, in)
	}
	return r.directView(ctx, p)
}

func (r *Reader) viewOf(ctx context.Context, conv event.Conversation) (view, error) {
	if p, ok := r.convs.other(conv); ok {
		return r.directView(ctx, p)
	}
	s, err := r.room(ctx, conv.String())
	if err != nil {
		return view{}, err
	}
	return r.roomView(ctx, s)
}

func (r *Reader) directView(ctx context.Context, p peer.ID) (view, error) {
	state, err := newDelivery(r.acc.Peer, r.store, func(api.Change) {}).states(ctx, p)
	return view{event.Direct(r.acc.Peer, p), with(p, r.people), state, nil}, apiError(err)
}

func (r *Reader) roomView(ctx context.Context, s *rooms.StoredRoom) (view, error) {
	acks, err := r.store.Acks(ctx, s.ID())
	return view{s.ID(), inRoom(s.Info()), roomStates(r.acc.Peer, func() event.Frontier { return rooms.Reached(acks) }), func(events []*event.Event) ([]rooms.Aside, error) {
		return s.Asides(events), nil
	}}, apiError(err)
}
