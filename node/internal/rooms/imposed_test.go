package rooms

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-msgio/pbio"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/envelope/pake"
	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

// What those try who know an old password, or had a key of the room. All sleeps are by the
// town's clock, see inTown.

// admits has p let in whoever knows s, whatever p is in the room; he confirms it once held
// is closed and gives g. began gets a value for each dialogue.
func (p *person) admits(id event.Conversation, generation uint64, s pake.Secret, g *pb.JoinGrant, held <-chan struct{}, began chan<- struct{}) {
	p.host.SetStreamHandler(JoinProtocol, func(st network.Stream) {
		defer st.Close()
		r, out := pbio.NewDelimitedReader(st, maxFrame), pbio.NewDelimitedWriter(st)
		var q pb.JoinAsk
		if r.ReadMsg(&q) != nil || q.Enter == nil {
			return
		}
		_ = out.WriteMsg(&pb.JoinAnswer{Challenge: &pb.JoinChallenge{Generation: generation}})
		if r.ReadMsg(&q) != nil {
			return
		}
		c := pake.Context{Room: id, Joiner: st.Conn().RemotePeer(), Admitter: p.id(), Generation: generation}
		_, share, confirm, err := pake.Respond(rand.Reader, s, c, q.GetProof().GetShare())
		if err != nil {
			return
		}
		if held != nil {
			began <- struct{}{}
			<-held
		}
		_ = out.WriteMsg(&pb.JoinAnswer{Challenge: &pb.JoinChallenge{Share: share, Confirm: confirm}})
		if r.ReadMsg(&q) == nil {
			_ = out.WriteMsg(&pb.JoinAnswer{Grant: g})
		}
	})
}

// listens has p be in the room's topic, whatever he is in the room.
func (p *person) listens(id event.Conversation) {
	p.town.t.Helper()
	x, err := topics{p}.Join(envelope.Topic(id), deaf{})
	if err != nil {
		p.town.t.Fatal(err)
	}
	p.town.t.Cleanup(func() { _ = x.Leave() })
	synctest.Wait()
}

type deaf struct{}

func (deaf) Validate(peer.ID, []byte) (Verdict, any) { return Ignore, nil }
func (deaf) Deliver(peer.ID, any)                    {}
func (deaf) PeerJoined(peer.ID)                      {}
func (deaf) PeerLeft(peer.ID)                        {}

// publishes has p's c, sealed under key, come to a.
func (p *person) publishes(a *person, id, epoch event.ID, key envelope.Key, c *envelope.Content) {
	p.town.t.Helper()
	raw, err := envelope.Seal(p.cfg.Rand, event.Conversation(id), epoch, key, c, false)
	if err != nil {
		p.town.t.Fatal(err)
	}
	h := topicHandler{a.room(event.Conversation(id))}
	if v, data := h.Validate(p.id(), raw); v == Accept {
		h.Deliver(p.id(), data)
	}
	synctest.Wait()
}

// joinOf is a join of p's that nobody admitted.
func (p *person) joinOf(id event.Conversation, ctl event.ID) *event.Event {
	p.town.t.Helper()
	body, err := room.EncodeBody(&room.Join{Nick: "x"})
	if err != nil {
		p.town.t.Fatal(err)
	}
	e, err := event.Sign(p.disk.key, event.Header{
		Conversation: id, Lane: event.LaneMessage, Log: event.LogID{9}, Seq: 1, Ctl: []event.ID{ctl}, Time: event.At(time.Now()), Kind: room.KindJoin,
	}, body)
	if err != nil {
		p.town.t.Fatal(err)
	}
	return e
}

// noise has p's presence come to a under an epoch that nobody knows.
func (p *person) noise(a *person, id event.Conversation) {
	p.town.t.Helper()
	s, err := envelope.SignPresence(p.disk.key, envelope.Presence{Room: id, Peer: p.id(), Time: time.Now()})
	if err != nil {
		p.town.t.Fatal(err)
	}
	p.publishes(a, event.ID(id), event.ID{7}, envelope.Key{7}, &envelope.Content{Presence: s})
}

