package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"p2pchat/protocol/event"
)

// A group takes at most this many members and about this many bytes of events,
// so that the first of them need not wait for ever and the log does not grow
// without end.
const (
	maxGroup      = 512
	maxGroupBytes = 4 << 20
)

// indexAfter is how long what came may be missing in the index, so that what is
// said in a lively hour shares the work.
const indexAfter = 2 * time.Second

// wipeAfter is how long what was taken out may still be in the write-ahead log.
const wipeAfter = 5 * time.Second

// Tx reads and writes within one [Store.Update].
type Tx struct {
	Reader
	tally tally
	memo  *memo // the writer's
	apart bool  // see putOff
	timed bool  // the clock was set
	bytes int   // of events inserted
	after []func()
	news  news
	clock *clockReading // the writer's
	// spoken are texts that were stored after something that is about them.
	spoken map[event.ID]bool
	// dropped: something was taken out that is not to stay on the disk.
	dropped bool
	// embodied are those that were here and got their body.
	embodied map[event.ID]bool
}

// clockReading is the clock as the running transaction has it. Every event
// reads and sets it, and nobody else writes it.
type clockReading struct {
	time  event.Time
	known bool
}

// OnCommit has f called once what this Update does is on disk, before Update
// returns: on the writing goroutine, so that the calls of all Updates come in
// the order of commits. f must be quick and must not call Update.
func (tx *Tx) OnCommit(f func()) { tx.after = append(tx.after, f) }

func (tx *Tx) exec(query string, args ...any) (sql.Result, error) {
	if err := tx.ready(); err != nil {
		return nil, err
	}
	if !tx.apart {
		tx.memo.forget()
	}
	res, err := tx.c.exec(tx.ctx, query, args...)
	return res, tx.keep(err)
}

// What becomes of a job. Whoever moves it out of waiting owns it.
const (
	jobWaiting int32 = iota
	jobTaken
	jobDropped
)

type job struct {
	fn    func(*Tx) error
	state atomic.Int32
	done  chan error // takes the one result, hence a buffer of 1
	err   error      // fn's, until the group is committed
	after []func()   // to be called once it is
	news  news
	alone bool // in its group, so that nobody's Update fails for it
}

// writer owns the writing connection.
type writer struct {
	dir   string
	log   *slog.Logger
	file  original
	wal   logLength
	db    *sql.DB
	wiper *sql.DB
	queue chan *job     // one group's worth; who finds it full waits for a commit anyway
	stop  chan struct{} // closed by close
	ended chan struct{} // closed when run returns
	seen  *recent
	clock clockReading // of run
	memo  *memo        // likewise
	due   bool         // run: something came that is not in the index
	spent bool         // run: the log may hold what was taken out
	// warned: it was said that the log could not be emptied.
	warned bool
	err    error // of closing the connection; read after ended

	damaged   func(error)
	hindrance *hindrance
}

func newWriter(dir string, log *slog.Logger, file original, db, wiper *sql.DB, seen *recent, damaged, hindered func(error)) *writer {
	w := &writer{
		dir: dir, log: log, file: file, wal: logLength{path: filepath.Join(dir, FileName+"-wal")}, db: db, wiper: wiper, seen: seen, memo: newMemo(), damaged: damaged,
		queue: make(chan *job, maxGroup), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	w.wal.committed() // by whoever wrote before us
	w.hindrance = newHindrance(hindered, log, func() error {
		if err := file.inPlace(); err != nil {
			return err
		}
		return writeProbe(dir, spaceEnough)
	})
	return w
}

// Update calls fn once, on the writing goroutine, and returns when what it did
// is committed and synced, or has failed. What fn did is undone if it returns
// an error, and if one of its calls on the Tx failed for another reason than
// being answered ErrNotFound or ErrTooManyLogs. fn must be quick, must not keep
// the Tx, and must not call the Store. If ctx ends before fn was called it never
// is; once fn is called Update waits for the outcome.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	if s.writer == nil {
		return fmt.Errorf("write to the database: %w", ErrReadOnly)
	}
	return s.writer.update(ctx, fn)
}

