package rooms

import (
	"context"
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

const secretPurpose = "room secret"

// secret is what members know of the room's password. Nothing tells whether one that was
// handed over is right, and by a false one whoever handed it over could let in whom he
// likes, through its holder: so it says whose it is.
type secret struct {
	generation uint64   // 0: nothing is known
	setting    event.ID // the event that set the password; none: one of ours that was not there yet
	value      pake.Secret
	from       peer.ID // who handed it over; empty: it was typed here
}

// loadSecret reads what is kept of it.
func (r *Room) loadSecret(ctx context.Context) error {
	generation, sealed, err := r.svc.cfg.Store.Secret(ctx, r.id)
	if err != nil || generation == 0 {
		return err
	}
	plain, err := envelope.OpenLocal(r.svc.cfg.Key.Seed(), r.purpose(), sealed)
	n, m := len(pake.Secret{}), len(pake.Secret{})+len(event.ID{})
	switch {
	case err == nil && len(plain) == n: // of an earlier version, which did not keep whose it is
		setting, _ := r.rules.PasswordBy()
		r.secret = secret{generation, setting, pake.Secret(plain), r.svc.self}
	case err == nil && len(plain) >= m:
		r.secret = secret{generation, event.ID(plain[n:m]), pake.Secret(plain[:n]), peer.ID(plain[m:])}
	default:
		r.log.Warn("the room's secret cannot be opened; it will be asked for", "err", err)
	}
	return nil
}

// purpose binds a sealed secret to its room.
func (r *Room) purpose() string { return secretPurpose + " " + r.id.String() }

// keepSecret keeps a secret and puts it into use.
func (r *Room) keepSecret(ctx context.Context, s secret) error {
	plain := slices.Concat(s.value[:], s.setting[:], []byte(s.from))
	sealed, err := envelope.SealLocal(r.svc.cfg.Rand, r.svc.cfg.Key.Seed(), r.purpose(), plain)
	if err != nil {
		return err
	}
	if err := r.svc.cfg.Store.PutSecret(ctx, r.id, s.generation, sealed); err != nil {
		return err
	}
	r.secret = s
	return nil
}

// ofNow tells whether the secret kept is for the password in force. Two owners may set
// one each under the same number; one of the two is in force.
func (r *Room) ofNow() bool {
	cfg, s := r.rules.Config(), r.secret
	setting, by := r.rules.PasswordBy()
	return s.generation > 0 && s.generation == cfg.Password() &&
		(s.setting == setting || s.setting.IsZero() && by == r.svc.self)
}

// stillKnows tells whether s, with which somebody was asked, is that of the password in
// force.
func (r *Room) stillKnows(s secret) bool {
	now, known := r.knownSecret()
	return known && now.generation == s.generation && now.value == s.value
}

// sure tells whether the secret is right if p says so: one that was typed here, for an
// empty p, of who set the password, whatever became of him, and of owners.
func (r *Room) sure(p peer.ID) bool {
	_, by := r.rules.PasswordBy()
	return p == "" || p == by || r.rules.Standing(p) == room.Owner
}

// knownSecret is that of the password in force, if we know it. That of somebody who is
// sure of it counts, and that of a member while he may be in the room.
func (r *Room) knownSecret() (secret, bool) {
	return r.secret, r.ofNow() && (r.sure(r.secret.from) || r.passed(r.secret.from) || r.secret.from == r.svc.self)
}

// takeSecret keeps the secret of the password in force that was typed, or that a member
// handed over. What is sure goes before what is not, and what was typed before all; it is
// remembered where it is for another password than the one in force, of which we may not
// have heard yet.
func (r *Room) takeSecret(m *pb.RoomSecret, from peer.ID) {
	if m == nil || m.Generation == 0 || len(m.Secret) != len(pake.Secret{}) {
		return
	}
	cfg := r.rules.Config()
	setting, _ := r.rules.PasswordBy()
	ofNow := m.Generation == cfg.Password() && (string(m.Setting) == string(setting[:]) || from == "" && len(m.Setting) == 0)
	switch {
	case ofNow && (from == "" || r.tells(from)):
	case from == "":
		r.typed = m
		return
	default:
		return
	}
	if _, known := r.knownSecret(); known && from != "" && (r.sure(r.secret.from) || !r.sure(from)) {
		return
	}
	if err := r.keepSecret(r.svc.ctx, secret{m.Generation, setting, pake.Secret(m.Secret), from}); err != nil {
		r.log.Warn("keep the room's secret", "err", err)
		if from == "" {
			r.typed = m
		}
		return
	}
	if from == "" {
		r.typed = nil
	}
}

// tells tells whether the secret is taken of p: he is in the room, and served or an owner.
func (r *Room) tells(p peer.ID) bool {
	return r.isOccupant(p) && (r.entitled(p) || r.rules.Standing(p) == room.Owner)
}

// wireSecret is the secret for a member, nil if there is none. What a member says who is
// not sure of it is not passed on: he may be out one day, and it would stay.
func (r *Room) wireSecret() *pb.RoomSecret {
	s, known := r.knownSecret()
	if !known || !r.sure(s.from) {
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

// sureEvery spaces the questions of somebody who has the secret of a member.
const sureEvery = time.Minute

// wantSecret asks the members for the secret of a password that somebody set; where a
// member gave one, those who are sure of it.
func (r *Room) wantSecret() {
	cfg := r.rules.Config()
	r.takeSecret(r.typed, "")
	s, known := r.knownSecret()
	if !r.joined || r.askingSecret || cfg.Password() == 0 || known && (r.sure(s.from) || time.Since(r.askedSure) < sureEvery) {
		return
	}
	ask := slices.DeleteFunc(r.TopicPeers(), func(p peer.ID) bool {
		return !r.tells(p) || known && !r.sure(p)
	})
	if len(ask) == 0 {
		return
	}
	if known {
		r.askedSure = time.Now()
	}
	r.askingSecret = true
	rand.Shuffle(len(ask), func(i, j int) { ask[i], ask[j] = ask[j], ask[i] }) // peer IDs can be chosen
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
				taken = r.ofNow() && r.secret.from == p
			})
			if taken || err != nil { // it ends
				break
			}
		}
		r.post(func() { r.askingSecret = false })
	})
}
