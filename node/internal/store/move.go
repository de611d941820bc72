package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
)

// CopyTo writes a copy of one committed state to path, where nothing is yet, and
// checks it. Another process may have the database open and write to it meanwhile.
// What is left of a copy that failed is the caller's to remove.
func (s *Store) CopyTo(ctx context.Context, path string) error {
	err := s.readers.with(ctx, func(c *conn) error {
		if err := s.vacuumInto(ctx, c, path); err != nil {
			return err
		}
		// How many rows there were then cannot be told while others write.
		return s.verifyCopy(ctx, path, len(migrations), nil)
	})
	if err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	return nil
}

// Adopt prepares the database in dir, which comes from another machine, to be gone
// on with here: it is checked, before anything is written, and brought to the newest
// schema, and every log that was written there is retired. What was said there later
// would stand at the same places as what is said here. Whose it is is returned.
// Errors: ErrNewer, ErrForeign, ErrDamaged, ErrDiskFull.
func Adopt(ctx context.Context, dir string, opt Options) (Account, error) {
	acc, err := adopt(ctx, dir, opt)
	if err != nil {
		return Account{}, fmt.Errorf("take over database %s: %w", filepath.Join(dir, FileName), err)
	}
	return acc, nil
}

func adopt(ctx context.Context, dir string, opt Options) (acc Account, err error) {
	if err := checkForeign(ctx, dir); err != nil {
		return acc, err
	}
	opt.Existing = true
	s, err := Open(ctx, dir, opt)
	if errors.Is(err, ErrNotFound) {
		return acc, fmt.Errorf("%w: it is empty", ErrDamaged)
	}
	if err != nil {
		return acc, err
	}
	defer func() { err = errors.Join(err, s.Close()) }() // which leaves one file
	wrong, err := s.Check(ctx, false)
	if err == nil && len(wrong) > 0 {
		err = fmt.Errorf("%w: %s", ErrDamaged, wrong[0])
	}
	if err != nil {
		return acc, err
	}
	acc, err = s.Account(ctx)
	if errors.Is(err, ErrNotFound) {
		return acc, fmt.Errorf("%w: it is nobody's", ErrDamaged)
	}
	return acc, errors.Join(err, s.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(`UPDATE own_log SET retired = 1 WHERE retired = 0`)
		return err
	}))
}

// checkForeign has SQLite look at the file of a database that somebody may have
// made to do harm, on a connection that cannot write. Its schema, with which SQLite
// runs what triggers, views and expressions say, has to be the one of its version.
func checkForeign(ctx context.Context, dir string) (err error) {
	db, err := openReaders(filepath.Join(dir, FileName), "")
	if err != nil {
		return err
	}
	db.SetMaxIdleConns(-1)
	c, err := openConn(ctx, db, dir)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	defer func() { err = errors.Join(err, c.close(), db.Close()) }()
	st, err := inspect(ctx, c, len(migrations))
	if err != nil {
		return err
	}
	got, err := c.schema(ctx)
	if err != nil {
		return err
	}
	want, err := schemaOf(ctx, st.version)
	if err != nil {
		return err
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("%w: its tables are not those of schema %d", ErrDamaged, st.version)
	}
	wrong, err := c.check(ctx, `PRAGMA quick_check`)
	if err == nil && len(wrong) > 0 {
		err = fmt.Errorf("%w: %s", ErrDamaged, wrong[0])
	}
	return err
}

// schema is what a database is made of: by name, the statement that made it.
func (c *conn) schema(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	err := c.rows(ctx, `SELECT type || ' ' || name || ' of ' || tbl_name, ifnull(sql, '') FROM sqlite_schema`, nil,
		func(scan func(...any) error) (bool, error) {
			var name, sql string
			err := scan(&name, &sql)
			out[name] = sql
			return true, err
		})
	return out, schemaError(err)
}

// schemaOf is what a database of a version is made of.
func schemaOf(ctx context.Context, version int) (map[string]string, error) {
	db, err := openDB("memory", "mode=memory"+patient)
	if err != nil {
		return nil, err
	}
	db.SetMaxIdleConns(-1)
	c, err := openConn(ctx, db, "")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	for n := range version {
		if err := apply(ctx, c, n+1, migrations[n]); err != nil {
			return nil, errors.Join(err, c.close(), db.Close())
		}
	}
	out, err := c.schema(ctx)
	return out, errors.Join(err, c.close(), db.Close())
}