// TestDialogueDrawnOut: whoever has shown that he knows the old password is not served for
// it once there is a new one.
func TestDialogueDrawnOut(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, m, y := w.person(), w.person(), w.person()
		id := w.guarded(a, m)
		w.sync(id, a, m)
		held, began := make(chan struct{}), make(chan struct{}, 1)
		y.admits(id, firstPassword, right, &pb.JoinGrant{}, held, began)
		y.listens(id)
		y.noise(a, id)
		if len(began) == 0 {
			t.Fatal("a does not show y the password")
		}
		a.does(id, ban(m))
		_ = a.sets(id, "swordfish")
		close(held)
		synctest.Wait()
		if a.room(id).Entitled(y.id(), true) {
			t.Error("y is served, who knows the old password only")
		}
		a.restart()
		if a.room(id).Entitled(y.id(), true) {
			t.Error("y is served after a restart")
		}
	})
}

// TestGuessesByNamesThatJoined: names that join by a key, and that nobody let in, have no
// more guesses than strangers.
func TestGuessesByNamesThatJoined(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, m := w.person(), w.person()
		id := w.guarded(a, m)
		w.sync(id, a, m)
		var old envelope.Key
		m.inside(id, func(r *Room) { old = (*r.keys.Load())[event.ID(id)] })
		a.does(id, ban(m))
		_ = a.sets(id, "swordfish")
		time.Sleep(time.Minute)
		var shown atomic.Int64
		start := time.Now()
		var names []*person
		for range 50 {
			x := w.person()
			x.host.SetStreamHandler(JoinProtocol, func(st network.Stream) {
				var q pb.JoinAsk
				if pbio.NewDelimitedReader(st, maxFrame).ReadMsg(&q) == nil && q.Enter != nil {
					shown.Add(1)
				}
				_ = st.Reset()
			})
			x.listens(id)
			x.publishes(a, event.ID(id), event.ID(id), old, &envelope.Content{Events: []*event.Event{x.joinOf(id, event.ID(id))}})
			a.inside(id, func(r *Room) {
				if !r.isOccupant(x.id()) {
					t.Fatal("he did not join")
				}
			})
			names = append(names, x)
		}
		for range 5 {
			for _, x := range names {
				x.noise(a, id)
			}
			time.Sleep(againEvery)
		}
		if n, most := shown.Load(), int64(time.Since(start)/strangersEvery)+1; n == 0 || n > most {
			t.Errorf("shown %d times, want at most %d", n, most)
		}
	})
}

// TestStrangersTakeTurns: strangers who never cease do not keep two apart who were let in
// where the other was not known.
func TestStrangersTakeTurns(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, x, y := w.person(), w.person(), w.person(), w.person()
		id := w.guarded(a, b)
		w.sync(id, a, b)
		for _, pair := range [][2]*person{{a, b}, {x, b}, {x, y}, {a, y}} {
			w.part(pair[0], pair[1], true)
		}
		if err := x.knocks(id, "xenia", right, a); err != nil {
			t.Fatal(err)
		}
		if err := y.knocks(id, "yves", right, b); err != nil {
			t.Fatal(err)
		}
		a.halt()
		b.halt()
		var strangers []*person
		for range 6 {
			s := w.person()
			s.host.SetStreamHandler(JoinProtocol, func(st network.Stream) { _ = st.Reset() })
			s.listens(id)
			s.noise(x, id)
			s.noise(y, id)
			strangers = append(strangers, s)
		}
		w.part(x, y, false)
		serve := func() bool { return x.room(id).Entitled(y.id(), true) && y.room(id).Entitled(x.id(), true) }
		for i := 0; i < 1800 && !serve(); i++ { // half an hour
			for _, s := range strangers {
				s.noise(x, id)
				s.noise(y, id)
			}
			if i%10 == 5 { // a run of sync
				x.room(id).NotServed(y.id())
				y.room(id).NotServed(x.id())
			}
			time.Sleep(time.Second)
		}
		if !serve() {
			t.Error("they do not serve each other")
		}
		a.start()
		b.start()
	})
}

