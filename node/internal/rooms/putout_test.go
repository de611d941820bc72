package rooms

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// TestBannedUnheard: who joined, and is banned by somebody who had not heard of
// it, is told all the same, also where the first word of it is lost.
func TestBannedUnheard(t *testing.T) {
	for name, lost := range map[string]bool{"heard later": false, "the word is lost": true} {
		t.Run(name, func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				a, b, c := w.person(), w.person(), w.person()
				id := w.found(nil, a, b)
				w.lose(true)
				c.joins(id, "nick2", b)
				a.does(id, ban(c))
				in := func() (yes bool) {
					c.inside(id, func(r *Room) { yes = r.joined })
					return yes
				}
				if !in() {
					t.Fatal("he is told already; this test shows nothing")
				}
				w.cutOff(a, c, lost)
				w.cutOff(b, c, lost)
				w.sync(id, a, b)
				w.cutOff(a, c, false)
				w.cutOff(b, c, false)
				if lost {
					if !in() {
						t.Fatal("he was told over no connection")
					}
					if a.room(id).Entitled(c.id(), true) {
						t.Error("the banned is served")
					}
					synctest.Wait()
				}
				if in() {
					t.Error("the banned still takes himself for one who is in the room")
				}
			})
		})
	}
}

// TestPutOutUnknown: who joined, and whose join none of those who are left ever
// heard of, is told all the same that he is banned, or that the room is no more. He
// has to ask: whoever knows but the topic is told nothing, and before a guarded door
// nobody is told who was banned.
func TestPutOutUnknown(t *testing.T) {
	destroy := func(*person) room.Op { return room.Op{Kind: room.KindDestroy} }
	for _, tt := range []struct {
		name    string
		guarded bool
		act     func(*person) room.Op
		told    bool
	}{
		{"open, banned", false, ban, true},
		{"open, destroyed", false, destroy, true},
		{"password, destroyed", true, destroy, true},
		{"password, banned", true, ban, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				a, b, c := w.person(), w.person(), w.person()
				var id event.Conversation
				if tt.guarded {
					id = w.guarded(a, b)
				} else {
					id = w.found(nil, a, b)
				}
				w.lose(true)
				if tt.guarded {
					if err := c.knocks(id, "nick2", right, b); err != nil {
						t.Fatal(err)
					}
				} else {
					c.joins(id, "nick2", b)
				}
				b.halt()
				w.part(a, c, true)
				a.does(id, tt.act(c))
				in := func() (yes bool) {
					c.inside(id, func(r *Room) { yes = r.joined })
					return yes
				}
				if a.counts(id, c) || !in() {
					t.Fatal("his join was heard or he is told already; this test shows nothing")
				}
				w.part(a, c, false)
				if !in() {
					t.Error("he was told although he named no room")
				}
				if a.room(id).Entitled(c.id(), true) {
					t.Error("he is served")
				}
				synctest.Wait()
				if in() == tt.told {
					t.Errorf("told that he is out: %v, want %v", !in(), tt.told)
				}
			})
		})
	}
}

// TestPutOutForAWhile: a newcomer without the past, let in by somebody for whom
// somebody else is banned, shows what that one says once the ban has fallen.
func TestPutOutForAWhile(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c, d, e := w.person(), w.person(), w.person(), w.person(), w.person()
		none, err := room.ParseSetting(room.FieldHistory.Key(), "none")
		if err != nil {
			t.Fatal(err)
		}
		id := w.found([]room.Setting{none}, a, b, c, d)
		a.does(id, grantTo(b, room.Admin))
		for _, p := range []*person{b, c, d} {
			w.sync(id, a, p)
		}
		split := func(apart bool) { // a and c from the others
			for _, p := range []*person{b, d, e} {
				w.part(a, p, apart)
				w.part(c, p, apart)
			}
		}
		split(true)
		b.does(id, ban(c))
		w.sync(id, b, d)
		if _, err := e.Join(t.Context(), id, Way{Nick: "nick4", Via: []peer.ID{d.id()}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if e.counts(id, c) {
			t.Fatal("he is not banned; this test shows nothing")
		}
		a.does(id, ban(b)) // unheard what b did, which falls
		w.sync(id, a, c)
		split(false)
		w.sync(id, a, d)
		said := c.says(id, "here again")
		a.disk.mu.Lock()
		control := slices.Clone(a.disk.of(id).control)
		a.disk.mu.Unlock()
		for _, p := range []*person{a, e} {
			p.arrives(d, id, append(control, said)...) // and not the past
			p.inside(id, func(r *Room) {
				if v, _ := r.rules.Verdict(said.ID); v.Status != room.Visible || !r.isOccupant(c.id()) {
					t.Errorf("what he says is %v, he is in: %v", v, r.isOccupant(c.id()))
				}
			})
		}
	})
}

// TestPushBrokenOff: who has the telling why he is out broken off is not told at once
// again and again.
func TestPushBrokenOff(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, m := w.person(), w.person(), w.person()
		id := w.found(nil, a, b)
		a.does(id, room.Op{Kind: room.KindDestroy})
		var told atomic.Int64
		m.host.SetStreamHandler(JoinProtocol, func(st network.Stream) {
			told.Add(1)
			_ = st.Reset()
		})
		asks := func() {
			for range 20 {
				a.room(id).Entitled(m.id(), true)
				synctest.Wait()
			}
		}
		asks()
		if n := told.Load(); n != 1 {
			t.Errorf("told %d times", n)
		}
		time.Sleep(tellWhyAgain)
		asks()
		if n := told.Load(); n != 2 {
			t.Errorf("later told %d times in all", n)
		}
	})
}
