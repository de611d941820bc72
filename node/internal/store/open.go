package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// applicationID is "p2pc" in the file's header.
const applicationID = 0x70327063

// Pages of 4 KiB kept by a connection, in KiB. The operating system caches the
// file as well; this is what an idle node pays for.
const (
	writerCache = 1024
	readerCache = 256
)

// smallestFile is the least that a database with anything in it has, in bytes:
// one page of the smallest size.
const smallestFile = 512

func (s *Store) path() string { return filepath.Join(s.dir, FileName) }

// exists tells whether there is a database; an empty file is none. What hinders
// looking is said by who opens it.
func (s *Store) exists() bool {
	info, err := os.Stat(s.path())
	return !errors.Is(err, fs.ErrNotExist) && (err != nil || info.Size() > 0)
}

// patient has statements wait for another process, or another connection of ours,
// for so many milliseconds; without it they don't wait.
const patient = "&_busy_timeout=5000"

// openDB prepares connections to path; none is opened yet. uri holds parameters
// of SQLite (mode, immutable) and of the driver (patient), pragmas what each
// connection begins with.
func openDB(path, uri string, pragmas ...string) (*sql.DB, error) {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p // a Windows drive
	}
	dsn := "file://" + (&url.URL{Path: p}).EscapedPath() + "?" + uri + "&_error_rc=1"
	for _, pragma := range pragmas {
		dsn += "&_pragma=" + url.QueryEscape(pragma)
	}
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func openReaders(path, uri string) (*sql.DB, error) {
	return openDB(path, "mode=ro"+patient+uri, fmt.Sprintf("cache_size=-%d", readerCache), "temp_store=memory")
}

func openWriter(path string) (*sql.DB, error) {
	return openDB(path, "mode=rw"+patient, "foreign_keys=on", "synchronous=full", "temp_store=memory",
		"secure_delete=on", // what was taken back does not stay in unused pages
		fmt.Sprintf("cache_size=-%d", writerCache), "journal_size_limit=4194304")
}

// openWiper is for [writer.wipe], which waits for nobody.
func openWiper(path string) (*sql.DB, error) { return openDB(path, "mode=rw", "synchronous=full") }

// state says what the file is.
type state struct {
	empty   bool // holds nothing, whoever made it
	version int
}

// inspect looks at the database through c and refuses what is not ours or too
// new.
func inspect(ctx context.Context, c *conn, newest int) (state, error) {
	var st state
	var app, tables int
	err := errors.Join(
		c.row(ctx, `PRAGMA application_id`, nil, &app),
		c.row(ctx, `PRAGMA user_version`, nil, &st.version),
		c.row(ctx, `SELECT count(*) FROM sqlite_schema`, nil, &tables),
	)
	switch {
	case err != nil:
		return state{}, schemaError(err)
	case app == 0 && tables == 0 && st.version == 0:
		return state{empty: true}, nil
	case app != applicationID:
		return state{}, fmt.Errorf("%w (application_id %#x)", ErrForeign, app)
	case st.version < 1:
		return state{}, fmt.Errorf("%w: its schema is %d", ErrDamaged, st.version)
	case st.version > newest:
		return state{}, fmt.Errorf("%w: its schema is %d, this program knows up to %d", ErrNewer, st.version, newest)
	}
	return st, nil
}

// schemaError is for statements that are right: if SQLite takes them for wrong,
// the file is not what it says.
func schemaError(err error) error {
	if primaryCode(err) == sqlite3.SQLITE_ERROR {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// openWriting looks before it writes: a refused file stays as it is.
func (s *Store) openWriting(ctx context.Context, migrations []migration) error {
	if err := wasCut(s.dir); err != nil {
		return err
	}
	if err := s.create(); err != nil {
		return err
	}
	if err := s.look(ctx, len(migrations)); err != nil {
		return err
	}
	db, err := openWriter(s.path())
	if err != nil {
		return err
	}
	db.SetMaxIdleConns(-1)
	c, err := openConn(ctx, db, s.dir)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	if err := s.migrate(ctx, c, migrations); err != nil {
		return errors.Join(err, c.close(), db.Close())
	}
	if err := s.tryWriting(ctx, c, len(migrations)); err != nil {
		return errors.Join(err, c.close(), db.Close())
	}
	file, err := openedAt(s.path())
	if err != nil {
		return errors.Join(err, c.close(), db.Close())
	}
	wiper, err := openWiper(s.path())
	if err != nil {
		return errors.Join(err, c.close(), db.Close())
	}
	wiper.SetMaxIdleConns(-1)
	readers, err := openReaders(s.path(), "")
	if err != nil {
		return errors.Join(err, c.close(), db.Close(), wiper.Close())
	}
	s.readers = newPool(readers, s.dir, s.damaged)
	s.recent = newRecent()
	s.writer = newWriter(s.dir, s.log, file, db, wiper, s.recent, s.damaged, s.hindered)
	go s.writer.run(context.WithoutCancel(ctx), c) // ends in Close, which waits for it
	return nil
}

// tryWriting makes sure that the database can be written to: SQLite opens one
// that cannot without a word. A full disk may have space again when it matters.
func (s *Store) tryWriting(ctx context.Context, c *conn, version int) error {
	_, err := c.c.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, version))
	if err = classify(s.dir, err); errors.Is(err, ErrDiskFull) {
		s.log.Warn("opened on a full disk", "err", err)
		return nil
	}
	return err
}

