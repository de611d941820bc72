package rooms

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/envelope/pake"
	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

// secret is what members know of a password of the room. Nothing tells whether one that
// was handed over is right, and by a false one whoever handed it over could let in whom he
// likes, through its holder: so it says whose it is.
type secret struct {
	generation uint64   // 0: nothing is known
	setting    event.ID // the event that set the password; none: one of ours that is not there yet
	value      pake.Secret
	from       peer.ID // who handed it over; ourselves: we set it
	typed      bool    // here; from is the member who proved that he knows it, or let us in by it; empty: a stranger
}

// maxSecrets are kept: which password is in force can change with what is heard of late,
// and one that was set or typed may be of an event that is not here yet.
const maxSecrets = 8

// storedSecret is a secret as it is sealed.
type storedSecret struct {
	Generation           uint64
	Setting, Value, From []byte
	Typed                bool
}

// loadSecrets reads what is kept of them.
func (r *Room) loadSecrets(ctx context.Context) error {
	generation, sealed, err := r.svc.cfg.Store.Secret(ctx, r.id)
	if err != nil || generation == 0 {
		return err
	}
	seed := r.svc.cfg.Key.Seed()
	plain, err := envelope.OpenLocal(seed, r.purpose(secretsPurpose), sealed)
	var all []storedSecret
	if err == nil {
		err = json.Unmarshal(plain, &all)
	} else if plain, e := envelope.OpenLocal(seed, r.purpose(secretPurpose), sealed); e == nil {
		all, err = r.earlierSecret(generation, plain), nil
	}
	if err != nil {
		r.log.Warn("the room's secret cannot be opened; it will be asked for", "err", err)
		return nil
	}
	for _, s := range all {
		if len(s.Setting) == len(event.ID{}) && len(s.Value) == len(pake.Secret{}) {
			r.secrets = append(r.secrets, secret{s.Generation, event.ID(s.Setting), pake.Secret(s.Value), peer.ID(s.From), s.Typed})
		}
	}
	r.bindLost()
	return nil
}

// earlierSecret is the one that earlier versions kept, of which the first did not keep
// whose it is.
func (r *Room) earlierSecret(generation uint64, plain []byte) []storedSecret {
	n, m := len(pake.Secret{}), len(pake.Secret{})+len(event.ID{})
	switch {
	case len(plain) == n:
		setting, _ := r.rules.PasswordBy()
		return []storedSecret{{generation, setting[:], plain, []byte(r.svc.self), false}}
	case len(plain) == m && event.ID(plain[n:m]).IsZero():
		return []storedSecret{{generation, plain[n:m], plain[:n], []byte(r.svc.self), false}}
	case len(plain) >= m: // of nobody: it was typed
		return []storedSecret{{generation, plain[n:m], plain[:n], plain[m:], len(plain) == m}}
	}
	return nil
}

// What binds sealed secrets to their room: all of them, and the one of earlier versions.
const (
	secretsPurpose = "room secrets"
	secretPurpose  = "room secret"
)

func (r *Room) purpose(of string) string { return of + " " + r.id.String() }

// storeSecrets keeps the secrets as they are now.
func (r *Room) storeSecrets(ctx context.Context) error {
	var all []storedSecret
	var newest uint64
	for _, s := range r.secrets {
		all = append(all, storedSecret{s.generation, s.setting[:], s.value[:], []byte(s.from), s.typed})
		newest = max(newest, s.generation)
	}
	plain, err := json.Marshal(all)
	if err != nil {
		return err
	}
	sealed, err := envelope.SealLocal(r.svc.cfg.Rand, r.svc.cfg.Key.Seed(), r.purpose(secretsPurpose), plain)
	if err == nil {
		err = r.svc.cfg.Store.PutSecret(ctx, r.id, newest, sealed)
	}
	r.unstored = err != nil
	return err
}

// keepSecret puts a secret into use and keeps it, in place of what was known of the same
// password. Where it could not be stored it is in use all the same.
func (r *Room) keepSecret(ctx context.Context, s secret) error {
	r.secrets = slices.DeleteFunc(r.secrets, func(x secret) bool { return x.generation == s.generation && x.setting == s.setting })
	r.secrets = append(r.secrets, s)
	r.betterPause = 0
	if len(r.secrets) > maxSecrets {
		i := 0
		if now, kept := r.ofNow(); kept && r.secrets[0] == now {
			i = 1
		}
		r.secrets = slices.Delete(r.secrets, i, i+1)
	}
	return r.storeSecrets(ctx)
}

