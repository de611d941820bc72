package rooms

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
)

// Behind a password a member is served on the word of whoever let him in. That word may
// not have come to another, whoever gave it may be gone, or count no longer for him, and
// so it would stay while only these two are here. Whoever knows the password needs no
// word: he asks to be let in again, with the secret that he keeps.

const (
	// againEvery spaces that for one member, againAtOnce bounds it for all of a room.
	// Nobody has to stretch anything.
	againEvery  = time.Minute
	againAtOnce = 8
	againWithin = 10 * time.Second
	// strangersEvery spaces it for those of whom nothing says that they were let in: each of
	// them can test one guess at the password by it, and identities cost nothing.
	strangersEvery = triesEvery
)

// NotServed hears that a member does not serve us. Nothing is waited for.
func (r *Room) NotServed(p peer.ID) { r.post(func() { r.showPassword(p) }) }

// showPassword asks p, who may know of the room, to let us in again. By that each knows of
// the other that he may be served. Strangers take turns.
func (r *Room) showPassword(p peer.ID) {
	if r.rules.MayEnter(p) != nil || !r.introduced(p) {
		return
	}
	if !r.passed(p) {
		if len(r.inTurn) > 0 || time.Since(r.shownLast) < strangersEvery {
			if len(r.inTurn) < maxAsked {
				r.inTurn[p] = true
			}
			return
		}
	}
	r.showNow(p)
}

// nextTurn shows the password to one of the strangers that wait for it, in no order that
// somebody could take a place in.
func (r *Room) nextTurn() {
	if len(r.inTurn) == 0 || time.Since(r.shownLast) < strangersEvery {
		return
	}
	if _, known := r.knownSecret(); !known || r.showing >= againAtOnce {
		return
	}
	waiting := slices.Collect(maps.Keys(r.inTurn))
	rand.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
	for _, p := range waiting {
		delete(r.inTurn, p)
		if r.showNow(p) {
			return
		}
	}
}

// showNow tells whether p is shown it: it is known, and he may be asked.
func (r *Room) showNow(p peer.ID) bool {
	s, known := r.knownSecret()
	if !known || !r.joined || !r.isOccupant(r.svc.self) || r.rules.MayEnter(p) != nil || !r.introduced(p) ||
		r.showing >= againAtOnce || time.Since(r.shownTo[p]) < againEvery {
		return false // his next presence, or the next run that he refuses
	}
	if !r.passed(p) {
		r.shownLast = time.Now()
	}
	if len(r.shownTo) >= maxAsked {
		clear(r.shownTo)
	}
	r.shownTo[p] = time.Now()
	r.showing++
	password, nick, log := &guess{secret: s, kept: true}, r.nick, r.own.Log
	r.svc.wg.Go(func() { // ends with the dialogue
		defer r.post(func() { r.showing-- })
		ctx, cancel := context.WithTimeout(r.svc.ctx, againWithin)
		defer cancel()
		_, err := r.svc.askAgain(ctx, p, r.id, nick, log, password)
		if err == nil {
			err = r.knows(ctx, p, s)
		}
		if err != nil {
			r.log.Debug("show that we know the password", "peer", p, "err", err)
		}
	})
	return true
}

// knows notes that p showed that he knows the password that s is of.
func (r *Room) knows(ctx context.Context, p peer.ID, s secret) error {
	var err error
	if e := r.do(ctx, func() { err = r.letInBy(p, s) }); e != nil {
		return e
	}
	return err
}

// letInBy lets p in who showed that he knows s, if that is of the password in force still:
// who knows that of before may draw out his dialogue until it changes.
func (r *Room) letInBy(p peer.ID, s secret) error {
	if !r.stillKnows(s) {
		return errNoSuchRoom // once more
	}
	err := r.letInNow(r.svc.ctx, p)
	if err == nil {
		r.svc.cfg.Sync.Kick(r.id, p)
	}
	return err
}

// ErrNotThePassword: it was typed by one who is in, and stays so.
var ErrNotThePassword = errors.New("not the room's password")

// enterAgain takes the password that was typed by one who is in. Where it is not what we
// know to be right, it is shown to those who are here: it may be a new one of which we have
// not heard, or its secret could not be had. Errors: those of find; ErrNotThePassword where
// we know better.
func (r *Room) enterAgain(ctx context.Context, w Way) error {
	var now secret
	var known, settled bool
	var log event.LogID
	err := r.do(ctx, func() {
		now, known = r.knownSecret()
		_, settled = r.sureSecret()
		cfg := r.rules.Config()
		now.generation, log = cfg.Password(), r.own.Log
		w.Via = slices.DeleteFunc(r.TopicPeers(), func(p peer.ID) bool { return !r.introduced(p) || r.rules.MayEnter(p) != nil })
	})
	if err != nil || now.generation == 0 {
		return err
	}
	typed := &guess{password: w.Password}
	if known && typed.stretched(r.id, now.generation) == now.value {
		now.typed = true // two who do not know of each other say so
		return r.do(ctx, func() { r.learn(now) })
	}
	g, err := r.svc.find(ctx, w, func(p peer.ID, password *guess) (*grant, error) {
		return r.svc.askAgain(ctx, p, r.id, w.Nick, log, password)
	})
	if err != nil {
		if settled {
			return ErrNotThePassword
		}
		return err
	}
	e := r.do(ctx, func() {
		// Who proved to know a password of which we have not heard is not served for that:
		// it may be none of the room's. He serves us, and then we hear of it.
		s, ok := r.takeTyped(g.secret, g.from)
		if ok && r.letInBy(g.from, s) != nil {
			r.svc.cfg.Sync.Kick(r.id, g.from)
		}
		setting, _ := r.rules.PasswordBy()
		if !ok || (s.setting == setting || settled && s.generation < now.generation) && !r.stillKnows(s) {
			err = ErrNotThePassword
		}
	})
	return cmp.Or(e, err)
}

// askAgain asks p to let us in though we are: of the door only the password is left.
func (s *Service) askAgain(ctx context.Context, p peer.ID, id event.Conversation, nick string, log event.LogID, password *guess) (*grant, error) {
	ctx, cancel := context.WithTimeout(ctx, enterWithin)
	defer cancel()
	proved := false
	ask := &pb.JoinAsk{Room: id[:], Enter: &pb.JoinEnter{Nick: nick, Log: log[:], Again: true}}
	m, err := s.ask(ctx, p, ask, func(a *pb.JoinAnswer, t talk) error {
		if a.Challenge == nil || proved {
			return nothingElse(a, t)
		}
		proved = true
		return s.prove(id, p, password, a.Challenge, t.say, t.next)
	})
	if err == nil && !proved {
		err = errors.New("let in without the password")
	}
	if err != nil {
		return nil, err
	}
	return &grant{from: p, secret: password.proved(m.GetSecret().GetSetting())}, nil
}

// readmit is the answer to it, once p passed the password step with s: the grant that says
// which event set the password.
func (r *Room) readmit(ctx context.Context, p peer.ID, s secret) (*pb.JoinGrant, error) {
	g := &pb.JoinGrant{}
	var err error
	e := r.do(ctx, func() {
		if err = r.rules.MayEnter(p); err == nil {
			err = r.letInBy(p, s)
		}
		g.Secret = r.wireSetting()
	})
	return g, cmp.Or(e, err)
}
