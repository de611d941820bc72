package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"p2pchat/protocol/event"
)

// inOneGroup runs fns as the members of one group: the first one keeps the
// writer until all others are queued. It returns what became of each.
func inOneGroup(t *testing.T, s *Store, fns ...func(*Tx) error) []error {
	t.Helper()
	entered, queued := make(chan struct{}), make(chan struct{})
	jobs := []*job{{done: make(chan error, 1), fn: func(tx *Tx) error {
		close(entered)
		<-queued
		return fns[0](tx)
	}}}
	s.writer.queue <- jobs[0]
	select {
	case <-entered:
	case err := <-jobs[0].done: // nothing is begun any more
		jobs[0].done <- err
	}
	for _, fn := range fns[1:] {
		j := &job{done: make(chan error, 1), fn: fn}
		jobs = append(jobs, j)
		s.writer.queue <- j
	}
	close(queued)
	var errs []error
	for _, j := range jobs {
		errs = append(errs, <-j.done)
	}
	return errs
}

func add(addr string) func(*Tx) error {
	return func(tx *Tx) error { return tx.AddStaticAddr(addr) }
}

func TestMembersOfAGroup(t *testing.T) {
	t.Parallel()
	mine := errors.New("mine")
	badly := func(tx *Tx, query string) { // a failure that the member does not report
		if _, err := tx.exec(query); err == nil {
			t.Errorf("%s succeeded", query)
		}
		if err := tx.AddStaticAddr("/after/a/failure"); err == nil {
			t.Error("a statement ran after a failure")
		}
	}
	for _, tc := range []struct {
		name   string
		second func(*Tx) error
		err    error  // what second gets; nil: any error
		want   string // what is stored
	}{
		{"one returns an error", func(tx *Tx) error {
			return errors.Join(tx.AddStaticAddr("/second"), mine)
		}, mine, "[/first /third]"},
		{"one hides that a statement failed", func(tx *Tx) error {
			_ = tx.AddStaticAddr("/second")
			badly(tx, `INSERT INTO static_addr (addr) VALUES (NULL)`)
			return nil
		}, nil, "[/first /third]"},
		{"the transaction is undone under way", func(tx *Tx) error {
			_ = tx.AddStaticAddr("/second")
			badly(tx, `INSERT OR ROLLBACK INTO static_addr (addr) VALUES ('/second')`)
			return nil
		}, nil, "[/third]"}, // which begins the next group
		{"the commit fails", func(tx *Tx) error {
			if _, err := tx.exec(`PRAGMA defer_foreign_keys = on`); err != nil {
				return err
			}
			_, err := tx.exec(`INSERT INTO own_log (conv, log) VALUES (12345, x'01')`)
			return err
		}, nil, "[]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := openStore(t, t.TempDir(), Options{})
			errs := inOneGroup(t, s, add("/first"), tc.second, add("/third"))
			if errs[1] == nil || tc.err != nil && !errors.Is(errs[1], tc.err) {
				t.Errorf("the second got %v", errs[1])
			}
			got := must(t, s.StaticAddrs)
			if fmt.Sprint(got) != tc.want {
				t.Errorf("stored %s, want %s", got, tc.want)
			}
			if (errs[0] == nil) != slices.Contains(got, "/first") || (errs[2] == nil) != slices.Contains(got, "/third") {
				t.Errorf("the others got %v and %v, stored is %s", errs[0], errs[2], got)
			}
			// Whatever happened, the next one finds a writer that works.
			update(t, s, add("/next"))
			if got := must(t, s.StaticAddrs); !slices.Contains(got, "/next") {
				t.Errorf("stored %v afterwards", got)
			}
		})
	}
}

// TestUndone: what an Update did to a log and its conversation is forgotten with
// it, wherever in its group it stood and whatever undid it.
func TestUndone(t *testing.T) {
	t.Parallel()
	mine := errors.New("mine")
	for name, undo := range map[string]func(*Tx) error{
		"an error": func(*Tx) error { return mine },
		"a failed statement": func(tx *Tx) error {
			_, err := tx.exec(`INSERT INTO static_addr (addr) VALUES (NULL)`)
			return err
		},
		"the commit": func(tx *Tx) error {
			if _, err := tx.exec(`PRAGMA defer_foreign_keys = on`); err != nil {
				return err
			}
			_, err := tx.exec(`INSERT INTO own_log (conv, log) VALUES (12345, x'01')`)
			return err
		},
	} {
		for _, before := range []int{0, 1} {
			t.Run(fmt.Sprint(name, ", ", before, " before it"), func(t *testing.T) {
				t.Parallel()
				s := openStore(t, t.TempDir(), Options{})
				k := testKey(t, 2)
				said := func(seq uint64, what string) *event.Event {
					return text(t, k, event.Header{Log: event.LogID{1}, Seq: seq}, what)
				}
				first := said(1, "first")
				update(t, s, func(tx *Tx) error { return tx.PutConversation(first.Conversation, KindDirect, k.ID()) })
				insert(t, s, first)
				fns := []func(*Tx) error{}
				for range before {
					fns = append(fns, add("/first"))
				}
				fns = append(fns, func(tx *Tx) error {
					if _, err := tx.Insert(said(2, "undone"), time.Now()); err != nil {
						return err
					}
					if c, err := tx.Conversation(first.Conversation); err != nil || c.Unread != 2 {
						t.Errorf("within: %d unread, %v", c.Unread, err)
					}
					return undo(tx)
				})
				if errs := inOneGroup(t, s, fns...); errs[before] == nil {
					t.Fatal("nothing was undone")
				}
				second := said(2, "second")
				insert(t, s, second)
				c := must(t, func(ctx context.Context) (ConvSummary, error) { return s.Conversation(ctx, first.Conversation) })
				if c.Unread != 2 || c.Last != second.Time {
					t.Errorf("%d unread, the last of %v; want 2, %v", c.Unread, c.Last, second.Time)
				}
				f := must(t, func(ctx context.Context) (event.Frontier, error) { return s.Frontier(ctx, first.Conversation) })
				if h := f[first.Key()]; h.ID != second.ID {
					t.Errorf("the head is %v, not %s", h, second.ID)
				}
				if wrong := must(t, fullCheck(s)); len(wrong) > 0 {
					t.Error(wrong)
				}
			})
		}
	}
}

