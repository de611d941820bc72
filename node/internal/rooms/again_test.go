package rooms

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-msgio/pbio"

	"p2pchat/protocol/envelope/pake"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

// TestAgain: who is in and is not served shows that he knows the password, whatever
// would keep him from coming in; each serves the other then, also after a restart.
func TestAgain(t *testing.T) {
	for _, what := range []string{"free", "nick", "full"} {
		t.Run(what, func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				a, b, c, e := w.person(), w.person(), w.person(), w.person()
				id := w.guarded(a, b)
				if what == "full" {
					a.does(id, room.Op{Kind: room.KindConfigure, Setting: room.Setting{Field: room.FieldOccupants, Number: 3}})
				}
				w.sync(id, a, b)
				for _, p := range []*person{b, c} {
					w.part(a, p, true)
					w.part(e, p, true)
				}
				if err := c.knocks(id, "sam", right, b); err != nil {
					t.Fatal(err)
				}
				nick := map[bool]string{true: "sam", false: "eve"}[what == "nick"]
				time.Sleep(presenceStale) // b is not here for a
				if err := e.knocks(id, nick, right, a); err != nil {
					t.Fatal(err)
				}
				if what == "full" {
					f := w.person()
					w.part(f, b, true)
					w.part(f, c, true)
					if err := f.knocks(id, "finn", right, a); err != nil {
						t.Fatal(err)
					}
				}
				b.halt()
				if a.room(id).Entitled(c.id(), true) {
					t.Fatal("a serves somebody of whom he knows nothing")
				}
				w.part(a, c, false)
				c.room(id).NotServed(a.id())
				synctest.Wait()
				w.sync(id, a, c)
				time.Sleep(joinWithin) // it holds not only for who is on his way
				for range 2 {
					if !a.room(id).Entitled(c.id(), true) || !a.counts(id, c) || !c.room(id).Entitled(a.id(), true) {
						t.Error("they do not serve each other")
					}
					a.restart()
				}
				b.start()
			})
		})
	}
}

// TestAgainBounded: whoever is shown the password has nothing else taken from him, and
// is not shown it again at once.
func TestAgainBounded(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, m := w.person(), w.person(), w.person()
		id := w.guarded(a, b, m)
		w.sync(id, a, b)
		var asked, sent atomic.Int64
		m.host.SetStreamHandler(JoinProtocol, func(st network.Stream) {
			asked.Add(1)
			_ = pbio.NewDelimitedReader(st, maxFrame).ReadMsg(&pb.JoinAsk{})
			m.disk.mu.Lock()
			control := batch(m.disk.of(id).control)
			m.disk.mu.Unlock()
			for out := pbio.NewDelimitedWriter(st); sent.Add(1) < 100; {
				if out.WriteMsg(&pb.JoinAnswer{Control: control}) != nil {
					break
				}
			}
		})
		for range 100 {
			b.room(id).NotServed(m.id())
		}
		synctest.Wait()
		if asked.Load() != 1 || sent.Load() > 3 {
			t.Errorf("asked %d times, and took %d frames", asked.Load(), sent.Load())
		}
		time.Sleep(againEvery) // by the town's clock
		b.room(id).NotServed(m.id())
		synctest.Wait()
		if asked.Load() != 2 {
			t.Errorf("later asked %d times", asked.Load())
		}
	})
}

// TestPasswordTypedInside: whoever is in and could not have the secret of the new
// password types it.
func TestPasswordTypedInside(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c := w.person(), w.person(), w.person()
		id := w.guarded(a, b, c)
		w.part(a, b, true)
		a.does(id, ban(c))
		typed := []byte("swordfish")
		if err := a.room(id).Configure(t.Context(), nil, &typed); err != nil {
			t.Fatal(err)
		}
		w.sync(id, a, b)
		b.inside(id, func(r *Room) {
			if _, known := r.knownSecret(); known {
				t.Error("he has the secret, from nobody")
			}
		})
		w.part(a, b, false)
		a.inside(id, func(r *Room) { delete(r.letIn, b.id()) })
		join := func(password string) error {
			_, err := b.Join(t.Context(), id, Way{Nick: "nick1", Password: []byte(password)})
			synctest.Wait()
			return err
		}
		if err := join("sawfish"); !hasCode(err, room.NotAuthorized) {
			t.Errorf("another password: %v", err)
		}
		if err := join("swordfish"); err != nil {
			t.Errorf("the password: %v", err)
		}
		b.inside(id, func(r *Room) {
			if s, known := r.knownSecret(); !known || s.from != a.id() || s.value != pake.Stretch(id, 2, typed) {
				t.Error("he still lacks the secret")
			}
		})
		a.inside(id, func(r *Room) {
			if !r.letIn[b.id()] {
				t.Error("he is not let in by it")
			}
		})
	})
}

// TestBannedFriendsStay is the other side of a word that counts when it comes: who was let
// in by somebody banned later is served by those to whom that came before the ban did.
func TestBannedFriendsStay(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		var all []*person
		for range 5 {
			all = append(all, w.person())
		}
		a, b, friends := all[0], all[1], all[2:]
		id := w.guarded(a, b)
		for i, p := range friends {
			if err := p.knocks(id, fmt.Sprint("nick", i+2), right, b); err != nil {
				t.Fatal(err)
			}
			w.sync(id, a, p)
		}
		a.does(id, ban(b))
		typed := []byte("swordfish")
		if err := a.room(id).Configure(context.Background(), nil, &typed); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, p := range friends {
			w.sync(id, a, p)
			for _, q := range all {
				if q != p && q != b && !q.room(id).Entitled(p.id(), true) {
					t.Errorf("%s does not serve %s", q.id(), p.id())
				}
			}
			p.inside(id, func(r *Room) {
				if _, known := r.knownSecret(); !known {
					t.Error("he does not know the new password's secret")
				}
			})
		}
	})
}
