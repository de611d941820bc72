package rooms

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/envelope/pake"
	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// What becomes of secrets where passwords are set at once, are not set after all, or fall.

// TestPasswordNotSet: where a new password could not be set, or the node was killed before
// it was, the one in force lets in as before, and the next can be set.
func TestPasswordNotSet(t *testing.T) {
	for _, what := range []string{"full", "killed"} {
		t.Run(what, func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				a, b, c := w.person(), w.person(), w.person()
				id := w.guarded(a)
				full := errors.New("disk full")
				a.disk.fail("Append", full)
				next := []byte("another")
				if err := a.room(id).Configure(t.Context(), nil, &next); !errors.Is(err, full) {
					t.Errorf("configure: %v", err)
				}
				if what == "killed" {
					a.restart()
				}
				a.disk.fail("Append", nil)
				a.has(id, right, true)
				if err := b.knocks(id, "b", right, a); err != nil {
					t.Errorf("the password in force: %v", err)
				}
				good := a.sets(id, "swordfish")
				for range 2 {
					a.has(id, good, true)
					if _, err := c.Join(t.Context(), id, Way{Nick: "c", Password: []byte("swordfish"), Via: []peer.ID{a.id()}}); err != nil {
						t.Errorf("the new one: %v", err)
					}
					a.restart()
				}
			})
		})
	}
}

// TestSecretOnAFullDisk is in use though it could not be stored, and is stored later.
func TestSecretOnAFullDisk(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.guarded(a, b)
		w.sync(id, a, b)
		b.disk.fail("PutSecret", errors.New("disk full"))
		good := a.sets(id, "swordfish")
		b.has(id, good, true)
		b.disk.fail("PutSecret", nil)
		time.Sleep(2 * tickEvery)
		a.halt()
		b.restart()
		b.has(id, good, true)
		a.start()
	})
}

// TestFirstPasswordOnAFullDisk: where it cannot be noted who is in, there is no password;
// later those who were in are served, and know it.
func TestFirstPasswordOnAFullDisk(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c := w.person(), w.person(), w.person()
		id := w.found(nil, a, b, c)
		for range 2 {
			w.sync(id, a, b)
			w.sync(id, a, c)
		}
		full := errors.New("disk full")
		a.disk.fail("PutAdmitted", full)
		typed := []byte("swordfish")
		if err := a.room(id).Configure(t.Context(), nil, &typed); !errors.Is(err, full) {
			t.Fatalf("configure: %v", err)
		}
		a.inside(id, func(r *Room) {
			if cfg := r.rules.Config(); cfg.Password() != 0 {
				t.Error("there is a password")
			}
		})
		a.disk.fail("PutAdmitted", nil)
		b.disk.fail("PutAdmitted", full)
		if err := a.room(id).Configure(t.Context(), nil, &typed); err != nil {
			t.Fatal(err)
		}
		time.Sleep(coalesce)
		synctest.Wait()
		act := a.lastAct(id)
		b.inside(id, func(r *Room) {
			if r.rules.Has(act.ID) {
				t.Error("b takes the password without a note of who is in")
			}
		})
		b.disk.fail("PutAdmitted", nil)
		b.restart()
		b.arrives(a, id, act)
		c.arrives(a, id, act)
		time.Sleep(time.Minute)
		for _, p := range []*person{a, b, c} {
			for _, q := range []*person{a, b, c} {
				if p != q && !p.room(id).Entitled(q.id(), true) {
					t.Errorf("%s does not serve %s, who was in", p.id(), q.id())
				}
			}
			p.has(id, pake.Stretch(id, 1, typed), true)
		}
	})
}

