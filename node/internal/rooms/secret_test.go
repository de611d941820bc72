package rooms

import (
	"context"
	"errors"
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

// lies has p answer whoever asks for the secret of the password that a set last with s.
func (p *person) lies(a *person, id event.Conversation, s pake.Secret) {
	p.host.SetStreamHandler(JoinProtocol, func(st network.Stream) {
		defer st.Close()
		setting := a.lastAct(id).ID
		_ = pbio.NewDelimitedReader(st, maxFrame).ReadMsg(&pb.JoinAsk{})
		_ = pbio.NewDelimitedWriter(st).WriteMsg(&pb.JoinAnswer{Grant: &pb.JoinGrant{
			Keys:   []*pb.EpochKey{{Epoch: setting[:], Key: s[:]}}, // a grant has a key
			Secret: &pb.RoomSecret{Generation: 2, Secret: s[:], Setting: setting[:]},
		}})
	})
}

// sets has p set a password, and returns its secret.
func (p *person) sets(id event.Conversation, password string) pake.Secret {
	p.town.t.Helper()
	typed := []byte(password)
	if err := p.room(id).Configure(context.Background(), nil, &typed); err != nil {
		p.town.t.Fatal(err)
	}
	time.Sleep(coalesce) // when it goes out, in the time of the bubble
	synctest.Wait()
	return pake.Stretch(id, 2, typed)
}

// has checks the secret that p knows.
func (p *person) has(id event.Conversation, want pake.Secret, known bool) {
	p.town.t.Helper()
	synctest.Wait()
	p.inside(id, func(r *Room) {
		if s, ok := r.knownSecret(); ok != known || ok && s.value != want {
			p.town.t.Errorf("secret %x of %q is known: %t", s.value[:4], s.from, ok)
		}
	})
}

// TestSecretFromWhom: the secret of a new password is taken of those who are served only,
// and counts no longer once whoever handed it over is out.
func TestSecretFromWhom(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c, m, x := w.person(), w.person(), w.person(), w.person(), w.person()
		id := w.guarded(a, b, c, m)
		for _, p := range []*person{b, c, m, b} {
			w.sync(id, a, p)
		}
		m.lies(a, id, wrong)
		x.lies(a, id, wrong)
		for _, p := range []*person{a, c} {
			w.part(p, b, true)
		}
		stretched := a.sets(id, "swordfish")
		c.has(id, stretched, true)
		act := a.lastAct(id)
		b.arrives(a, id, act)
		b.inside(id, func(r *Room) { r.wantKey(event.ID{9}, x.id()) }) // who never joined
		time.Sleep(time.Second)
		b.has(id, wrong, true) // of m, who is in
		_, err := envelope.OpenLocal(b.disk.key.Seed(), b.room(id).purpose(secretsPurpose), b.disk.of(id).secret)
		if err != nil {
			t.Error(err)
		}
		b.inside(id, func(r *Room) {
			if s, _ := r.ofNow(); s.from != m.id() {
				t.Errorf("the secret is of %s", s.from)
			}
		})
		b.restart()
		b.has(id, wrong, true)
		a.does(id, ban(m))
		b.arrives(a, id, a.lastAct(id))
		b.has(id, wrong, false)
		w.part(c, b, false)
		time.Sleep(2 * tickEvery)
		b.has(id, stretched, true)
	})
}

// TestSecretAtSecondHand: what a member says who is not sure of it is not passed on, and
// who has it asks those who are.
func TestSecretAtSecondHand(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, d, m := w.person(), w.person(), w.person(), w.person()
		id := w.guarded(a, b, d, m)
		for range 2 {
			for _, p := range []*person{b, d, m} {
				w.sync(id, a, p)
			}
		}
		for _, p := range []*person{b, d, m} {
			w.part(a, p, true)
		}
		for _, p := range []*person{b, m} {
			w.part(d, p, true)
		}
		m.lies(a, id, wrong)
		good := a.sets(id, "swordfish")
		b.arrives(a, id, a.lastAct(id))
		time.Sleep(2 * tickEvery)
		b.has(id, wrong, true)
		w.part(b, d, false)
		d.arrives(a, id, a.lastAct(id))
		time.Sleep(2 * tickEvery)
		d.has(id, wrong, false)
		w.part(a, b, false)
		w.sync(id, a, b)
		time.Sleep(betterEvery + 2*tickEvery)
		b.has(id, good, true)
		d.has(id, good, true) // b is sure now
	})
}

