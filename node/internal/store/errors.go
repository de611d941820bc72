package store

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/libp2p/go-libp2p/core/peer"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Errors a caller may act on. They come wrapped in what was being done.
var (
	// ErrNewer: the database was written by a newer version of the program.
	ErrNewer = errors.New("the database is from a newer version of p2pchat")
	// ErrOlder: with ReadOnly, the database was written by an older version of the
	// program. Opening it for writing brings it up to date.
	ErrOlder = errors.New("the database is from an older version of p2pchat")
	// ErrForeign: the file is a database, but not one of this program.
	ErrForeign = errors.New("the file is another program's database")
	// ErrDamaged: the file is no database, or what it holds contradicts itself.
	ErrDamaged = errors.New("the database is damaged")
	// ErrDiskFull: no space (or quota) left. Nothing acknowledged is lost, and
	// writing works again as soon as there is space.
	ErrDiskFull = errors.New("the disk is full")
	// ErrMoved: the file that is open is not the one in the data directory any more.
	// Nothing is written until it is.
	ErrMoved = errors.New("the database was moved, removed or replaced while it was open")
	// ErrNotFound: there is no such row, or with ReadOnly no such database.
	ErrNotFound = errors.New("not found")
	// ErrTooManyLogs: the author has event.MaxLogs logs in the conversation.
	ErrTooManyLogs = errors.New("too many logs of one author in a conversation")
	// ErrReadOnly: the store was opened with ReadOnly.
	ErrReadOnly = errors.New("the database is open for reading only")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the store is closed")
)

// OthersError: the database is another account's than the key.
type OthersError struct{ Owner, Key peer.ID }

func (e OthersError) Error() string {
	return fmt.Sprintf("the database is that of %s, not of %s", e.Owner, e.Key)
}

// sentinels are the errors that are answers, not failures of the connection.
var sentinels = []error{ErrNotFound, ErrTooManyLogs}

// classify gives err, which came from SQLite, the sentinel it stands for,
// fs.ErrPermission or syscall.EROFS. dir is where the database lies.
func classify(dir string, err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if code(err) == sqlite3.SQLITE_IOERR_SHORT_READ { // a file was cut short
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	switch primaryCode(err) {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
		// SQLite says FULL only for a plain write that met ENOSPC; a quota, a
		// file that could not be made and the shared index come as these.
		probe := writeProbe(dir, probeSize)
		if isNoSpace(probe) {
			return fmt.Errorf("%w: %w", ErrDiskFull, err)
		}
		return forbidden(probe, nil, err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return forbidden(writeProbe(dir, probeSize), fs.ErrPermission, err)
	}
	return err
}

// forbidden gives err the reason that keeps a probe from being written, otherwise
// that one.
func forbidden(probe, otherwise, err error) error {
	for _, why := range []error{syscall.EROFS, fs.ErrPermission} {
		if errors.Is(probe, why) {
			otherwise = why
			break
		}
	}
	if otherwise == nil {
		return err
	}
	return fmt.Errorf("%w: %w", otherwise, err)
}

// code is SQLite's result code of err, 0 if it has none.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// primaryCode is the primary one.
func primaryCode(err error) int { return code(err) & 0xff }

// interrupted tells whether a database was refused because its last change, in
// the journal mode that a file begins with, has to be undone by who may write:
// whoever made it was killed before it was set to WAL. Nothing of anybody is in it.
func interrupted(err error) bool { return code(err) == sqlite3.SQLITE_READONLY_ROLLBACK }

// probeSize is how much is written to find out why something could not be.
const probeSize = 64 << 10

// writeProbe tells whether so many bytes can be written in dir.
func writeProbe(dir string, size int) (err error) {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	_, err = f.Write(make([]byte, size))
	return err
}

func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, errQuota)
}