// TestWinnerFalls: of two passwords set at once the one in force falls; the other, which
// all had given up for it, lets in, also where a crash came before it was noted which event
// had set it.
func TestWinnerFalls(t *testing.T) {
	for _, crashed := range []bool{false, true} {
		t.Run(fmt.Sprint(crashed), func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				a, b, o := w.person(), w.person(), w.person()
				id := w.guarded(o, a, b)
				o.does(id, grantTo(b, room.Owner))
				o.does(id, grantTo(a, room.Owner))
				for range 2 {
					w.sync(id, a, b)
					w.sync(id, a, o)
					w.sync(id, b, o)
				}
				for _, pair := range [][2]*person{{a, b}, {a, o}, {b, o}} {
					w.part(pair[0], pair[1], true)
				}
				text := map[peer.ID]string{a.id(): "one", b.id(): "two"}
				secrets := map[peer.ID]pake.Secret{a.id(): a.sets(id, "one"), b.id(): b.sets(id, "two")}
				w.part(a, b, false)
				for range 2 {
					w.sync(id, a, b)
				}
				time.Sleep(4 * tickEvery)
				winner, loser := a, b
				if a.setter(id) == b.id() {
					winner, loser = b, a
				}
				a.has(id, secrets[winner.id()], true)
				b.has(id, secrets[winner.id()], true)
				if crashed {
					loser.inside(id, func(r *Room) {
						for i, s := range r.secrets {
							if s.value == secrets[loser.id()] {
								r.secrets[i].setting = event.ID{}
							}
						}
						if err := r.storeSecrets(t.Context()); err != nil {
							t.Error(err)
						}
					})
					loser.restart()
					w.part(loser, o, true)
				}
				o.does(id, grantTo(winner, room.None)) // who has heard of neither
				w.part(a, o, false)
				w.part(b, o, false)
				w.agree(id, a, b, o, secrets)
				if o.setter(id) != loser.id() {
					t.Fatal("it did not fall")
				}
				n := w.person()
				way := Way{Nick: "newcomer", Password: []byte(text[loser.id()]), Via: []peer.ID{a.id(), b.id(), o.id()}}
				if _, err := n.Join(t.Context(), id, way); err != nil {
					t.Errorf("a newcomer who knows the password in force: %v", err)
				}
			})
		})
	}
}

// TestOwnFirstAgain: of two passwords that one person set under one number the first is in
// force again, with its own secret.
func TestOwnFirstAgain(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		c, o, a := w.person(), w.person(), w.person()
		id := w.guarded(c, o, a)
		syncs := func(n int) {
			for range n {
				w.sync(id, c, o)
				w.sync(id, c, a)
				w.sync(id, o, a)
			}
		}
		c.does(id, grantTo(o, room.Owner))
		syncs(2)
		o.does(id, grantTo(a, room.Owner))
		syncs(2)
		w.part(o, c, true)
		w.part(o, a, true)
		one := a.sets(id, "one")
		first := a.lastAct(id).ID
		c.has(id, one, true)
		w.part(c, a, true)
		o.does(id, grantTo(a, room.None)) // by which it falls
		w.part(o, a, false)
		w.sync(id, o, a)
		o.does(id, grantTo(a, room.Owner))
		w.sync(id, o, a)
		two := a.sets(id, "two")
		o.has(id, two, true)
		c.does(id, grantTo(o, room.None)) // by which that falls
		c.does(id, grantTo(a, room.None))
		w.part(c, a, false)
		w.part(c, o, false)
		syncs(3)
		time.Sleep(5 * time.Minute)
		for _, p := range []*person{c, o, a} {
			p.inside(id, func(r *Room) {
				if setting, _ := r.rules.PasswordBy(); setting != first {
					t.Error("the first is not in force")
				}
			})
			p.has(id, one, true)
		}
	})
}

// TestSecretsOfEarlierVersions are read, also where the node was killed between a password
// of ours and the note of it.
func TestSecretsOfEarlierVersions(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.guarded(a, b)
		w.sync(id, a, b)
		good := a.sets(id, "swordfish")
		set, none := a.lastAct(id).ID, event.ID{}
		b.has(id, good, true)
		for _, x := range []struct {
			who  *person
			kept [][]byte
			from peer.ID
		}{
			{a, [][]byte{good[:], none[:]}, a.id()},
			{a, [][]byte{good[:], none[:], []byte(a.id())}, a.id()},
			{b, [][]byte{good[:], set[:], []byte(a.id())}, a.id()},
			{b, [][]byte{good[:], set[:]}, ""},
			{b, [][]byte{good[:]}, b.id()},
			{a, [][]byte{good[:]}, a.id()},
		} {
			x.who.halt()
			purpose := secretPurpose + " " + id.String()
			sealed, err := envelope.SealLocal(x.who.cfg.Rand, x.who.disk.key.Seed(), purpose, bytes.Join(x.kept, nil))
			if err != nil {
				t.Fatal(err)
			}
			x.who.disk.of(id).secret = sealed
			x.who.start()
			x.who.inside(id, func(r *Room) {
				if s, known := r.knownSecret(); !known || s.value != good || s.from != x.from {
					t.Errorf("%d parts: known %t, of %q", len(x.kept), known, s.from)
				}
			})
			time.Sleep(2 * betterEvery)
			x.who.restart()
			x.who.has(id, good, true)
		}
	})
}