func TestGroupIsBounded(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	k := testKey(t, 1)
	// Each member is over half of what a group takes, so that there are two
	// groups, and the failing commit of the second leaves the first alone.
	half := func(log byte) func(*Tx) error {
		return func(tx *Tx) error {
			tx.bytes = maxGroupBytes/2 + 1
			_, err := tx.Insert(text(t, k, event.Header{Log: event.LogID{log}, Seq: 1}, "x"), start)
			return err
		}
	}
	errs := inOneGroup(t, s, half(1), half(2), func(tx *Tx) error {
		_, err := tx.exec(`INSERT OR ROLLBACK INTO static_addr (addr) VALUES (NULL)`)
		return err
	})
	if errs[0] != nil || errs[1] != nil || errs[2] == nil {
		t.Errorf("got %v", errs)
	}
}

func TestUpdateNotStarted(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	entered, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		update(t, s, func(*Tx) error {
			close(entered)
			<-release
			return nil
		})
	})
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	called := false
	got := make(chan error, 1)
	go func() { got <- s.Update(ctx, func(*Tx) error { called = true; return nil }) }() // ends with cancel
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
	wg.Wait()
	update(t, s, func(*Tx) error { return nil }) // behind whatever was queued
	if called {
		t.Error("it was called although Update had returned")
	}
}

// TestClose lets updates and reads race with Close: each is done and stays, or
// is refused and leaves nothing.
func TestClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	const n = 64
	done := make([]bool, n)
	begun := make(chan struct{}, n) // one token each
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			begun <- struct{}{}
			err := s.Update(t.Context(), add(fmt.Sprint("/", i)))
			done[i] = err == nil
			if err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			if _, err := s.StaticAddrs(t.Context()); err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		})
	}
	for range n / 2 {
		<-begun
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if err := s.Update(t.Context(), add("/late")); !errors.Is(err, ErrClosed) {
		t.Errorf("update after close: %v", err)
	}
	if _, err := s.Contacts(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	got := must(t, openStore(t, dir, Options{}).StaticAddrs)
	for i := range n {
		if slices.Contains(got, fmt.Sprint("/", i)) != done[i] {
			t.Errorf("%d: stored %v, acknowledged %v", i, !done[i], done[i])
		}
	}
}

// TestConcurrent has writers, some of whose updates fail, and readers that
// must see whole groups of two only.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	oops := errors.New("oops")
	const writers, rounds = 8, 40
	ctx, stop := context.WithCancel(t.Context())
	var reading, writing sync.WaitGroup
	for range maxReaders + 2 {
		reading.Go(func() {
			for ctx.Err() == nil {
				err := s.View(ctx, func(r *Reader) error {
					before, err := r.StaticAddrs()
					if err != nil {
						return err
					}
					contacts, err := r.Contacts()
					if err != nil {
						return err
					}
					if len(before) != len(contacts) {
						t.Errorf("a view of half a transaction: %d, %d", len(before), len(contacts))
					}
					return nil
				})
				if err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			for i := range rounds {
				err := s.Update(ctx, func(tx *Tx) error {
					id := testPeer(w*rounds + i)
					if err := errors.Join(tx.AddStaticAddr(fmt.Sprintf("/%d/%d", w, i)), tx.PutContact(Contact{Peer: id})); err != nil {
						return err
					}
					if i%2 == 1 {
						return oops
					}
					return nil
				})
				if (i%2 == 1) != errors.Is(err, oops) || i%2 == 0 && err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	writing.Wait()
	stop()
	reading.Wait()
	if got := len(must(t, s.Contacts)); got != writers*rounds/2 {
		t.Errorf("%d contacts, want %d", got, writers*rounds/2)
	}
	if faults := must(t, fullCheck(s)); len(faults) > 0 {
		t.Error(faults)
	}
}

// TestClockOfAGroup: a member that fails takes its reading of the clock along.
func TestClockOfAGroup(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{})
	oops := errors.New("oops")
	set := func(v event.Time, err error) func(*Tx) error {
		return func(tx *Tx) error { return errors.Join(tx.SetClock(v), err) }
	}
	want := func(v event.Time) func(*Tx) error {
		return func(tx *Tx) error {
			if got, err := tx.Clock(); got != v || err != nil {
				t.Errorf("clock %d, %v, want %d", got, err, v)
			}
			return nil
		}
	}
	inOneGroup(t, s, want(0), set(5, nil), want(5), set(9, oops), want(5), set(7, nil), want(7))
	update(t, s, want(7))
	if got := must(t, s.Clock); got != 7 {
		t.Errorf("clock %d on disk, want 7", got)
	}
}