func (w *writer) update(ctx context.Context, fn func(*Tx) error) error {
	j := &job{fn: fn, done: make(chan error, 1)}
	select {
	case <-w.stop: // first, since the queue may have room too
		return ErrClosed
	default:
	}
	select {
	case w.queue <- j:
	case <-w.stop:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		if j.state.CompareAndSwap(jobWaiting, jobDropped) {
			return ctx.Err()
		}
	case <-w.ended:
		if j.state.CompareAndSwap(jobWaiting, jobDropped) {
			return ErrClosed
		}
	}
	select {
	case err := <-j.done:
		return err
	case <-w.ended:
	}
	select {
	case err := <-j.done: // ended comes after it
		return err
	default:
		// A function ended the goroutine, as a test's FailNow does.
		return ErrClosed
	}
}

// close has run finish what is queued, and waits for it.
func (w *writer) close() error {
	close(w.stop)
	<-w.ended
	return w.err
}

// run is the writing goroutine. It ends after close. ctx never ends: a commit
// is not to be torn off.
func (w *writer) run(ctx context.Context, c *conn) {
	defer close(w.ended)
	w.due = true // by whoever wrote before us
	index := time.NewTimer(indexAfter)
	defer index.Stop()
	w.spent = true // as above
	wipe := time.NewTimer(wipeAfter)
	defer wipe.Stop()
	defer w.hindrance.timer.Stop()
	group := func(first *job) {
		spent := w.spent
		if c = w.group(ctx, c, first); w.spent && !spent {
			wipe.Reset(wipeAfter)
		}
	}
	for {
		select {
		case j := <-w.queue:
			waiting := w.due
			if group(j); w.due && !waiting {
				index.Reset(indexAfter)
			}
		case <-index.C:
			if w.due = false; w.hindrance.err() != nil {
				break // its end has it done
			}
			more := false
			slice := &job{alone: true, done: make(chan error, 1), fn: func(tx *Tx) error {
				indexed, last, err := tx.index()
				more = indexed < last
				return err
			}}
			group(slice)
			// Where it failed, whatever comes next has it tried again.
			if w.due = more && <-slice.done == nil; w.due {
				index.Reset(0)
			}
		case <-w.hindrance.timer.C:
			if w.hindrance.lookAgain() {
				w.due = true
				index.Reset(0)
			}
		case <-wipe.C:
			if w.spent = !w.wipe(ctx); w.spent {
				wipe.Reset(wipeAfter)
			}
		case <-w.stop:
			for len(w.queue) > 0 { // nobody else takes from it
				c = w.group(ctx, c, <-w.queue)
			}
			if err := w.inPlace(); errors.Is(err, ErrDamaged) {
				w.err = err // closing would move it into the file
				return
			}
			if c != nil {
				w.err = c.close()
			}
			w.err = errors.Join(w.err, w.db.Close(), w.wiper.Close())
			return
		}
	}
}

// inPlace refuses if what would be written is not there to be found again. Errors:
// ErrMoved, ErrDamaged.
func (w *writer) inPlace() error {
	if err := w.file.inPlace(); err != nil {
		return err
	}
	return w.wal.whole()
}

// group commits first and all that is queued as one transaction, but for one that
// is to be alone, and returns
// the connection to go on with: nil if it is lost.
func (w *writer) group(ctx context.Context, c *conn, first *job) *conn {
	if !first.state.CompareAndSwap(jobWaiting, jobTaken) {
		return c
	}
	members := []*job{first}
	err := func() (err error) {
		if err = w.inPlace(); err != nil { // before a member reads what is not there
			return err
		}
		if c == nil {
			if c, err = openConn(ctx, w.db, w.dir); err != nil {
				return err
			}
		}
		if _, err := c.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
			return err
		}
		bytes := 0
		for j := first; j != nil; j = w.next(&members, bytes) {
			tx := &Tx{Reader: Reader{ctx: ctx, c: c}, clock: &w.clock, memo: w.memo}
			if j != first {
				err = tx.runWithin(j)
			} else if tx.run(j); j.err != nil {
				// Nothing to keep it apart from: what is queued begins anew.
				if _, err = c.exec(ctx, `ROLLBACK`); err != nil {
					err = errors.Join(tx.err, err)
				}
				return err
			}
			if err != nil {
				return err
			}
			bytes += tx.bytes
			w.spent = w.spent || tx.dropped
		}
		w.due = w.due || bytes > 0
		if err := w.inPlace(); err != nil {
			return err
		}
		if _, err = c.exec(ctx, `COMMIT`); err == nil {
			w.wal.committed()
		}
		return err
	}()
	if err != nil {
		w.clock.known = false
		w.memo.forget()
		err = fmt.Errorf("commit to the database: %w", err)
		level := slog.LevelWarn
		if hinders(err) != nil {
			level = slog.LevelDebug // it is said when it begins, and when it ends
		}
		w.log.Log(ctx, level, "commit failed", "members", len(members), "err", err)
		if c != nil {
			c = w.recover(ctx, c)
		}
	}
	var changed []news
	for _, j := range members {
		if j.err == nil {
			j.err = err
		}
		if errors.Is(j.err, ErrDamaged) {
			w.damaged(j.err)
		}
		w.hindrance.met(j.err)
		if j.err == nil {
			changed = append(changed, j.news)
		}
	}
	w.seen.committed(changed)
	for _, j := range members {
		if j.err == nil {
			for _, f := range j.after {
				f()
			}
		}
		j.done <- j.err
	}
	return c
}