// TestSecretOfWhoSetIt is right, whatever became of him.
func TestSecretOfWhoSetIt(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, p := w.person(), w.person(), w.person()
		id := w.guarded(a, b, p)
		a.does(id, grantTo(p, room.Owner))
		for range 2 {
			for _, q := range []*person{b, p} {
				w.sync(id, a, q)
			}
		}
		good := p.sets(id, "swordfish")
		for _, q := range []*person{a, b, p} {
			q.has(id, good, true)
		}
		a.does(id, grantTo(p, room.None))
		a.does(id, ban(p))
		for _, q := range []*person{a, b} {
			w.sync(id, a, b)
			q.has(id, good, true)
			q.restart()
			q.has(id, good, true)
		}
	})
}

// owners makes a room of three with a password: a and b own it, and a is apart from the
// other two.
func (w *town) owners() (id event.Conversation, a, b, c *person) {
	w.t.Helper()
	a, b, c = w.person(), w.person(), w.person()
	id = w.guarded(a, b, c)
	a.does(id, grantTo(b, room.Owner))
	for range 2 {
		w.sync(id, a, b)
		w.sync(id, a, c)
	}
	w.part(a, b, true)
	w.part(a, c, true)
	return id, a, b, c
}

// agree has three who meet again know the secret of the password in force.
func (w *town) agree(id event.Conversation, a, b, c *person, secrets map[peer.ID]pake.Secret) {
	w.t.Helper()
	for range 2 {
		w.sync(id, a, b)
		w.sync(id, b, c)
		w.sync(id, a, c)
	}
	time.Sleep(4 * tickEvery)
	for _, p := range []*person{a, b, c} {
		p.has(id, secrets[p.setter(id)], true)
	}
}

// setter is who set the password in force, as p knows it.
func (p *person) setter(id event.Conversation) (by peer.ID) {
	p.inside(id, func(r *Room) { _, by = r.rules.PasswordBy() })
	return by
}

// TestTwoPasswordsAtOnce: of two that were set at once all know the one in force.
func TestTwoPasswordsAtOnce(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		id, a, b, c := w.owners()
		secrets := map[peer.ID]pake.Secret{a.id(): a.sets(id, "one"), b.id(): b.sets(id, "two")}
		w.part(a, b, false)
		w.part(a, c, false)
		w.agree(id, a, b, c, secrets)
	})
}

// TestNewPasswordUnheard: whoever has not heard of a new password, and is served by
// nobody who has, types it.
func TestNewPasswordUnheard(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c, p := w.person(), w.person(), w.person(), w.person()
		id := w.guarded(a, b)
		w.sync(id, a, b)
		for _, q := range []*person{b, c} {
			w.part(a, q, true)
			w.part(p, q, true)
		}
		if err := c.knocks(id, "carl", right, b); err != nil {
			t.Fatal(err)
		}
		if err := p.knocks(id, "paul", right, a); err != nil {
			t.Fatal(err)
		}
		a.does(id, grantTo(p, room.Owner))
		w.sync(id, a, p)
		good := p.sets(id, "swordfish")
		a.halt()
		b.halt()
		w.part(p, c, false)
		time.Sleep(2 * againEvery)
		if p.room(id).Entitled(c.id(), true) {
			t.Fatal("p serves somebody of whom he knows nothing")
		}
		join := func(password string, want error) {
			t.Helper()
			if _, err := c.Join(t.Context(), id, Way{Nick: "carl", Password: []byte(password)}); !errors.Is(err, want) {
				t.Errorf("%s: %v", password, err)
			}
		}
		join("sawfish", ErrNotThePassword)
		join("swordfish", nil)
		w.sync(id, p, c)
		time.Sleep(2 * tickEvery)
		c.has(id, good, true)
		if !p.room(id).Entitled(c.id(), true) || !c.room(id).Entitled(p.id(), true) {
			t.Error("they do not serve each other")
		}
		a.start()
		b.start()
	})
}