// TestOldPasswordTyped: an old password, typed out of habit and proved by a stranger who
// knows it, too, does not displace the one in force, and lets him in nowhere.
func TestOldPasswordTyped(t *testing.T) {
	for _, what := range []string{"owner", "owner, no event", "member", "no setting"} {
		t.Run(what, func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				a, b, y := w.person(), w.person(), w.person()
				id := w.guarded(a, b)
				w.sync(id, a, b)
				good := a.sets(id, "swordfish")
				b.has(id, good, true)
				w.part(a, b, true)
				old, setting, who := []byte("old"), a.lastAct(id).ID, b
				g := &pb.JoinGrant{Secret: &pb.RoomSecret{Generation: 2, Setting: setting[:]}}
				switch what {
				case "owner":
					who = a
				case "owner, no event":
					who, g.Secret.Setting = a, make([]byte, len(event.ID{}))
				case "no setting":
					g = &pb.JoinGrant{}
				}
				y.admits(id, 2, pake.Stretch(id, 2, old), g, nil, nil)
				y.listens(id)
				nick := map[*person]string{a: "nick0", b: "nick1"}[who]
				if _, err := who.Join(t.Context(), id, Way{Nick: nick, Password: old}); !errors.Is(err, ErrNotThePassword) {
					t.Errorf("join: %v", err)
				}
				for range 2 {
					who.has(id, good, true)
					if who.room(id).Entitled(y.id(), true) {
						t.Error("the stranger is served")
					}
					who.restart()
				}
			})
		})
	}
}

// TestTypedForLater: what is typed is not taken for a password that is set later, whatever
// number whoever proved it has named.
func TestTypedForLater(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, m := w.person(), w.person(), w.person()
		id := w.guarded(a, b)
		w.sync(id, a, b)
		typed := []byte("sawfish")
		m.admits(id, 2, pake.Stretch(id, 2, typed), &pb.JoinGrant{}, nil, nil)
		w.part(a, b, true)
		m.listens(id)
		if _, err := b.Join(t.Context(), id, Way{Nick: "nick1", Password: typed}); !errors.Is(err, ErrNotThePassword) {
			t.Errorf("join: %v", err)
		}
		w.part(a, b, false)
		good := a.sets(id, "swordfish")
		time.Sleep(5 * time.Minute)
		a.has(id, good, true)
		b.has(id, good, true)
	})
}

// missed makes a room of four in which a set the password good while b was away; c has
// a standing, or none.
func (w *town) missed(standing room.Standing) (id event.Conversation, a, b, c, m *person, good pake.Secret) {
	w.t.Helper()
	a, b, c, m = w.person(), w.person(), w.person(), w.person()
	id = w.guarded(a, b, c, m)
	if standing != room.None {
		a.does(id, grantTo(c, standing))
	}
	for range 2 {
		for _, q := range []*person{b, c, m} {
			w.sync(id, a, q)
		}
	}
	for _, q := range []*person{a, c, m} {
		w.part(q, b, true)
	}
	good = a.sets(id, "swordfish")
	c.has(id, good, true)
	return id, a, b, c, m, good
}

// TestTypedAnew: who typed an old password that a member confirmed has the right one of an
// owner, or by typing it where a member proves it.
func TestTypedAnew(t *testing.T) {
	for _, what := range []string{"owner", "member"} {
		t.Run(what, func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				id, a, b, c, m, good := w.missed(map[string]room.Standing{"owner": room.Owner, "member": room.None}[what])
				act := a.lastAct(id)
				old := []byte("old")
				m.admits(id, 2, pake.Stretch(id, 2, old), &pb.JoinGrant{Secret: &pb.RoomSecret{Generation: 2, Setting: act.ID[:]}}, nil, nil)
				w.part(m, b, false)
				b.arrives(m, id, act)
				if _, err := b.Join(t.Context(), id, Way{Nick: "nick1", Password: old}); err != nil {
					t.Error(err)
				}
				b.has(id, pake.Stretch(id, 2, old), true) // he cannot know better
				a.does(id, ban(m))
				banned := a.lastAct(id)
				a.halt()
				w.part(c, b, false)
				b.arrives(c, id, banned)
				w.sync(id, b, c)
				time.Sleep(5 * time.Minute)
				if what == "member" {
					if _, err := b.Join(t.Context(), id, Way{Nick: "nick1", Password: []byte("swordfish")}); err != nil {
						t.Error(err)
					}
				}
				b.has(id, good, true)
				a.start()
			})
		})
	}
}

