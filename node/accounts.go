package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/node/api"
	"p2pchat/node/internal/account"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
	"p2pchat/protocol/identity"
)

// CheckDefaultDir refuses a data directory nobody chose that lies on a network
// file system, where neither locks nor the database can be relied on.
func CheckDefaultDir(dir string) error {
	if account.OnNetworkFilesystem(dir) {
		return api.Errorf(api.CodeNetworkFilesystem,
			"the default data directory %s is on a network file system: name a local one with --data", dir)
	}
	return nil
}

// CheckName tells why name cannot be a username, nil if it can.
func CheckName(name string) error {
	_, err := identity.NormalizeName(name)
	switch {
	case errors.Is(err, identity.ErrNameTooLong):
		return api.Errorf(api.CodeTooLong, "%w", err)
	case err != nil:
		return api.Errorf(api.CodeBadText, "%w", err)
	}
	return nil
}

// AccountState tells whether dir holds an account and whether its key needs a
// password.
func AccountState(dir string) (exists, locked bool, err error) {
	exists, locked, err = account.State(dir)
	return exists, locked, apiError(err)
}

// CreateAccount makes an account in dir; a nil password leaves the key in the
// clear. Errors: account-exists, in-use, bad-text, too-long, disk-full.
func CreateAccount(ctx context.Context, dir, name string, password []byte) (api.Identity, error) {
	none := api.Identity{}
	if err := CheckName(name); err != nil {
		return none, err
	}
	name, err := identity.NormalizeName(name)
	if err != nil {
		return none, apiError(err)
	}
	// Before anything is touched: a data directory may be somebody's.
	if exists, _, err := account.State(dir); err != nil || exists {
		if exists {
			err = account.ErrExists
		}
		return none, dirError(dir, err)
	}
	if err := account.MakeDir(dir); err != nil {
		return none, dirError(dir, err)
	}
	lock, err := account.Lock(dir)
	if err != nil {
		return none, dirError(dir, err)
	}
	defer lock.Unlock() //nolint:errcheck // the process holds it no longer either way
	if err := clearImport(dir); err != nil {
		return none, dirError(dir, err)
	}
	key, err := identity.NewKey(rand.Reader)
	if err != nil {
		return none, apiError(err)
	}
	st, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return none, dirError(dir, err)
	}
	err = st.Update(ctx, func(tx *store.Tx) error {
		old, err := tx.Account()
		if err == nil && old.Peer != "" {
			convs, err := tx.Conversations()
			if err != nil {
				return err
			}
			if len(convs) > 0 {
				return api.Errorf(api.CodeDamaged,
					"%s holds the messages of %s but not its key: put its account.key back, or use another directory with --data", dir, old.Name)
			}
		} else if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return tx.SetAccount(store.Account{Peer: key.ID(), Name: name, Created: time.Now()})
	})
	if cerr := st.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return none, dirError(dir, err)
	}
	// Last: the account exists if and only if its key does.
	if err := account.Write(dir, key, password); err != nil {
		return none, dirError(dir, err)
	}
	return api.Identity{PeerID: key.ID().String(), Name: name, Fingerprint: identity.Fingerprint(key.ID())}, nil
}

// ChangePassword has the key of the account in dir encrypted to password, or not
// encrypted if that is empty; old is the password until now. A node may run
// meanwhile. Errors: no-account, wrong-password, damaged, disk-full.
func ChangePassword(dir string, old, password []byte) error {
	_, err := account.Rewrite(dir, old, password)
	if err != nil {
		return dirError(dir, err)
	}
	return nil
}

// Repair makes a new database of what can be read of the one in dir, and keeps
// that one beside it; see [api.Repair]. password unlocks the key, nil if it is not
// locked; name is for an account whose database does not tell its name. Errors:
// no-account, wrong-password, in-use, newer-database, disk-full, usage; damaged if
// the database is another account's.
func Repair(ctx context.Context, dir string, password []byte, name string) (api.Repair, error) {
	if name != "" {
		if err := CheckName(name); err != nil {
			return api.Repair{}, err
		}
		name, _ = identity.NormalizeName(name) // it was checked
	}
	lock, key, err := Unlock(dir, password)
	if errors.Is(err, account.ErrInUse) {
		return api.Repair{}, api.Errorf(api.CodeInUse, "%w: %s: stop it first", account.ErrInUse, dir)
	}
	if err != nil {
		return api.Repair{}, err
	}
	defer lock.Release() //nolint:errcheck // the process holds it no longer either way
	r, err := store.Repair(ctx, dir, key.ID(), name, store.Options{})
	if errors.Is(err, store.ErrNameless) {
		return api.Repair{}, api.Errorf(api.CodeUsage, "%w: add --name NAME", store.ErrNameless)
	}
	if others := (store.OthersError{}); errors.As(err, &others) {
		return api.Repair{}, othersDatabase(dir, others.Key, others.Owner)
	}
	if space := (store.SpaceError{}); errors.As(err, &space) {
		return api.Repair{}, api.Errorf(api.CodeDiskFull, "too little space for a repair: about %d MiB must be free where the data directory is, and %d are; nothing was changed",
			space.Need>>20+1, space.Free>>20).Because(err)
	}
	if err != nil {
		return api.Repair{}, dirError(dir, err)
	}
	out := api.Repair{
		Repaired: !r.Sound, Events: r.Events, Dropped: r.Dropped, Contacts: r.Contacts, Rooms: r.Rooms,
		UnreadablePages: r.Unread, RoomsLost: r.RoomsLost,
	}
	if r.Kept != "" {
		out.Kept = &r.Kept
	}
	return out, nil
}