// TestGuessesByStrangers: whoever has had a key of the room guesses no oftener for having
// many names.
func TestGuessesByStrangers(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, m := w.person(), w.person(), w.person()
		id := w.guarded(a, b, m)
		w.sync(id, a, m)
		var old envelope.Key
		m.inside(id, func(r *Room) { old = (*r.keys.Load())[event.ID(id)] })
		a.does(id, ban(m)) // hence a new epoch
		_ = a.sets(id, "swordfish")
		time.Sleep(time.Minute)
		var shown atomic.Int64
		start := time.Now()
		for range 50 {
			x := w.person()
			x.host.SetStreamHandler(JoinProtocol, func(st network.Stream) {
				shown.Add(1)
				_ = st.Reset()
			})
			p, err := envelope.SignPresence(x.disk.key, envelope.Presence{Room: id, Peer: x.id(), Time: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			raw, err := envelope.Seal(x.cfg.Rand, id, event.ID(id), old, &envelope.Content{Presence: p}, false)
			if err != nil {
				t.Fatal(err)
			}
			h := topicHandler{a.room(id)}
			h.PeerJoined(x.id())
			v, data := h.Validate(x.id(), raw)
			if v != Accept {
				t.Fatal("the presence is not taken")
			}
			h.Deliver(x.id(), data)
			time.Sleep(time.Second)
		}
		if n, most := shown.Load(), int64(time.Since(start)/strangersEvery)+1; n == 0 || n > most {
			t.Errorf("shown %d times, want at most %d", n, most)
		}
	})
}

// TestTypedBeforeHeard: a new password that is typed before it was heard of is known once
// it is, also if whoever it was shown to is not sure of it.
func TestTypedBeforeHeard(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c, p := w.person(), w.person(), w.person(), w.person()
		id := w.guarded(a, b, c, p)
		for range 2 {
			for _, q := range []*person{b, c, p} {
				w.sync(id, a, q)
			}
		}
		w.part(a, c, true)
		w.part(a, p, true)
		w.part(b, c, true)
		w.part(p, c, true)
		good := a.sets(id, "swordfish")
		p.arrives(a, id, a.lastAct(id))
		time.Sleep(2 * tickEvery)
		p.has(id, good, true)
		a.halt()
		b.halt()
		w.part(p, c, false)
		if _, err := c.Join(t.Context(), id, Way{Nick: "nick2", Password: []byte("swordfish")}); err != nil {
			t.Error("join", err)
		}
		w.sync(id, p, c)
		time.Sleep(5 * time.Minute)
		c.has(id, good, true)
		a.start()
		b.start()
	})
}

// TestTypedForTheOther: of two passwords set at once the one not in force, typed to who does
// not know that, is not taken for the one that is.
func TestTypedForTheOther(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		id, a, b, c := w.owners()
		w.part(b, c, true)
		secrets := map[peer.ID]pake.Secret{a.id(): a.sets(id, "one"), b.id(): b.sets(id, "two")}
		c.arrives(a, id, a.lastAct(id))
		c.arrives(b, id, b.lastAct(id))
		loser, winner, typed := a, b, "one"
		if c.setter(id) == a.id() {
			loser, winner, typed = b, a, "two"
		}
		w.part(loser, c, false)
		if _, err := c.Join(t.Context(), id, Way{Nick: "nick2", Password: []byte(typed)}); err != nil {
			t.Error(err)
		}
		w.part(winner, c, false)
		w.part(a, b, false)
		w.agree(id, a, b, c, secrets)
	})
}

// TestSecretOfAnOwner is taken of him also where his own admission is not known.
func TestSecretOfAnOwner(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, m, b, c := w.person(), w.person(), w.person(), w.person()
		id := w.guarded(a, m)
		w.sync(id, a, m)
		if err := b.knocks(id, "bob", right, m); err != nil {
			t.Fatal(err)
		}
		w.sync(id, a, m)
		w.sync(id, a, b)
		a.does(id, grantTo(b, room.Owner))
		w.sync(id, a, b)
		a.does(id, ban(m))
		w.sync(id, a, b)
		w.part(b, c, true)
		if err := c.knocks(id, "carl", right, a); err != nil {
			t.Fatal(err)
		}
		w.sync(id, a, c)
		w.sync(id, a, b)
		w.part(a, c, true)
		good := b.sets(id, "swordfish")
		c.arrives(b, id, b.lastAct(id))
		w.part(b, c, false)
		time.Sleep(5 * time.Minute)
		c.has(id, good, true)
	})
}