// TestNewcomersSecret: what a newcomer typed and was let in by is passed on, and known also
// once whoever let him in is banned. That one needed no admission: he was in before there
// was a password.
func TestNewcomersSecret(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, n := w.person(), w.person(), w.person()
		id := w.found(nil, a, b)
		w.sync(id, a, b)
		typed := []byte("swordfish")
		if err := a.room(id).Configure(t.Context(), nil, &typed); err != nil {
			t.Fatal(err)
		}
		good := pake.Stretch(id, 1, typed)
		time.Sleep(2 * tickEvery)
		b.has(id, good, true)
		w.part(a, n, true)
		if _, err := n.Join(t.Context(), id, Way{Nick: "newcomer", Password: []byte("swordfish"), Via: []peer.ID{b.id()}}); err != nil {
			t.Fatal(err)
		}
		w.sync(id, b, n)
		w.sync(id, a, b)
		time.Sleep(2 * betterEvery)
		n.inside(id, func(r *Room) {
			if r.wireSecret() == nil {
				t.Error("he does not pass it on")
			}
		})
		a.does(id, ban(b))
		n.arrives(b, id, a.lastAct(id))
		a.halt()
		n.has(id, good, true)
		a.start()
	})
}

// TestTypedStaysTyped: what was typed is known also once the member is banned who said the same.
func TestTypedStaysTyped(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c, n := w.person(), w.person(), w.person(), w.person()
		id := w.guarded(a, b)
		w.sync(id, a, b)
		w.part(a, b, true)
		w.part(c, b, true)
		good := a.sets(id, "swordfish")
		act := a.lastAct(id)
		if _, err := c.Join(t.Context(), id, Way{Nick: "c", Password: []byte("swordfish"), Via: []peer.ID{a.id()}}); err != nil {
			t.Fatal(err)
		}
		w.sync(id, a, c)
		b.arrives(a, id, act)
		w.part(c, b, false)
		if _, err := b.Join(t.Context(), id, Way{Nick: "nick1", Password: []byte("swordfish")}); err != nil {
			t.Fatal(err)
		}
		b.has(id, good, true)
		w.sync(id, b, c)
		time.Sleep(2 * betterEvery)
		a.does(id, ban(c))
		b.arrives(a, id, a.lastAct(id))
		a.halt()
		w.part(c, b, true)
		b.has(id, good, true)
		_, err := n.Join(t.Context(), id, Way{Nick: "n", Password: []byte("swordfish"), Via: []peer.ID{b.id()}})
		if err != nil {
			t.Errorf("newcomer with the right password: %v", err)
		}
		a.start()
	})
}

// TestRejoinThroughALaterMember: so it is of who comes back through somebody of whom he had not heard.
func TestRejoinThroughALaterMember(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, n := w.person(), w.person(), w.person()
		id := w.guarded(a, n)
		w.sync(id, a, n)
		if err := n.room(id).Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.part(a, n, true)
		w.part(b, n, true)
		good := a.sets(id, "swordfish")
		if _, err := b.Join(t.Context(), id, Way{Nick: "b", Password: []byte("swordfish"), Via: []peer.ID{a.id()}}); err != nil {
			t.Fatal(err)
		}
		w.sync(id, a, b)
		w.part(b, n, false)
		if _, err := n.Join(t.Context(), id, Way{Nick: "nick1", Password: []byte("swordfish"), Via: []peer.ID{b.id()}}); err != nil {
			t.Fatal(err)
		}
		w.sync(id, b, n)
		time.Sleep(2 * betterEvery)
		a.does(id, ban(b))
		n.arrives(b, id, a.lastAct(id))
		a.halt()
		n.has(id, good, true)
		a.start()
	})
}

