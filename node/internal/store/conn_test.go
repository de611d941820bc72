package store

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func (p *pool) idleNow() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// TestReadersAreClosedWhenIdle: an idle node holds the writer's connection only.
func TestReadersAreClosedWhenIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, t.TempDir(), Options{})
		for range 2 { // it comes back from being idle
			err := s.View(t.Context(), func(*Reader) error {
				_, err := s.Contacts(t.Context()) // on a second connection
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if n := s.readers.idleNow(); n != 2 {
				t.Errorf("%d connections idle, want 2", n)
			}
			time.Sleep(readersIdleIn + time.Second)
			synctest.Wait()
			if n, open := s.readers.idleNow(), s.readers.db.Stats().OpenConnections; n != 0 || open != 0 {
				t.Errorf("%d idle, %d open after a while", n, open)
			}
		}
	})
}

// TestReadersAreFew: who finds all connections lent waits, and no longer than
// his context.
func TestReadersAreFew(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	var nest func(depth int) error
	nest = func(depth int) error {
		if depth < maxReaders {
			return s.View(t.Context(), func(*Reader) error { return nest(depth + 1) })
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Contacts(ctx)
		return err
	}
	if err := nest(0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Contacts(t.Context()); err != nil {
		t.Error(err)
	}
}
