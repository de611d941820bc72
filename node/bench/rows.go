package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite" // the driver
)

// rows is a database with one table, as durable as the node's: what is inserted
// is synced when its answer comes. One goroutine writes; what is waiting shares
// a commit.
type rows struct {
	db    *sql.DB
	conn  *sql.Conn
	stmt  map[string]*sql.Stmt
	queue chan insertion
	ended sync.WaitGroup
}

type insertion struct {
	payload []byte
	done    chan error // takes the one answer
}

func openRows(path string) (*rows, error) {
	ctx := context.Background()
	dsn := (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
	db, err := sql.Open("sqlite", dsn+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)")
	if err != nil {
		return nil, err
	}
	r := &rows{db: db, stmt: map[string]*sql.Stmt{}, queue: make(chan insertion, window)} // no more are under way
	if r.conn, err = db.Conn(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if _, err := r.conn.ExecContext(ctx, `CREATE TABLE t (n INTEGER PRIMARY KEY, payload BLOB NOT NULL)`); err != nil {
		return nil, errors.Join(fmt.Errorf("yardstick: %w", err), db.Close())
	}
	for _, text := range []string{begin, insert, commit} {
		if r.stmt[text], err = r.conn.PrepareContext(ctx, text); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	r.ended.Go(r.write)
	return r, nil
}

const (
	begin  = `BEGIN IMMEDIATE`
	insert = `INSERT INTO t (payload) VALUES (?)`
	commit = `COMMIT`
)

// insert has a row committed and returns where the outcome will be told.
func (r *rows) insert(p []byte) <-chan error {
	done := make(chan error, 1) // one answer
	r.queue <- insertion{p, done}
	return done
}

// write ends when the queue is closed.
func (r *rows) write() {
	for first := range r.queue {
		group := []insertion{first}
		for len(r.queue) > 0 { // nobody else takes from it
			group = append(group, <-r.queue)
		}
		err := r.commit(group)
		for _, i := range group {
			i.done <- err
		}
	}
}

// commit writes a group as one transaction. A single row needs no transaction
// around it.
func (r *rows) commit(group []insertion) error {
	if len(group) == 1 {
		_, err := r.stmt[insert].Exec(group[0].payload)
		return err
	}
	if _, err := r.stmt[begin].Exec(); err != nil {
		return err
	}
	for _, i := range group {
		if _, err := r.stmt[insert].Exec(i.payload); err != nil {
			return err
		}
	}
	_, err := r.stmt[commit].Exec()
	return err
}

func (r *rows) close() {
	close(r.queue)
	r.ended.Wait()
	for _, s := range r.stmt {
		_ = s.Close()
	}
	_ = r.conn.Close()
	_ = r.db.Close()
}
