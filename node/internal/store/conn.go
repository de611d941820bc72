package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// conn is one SQLite connection with its prepared statements. One goroutine
// uses it at a time.
type conn struct {
	dir   string
	c     *sql.Conn
	stmts map[string]*sql.Stmt // by SQL text; the texts are constants, so it is bounded
}

func openConn(ctx context.Context, db *sql.DB, dir string) (*conn, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, schemaError(classify(dir, err)) // it has read the schema for its pragmas
	}
	return &conn{dir: dir, c: c, stmts: map[string]*sql.Stmt{}}, nil
}

func (c *conn) close() error {
	errs := make([]error, 0, len(c.stmts)+1)
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.c.Close())...)
}

// stmt is the prepared statement of query, which must be a constant.
func (c *conn) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.c.PrepareContext(ctx, query)
	if err != nil {
		return nil, classify(c.dir, err)
	}
	c.stmts[query] = s
	return s, nil
}

func (c *conn) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := c.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	r, err := s.ExecContext(ctx, args...)
	return r, classify(c.dir, err)
}

// row reads one row into dest. Error: ErrNotFound.
func (c *conn) row(ctx context.Context, query string, args []any, dest ...any) error {
	s, err := c.stmt(ctx, query)
	if err != nil {
		return err
	}
	err = s.QueryRowContext(ctx, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return classify(c.dir, err)
}

// rows calls fn for each row until it returns false or an error.
func (c *conn) rows(ctx context.Context, query string, args []any, fn func(scan func(...any) error) (bool, error)) (err error) {
	s, err := c.stmt(ctx, query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return classify(c.dir, err)
	}
	defer func() { err = errors.Join(err, classify(c.dir, rows.Close())) }()
	scan := func(dest ...any) error { return classify(c.dir, rows.Scan(dest...)) }
	for rows.Next() {
		more, err := fn(scan)
		if err != nil || !more {
			return err
		}
	}
	return classify(c.dir, rows.Err())
}

const (
	maxReaders    = 4                // more would only wait for the same disk
	readersIdleIn = 10 * time.Second // after which unused connections are closed
)

// pool lends connections for reading.
type pool struct {
	db      *sql.DB
	dir     string
	damaged func(error)
	// slots holds a token per connection lent or idle, hence its size.
	slots chan struct{}

	done chan struct{} // closed by close

	mu     sync.Mutex
	idle   []*conn
	sweep  *time.Timer // nil until a connection was given back
	closed bool
}

func newPool(db *sql.DB, dir string, damaged func(error)) *pool {
	db.SetMaxIdleConns(-1) // a connection closed here is closed there
	return &pool{db: db, dir: dir, damaged: damaged, slots: make(chan struct{}, maxReaders), done: make(chan struct{})}
}

// with lends fn a connection.
func (p *pool) with(ctx context.Context, fn func(*conn) error) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-p.done:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	err = fn(c)
	if errors.Is(err, ErrDamaged) {
		p.damaged(err)
	}
	if err != nil && !isAnswer(err) {
		// Whatever state the connection is in, the next reader shall not have it.
		return errors.Join(err, c.close())
	}
	return errors.Join(err, p.give(c))
}

func (p *pool) take(ctx context.Context) (*conn, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	return openConn(ctx, p.db, p.dir)
}

func (p *pool) give(c *conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return c.close()
	}
	p.idle = append(p.idle, c)
	if p.sweep == nil {
		p.sweep = time.AfterFunc(readersIdleIn, p.closeIdle)
	} else {
		p.sweep.Reset(readersIdleIn)
	}
	return nil
}

// closeIdle runs when no connection was given back for a while. An error of
// closing a connection that only read loses nothing.
func (p *pool) closeIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		_ = c.close()
	}
	p.idle = nil
}

// close closes the pool. Connections still lent are closed when given back.
func (p *pool) close() error {
	p.mu.Lock()
	p.closed = true
	if p.sweep != nil {
		p.sweep.Stop()
	}
	p.mu.Unlock()
	close(p.done)
	p.closeIdle()
	for range maxReaders { // wait for those lent
		p.slots <- struct{}{}
	}
	if err := p.db.Close(); err != nil {
		return fmt.Errorf("close readers: %w", err)
	}
	return nil
}

// isAnswer tells an error that is an answer from one of the connection.
func isAnswer(err error) bool {
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}
