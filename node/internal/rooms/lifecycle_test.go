package rooms

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// TestAskedBeforeRun: sync and hello begin beside rooms, and may ask before rooms
// run.
func TestAskedBeforeRun(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.found(nil, a, b)
		a.halt()
		a.load()
		served := make(chan bool, 1)
		go func() { served <- a.room(id).Entitled(b.id(), true) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(context.Background())
		a.stop, a.done = cancel, make(chan struct{})
		go func() {
			defer close(a.done)
			if err := a.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		if !<-served {
			t.Error("a member is not served")
		}
	})
}

// counts tells whether p counts who among those in the room.
func (p *person) counts(id event.Conversation, who *person) bool {
	in := false
	p.inside(id, func(r *Room) { in = r.isOccupant(who.id()) })
	return in
}

// restart halts p as a crash would and starts him again.
func (p *person) restart() {
	p.halt()
	p.start()
	synctest.Wait()
}

func info(t *testing.T, p *person, id event.Conversation) Info {
	t.Helper()
	i, err := p.room(id).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestCrashBetweenCommits: what a crash broke off is finished, and not turned
// into its opposite, by the next start.
func TestCrashBetweenCommits(t *testing.T) {
	crash := errors.New("power cut")
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, w *town, a, b *person, id event.Conversation)
		in   bool
	}{
		{"entered, join not said", func(t *testing.T, w *town, a, b *person, id event.Conversation) {
			if err := b.room(id).Leave(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.disk.members[id] = Membership{Room: id, Joined: true, Nick: "nick1"}
		}, true},
		{"out, leave not said", func(t *testing.T, w *town, a, b *person, id event.Conversation) {
			b.disk.members[id] = Membership{Room: id, Nick: "nick1"}
		}, false},
		{"leave said, that we are in could not be taken back", func(t *testing.T, w *town, a, b *person, id event.Conversation) {
			b.disk.fail("PutMembership", crash)
			if err := b.room(id).Leave(t.Context()); !errors.Is(err, crash) {
				t.Errorf("leave: %v", err)
			}
			b.disk.fail("PutMembership", nil)
			if !a.counts(id, b) {
				t.Error("he left before it was kept")
			}
		}, true},
		{"banned, that we are out not kept", func(t *testing.T, w *town, a, b *person, id event.Conversation) {
			b.disk.fail("PutMembership", crash)
			a.does(id, ban(b))
			b.disk.fail("PutMembership", nil)
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				a, b := w.person(), w.person()
				id := w.found(nil, a, b)
				tt.do(t, w, a, b, id)
				b.restart()
				w.sync(id, a, b)
				i := info(t, b, id)
				if i.Joined != tt.in || i.In != tt.in || a.counts(id, b) != tt.in || b.disk.members[id].Joined != tt.in {
					t.Errorf("he takes himself for joined %v, in %v; others see him %v; want %v", i.Joined, i.In, a.counts(id, b), tt.in)
				}
			})
		})
	}
}

// TestBackAtOnce: a topic is left by a goroutine of its own, which waits for
// calls under way. Whoever comes back meanwhile follows it all the same.
func TestBackAtOnce(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.found(nil, a, b)
		busy, free := make(chan struct{}), make(chan struct{})
		w.mu.Lock()
		for _, x := range w.topics[envelope.Topic(id)] {
			if x.owner == b {
				x.put(func() { close(busy); <-free }) // a call of the handler
			}
		}
		w.mu.Unlock()
		<-busy
		b.inside(id, func(r *Room) { r.unfollow() }) // as when a farewell is heard
		b.inside(id, func(r *Room) {
			if err := r.follow(); err != nil {
				t.Errorf("follow: %v", err)
			}
		})
		close(free)
		synctest.Wait()
		e := a.says(id, "hello")
		synctest.Wait()
		if b.disk.verdict(e) != room.Visible {
			t.Error("he came back and hears nothing")
		}
	})
}

// TestEnterThatIsRefused: who may not say his join is not in.
func TestEnterThatIsRefused(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.found(nil, a, b)
		if err := b.room(id).Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		full := errors.New("disk full")
		b.disk.fail("Append", full)
		if err := b.tries(id, "nick1", a); !errors.Is(err, full) {
			t.Errorf("enter: %v", err)
		}
		if i := info(t, b, id); i.Joined || b.disk.members[id].Joined {
			t.Error("he takes himself for joined, and nobody else does")
		}
		b.disk.fail("Append", nil)
		b.joins(id, "nick1", a)
		if !a.counts(id, b) {
			t.Error("he is not in")
		}
	})
}

// TestOneMoveAtATime: two joins of a room, or a join and a leave, do not mix.
func TestOneMoveAtATime(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.found(nil, a)
		release, err := b.claim(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.tries(id, "b", a); err == nil {
			t.Error("joined twice at a time")
		}
		release()
		b.joins(id, "b", a)
		b.joins(id, "b", a) // he is in already
		n := 0
		for _, e := range b.disk.of(id).messages {
			if e.Kind == room.KindJoin && e.Author == b.id() {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d joins", n)
		}
		if release, err = b.claim(id); err != nil {
			t.Fatal(err)
		}
		if err := b.room(id).Leave(t.Context()); err == nil {
			t.Error("left while it is being joined")
		}
		release()
		if err := b.room(id).Leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestStartOnAFullDisk: where nothing can be written, what a crash left behind is put
// right later, and nobody is kept from what he has.
func TestStartOnAFullDisk(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.guarded(a, b)
		said := b.says(id, "hello")
		w.sync(id, a, b)
		a.halt()
		full := errors.New("disk full")
		for _, method := range []string{"SetVerdicts", "PutAdmitted"} {
			a.disk.fail(method, full)
		}
		a.disk.mu.Lock()
		a.disk.of(id).verdicts[said.ID] = room.Hidden
		a.disk.of(id).admitted = nil
		a.disk.mu.Unlock()
		a.start()
		a.inside(id, func(r *Room) {
			if v, ok := r.rules.Verdict(said.ID); !ok || v.Status != room.Visible {
				t.Errorf("it is %v", v)
			}
		})
		for _, method := range []string{"SetVerdicts", "PutAdmitted"} {
			a.disk.fail(method, nil)
		}
		time.Sleep(time.Minute)
		w.sync(id, a, b)
		a.disk.mu.Lock()
		defer a.disk.mu.Unlock()
		if v := a.disk.of(id).verdicts[said.ID]; v != room.Visible {
			t.Errorf("stored as %v", v)
		}
	})
}