// wipe folds the write-ahead log into the file and empties it, unless somebody
// reads what was before, and tells whether that is done. It has a connection of its
// own, since the writer's waits. What it has to write, a commit would have written
// once the log is long enough.
func (w *writer) wipe(ctx context.Context) bool {
	busy, pages, folded := 1, 0, 0
	err := w.inPlace()
	var c *conn
	if err == nil {
		c, err = openConn(ctx, w.wiper, w.dir)
	}
	if err == nil {
		err = c.row(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`, nil, &busy, &pages, &folded)
		w.wal.committed()
		err = errors.Join(err, c.close())
	}
	switch {
	case hinders(err) != nil: // whoever has something to commit hears of it
	case errors.Is(err, ErrDamaged):
		w.damaged(err)
	case err != nil && !w.warned:
		w.log.Warn("the log was not emptied", "err", err)
	}
	w.warned = err != nil
	return err == nil && busy == 0
}

// next takes another member from the queue, nil if the group is complete.
func (w *writer) next(members *[]*job, bytes int) *job {
	for !(*members)[0].alone && len(*members) < maxGroup && bytes < maxGroupBytes {
		select {
		case j := <-w.queue:
			if j.state.CompareAndSwap(jobWaiting, jobTaken) {
				*members = append(*members, j)
				return j
			}
		default:
			return nil
		}
	}
	return nil
}

// run calls j's function and leaves its error in j.
func (tx *Tx) run(j *job) {
	if j.err = j.fn(tx); j.err == nil {
		j.err = tx.settle()
	}
	if j.err == nil && tx.err != nil {
		j.err = tx.err
	}
	j.after, j.news = tx.after, tx.news
	if j.err != nil {
		if tx.timed {
			tx.clock.known = false
		}
		tx.memo.forget()
	}
}

// runWithin is run in a transaction in which others have done something that is
// to stay if this fails. The error it returns is one of the whole transaction.
func (tx *Tx) runWithin(j *job) error {
	if _, err := tx.c.exec(tx.ctx, `SAVEPOINT member`); err != nil {
		return err
	}
	if tx.run(j); j.err != nil {
		// Fails if SQLite has already undone the whole transaction.
		if _, err := tx.c.exec(tx.ctx, `ROLLBACK TO member`); err != nil {
			return errors.Join(tx.err, err)
		}
	}
	_, err := tx.c.exec(tx.ctx, `RELEASE member`)
	return err
}

// recover ends the failed transaction and returns c, or nil if it had to be
// given up and is to be opened anew.
func (w *writer) recover(ctx context.Context, c *conn) *conn {
	_, rollback := c.exec(ctx, `ROLLBACK`)
	if rollback == nil {
		return c
	}
	// No transaction is left to roll back, or the connection is broken.
	if _, err := c.exec(ctx, `BEGIN`); err == nil {
		if _, err := c.exec(ctx, `ROLLBACK`); err == nil {
			return c
		}
	}
	if err := c.close(); err != nil {
		w.log.Warn("connection given up", "err", err)
	}
	return nil
}
