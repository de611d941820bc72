package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is what takes the schema from one version to the next.
type migration struct {
	name string
	sql  string
}

// migrations are all there are, in order; the file's version is how many of
// them it has seen. A released one never changes.
var migrations = loadMigrations()

func loadMigrations() []migration {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql") // sorted
	if err != nil {
		panic(err) // a malformed pattern
	}
	var out []migration
	for i, name := range names {
		b, err := migrationFiles.ReadFile(name)
		if err != nil {
			panic(err) // embedded files can be read
		}
		if base := filepath.Base(name); len(base) < 5 || base[:5] != fmt.Sprintf("%04d_", i+1) {
			panic("migrations must be numbered without a gap: " + name)
		}
		out = append(out, migration{name: filepath.Base(name), sql: string(b)})
	}
	return out
}

// migrate brings the database to the newest version and sets it to WAL.
func (s *Store) migrate(ctx context.Context, c *conn, migrations []migration) error {
	st, err := inspect(ctx, c, len(migrations))
	if err != nil {
		return err
	}
	due := st.version < len(migrations)
	if due && !st.empty {
		if err := s.backup(ctx, c, st.version); err != nil {
			return fmt.Errorf("back up before the migration: %w", err)
		}
	}
	if st.empty {
		// Before the first table, or never; with every opening it would write.
		if _, err := c.exec(ctx, `PRAGMA auto_vacuum = incremental`); err != nil {
			return err
		}
	}
	for n := st.version; n < len(migrations); n++ {
		start := time.Now()
		if err := apply(ctx, c, n+1, migrations[n]); err != nil {
			return fmt.Errorf("migration %s: %w", migrations[n].name, err)
		}
		s.log.Info("schema migrated", "version", n+1, "took", time.Since(start))
	}
	// Not before the first migration: in the journal mode a file begins with,
	// the application ID is in the main file once that is committed.
	var mode string
	if err := c.row(ctx, `PRAGMA journal_mode = wal`, nil, &mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("this file system allows journal mode %q only, not WAL", mode)
	}
	if !due {
		s.dropBackups(st.version)
	}
	return nil
}

// apply runs one migration as one transaction.
func apply(ctx context.Context, c *conn, version int, m migration) error {
	if _, err := c.c.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return classify(c.dir, err)
	}
	script := fmt.Sprintf("%s\n;PRAGMA application_id = %d; PRAGMA user_version = %d", m.sql, applicationID, version)
	_, err := c.c.ExecContext(ctx, script)
	if err == nil {
		_, err = c.c.ExecContext(ctx, `COMMIT`)
	}
	if err != nil {
		// Of no consequence if SQLite has done so already.
		_, _ = c.c.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`)
		return schemaError(classify(c.dir, err))
	}
	return nil
}

func (s *Store) backupPath(version int) string { return fmt.Sprintf("%s.v%d.bak", s.path(), version) }

// dropBackups removes what is older than version, which has served since it was made:
// what is taken back would stay in it.
func (s *Store) dropBackups(version int) {
	for v := 1; v < version; v++ {
		switch err := os.Remove(s.backupPath(v)); {
		case err == nil:
			s.log.Info("backup removed", "version", v)
		case !errors.Is(err, fs.ErrNotExist):
			s.log.Warn("backup not removed", "version", v, "err", err)
		}
	}
}

// backup writes a copy of the database beside it and checks that copy. It takes
// its final name only when it is whole and synced.
func (s *Store) backup(ctx context.Context, c *conn, version int) error {
	final := s.backupPath(version)
	part := final + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	defer func() { _ = os.Remove(part) }() // gone already if all went well
	if err := s.vacuumInto(ctx, c, part); err != nil {
		return err
	}
	// Nobody else writes before the migration.
	want, err := counts(ctx, c)
	if err != nil {
		return err
	}
	if err := s.verifyCopy(ctx, part, version, want); err != nil {
		return err
	}
	if err := errors.Join(os.Rename(part, final), syncDir(s.dir)); err != nil {
		return err
	}
	s.log.Info("database backed up", "version", version)
	return nil
}

// vacuumInto writes a copy of one committed state to path, where nothing is yet.
func (s *Store) vacuumInto(ctx context.Context, c *conn, path string) error {
	// SQLite takes an empty file; made here, it has the mode it should have.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return noSpace(err)
	}
	_, err = c.c.ExecContext(ctx, `VACUUM INTO ?`, path)
	return noSpace(errors.Join(classify(s.dir, err), f.Sync(), f.Close()))
}

// verifyCopy reads the whole copy, of which nothing may be in a log, and compares
// what can be counted with want.
func (s *Store) verifyCopy(ctx context.Context, path string, version int, want map[string]int64) error {
	db, err := openReaders(path, "&immutable=1")
	if err != nil {
		return err
	}
	db.SetMaxIdleConns(-1)
	b, err := openConn(ctx, db, s.dir)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	defer func() { _ = errors.Join(b.close(), db.Close()) }() // it only read
	st, err := inspect(ctx, b, version)
	if err != nil {
		return err
	}
	wrong, err := b.check(ctx, `PRAGMA integrity_check`)
	if err != nil {
		return err
	}
	if st.version != version || len(wrong) > 0 {
		return fmt.Errorf("the copy is not good: version %d, %d faults: %w", st.version, len(wrong), ErrDamaged)
	}
	got, err := counts(ctx, b)
	if err != nil {
		return err
	}
	for table, n := range want {
		if got[table] != n {
			return fmt.Errorf("the copy has %d rows in %s, not %d: %w", got[table], table, n, ErrDamaged)
		}
	}
	return nil
}

// counts gives the number of rows of every table.
func counts(ctx context.Context, c *conn) (map[string]int64, error) {
	out := map[string]int64{}
	err := c.rows(ctx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`, nil,
		func(scan func(...any) error) (bool, error) {
			var name string
			err := scan(&name)
			out[name] = 0
			return true, err
		})
	if err != nil {
		return nil, err
	}
	for name := range out {
		var n int64
		if err := c.c.QueryRowContext(ctx, `SELECT count(*) FROM "`+name+`"`).Scan(&n); err != nil {
			return nil, classify(c.dir, err)
		}
		out[name] = n
	}
	return out, nil
}
