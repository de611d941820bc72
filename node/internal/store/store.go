package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// FileName is the database's name in the data directory.
const FileName = "p2pchat.db"

// Options of [Open]. The zero value is good.
type Options struct {
	// Logger is told of migrations and failed commits; nil: nobody is.
	Logger *slog.Logger
	// ReadOnly opens for reading, whether or not another process has the
	// database open, and never writes to the database file.
	ReadOnly bool
	// Existing refuses to make a database where there is none.
	Existing bool
	// Damaged is told of each read and each commit that met damage, from any
	// goroutine; nil: nobody is.
	Damaged func(error)
	// Hindered is told by the writing goroutine of each commit that fails because
	// nothing can be kept, with ErrDiskFull or ErrMoved, and with nil when that is
	// over; nil: nobody is.
	Hindered func(error)
}

// Store is an open database. Its methods may be called from any goroutine.
type Store struct {
	dir      string
	log      *slog.Logger
	damaged  func(error)
	hindered func(error)
	readers  *pool
	writer   *writer // nil if ReadOnly
	recent   *recent // nil if ReadOnly: then another process commits
	scratch  string  // directory of a private copy, removed at the end; or empty

	closing  sync.Once
	closeErr error
}

// Open opens the database in dir, and makes it if there is none. Errors:
// ErrNewer, ErrForeign, ErrDamaged, ErrDiskFull, fs.ErrPermission, syscall.EROFS;
// with ReadOnly or Existing also ErrNotFound, with ReadOnly ErrOlder.
// ctx bounds the opening, migrations included, not the store's life.
func Open(ctx context.Context, dir string, opt Options) (*Store, error) {
	return open(ctx, dir, opt, migrations)
}

func open(ctx context.Context, dir string, opt Options, migrations []migration) (*Store, error) {
	log := opt.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s := &Store{dir: dir, log: log.With("component", "store"), damaged: opt.Damaged, hindered: opt.Hindered}
	if s.damaged == nil {
		s.damaged = func(error) {}
	}
	if s.hindered == nil {
		s.hindered = func(error) {}
	}
	if opt.Existing && !s.exists() {
		err = ErrNotFound
	} else if opt.ReadOnly {
		err = s.openReadOnly(ctx, len(migrations))
	} else {
		err = s.openWriting(ctx, migrations)
	}
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", filepath.Join(dir, FileName), err)
	}
	return s, nil
}

// Close commits what is queued and closes the database. Later calls of other
// methods give ErrClosed.
func (s *Store) Close() error {
	s.closing.Do(func() {
		errs := []error{s.readers.close()}
		if s.writer != nil {
			// Last, so that closing it moves the log into the database file.
			errs = append(errs, s.writer.close())
		}
		if s.scratch != "" {
			errs = append(errs, os.RemoveAll(s.scratch))
		}
		if err := errors.Join(errs...); err != nil {
			s.closeErr = fmt.Errorf("close database: %w", err)
		}
	})
	return s.closeErr
}

// InPlace tells whether the file that is open for writing still is the one in the data
// directory. Error: ErrMoved.
func (s *Store) InPlace() error { return s.writer.file.inPlace() }

// Size is what the database takes on disk, its write-ahead log included, in
// bytes.
func (s *Store) Size(_ context.Context) (int64, error) {
	var sum int64
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(filepath.Join(s.dir, FileName+suffix))
		if errors.Is(err, fs.ErrNotExist) && (suffix != "" || s.writer != nil) {
			continue // or taken away, see InPlace
		}
		if err != nil {
			return 0, fmt.Errorf("size of the database: %w", err)
		}
		sum += info.Size()
	}
	return sum, nil
}

// View calls fn with a view of one committed state. fn should be quick: while
// it runs, the write-ahead log cannot be folded into the database file.
func (s *Store) View(ctx context.Context, fn func(*Reader) error) error {
	return s.readers.with(ctx, func(c *conn) (err error) {
		// The transaction ends whether or not ctx has.
		end := context.WithoutCancel(ctx)
		if _, err := c.exec(ctx, `BEGIN`); err != nil {
			return err
		}
		defer func() {
			if _, e := c.exec(end, `ROLLBACK`); e != nil {
				err = errors.Join(err, e)
			}
		}()
		return fn(&Reader{ctx: ctx, c: c})
	})
}

// read answers one question that a single statement answers.
func read[T any](ctx context.Context, s *Store, what string, fn func(*Reader) (T, error)) (T, error) {
	var out T
	err := s.readers.with(ctx, func(c *conn) (err error) {
		out, err = fn(&Reader{ctx: ctx, c: c})
		return err
	})
	if err != nil {
		var none T
		return none, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}

// Reader reads. It is good within the call it was handed to only.
type Reader struct {
	// The context of that call, as sql.Tx keeps one.
	ctx context.Context
	c   *conn
	// err is the first failure of a statement; after it nothing runs, since
	// SQLite may have ended the transaction.
	err error
	// due writes what a Tx has put off; nil: nothing. It comes before any other
	// statement.
	due func() error
}

// ready tells what keeps a statement from running.
func (r *Reader) ready() error {
	if r.err == nil && r.due != nil {
		return r.due() // which keeps what goes wrong
	}
	return r.err
}

func (r *Reader) keep(err error) error {
	if err != nil && r.err == nil && !isAnswer(err) {
		r.err = err
	}
	return err
}

func (r *Reader) row(query string, args []any, dest ...any) error {
	if err := r.ready(); err != nil {
		return err
	}
	return r.keep(r.c.row(r.ctx, query, args, dest...))
}

func (r *Reader) rows(query string, args []any, fn func(scan func(...any) error) (bool, error)) error {
	if err := r.ready(); err != nil {
		return err
	}
	return r.keep(r.c.rows(r.ctx, query, args, fn))
}
