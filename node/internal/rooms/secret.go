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
	setting    event.ID // the event that set the password; none: one of ours that was not there yet
	value      pake.Secret
	from       peer.ID // who handed it over; ourselves: we set it; empty: it was typed here
}

// maxSecrets are kept: which password is in force can change with what is heard of late,
// and one that was set or typed may be of an event that is not here yet.
const maxSecrets = 8

// storedSecret is a secret as it is sealed.
type storedSecret struct {
	Generation           uint64
	Setting, Value, From []byte
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
			r.secrets = append(r.secrets, secret{s.Generation, event.ID(s.Setting), pake.Secret(s.Value), peer.ID(s.From)})
		}
	}
	return nil
}

// earlierSecret is the one that earlier versions kept, of which the first did not keep
// whose it is.
func (r *Room) earlierSecret(generation uint64, plain []byte) []storedSecret {
	n, m := len(pake.Secret{}), len(pake.Secret{})+len(event.ID{})
	switch {
	case len(plain) == n:
		setting, _ := r.rules.PasswordBy()
		return []storedSecret{{generation, setting[:], plain, []byte(r.svc.self)}}
	case len(plain) >= m:
		return []storedSecret{{generation, plain[n:m], plain[:n], plain[m:]}}
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
		all = append(all, storedSecret{s.generation, s.setting[:], s.value[:], []byte(s.from)})
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
// password. That in force is never given up for it. Where it could not be stored it is in
// use all the same.
func (r *Room) keepSecret(ctx context.Context, s secret) error {
	r.secrets = slices.DeleteFunc(r.secrets, func(x secret) bool { return x.generation == s.generation && x.setting == s.setting })
	r.secrets = append(r.secrets, s)
	if len(r.secrets) > maxSecrets {
		i := 0
		if now, known := r.ofNow(); known && r.secrets[0] == now {
			i = 1
		}
		r.secrets = slices.Delete(r.secrets, i, i+1)
	}
	return r.storeSecrets(ctx)
}

// ofNow is what is kept of the password in force. Two owners may set one each under the
// same number; one of the two is in force.
func (r *Room) ofNow() (secret, bool) {
	cfg := r.rules.Config()
	setting, by := r.rules.PasswordBy()
	for _, s := range r.secrets {
		if s.generation > 0 && s.generation == cfg.Password() && (s.setting == setting || s.setting.IsZero() && by == r.svc.self) {
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

// How far the secret of the password in force is believed, by who says so.
const (
	unbelieved = iota
	hearsay    // a member, while he may be in the room
	sure       // it was typed here and somebody proved that he knows it, or an owner
	certain    // who set the password, whatever became of him
)

// belief is how far p is believed; of an empty p it was typed here.
func (r *Room) belief(p peer.ID) int {
	_, by := r.rules.PasswordBy()
	switch {
	case p == by:
		return certain
	case p == "" || r.rules.Standing(p) == room.Owner:
		return sure
	case p == r.svc.self || r.passed(p):
		return hearsay
	}
	return unbelieved
}

// knownSecret is that of the password in force, if we know it.
func (r *Room) knownSecret() (secret, bool) {
	s, kept := r.ofNow()
	return s, kept && r.belief(s.from) > unbelieved
}

// surely tells whether that is believed enough to be passed on.
func (r *Room) surely() bool {
	s, kept := r.ofNow()
	return kept && r.belief(s.from) >= sure
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
// of which we have not heard yet; p says which event set it.
func (r *Room) takeTyped(m *pb.RoomSecret, p peer.ID) (s secret, ok bool) {
	if s, ok = wiredSecret(m, ""); !ok {
		return s, false
	}
	if setting, by := r.rules.PasswordBy(); s.setting == setting && p == by {
		s.from = p
	}
	r.learn(s)
	return s, true
}

// wiredSecret is m as p handed it over.
func wiredSecret(m *pb.RoomSecret, p peer.ID) (secret, bool) {
	if m == nil || m.Generation == 0 || len(m.Secret) != len(pake.Secret{}) || len(m.Setting) != len(event.ID{}) {
		return secret{}, false
	}
	return secret{m.Generation, event.ID(m.Setting), pake.Secret(m.Secret), p}, true
}

// learn keeps s unless we know better. An old password that is typed out of habit, and
// that somebody proves to know who knows no other, does not displace the one in force.
func (r *Room) learn(s secret) {
	setting, _ := r.rules.PasswordBy()
	if now, kept := r.ofNow(); kept && s.setting == setting && r.belief(s.from) <= r.belief(now.from) {
		return
	}
	if slices.Contains(r.secrets, s) {
		return
	}
	if err := r.keepSecret(r.svc.ctx, s); err != nil {
		r.log.Warn("keep the room's secret", "err", err) // the next tick tries again
	}
}

// tells tells whether a secret is taken of p: he set the password and is not put out, or is
// in the room and served or an owner.
func (r *Room) tells(p peer.ID) bool {
	return r.belief(p) == certain && r.rules.MayEnter(p) == nil || r.isOccupant(p) && (r.entitled(p) || r.belief(p) >= sure)
}

// wireSecret is the secret for a member, nil if there is none. What a member says who is
// not sure of it is not passed on: he may be out one day, and it would stay.
func (r *Room) wireSecret() *pb.RoomSecret {
	if !r.surely() {
		return nil
	}
	s, _ := r.ofNow()
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

// betterEvery spaces the questions of somebody who has a secret that others know better.
const betterEvery = time.Minute

// wantSecret asks the members for the secret of a password that somebody set; where we
// have one, those who are believed more than whoever gave it.
func (r *Room) wantSecret() {
	if r.unstored {
		if err := r.storeSecrets(r.svc.ctx); err != nil {
			r.log.Debug("keep the room's secret", "err", err)
		}
	}
	cfg := r.rules.Config()
	s, known := r.knownSecret()
	if !r.joined || r.askingSecret || cfg.Password() == 0 || known && time.Since(r.askedBetter) < betterEvery {
		return
	}
	ask := slices.DeleteFunc(r.TopicPeers(), func(p peer.ID) bool {
		return !r.tells(p) || known && r.belief(p) <= max(hearsay, r.belief(s.from))
	})
	if len(ask) == 0 {
		return
	}
	if known {
		r.askedBetter = time.Now()
	}
	r.askingSecret = true
	rand.Shuffle(len(ask), func(i, j int) { ask[i], ask[j] = ask[j], ask[i] }) // peer IDs can be chosen
	slices.SortStableFunc(ask, func(p, q peer.ID) int { return r.belief(q) - r.belief(p) })
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