// plausible refuses what SQLite would not: it says of a directory that there
// was an I/O error, and takes a few bytes of anything for an empty database.
func plausible(info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: it is not a regular file", ErrDamaged)
	}
	if n := info.Size(); n > 0 && n < smallestFile {
		return fmt.Errorf("%w: %d bytes are no database", ErrDamaged, n)
	}
	return nil
}

// create makes an empty file if there is none. It does not open one that is
// there, which would drop the locks of a store in this process.
func (s *Store) create() error {
	info, err := os.Stat(s.path())
	if err == nil {
		err = plausible(info)
	}
	switch {
	case err == nil && info.Mode().Perm()&0o077 != 0:
		return os.Chmod(s.path(), 0o600)
	case err == nil || !errors.Is(err, fs.ErrNotExist):
		return err
	}
	f, err := os.OpenFile(s.path(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return noSpace(err)
	}
	return noSpace(errors.Join(f.Sync(), f.Close(), syncDir(s.dir)))
}

// look inspects the file on a connection that cannot write to it. One whose last
// change has to be undone first cannot be looked at so: the caller looks again.
func (s *Store) look(ctx context.Context, newest int) error {
	db, err := openReaders(s.path(), "")
	if err != nil {
		return err
	}
	db.SetMaxIdleConns(-1)
	c, err := openConn(ctx, db, s.dir)
	if err == nil {
		_, err = inspect(ctx, c, newest)
		err = errors.Join(err, c.close())
	}
	if interrupted(err) {
		err = nil
	}
	return errors.Join(err, db.Close())
}

// openReadOnly tries, in this order: the file as it stands, sharing it with a
// process that may be writing; on a file system that cannot be written to, or
// is full, the file as one that nobody changes; and if such a file has an
// unfinished log, a private copy of both.
func (s *Store) openReadOnly(ctx context.Context, newest int) error {
	info, err := os.Stat(s.path())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNotFound
	case err != nil:
		return err
	}
	if err := plausible(info); err != nil {
		return err
	}
	path, uri := s.path(), ""
	err = s.tryReadOnly(ctx, path, uri, newest)
	if interrupted(err) {
		return fmt.Errorf("it was interrupted while it was made; open it for writing once: %w", err)
	}
	switch primaryCode(err) {
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
	case sqlite3.SQLITE_IOERR:
		// The shared index of the log could not be made. Had another process
		// the database open, it would be there.
		if !errors.Is(err, ErrDiskFull) {
			return err
		}
	default:
		return err
	}
	wal, statErr := os.Stat(path + "-wal")
	switch {
	case errors.Is(statErr, fs.ErrNotExist) || statErr == nil && wal.Size() == 0:
		uri = "&immutable=1"
	case statErr != nil:
		return errors.Join(err, statErr)
	default:
		if path, err = s.copyAside(); err != nil {
			return err
		}
	}
	return s.tryReadOnly(ctx, path, uri, newest)
}

func (s *Store) tryReadOnly(ctx context.Context, path, uri string, newest int) error {
	db, err := openReaders(path, uri)
	if err != nil {
		return err
	}
	p := newPool(db, s.dir, s.damaged)
	err = p.with(ctx, func(c *conn) error {
		st, err := inspect(ctx, c, newest)
		if err != nil {
			return err
		}
		if st.empty {
			return fmt.Errorf("the database is empty: %w", ErrNotFound)
		}
		if st.version < newest {
			return fmt.Errorf("%w: its schema is %d, this program reads %d", ErrOlder, st.version, newest)
		}
		return nil
	})
	if err != nil {
		return errors.Join(err, p.close())
	}
	s.readers = p
	return nil
}

// copyAside copies the database and its log to a private directory, which
// Close removes, and returns the copy's path.
func (s *Store) copyAside() (path string, err error) {
	dir, err := os.MkdirTemp("", "p2pchat-db-*")
	if err != nil {
		return "", err
	}
	s.scratch = dir
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(filepath.Join(dir, FileName+suffix), s.path()+suffix); err != nil {
			return "", errors.Join(noSpace(err), os.RemoveAll(dir))
		}
	}
	return filepath.Join(dir, FileName), nil
}

func copyFile(dst, src string) (err error) {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}

func noSpace(err error) error {
	if isNoSpace(err) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}
