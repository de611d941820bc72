package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// committing are crowds of a kind whose members commit a row before they
// publish, and one for each payload that comes before it counts as received.
func committing(b *bench, kind crowded) crowded {
	return func(ctx context.Context, n int, received func(int, []byte)) (*crowd, error) {
		dir, err := os.MkdirTemp(b.dir, "committing-")
		if err != nil {
			return nil, err
		}
		books := make([]*book, n)
		shut := func() {
			for _, k := range books {
				if k != nil {
					k.close()
				}
			}
			_ = os.RemoveAll(dir)
		}
		for i := range books {
			if books[i], err = openBook(filepath.Join(dir, fmt.Sprintf("%03d.db", i)), func(p []byte) { received(i, p) }); err != nil {
				shut()
				return nil, err
			}
		}
		c, err := kind(ctx, n, func(i int, p []byte) { books[i].received(p) })
		if err != nil {
			shut()
			return nil, err
		}
		for i, m := range c.members {
			c.members[i] = committer{m, books[i]}
		}
		leave := c.close
		c.close = func() {
			leave()
			shut()
		}
		return c, nil
	}
}

// book is where a member commits what comes.
type book struct {
	*rows
	after chan written // in the order of arrival
	ended sync.WaitGroup

	mu     sync.RWMutex // read-held while something is handed in
	closed bool
}

type written struct {
	payload []byte
	done    <-chan error
}

func openBook(path string, committed func([]byte)) (*book, error) {
	db, err := openRows(path)
	if err != nil {
		return nil, err
	}
	k := &book{rows: db, after: make(chan written, window)} // as many as wait for a commit
	k.ended.Go(func() {                                     // ends with after
		for w := range k.after {
			if <-w.done == nil {
				committed(w.payload)
			}
		}
	})
	return k, nil
}

func (k *book) received(p []byte) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if !k.closed {
		k.after <- written{p, k.insert(record(p))}
	}
}

func (k *book) close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	close(k.after)
	k.ended.Wait()
	k.rows.close()
}

// record is about what the event of a message with this text takes.
func record(p []byte) []byte { return append(make([]byte, len(payload)-line64), p...) }

type committer struct {
	speaker
	book *book
}

func (c committer) publish(ctx context.Context, p []byte) error {
	c.book.mu.RLock()
	defer c.book.mu.RUnlock()
	if c.book.closed {
		return errors.New("the crowd is gone")
	}
	if err := <-c.book.insert(record(p)); err != nil {
		return err
	}
	return c.speaker.publish(ctx, p)
}