// Lock is the right to run the account of a data directory.
type Lock struct{ f *flock.Flock }

// Release gives it up.
func (l *Lock) Release() error { return l.f.Unlock() }

// Unlock takes the data directory's lock and its key. Errors: no-account,
// wrong-password, in-use, damaged.
func Unlock(dir string, password []byte) (*Lock, identity.Key, error) {
	if exists, _, err := account.State(dir); err != nil || !exists {
		if err == nil {
			err = account.ErrNoAccount
		}
		return nil, identity.Key{}, dirError(dir, err)
	}
	f, err := account.Lock(dir)
	if err != nil {
		return nil, identity.Key{}, dirError(dir, err)
	}
	key, err := account.Unlock(dir, password)
	if err != nil {
		_ = f.Unlock()
		return nil, identity.Key{}, dirError(dir, err)
	}
	return &Lock{f}, key, nil
}

// storedAccount is the account the database in dir belongs to.
func storedAccount(ctx context.Context, dir string, st *store.Store) (store.Account, error) {
	acc, err := st.Account(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return acc, noDatabase(dir)
	}
	return acc, err
}

func othersDatabase(dir string, key, owner peer.ID) error {
	return api.Errorf(api.CodeDamaged, "key and database in %s belong to different accounts (%s and %s): put the right %s back", dir, key, owner, account.KeyFile)
}

func noDatabase(dir string) error {
	return api.Errorf(api.CodeDamaged, "%s holds a key but not its database: put %s back from a backup, without the %s-wal and -shm of the one before, or run `p2pchat doctor --repair --name NAME`, which makes a new one that the others fill", dir, store.FileName, store.FileName)
}

// dirError is apiError for what went wrong with a data directory.
func dirError(dir string, err error) error {
	switch {
	case errors.Is(err, account.ErrNoAccount):
		return api.Errorf(api.CodeNoAccount, "%w in %s: make one with `p2pchat init --name NAME`", account.ErrNoAccount, dir)
	case errors.Is(err, account.ErrExists):
		return api.Errorf(api.CodeAccountExists, "%w in %s; nothing was changed", account.ErrExists, dir)
	case errors.Is(err, account.ErrInUse):
		return api.Errorf(api.CodeInUse, "%w: %s", account.ErrInUse, dir)
	}
	return apiError(err)
}

// apiError gives err the code a face acts on. Its words have what was being done only
// where that tells a person something, such as which file it is about.
func apiError(err error) error {
	var known *api.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, store.ErrDiskFull):
		return api.Errorf(api.CodeDiskFull, "the disk is full: free some space; nothing acknowledged is lost").Because(err)
	case errors.Is(err, store.ErrMoved):
		return api.Errorf(api.CodeInternal, "the data directory was moved, removed or replaced, and nothing is kept until it is back: put it back, or end p2pchat").Because(err)
	case errors.Is(err, store.ErrNewer):
		return api.Errorf(api.CodeNewerDatabase, "the database was written by a newer p2pchat: use that one, or another directory with --data (%w)", err)
	case errors.Is(err, store.ErrOlder):
		return api.Errorf(api.CodeInternal, "%w: start p2pchat or `p2pchat serve` once where it can be written, which brings it up to date", err)
	case errors.Is(err, store.ErrForeign):
		return api.Errorf(api.CodeDamaged, "the database is another program's and was not touched: use another directory with --data (%w)", err)
	case errors.Is(err, store.ErrDamaged):
		return api.Errorf(api.CodeDamaged, "%w: `p2pchat doctor --repair` keeps a copy and saves what can be read; the others send what is missing", err)
	case errors.Is(err, account.ErrDamaged):
		return api.Errorf(api.CodeDamaged, "%w: restore it from a backup, or start anew in another directory with --data", err)
	case errors.Is(err, store.ErrTooManyLogs):
		return api.Errorf(api.CodeFull, "this account was moved, restored or repaired %d times in this conversation, and can say no more there: use another room, or another account", event.MaxLogs).Because(err)
	case errors.Is(err, syscall.EROFS):
		return api.Errorf(api.CodeNoPermission, "the data directory is on a read-only file system: what is there can be read, but nothing new be kept: name another with --data").Because(err)
	case errors.Is(err, fs.ErrPermission):
		return api.Errorf(api.CodeNoPermission, "the operating system forbids it: %w; the data directory must belong to you, or name another with --data", err)
	case errors.Is(err, account.ErrWrongPassword):
		return api.Errorf(api.CodeWrongPassword, "%w", err)
	}
	return fmt.Errorf("%w", err)
}
