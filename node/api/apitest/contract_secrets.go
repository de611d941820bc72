package apitest

import (
	"context"
	"encoding/hex"
	"iter"
	"strings"

	"p2pchat/node/api"
	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
)

// secretsWatch reads what a capture is told, and checks each item's form.
type secretsWatch struct {
	p    *party
	next func() (api.Secret, error, bool)
	stop func()

	sessions map[string]map[string]bool // labels by client random
	rooms    map[string]api.RoomKey     // by epoch
	names    map[string]string          // by peer ID
}

func (p *party) captureSecrets(ctx context.Context, svc api.Service) *secretsWatch {
	p.Helper()
	w := &secretsWatch{p: p, sessions: map[string]map[string]bool{}, rooms: map[string]api.RoomKey{}, names: map[string]string{}}
	w.next, w.stop = iter.Pull2(svc.CaptureSecrets(ctx))
	if s, err, ok := w.next(); !ok || err != nil || s.Type != api.SecretListening {
		p.Fatalf("the secrets began with %+v, %v, want that somebody listens", s, err)
	}
	return w
}

// until reads on until done, which is asked after each item.
func (w *secretsWatch) until(what string, done func(api.Secret) bool) {
	w.p.Helper()
	for {
		s, err, ok := w.next()
		if !ok || err != nil {
			w.p.Fatalf("secrets ended before: %s (%v, %v)", what, err, w.p.ctx.Err())
		}
		w.note(s)
		if done(s) {
			return
		}
	}
}

func (w *secretsWatch) note(s api.Secret) {
	w.p.Helper()
	switch s.Type {
	case api.SecretSession:
		f := strings.Split(s.Session, " ")
		if len(f) != 3 || len(f[1]) != 64 || !isHex(f[1]) || !isHex(f[2]) {
			w.p.Fatalf("no line of a key log: %q", s.Session)
		}
		if w.sessions[f[1]] == nil {
			w.sessions[f[1]] = map[string]bool{}
		}
		w.sessions[f[1]][f[0]] = true
	case api.SecretRoom:
		k := *s.Room
		if !isHex(k.RoomID+k.Epoch+k.Key) || len(k.RoomID) != 64 || len(k.Epoch) != 64 || len(k.Key) != 64 {
			w.p.Fatalf("no key of a room: %+v", k)
		}
		raw, _ := hex.DecodeString(k.RoomID)
		if k.Topic != envelope.Topic(event.Conversation(raw)) {
			w.p.Errorf("topic %q of room %s", k.Topic, k.RoomID)
		}
		w.rooms[k.Epoch] = k
	case api.SecretPerson:
		w.names[s.Person.PeerID] = s.Person.Name
	}
}

// whole counts the sessions whose keys are all known.
func (w *secretsWatch) whole() (n int) {
	for _, labels := range w.sessions {
		all := true
		for _, l := range sessionLabels {
			all = all && labels[l]
		}
		if all {
			n++
		}
	}
	return n
}

// testSecrets: what is known comes first, then the keys of connections that are
// opened anew, then what comes new; and people talk on.
func testSecrets(p *party) {
	id := p.create(api.CreateRoomRequest{Name: "before"})
	w := p.captureSecrets(p.ctx, p.Alice)
	defer w.stop()
	w.until("connections are open again", func(s api.Secret) bool {
		if s.Type == api.SecretReopened && len(s.Reopened.Missing) > 0 {
			p.Errorf("not connected again: %+v", s.Reopened)
		}
		return s.Type == api.SecretReopened
	})
	if k, ok := w.rooms[id]; !ok || k.RoomID != id || k.Name != "before" {
		p.Errorf("the keys of rooms are %+v, want that of %s", w.rooms, id)
	}
	if w.names[p.aliceID] != "alice" || w.names[p.bobID] != "bob" {
		p.Errorf("people are %v", w.names)
	}
	for w.whole() == 0 {
		w.until("the keys of bob's session", func(s api.Secret) bool { return s.Type == api.SecretSession })
	}
	p.waitState(p.Alice, p.bobID, api.Online)
	p.say(p.Alice, p.bobID, "to bob")
	p.say(p.Bob, p.aliceID, "to alice")

	made := p.create(api.CreateRoomRequest{Name: "meanwhile"})
	w.until("the key of a new room", func(api.Secret) bool { return w.rooms[made].Name == "meanwhile" })
	before := w.whole()
	carol := p.whoami(p.Join("carol")).PeerID
	w.until("carol and the keys of her session", func(api.Secret) bool { return w.names[carol] == "carol" && w.whole() > before })

	for _, who := range []struct {
		svc   api.Service
		other string
	}{{p.Alice, p.bobID}, {p.Bob, p.aliceID}} {
		received := 0
		for _, m := range p.log(who.svc, api.LogQuery{Target: who.other}) {
			if m.State == api.Received {
				received++
			}
		}
		if received != 1 {
			p.Errorf("received %d messages, want 1", received)
		}
	}
}

func testSecretsEnd(p *party) {
	ctx, cancel := context.WithCancel(p.ctx)
	for s, err := range p.Alice.CaptureSecrets(ctx) {
		if err != nil {
			p.Fatalf("secrets that were cancelled ended with %v", err)
		}
		if s.Type == api.SecretReopened {
			cancel()
		}
	}
	cancel()
	for s, err := range p.Alice.CaptureSecrets(ctx) {
		p.Fatalf("secrets whose context is over: %+v, %v", s, err)
	}
	// With the loop; two listen at a time, and all is as before.
	w := p.captureSecrets(p.ctx, p.Alice)
	defer w.stop()
	for _, err := range p.Alice.CaptureSecrets(p.ctx) {
		p.must(err)
		break
	}
	w.until("the first goes on", func(s api.Secret) bool { return s.Type == api.SecretReopened })
	w.stop()
	p.waitState(p.Alice, p.bobID, api.Online)
	p.say(p.Bob, p.aliceID, "still here")
}
