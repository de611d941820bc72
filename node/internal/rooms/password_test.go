package rooms

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-msgio/pbio"
	"google.golang.org/protobuf/proto"

	"p2pchat/protocol/envelope/pake"
	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

// right and wrong are stretched passwords: stretching is tested elsewhere.
var right, wrong = pake.Secret{1}, pake.Secret{2}

// guarded has the first make a room with a password, and the others be let in.
func (w *town) guarded(all ...*person) event.Conversation {
	w.t.Helper()
	id := w.found([]room.Setting{room.Password(firstPassword)}, all[0])
	all[0].inside(id, func(r *Room) {
		if err := r.keepSecret(context.Background(), secret{generation: firstPassword, setting: event.ID(id), value: right, from: all[0].id()}); err != nil {
			w.t.Error(err)
		}
	})
	for i, p := range all[1:] {
		if err := p.knocks(id, fmt.Sprintf("nick%d", i+1), right, all[0]); err != nil {
			w.t.Fatal(err)
		}
	}
	return id
}

// knocks joins with a stretched password.
func (p *person) knocks(id event.Conversation, nick string, s pake.Secret, via *person) error {
	log, err := p.disk.OwnLog(context.Background(), id)
	if err != nil {
		return err
	}
	g, err := p.askToEnter(context.Background(), via.id(), id, nick, &guess{secret: secret{generation: firstPassword, value: s}}, log.Log)
	if err != nil {
		return err
	}
	g.from = via.id()
	m := Membership{Room: id, Joined: true, Nick: nick}
	if err := p.disk.Enter(context.Background(), m, g.control, g.keys, g.below, g.standing); err != nil {
		return err
	}
	r, err := p.settle(m, g)
	if err != nil {
		return err
	}
	err = r.enter(context.Background(), nick, g)
	synctest.Wait()
	p.town.sync(id, p, via)
	return err
}

// settle does what Join does once somebody let us in.
func (p *person) settle(m Membership, g *grant) (*Room, error) {
	r, err := p.Service.load(context.Background(), m)
	if err != nil {
		return nil, err
	}
	_, _ = r.takeTyped(g.secret, g.from)
	r.pending = g
	return p.adopt(r)
}

// stream opens one to p for raw frames.
func (p *person) stream(to *person) network.Stream {
	p.town.t.Helper()
	st, err := p.host.NewStream(context.Background(), to.id(), JoinProtocol)
	if err != nil {
		p.town.t.Fatal(err)
	}
	return st
}

