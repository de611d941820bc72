package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"p2pchat/node/api"
	"p2pchat/node/internal/account"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/identity"
)

// Directories within the data directory in which an account is put together before
// it goes out or in. What is left of an interrupted move the next one removes.
const (
	exportDir = "account.export"
	importDir = "account.import"
)

// ExportAccount writes the key, as it is, and the stored messages into a new file,
// encrypted to password unless that is empty. A node may run meanwhile.
// Errors: usage for a file that exists, disk-full, no-permission, damaged.
func (r *Reader) ExportAccount(ctx context.Context, file string, password []byte) (api.AccountFile, error) {
	none := api.AccountFile{}
	if _, err := os.Lstat(file); err == nil { // before the work
		return none, fileError(file, fs.ErrExist)
	}
	if err := r.ownKey(); err != nil {
		return none, err
	}
	work, err := r.exportDir()
	if err != nil {
		return none, dirError(r.dir, err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // the next one removes it
	copied := filepath.Join(work, store.FileName)
	if err := r.store.CopyTo(ctx, copied); err != nil {
		return none, dirError(r.dir, err)
	}
	if err := account.Pack(file, r.dir, copied, password); err != nil {
		return none, fileError(file, err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return none, fileError(file, err)
	}
	return api.AccountFile{File: file, PeerID: r.acc.Peer.String(), Name: r.acc.Name, Size: info.Size()}, nil
}

// exportDir makes a directory for a copy of the database: in the data directory, since
// it is not encrypted and the export may go to another disk; where nothing can be
// written there, a private one among the temporary ones, as the store takes for a copy.
func (r *Reader) exportDir() (string, error) {
	work := filepath.Join(r.dir, exportDir)
	err := errors.Join(os.RemoveAll(work), os.Mkdir(work, 0o700))
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return os.MkdirTemp("", "p2pchat-export-*")
	}
	return work, err
}

// ownKey refuses a key that is another account's than the database. If the key is
// encrypted, that shows when a node is started.
func (r *Reader) ownKey() error {
	_, locked, err := account.State(r.dir)
	if err != nil || locked {
		return dirError(r.dir, err)
	}
	key, err := account.Unlock(r.dir, nil)
	if err == nil && key.ID() != r.acc.Peer {
		return othersDatabase(r.dir, key.ID(), r.acc.Peer)
	}
	return dirError(r.dir, err)
}

// ArchiveLocked tells whether what ExportAccount wrote needs a password.
func ArchiveLocked(file string) (bool, error) {
	locked, err := account.ArchiveLocked(file)
	return locked, fileError(file, err)
}

// ImportAccount makes the account in dir, where nothing is, from what ExportAccount
// wrote. It says what it has to say in logs of its own, so that it cannot
// contradict what is said elsewhere. Errors: account-exists, wrong-password,
// damaged, newer-database, in-use, disk-full, usage for no file.
func ImportAccount(ctx context.Context, dir, file string, password []byte) (api.Identity, error) {
	none := api.Identity{}
	if err := mayImport(dir); err != nil {
		return none, err
	}
	a, err := account.OpenArchive(file, password)
	if err != nil {
		return none, fileError(file, err)
	}
	defer a.Close() // it is only read
	if err := account.MakeDir(dir); err != nil {
		return none, dirError(dir, err)
	}
	lock, err := account.Lock(dir)
	if err != nil {
		return none, dirError(dir, err)
	}
	defer lock.Unlock() //nolint:errcheck // the process holds it no longer either way
	if err := mayImport(dir); err != nil {
		return none, err // somebody was faster
	}
	m := &moving{dir: dir, work: filepath.Join(dir, importDir), from: a}
	if err := m.run(ctx, m.steps()); err != nil {
		return none, m.failed(file, err)
	}
	return whoami(m.acc), nil
}

// mayImport refuses a directory with anything but what an interrupted import left:
// as long as its own directory is there, the database beside it is its, too.
func mayImport(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return dirError(dir, err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	ours := []string{account.LockFile, importDir}
	if slices.Contains(names, importDir) {
		ours = append(ours, store.FileName)
	}
	for _, name := range names {
		switch {
		case name == account.KeyFile:
			return dirError(dir, account.ErrExists)
		case !slices.Contains(ours, name):
			return api.Errorf(api.CodeAccountExists,
				"%s is not empty (there is %s): an account is imported into a new directory, named with --data; nothing was changed", dir, name)
		}
	}
	return nil
}

// moving is an import under way.
type moving struct {
	dir, work string
	from      *account.Archive
	acc       store.Account
}

// steps are what an import does, in order. If it ends after any of them, by whatever
// cause, there is no account, or after the last but one, all of it.
func (m *moving) steps() []func(context.Context) error {
	return []func(context.Context) error{m.begin, m.unpack, m.adopt, m.compare, m.placeDatabase, m.placeKey, m.tidy}
}

// run takes the steps, and leaves nothing if one fails.
func (m *moving) run(ctx context.Context, steps []func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return errors.Join(err, clearImport(m.dir))
		}
	}
	return nil
}

func (m *moving) begin(context.Context) error {
	return errors.Join(clearImport(m.dir), os.Mkdir(m.work, 0o700))
}

// clearImport removes what an import left that was interrupted before there was an
// account. Its own directory goes last: the database is its as long as that is there.
func clearImport(dir string) error {
	work := filepath.Join(dir, importDir)
	if _, err := os.Lstat(work); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if exists, _, err := account.State(dir); exists || err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, store.FileName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(work)
}

func (m *moving) unpack(context.Context) error { return m.from.Unpack(m.work, store.FileName) }

func (m *moving) adopt(ctx context.Context) (err error) {
	m.acc, err = store.Adopt(ctx, m.work, store.Options{})
	return err
}

// compare makes sure that key and database are of one account. If the key is
// encrypted, that shows when a node is started.
func (m *moving) compare(context.Context) error {
	_, locked, err := account.State(m.work)
	if err != nil || locked {
		return err
	}
	var key identity.Key
	if key, err = account.Unlock(m.work, nil); err != nil {
		return err
	}
	if key.ID() != m.acc.Peer {
		return fmt.Errorf("%w: its key is that of %s, its messages are those of %s", account.ErrArchive, key.ID(), m.acc.Peer)
	}
	return nil
}

func (m *moving) placeDatabase(context.Context) error {
	return os.Rename(filepath.Join(m.work, store.FileName), filepath.Join(m.dir, store.FileName))
}

// placeKey comes last: the account exists if and only if its key does.
func (m *moving) placeKey(context.Context) error { return account.Move(m.work, m.dir) }

func (m *moving) tidy(context.Context) error { return os.RemoveAll(m.work) }

// failed names the file that what is damaged came from.
func (m *moving) failed(file string, err error) error {
	switch {
	case errors.Is(err, store.ErrNewer):
		return api.Errorf(api.CodeNewerDatabase, "%s was exported by a newer p2pchat: import it with that one (%w)", file, err)
	case errors.Is(err, account.ErrArchive):
		return fileError(file, err)
	case errors.Is(err, store.ErrDamaged), errors.Is(err, store.ErrForeign), errors.Is(err, account.ErrDamaged):
		return fileError(file, fmt.Errorf("%w (%w)", account.ErrArchive, err))
	}
	return dirError(m.dir, err)
}

// fileError is apiError for what went wrong with the file of an exported account.
func fileError(file string, err error) error {
	switch {
	case errors.Is(err, account.ErrArchive):
		return api.Errorf(api.CodeDamaged, "%s cannot be imported: %w; export the account again, or take another copy", file, err)
	case errors.Is(err, account.ErrIrregular):
		return api.Errorf(api.CodeUsage, "%s cannot be imported: %w; name the file that account export wrote", file, err)
	case errors.Is(err, account.ErrWrongPassword):
		return api.Errorf(api.CodeWrongPassword, "%s is encrypted: %w of the file; nothing was changed", file, account.ErrWrongPassword)
	case errors.Is(err, fs.ErrExist):
		return api.Errorf(api.CodeUsage, "%s exists already and is not written over: name another file", file)
	case errors.Is(err, fs.ErrNotExist):
		return api.Errorf(api.CodeUsage, "%w", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return api.Errorf(api.CodeNoPermission, "the operating system forbids it: %w; name a file that you may read and write", err)
	}
	return apiError(err)
}
