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
	// ErrForeign: the file is a database, but not one of this program.
	ErrForeign = errors.New("the file is another program's database")
	// ErrDamaged: the file is no database, or what it holds contradicts itself.
	ErrDamaged = errors.New("the database is damaged")
	// ErrDiskFull: no space (or quota) left. Nothing acknowledged is lost, and
	// writing works again as soon as there is space.
	ErrDiskFull = errors.New("the disk is full")
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

// classify gives err, which came from SQLite, the sentinel it stands for, or
// fs.ErrPermission. dir is where the database lies.
func classify(dir string, err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	switch code := primaryCode(err); code {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
		// SQLite says FULL only for a plain write that met ENOSPC; a quota, a
		// file that could not be made and the shared index come as these.
		probe := writeProbe(dir)
		if isNoSpace(probe) {
			return fmt.Errorf("%w: %w", ErrDiskFull, err)
		}
		if errors.Is(probe, fs.ErrPermission) {
			return fmt.Errorf("%w: %w", fs.ErrPermission, err)
		}
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return fmt.Errorf("%w: %w", fs.ErrPermission, err)
	}
	return err
}

// primaryCode is SQLite's primary result code of err, 0 if it has none.
func primaryCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// interrupted tells whether a database was refused because its last change, in
// the journal mode that a file begins with, has to be undone by who may write:
// whoever made it was killed before it was set to WAL. Nothing of anybody is in it.
func interrupted(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_READONLY_ROLLBACK
}

// writeProbe tells whether a block can be written in dir.
func writeProbe(dir string) (err error) {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	_, err = f.Write(make([]byte, 64<<10))
	return err
}

func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, errQuota)
}