// proves asks to enter with raw frames and returns the last frame answered.
func (p *person) proves(id event.Conversation, to *person, s pake.Secret, how func(step int, proof *pb.JoinProof)) []byte {
	t := p.town.t
	t.Helper()
	st := p.stream(to)
	defer func() { _ = st.Reset() }()
	r, out := pbio.NewDelimitedReader(st, maxFrame), pbio.NewDelimitedWriter(st)
	say := func(q *pb.JoinAsk) {
		if err := out.WriteMsg(q); err != nil {
			t.Fatal(err)
		}
	}
	hear := func() *pb.JoinAnswer {
		var a pb.JoinAnswer
		if err := r.ReadMsg(&a); err != nil {
			t.Fatalf("no answer: %v", err)
		}
		return &a
	}
	raw := func(a *pb.JoinAnswer) []byte {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	say(&pb.JoinAsk{Room: id[:], Enter: &pb.JoinEnter{Nick: "x", Log: []byte("12345678")}})
	if a := hear(); a.GetChallenge().GetGeneration() != firstPassword {
		t.Fatalf("no challenge: %v", a)
	}
	j, share, err := pake.Start(bytes.NewReader(bytes.Repeat([]byte{5}, 1<<10)), s, pake.Context{Room: id, Joiner: p.id(), Admitter: to.id(), Generation: firstPassword})
	if err != nil {
		t.Fatal(err)
	}
	proof := &pb.JoinProof{Share: share}
	how(1, proof)
	say(&pb.JoinAsk{Room: id[:], Proof: proof})
	a := hear()
	if a.Refusal != nil {
		return raw(a)
	}
	confirm, err := j.Finish(a.GetChallenge().GetShare(), a.GetChallenge().GetConfirm())
	if err != nil {
		confirm = make([]byte, pake.ConfirmSize)
	}
	proof = &pb.JoinProof{Confirm: confirm}
	how(2, proof)
	say(&pb.JoinAsk{Room: id[:], Proof: proof})
	return raw(hear())
}

// TestPasswordFailures: whatever went wrong, the answer is the same, byte for
// byte.
func TestPasswordFailures(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a := w.person()
		id := w.guarded(a)
		plain := func(int, *pb.JoinProof) {}
		var first []byte
		for name, f := range map[string]struct {
			s   pake.Secret
			how func(int, *pb.JoinProof)
		}{
			"wrong password":   {wrong, plain},
			"no share":         {right, func(n int, p *pb.JoinProof) { p.Share = nil }},
			"neutral share":    {right, func(n int, p *pb.JoinProof) { p.Share = bytes.Repeat([]byte{0}, len(p.Share)) }},
			"false share":      {right, func(n int, p *pb.JoinProof) { p.Share = bytes.Repeat([]byte{255}, len(p.Share)) }},
			"no confirmation":  {right, func(n int, p *pb.JoinProof) { p.Confirm = nil }},
			"short confirm":    {right, func(n int, p *pb.JoinProof) { p.Confirm = p.Confirm[:min(3, len(p.Confirm))] }},
			"replayed confirm": {right, func(n int, p *pb.JoinProof) { p.Confirm = bytes.Repeat([]byte{7}, len(p.Confirm)) }},
		} {
			b := w.person()
			got := b.proves(id, a, f.s, f.how)
			if first == nil {
				first = got
			}
			var m pb.JoinAnswer
			if err := proto.Unmarshal(got, &m); err != nil || m.Refusal.GetCode() != string(room.NotAuthorized) {
				t.Errorf("%s: answered %v", name, &m)
			}
			if !bytes.Equal(first, got) {
				t.Errorf("%s: another answer", name)
			}
		}
	})
}

// TestPasswordOnASlowComputer: whoever takes long to stretch the password is let in.
func TestPasswordOnASlowComputer(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.guarded(a)
		var m pb.JoinAnswer
		got := b.proves(id, a, right, func(step int, _ *pb.JoinProof) {
			if step == 1 {
				time.Sleep(stretchWithin - time.Second)
			}
		})
		if err := proto.Unmarshal(got, &m); err != nil || m.Refusal != nil {
			t.Errorf("answered %v, %v", &m, err)
		}
	})
}

// TestPasswordAttempts: after so many wrong ones the right one is not heard
// either, per peer and, since those cost nothing, per address; after a while it is.
func TestPasswordAttempts(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.guarded(a)
		for range triesBurst {
			if err := b.knocks(id, "b", wrong, a); !hasCode(err, room.NotAuthorized) {
				t.Fatalf("wrong: %v", err)
			}
		}
		if err := b.knocks(id, "b", right, a); !hasCode(err, room.NotAuthorized) {
			t.Errorf("the right one after too many wrong ones: %v", err)
		}
		c := w.person() // from the same address
		if err := c.knocks(id, "c", right, a); err != nil {
			t.Errorf("somebody else is kept out for it: %v", err)
		}
		for range addrTries {
			d := w.person()
			for range triesBurst {
				if err := d.knocks(id, "d", wrong, a); !hasCode(err, room.NotAuthorized) {
					t.Fatalf("wrong: %v", err)
				}
			}
		}
		e := w.person()
		if err := e.knocks(id, "e", right, a); !hasCode(err, room.NotAuthorized) {
			t.Errorf("a new identity at the same address: %v", err)
		}
		time.Sleep(2 * triesEvery)
		if err := e.knocks(id, "e", right, a); err != nil {
			t.Errorf("after a while: %v", err)
		}
		if !a.room(id).Entitled(e.id(), true) || !e.room(id).Entitled(a.id(), true) {
			t.Error("who was let in and who let him in do not serve each other")
		}
	})
}

