//go:build unix

package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// lines counts what is logged from LevelWarn on, and below that the commits that
// failed; it calls tooMany at so many.
type lines struct {
	slog.Handler
	n, failed, most int
	tooMany         func()
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		l.n++
	} else if r.Message == "commit failed" {
		l.failed++
	}
	if l.n == l.most || l.failed == l.most {
		l.tooMany()
	}
	return nil
}

// TestHindrance: while nothing can be kept, what is due is not tried over and over,
// and one line is logged when that begins and one when it ends. What was due is
// done then. A hindrance that comes back soon is
// looked at more and more rarely. What sleeps here is in the bubble's time.
func TestHindrance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, FileName)
		back := func() { _ = os.Rename(path+".away", path) }
		log := &lines{most: 100, tooMany: back} // so that a test that fails ends
		var told []error
		s, err := Open(t.Context(), dir, Options{Logger: slog.New(log), Hindered: func(err error) { told = append(told, err) }})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		var texts []string
		for i := range 3 * indexSlice {
			texts = append(texts, fmt.Sprint("word ", i))
		}
		insert(t, s, said(t, testKey(t, 1), 1, texts...)...)

		away := func(n int) {
			t.Helper()
			if err := os.Rename(path, path+".away"); err != nil {
				t.Fatal(err)
			}
			for range n {
				if err := s.Update(t.Context(), add("/one")); !errors.Is(err, ErrMoved) {
					t.Fatalf("got %v", err)
				}
			}
		}
		away(20)
		time.Sleep(time.Hour) // of virtual time
		if !errors.Is(s.Hindered(), ErrMoved) {
			t.Errorf("hindered by %v", s.Hindered())
		}
		if log.n != 1 || log.failed != 20 {
			t.Errorf("%d lines logged, %d commits failed", log.n, log.failed)
		}
		back()
		time.Sleep(firstLook)
		synctest.Wait()
		if n, last := indexed(t, s); n != last {
			t.Errorf("%d of %d in the index", n, last)
		}
		if log.n != 2 || s.Hindered() != nil || !slices.Equal(slices.Compact(told), []error{ErrMoved, nil}) {
			t.Errorf("%d lines logged, told %v, hindered by %v", log.n, told, s.Hindered())
		}

		var took []time.Duration
		for range 6 {
			away(1)
			began := time.Now()
			back()
			for s.Hindered() != nil {
				time.Sleep(time.Second)
				synctest.Wait()
			}
			took = append(took, time.Since(began)/time.Second)
		}
		if want := []time.Duration{4, 8, 16, 32, 32, 32}; !slices.Equal(took, want) {
			t.Errorf("looked at after %d s, want %d", took, want)
		}
	})
}

// TestSmallCommit: that something small was kept ends no hindrance, as long as there
// is no space for more.
func TestSmallCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		full := fmt.Errorf("no space: %w", ErrDiskFull)
		looks, ended := 0, 0
		h := newHindrance(func(err error) {
			if err == nil {
				ended++
			}
		}, slog.New(slog.DiscardHandler), func() error {
			if looks++; looks < 5 {
				return full
			}
			return nil
		})
		h.met(full)
		h.met(nil)
		h.met(errors.New("another error"))
		h.met(full)
		for h.err() != nil {
			<-h.timer.C
			h.lookAgain()
		}
		if looks != 5 || ended != 1 {
			t.Errorf("looked %d times, ended %d times", looks, ended)
		}
	})
}