// keeps tells whether something is kept of a password.
func (r *Room) keeps(generation uint64, setting event.ID) bool {
	return slices.ContainsFunc(r.secrets, func(s secret) bool { return s.generation == generation && s.setting == setting })
}

// bind notes which event set a password of ours.
func (r *Room) bind(generation uint64, setting event.ID) {
	for i, s := range r.secrets {
		if s.setting.IsZero() && s.generation == generation {
			r.secrets[i].setting, r.unstored = setting, true
		}
	}
}

// bindLost does so where a crash came between the event and the note of it.
func (r *Room) bindLost() {
	cfg := r.rules.Config()
	if setting, by := r.rules.PasswordBy(); by == r.svc.self && !r.keeps(cfg.Password(), setting) {
		r.bind(cfg.Password(), setting)
	}
}

// bindNew does so for those of our events that were just committed.
func (r *Room) bindNew(ctx context.Context, events []*event.Event) {
	for _, e := range events {
		if e.Lane != event.LaneControl || e.Kind != room.KindConfigure {
			continue
		}
		if op, ok, err := room.DecodeOp(e.Kind, e.Body); err == nil && ok && op.Setting.Field == room.FieldPassword {
			r.bind(op.Setting.Number, e.ID)
		}
	}
	if r.unstored {
		if err := r.storeSecrets(ctx); err != nil {
			r.log.Warn("keep the room's secret", "err", err) // the next tick tries again
		}
	}
}

// ofNow is what is kept of the password in force. Two owners may set one each under the
// same number; one of the two is in force.
func (r *Room) ofNow() (secret, bool) {
	cfg := r.rules.Config()
	setting, _ := r.rules.PasswordBy()
	for _, s := range r.secrets {
		if s.generation > 0 && s.generation == cfg.Password() && s.setting == setting {
			return s, true
		}
	}
	return secret{}, false
}

// stillKnows tells whether s, with which somebody was asked, is that of the password in
// force.
func (r *Room) stillKnows(s secret) bool {
	now, known := r.knownSecret()
	return known && now.generation == s.generation && now.value == s.value
}

// How far a secret of the password in force is believed.
const (
	unbelieved = iota
	guessed    // it was typed here, and somebody proved that he knows it
	hearsay    // a member says so, while he may be in the room
	proved     // it was typed here, and a member proved it
	sure       // an owner says so, or proved it
	certain    // who set the password does, whatever became of him
)

func (r *Room) belief(s secret) int {
	_, by := r.rules.PasswordBy()
	switch {
	case s.from == by:
		return certain
	case r.rules.Standing(s.from) == room.Owner:
		return sure
	case s.typed && r.passed(s.from):
		return proved
	case s.typed:
		return guessed
	case s.from == r.svc.self || r.passed(s.from):
		return hearsay
	}
	return unbelieved
}

// word is how far what p hands over is believed.
func (r *Room) word(p peer.ID) int { return r.belief(secret{from: p}) }

// knownSecret is that of the password in force, if we know it.
func (r *Room) knownSecret() (secret, bool) {
	s, kept := r.ofNow()
	return s, kept && r.belief(s) > unbelieved
}

// sureSecret is that of the password in force, if it is believed enough to be passed on.
func (r *Room) sureSecret() (secret, bool) {
	s, kept := r.ofNow()
	return s, kept && r.belief(s) >= proved
}

// takeSecret keeps what p handed over of the password in force.
func (r *Room) takeSecret(m *pb.RoomSecret, p peer.ID) {
	cfg := r.rules.Config()
	setting, _ := r.rules.PasswordBy()
	if s, ok := wiredSecret(m, p); ok && s.generation == cfg.Password() && s.setting == setting && r.tells(p) {
		r.learn(s)
	}
}

// takeTyped keeps one that was typed and that p proved to know. It may be of a password
// of which we have not heard yet; p says which event set it. By proving it he becomes
// nobody whose word counts for more.
func (r *Room) takeTyped(m *pb.RoomSecret, p peer.ID) (s secret, ok bool) {
	s, ok = wiredSecret(m, p)
	if s.typed = true; r.word(p) == unbelieved {
		s.from = ""
	}
	if ok {
		r.learn(s)
	}
	return s, ok
}