// TestSetterLeft: the secret of a password is had also of him who set it and left.
func TestSetterLeft(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.guarded(a, b)
		w.sync(id, a, b)
		w.part(a, b, true)
		good := a.sets(id, "swordfish")
		if err := a.room(id).Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.restart()
		w.part(a, b, false)
		w.sync(id, a, b)
		time.Sleep(2 * tickEvery)
		b.has(id, good, true)
	})
}

// TestPasswordsAtRandom: whatever is set, switched off and undone in whatever parts, with
// restarts and full disks, in the end all know the secret in force and serve each other.
func TestPasswordsAtRandom(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inTown(t, func(t *testing.T, w *town) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				all := []*person{w.person(), w.person(), w.person(), w.person()}
				id := w.guarded(all...)
				all[0].does(id, grantTo(all[1], room.Owner))
				all[0].does(id, grantTo(all[2], room.Owner))
				h := &havoc{town: w, id: id, all: all, apart: map[[2]int]bool{}, secrets: map[event.ID]pake.Secret{event.ID(id): right}}
				h.sync()
				h.sync()
				for range 30 {
					h.step(rnd)
				}
				h.calm()
				for i, p := range all {
					p.inside(id, func(r *Room) {
						cfg := r.rules.Config()
						setting, _ := r.rules.PasswordBy()
						s, known := r.knownSecret()
						if cfg.Password() > 0 && (!known || s.value != h.secrets[setting]) {
							t.Errorf("person %d has of password %d: known %t, number %d", i, cfg.Password(), known, s.generation)
						}
					})
					for j, q := range all {
						if q != p && !p.room(id).Entitled(q.id(), true) {
							t.Errorf("person %d does not serve person %d", i, j)
						}
					}
				}
			})
		})
	}
}

// havoc is what happens to a room of four, of whom the first three own it.
type havoc struct {
	*town
	id      event.Conversation
	all     []*person
	apart   map[[2]int]bool
	secrets map[event.ID]pake.Secret // of each password that was set
}

// sync has those sync who are not apart.
func (h *havoc) sync() {
	for i, p := range h.all {
		for j, q := range h.all[:i] {
			if !h.apart[[2]int{i, j}] {
				h.town.sync(h.id, p, q)
			}
		}
	}
}

// calm puts everything right, and waits.
func (h *havoc) calm() {
	for i, p := range h.all {
		p.disk.fail("PutSecret", nil)
		for j, q := range h.all[:i] {
			h.part(p, q, false)
			h.apart[[2]int{i, j}] = false
		}
	}
	for range 12 {
		h.sync()
		time.Sleep(time.Minute)
	}
}

func (h *havoc) step(rnd *rand.Rand) {
	owner, one := h.all[rnd.IntN(3)], h.all[rnd.IntN(4)]
	switch rnd.IntN(10) {
	case 0, 1:
		i := 1 + rnd.IntN(3)
		k := [2]int{i, rnd.IntN(i)}
		h.apart[k] = !h.apart[k]
		h.part(h.all[k[0]], h.all[k[1]], h.apart[k])
	case 2, 3:
		h.sets(owner, fmt.Sprint("password ", rnd.Uint64()))
	case 4:
		h.sets(owner, "")
	case 5:
		one.restart()
		for k, apart := range h.apart {
			h.part(h.all[k[0]], h.all[k[1]], apart)
		}
	case 6:
		h.sync()
	case 7:
		one.disk.fail("PutSecret", map[bool]error{true: errors.New("disk full")}[rnd.IntN(2) == 0])
	case 8:
		whom := h.all[1+rnd.IntN(2)]
		_ = h.all[0].room(h.id).Govern(h.t.Context(), func(*room.Room) ([]room.Op, error) {
			return []room.Op{grantTo(whom, []room.Standing{room.Owner, room.None}[rnd.IntN(2)])}, nil
		})
	case 9:
		time.Sleep(time.Duration(rnd.IntN(100)) * time.Second)
	}
}

// sets has p set a password, or take it away, if he may.
func (h *havoc) sets(p *person, password string) {
	typed := []byte(password)
	var next uint64
	p.inside(h.id, func(r *Room) { next = r.rules.NextPassword() })
	if p.room(h.id).Configure(h.t.Context(), nil, &typed) == nil {
		h.secrets[p.lastAct(h.id).ID] = pake.Stretch(h.id, next, typed)
	}
	time.Sleep(coalesce)
	synctest.Wait()
}