// TestPasswordThatIsNotSet: when a new password cannot be kept, the old one goes
// on letting people in.
func TestPasswordThatIsNotSet(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.guarded(a)
		full := errors.New("disk full")
		a.disk.fail("Append", full)
		next := []byte("another")
		if err := a.room(id).Configure(t.Context(), nil, &next); !errors.Is(err, full) {
			t.Errorf("configure: %v", err)
		}
		a.disk.fail("Append", nil)
		if err := b.knocks(id, "b", right, a); err != nil {
			t.Errorf("the old password: %v", err)
		}
	})
}

// TestPasswordChangedMeanwhile: who proved that he knows the old one is not let in
// by it.
func TestPasswordChangedMeanwhile(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.guarded(a)
		var old secret
		a.inside(id, func(r *Room) { old, _ = r.ofNow() })
		a.does(id, room.Op{Kind: room.KindConfigure, Setting: room.Password(2)})
		_, err := a.room(id).welcome(t.Context(), b.id(), "b", true, old, event.LogKey{Author: b.id(), Log: event.LogID{1}})
		if err == nil {
			t.Error("let in by the old password")
		}
	})
}

// TestSecretIsAskedForAgain: a member who lacks the secret of a password in force
// asks until somebody has it.
func TestSecretIsAskedForAgain(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := w.person(), w.person()
		id := w.guarded(a, b)
		b.inside(id, func(r *Room) { r.secrets = nil }) // it could not be kept
		time.Sleep(2 * tickEvery)
		synctest.Wait()
		b.inside(id, func(r *Room) {
			if s, _ := r.ofNow(); s.value != right {
				t.Error("he never asks for it")
			}
		})
	})
}

// TestAtTheDoor: who knocked before there was a password and did not come in has to
// know it.
func TestAtTheDoor(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, d := w.person(), w.person(), w.person()
		id := w.found(nil, a, b)
		log, err := d.disk.OwnLog(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.askToEnter(t.Context(), a.id(), id, "d", nil, log.Log); err != nil {
			t.Fatal(err)
		}
		time.Sleep(joinWithin)
		a.does(id, room.Op{Kind: room.KindConfigure, Setting: room.Password(1)})
		a.inside(id, func(r *Room) {
			if r.letIn[d.id()] || !r.letIn[b.id()] {
				t.Errorf("let in are %v", r.letIn)
			}
		})
	})
}

// TestAdmitterBanned: who was let in by somebody who is banned later stays in, also
// after a restart. What the banned one signs from then on lets nobody in.
func TestAdmitterBanned(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b, c, d := w.person(), w.person(), w.person(), w.person()
		id := w.guarded(a, b)
		if err := c.knocks(id, "nick2", right, b); err != nil {
			t.Fatal(err)
		}
		w.sync(id, a, b)
		w.part(a, b, true)
		w.part(a, d, true)
		a.does(id, ban(b))
		if err := d.knocks(id, "nick3", right, b); err != nil { // who has not heard of it
			t.Fatal(err)
		}
		w.sync(id, a, c)
		check := func(when string) {
			t.Helper()
			if !a.room(id).Entitled(c.id(), true) || !a.counts(id, c) {
				t.Errorf("%s: who was let in before is not served", when)
			}
			if a.room(id).Entitled(d.id(), true) {
				t.Errorf("%s: who was let in by the banned is served", when)
			}
		}
		check("at once")
		said := d.says(id, "hello") // also where his join is known
		joined := func() (join *event.Event) {
			d.disk.mu.Lock()
			defer d.disk.mu.Unlock()
			for _, e := range d.disk.of(id).messages {
				if e.Author == d.id() && e.Kind == room.KindJoin {
					join = e
				}
			}
			return join
		}()
		a.arrives(c, id, joined, said)
		check("when his join came")
		a.restart()
		check("after a restart")
	})
}