// wiredSecret is m as p handed it over.
func wiredSecret(m *pb.RoomSecret, p peer.ID) (secret, bool) {
	if m == nil || m.Generation == 0 || len(m.Secret) != len(pake.Secret{}) || len(m.Setting) != len(event.ID{}) || event.ID(m.Setting).IsZero() {
		return secret{}, false
	}
	return secret{generation: m.Generation, setting: event.ID(m.Setting), value: pake.Secret(m.Secret), from: p}, true
}

// learn keeps s unless something better is kept of that password.
func (r *Room) learn(s secret) {
	for _, x := range r.secrets {
		if x.generation != s.generation || x.setting != s.setting {
			continue
		}
		if !r.better(s, x) {
			return
		}
		// What was typed stays so, whatever becomes of a member who says the same.
		if x.typed && x.value == s.value {
			if r.belief(s) <= hearsay {
				return
			}
			s.typed = true
		}
	}
	if err := r.keepSecret(r.svc.ctx, s); err != nil {
		r.log.Warn("keep the room's secret", "err", err) // the next tick tries again
	}
}

// better tells whether s takes the place of x, which is of the same password. Of two that
// were typed and proved by members the later one does; an old password that is typed out of
// habit, and that a stranger proves who knows no other, takes no place. What was set or
// handed over of a password that is not in force can be weighed against nothing.
func (r *Room) better(s, x secret) bool {
	if setting, _ := r.rules.PasswordBy(); s.setting != setting {
		return x.typed && x.value != s.value
	}
	a, b := r.belief(s), r.belief(x)
	return a > b || a == b && s.typed && a >= proved && s.value != x.value
}

// tells tells whether a secret is taken of p: he set the password and is not put out, or is
// in the room and served or an owner.
func (r *Room) tells(p peer.ID) bool {
	return r.word(p) == certain && r.rules.MayEnter(p) == nil || r.isOccupant(p) && (r.entitled(p) || r.word(p) >= sure)
}

// wireSecret is the secret for a member, nil if there is none. What a member says is not
// passed on: he may be out one day, and it would stay.
func (r *Room) wireSecret() *pb.RoomSecret {
	s, ok := r.sureSecret()
	if !ok {
		return nil
	}
	m := r.wireSetting()
	m.Secret = s.value[:]
	return m
}

// wireSetting says of which password a secret is, without it.
func (r *Room) wireSetting() *pb.RoomSecret {
	cfg := r.rules.Config()
	setting, _ := r.rules.PasswordBy()
	return &pb.RoomSecret{Generation: cfg.Password(), Setting: setting[:]}
}

// The questions of somebody who has a secret that others may know better are spaced by
// betterEvery, and twice as much each time that they don't, up to betterAtMost.
const (
	betterEvery  = time.Minute
	betterAtMost = time.Hour
)

// wantSecret asks the members for the secret of a password that somebody set; where we
// have one, those who are believed more than whoever gave it.
func (r *Room) wantSecret() {
	if r.unstored {
		if err := r.storeSecrets(r.svc.ctx); err != nil {
			r.log.Debug("keep the room's secret", "err", err)
		}
	}
	r.bindLost()
	cfg := r.rules.Config()
	s, known := r.knownSecret()
	if !r.joined || r.askingSecret || cfg.Password() == 0 || known && time.Since(r.askedBetter) < r.betterPause {
		return
	}
	ask := slices.DeleteFunc(r.TopicPeers(), func(p peer.ID) bool {
		return !r.tells(p) || known && r.word(p) <= r.belief(s)
	})
	if len(ask) == 0 {
		return
	}
	if known {
		r.askedBetter, r.betterPause = time.Now(), min(max(2*r.betterPause, betterEvery), betterAtMost)
	}
	r.askingSecret = true
	rand.Shuffle(len(ask), func(i, j int) { ask[i], ask[j] = ask[j], ask[i] }) // peer IDs can be chosen
	slices.SortStableFunc(ask, func(p, q peer.ID) int { return r.word(q) - r.word(p) })
	q := &pb.JoinAsk{Room: r.id[:], Keys: &pb.JoinKeys{Epochs: [][]byte{r.id[:]}}}
	r.svc.wg.Go(func() { // ends with the last stream
		for _, p := range ask {
			g, err := r.svc.ask(r.svc.ctx, p, q, nothingElse)
			if err != nil || g.Secret == nil {
				continue
			}
			taken := false
			err = r.do(r.svc.ctx, func() {
				r.takeKeys(g, p)
				now, kept := r.ofNow()
				taken = kept && now.from == p
			})
			if taken || err != nil { // it ends
				break
			}
		}
		r.post(func() { r.askingSecret = false })
	})
}