// TestWordOfTheBanned is not confirmed by an old password that is typed out of habit.
func TestWordOfTheBanned(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		id, a, b, c, m, good := w.missed(room.Owner)
		old := pake.Stretch(id, 2, []byte("old"))
		m.lies(a, id, old)
		b.arrives(m, id, a.lastAct(id))
		w.part(m, b, false)
		time.Sleep(2 * tickEvery)
		b.has(id, old, true)
		a.does(id, ban(m))
		b.arrives(m, id, a.lastAct(id))
		w.part(c, b, false)
		if _, err := b.Join(t.Context(), id, Way{Nick: "nick1", Password: []byte("old")}); err == nil {
			t.Error("the old password is taken for the new one")
		}
		time.Sleep(2 * betterEvery)
		b.has(id, good, true)
	})
}

// TestTypedForTheLoser: what was handed over of a password that is not in force stays.
func TestTypedForTheLoser(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		id, a, b, c := w.owners()
		secrets := map[peer.ID]pake.Secret{a.id(): a.sets(id, "one"), b.id(): b.sets(id, "two")}
		acts := map[peer.ID]event.ID{a.id(): a.lastAct(id).ID, b.id(): b.lastAct(id).ID}
		w.part(a, b, false)
		w.part(a, c, false)
		w.agree(id, a, b, c, secrets)
		loser := a
		if c.setter(id) == a.id() {
			loser = b
		}
		y, old, set := w.person(), []byte("old"), acts[loser.id()]
		y.admits(id, 2, pake.Stretch(id, 2, old), &pb.JoinGrant{Secret: &pb.RoomSecret{Generation: 2, Setting: set[:]}}, nil, nil)
		y.listens(id)
		w.part(loser, a, true)
		w.part(loser, b, true)
		w.part(loser, c, true)
		_, _ = loser.Join(t.Context(), id, Way{Nick: map[*person]string{a: "nick0", b: "nick1"}[loser], Password: old})
		loser.inside(id, func(r *Room) {
			for _, s := range r.secrets {
				if s.setting == set && s.value != secrets[loser.id()] {
					t.Error("it is displaced")
				}
			}
		})
	})
}

// TestJoinInTheBatch: who joins with what brings the first password, having heard of it, was
// not in before, also where the commit failed first.
func TestJoinInTheBatch(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprint(fails), func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				a, b, x := w.person(), w.person(), w.person()
				id := w.found(nil, a, b)
				w.sync(id, a, b)
				w.part(a, b, true)
				typed := []byte("swordfish")
				if err := a.room(id).Configure(t.Context(), nil, &typed); err != nil {
					t.Fatal(err)
				}
				act := a.lastAct(id)
				batch := []*event.Event{act, x.joinOf(id, act.ID)}
				if fails {
					full := errors.New("disk full")
					b.disk.fail("Commit", full)
					if _, err := b.room(id).Ingest(t.Context(), a.id(), batch); !errors.Is(err, full) {
						t.Error(err)
					}
					b.disk.fail("Commit", nil)
					time.Sleep(time.Minute)
				}
				b.arrives(a, id, batch...)
				if b.room(id).Entitled(x.id(), true) {
					t.Error("he is served")
				}
				if !b.room(id).Entitled(a.id(), true) {
					t.Error("who was in is not")
				}
			})
		})
	}
}

