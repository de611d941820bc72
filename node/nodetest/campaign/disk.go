package campaign

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver
)

// Kept is what is on somebody's disk of an event: how often, and what the rules
// say of it there, as numbers of the store.
type Kept struct {
	Copies  int
	Verdict int
	Forked  bool // its author signed another one for the same place
}

// visible is the store's number for what is shown.
const visible = 2

const databaseFile = "p2pchat.db"

// database opens the database of a data directory for reading, while a node has
// it or not.
func database(dir string) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: filepath.Join(dir, databaseFile), RawQuery: "mode=ro&_pragma=busy_timeout(5000)"}
	return sql.Open("sqlite", u.String())
}

// Disk reads what is kept in a data directory, by event ID.
func Disk(ctx context.Context, dir string) (held map[string]Kept, err error) {
	db, err := database(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, `SELECT lower(hex(id)), verdict,
		EXISTS (SELECT 1 FROM event o WHERE o.log = e.log AND o.seq = e.seq AND o.n <> e.n) FROM event e`)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	defer rows.Close()
	held = map[string]Kept{}
	for rows.Next() {
		var id string
		var k Kept
		if err := rows.Scan(&id, &k.Verdict, &k.Forked); err != nil {
			return nil, err
		}
		k.Copies = held[id].Copies + 1
		held[id] = k
	}
	return held, rows.Err()
}

// Copy copies an account's key and database from one data directory to another,
// which is empty: what a crash at this moment would leave.
func Copy(ctx context.Context, from, to string) (err error) {
	const key = "account.key"
	b, err := os.ReadFile(filepath.Join(from, key))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(to, key), b, 0o600); err != nil {
		return err
	}
	db, err := database(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, filepath.Join(to, databaseFile))
	return err
}