// TestProvedByAStranger: what was typed and a stranger proved is not passed on, though he is
// served for it, and does not displace what a member said.
func TestProvedByAStranger(t *testing.T) {
	for _, knows := range []bool{false, true} {
		t.Run(fmt.Sprint(knows), func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				a, b, c, d, y := w.person(), w.person(), w.person(), w.person(), w.person()
				id := w.guarded(a, b, c, d)
				for range 2 {
					for _, p := range []*person{b, c, d} {
						w.sync(id, a, p)
					}
				}
				for _, p := range []*person{a, c, d} {
					w.part(p, b, true)
				}
				w.part(a, d, true)
				w.part(c, d, true)
				good, old := a.sets(id, "swordfish"), pake.Stretch(id, 2, []byte("old"))
				act := a.lastAct(id)
				a.halt()
				if knows {
					w.part(c, b, false)
				}
				b.arrives(c, id, act)
				time.Sleep(2 * tickEvery)
				w.part(c, b, true)
				y.admits(id, 2, old, &pb.JoinGrant{Secret: &pb.RoomSecret{Generation: 2, Setting: act.ID[:]}}, nil, nil)
				y.listens(id)
				_, err := b.Join(t.Context(), id, Way{Nick: "nick1", Password: []byte("old")})
				if knows != errors.Is(err, ErrNotThePassword) || !knows && err != nil {
					t.Errorf("join: %v", err)
				}
				b.has(id, map[bool]pake.Secret{true: good, false: old}[knows], true)
				if served := b.room(id).Entitled(y.id(), true); served == knows {
					t.Errorf("the stranger is served: %t", served)
				}
				d.arrives(c, id, act)
				w.part(b, d, false)
				time.Sleep(2 * time.Minute)
				d.has(id, wrong, false) // none
				w.part(c, b, false)
				time.Sleep(2 * betterEvery)
				b.has(id, good, true)
				a.start()
			})
		})
	}
}

// TestPasswordOfBefore: who is sure of the new password is told that the old one is not it,
// also where somebody proves it who has not heard of the new one.
func TestPasswordOfBefore(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, d := w.person(), w.person(), w.person()
		r, err := a.Create(t.Context(), "nick0", nil, []byte("first"))
		if err != nil {
			t.Fatal(err)
		}
		id := r.id
		for i, p := range []*person{b, d} {
			if _, err := p.Join(t.Context(), id, Way{Nick: fmt.Sprintf("nick%d", i+1), Password: []byte("first"), Via: []peer.ID{a.id()}}); err != nil {
				t.Fatal(err)
			}
			w.sync(id, a, p)
		}
		w.sync(id, a, b)
		w.sync(id, b, d)
		w.part(a, d, true)
		w.part(b, d, true)
		good := a.sets(id, "swordfish")
		w.part(a, b, true)
		w.part(b, d, false)
		if _, err := b.Join(t.Context(), id, Way{Nick: "nick1", Password: []byte("first")}); !errors.Is(err, ErrNotThePassword) {
			t.Errorf("join: %v", err)
		}
		b.has(id, good, true)
	})
}

// TestGuessStaysAGuess: an old password that is typed twice, and handed over by the stranger
// who proved it and joined by that, does not displace the right one elsewhere.
func TestGuessStaysAGuess(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, d, y, c := w.person(), w.person(), w.person(), w.person(), w.person()
		id := w.guarded(a, b, d)
		for range 2 {
			for _, p := range []*person{b, d} {
				w.sync(id, a, p)
			}
		}
		w.part(a, b, true)
		w.part(a, d, true)
		w.part(b, d, true)
		good := a.sets(id, "swordfish")
		act := a.lastAct(id)
		a.halt()
		b.arrives(d, id, act)
		d.arrives(b, id, act)
		w.part(y, d, true)
		w.part(c, b, true)
		old := pake.Stretch(id, 2, []byte("old"))
		g := &pb.JoinGrant{Secret: &pb.RoomSecret{Generation: 2, Setting: act.ID[:]}}
		y.admits(id, 2, old, g, nil, nil)
		c.admits(id, 2, good, g, nil, nil)
		y.listens(id)
		c.listens(id)
		if _, err := d.Join(t.Context(), id, Way{Nick: "nick2", Password: []byte("swordfish")}); err != nil {
			t.Fatal(err)
		}
		d.has(id, good, true)
		if _, err := b.Join(t.Context(), id, Way{Nick: "nick1", Password: []byte("old")}); err != nil {
			t.Fatal(err)
		}
		b.arrives(y, id, y.joinOf(id, event.ID(id)))
		b.inside(id, func(r *Room) {
			r.takeSecret(&pb.RoomSecret{Generation: 2, Setting: act.ID[:], Secret: old[:]}, y.id())
		})
		_, _ = b.Join(t.Context(), id, Way{Nick: "nick1", Password: []byte("old")})
		w.part(b, d, false)
		time.Sleep(2 * time.Minute)
		d.has(id, good, true)
		a.start()
	})
}
