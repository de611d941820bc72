package rooms

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

const (
	maxFrame     = 1 << 20
	maxAsk       = 4 << 10
	streamWithin = 5 * time.Second // opening a stream, and every frame
	// stretchWithin is for the one frame that takes a password to be stretched first:
	// what takes tenths of a second here takes many on a small or busy computer.
	stretchWithin = 30 * time.Second
	maxControl    = 1 << 17   // control events taken from who lets us in
	maxControlLen = 256 << 20 // bytes of them
	maxKeys       = 64
	maxKeysAsked  = 16
	maxBelow      = room.MaxLow
	maxBelowSeq   = 1 << 48     // a log that long nobody writes
	enterWithin   = time.Minute // until somebody has let us in
)

// Way is how to enter a room.
type Way struct {
	Nick     string
	Password []byte    // empty: none
	Via      []peer.ID // members to be asked, in this order
}

// Join enters a room through the first that lets us in. A room we are in gets
// the new nick. Errors: ErrNobody, *room.Refusal, those of the store.
func (s *Service) Join(ctx context.Context, id event.Conversation, w Way) (*Room, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	release, err := s.claim(id)
	if err != nil {
		return nil, err
	}
	defer release()
	if r, err := s.Room(id); err == nil {
		return r, s.rejoin(ctx, r, w)
	}
	log, err := s.cfg.Ledger.OwnLog(ctx, id)
	if err != nil {
		return nil, err
	}
	g, err := s.find(ctx, w, func(p peer.ID, password *guess) (*grant, error) {
		return s.askToEnter(ctx, p, id, w.Nick, password, log.Log)
	})
	if err != nil {
		return nil, err
	}
	m := Membership{Room: id, Joined: true, Nick: w.Nick}
	if err := s.cfg.Store.Enter(ctx, m, g.control, g.keys, g.below, g.standing); err != nil {
		return nil, fmt.Errorf("keep the room: %w", err)
	}
	ctx = context.WithoutCancel(ctx) // we are in
	r, err := s.load(ctx, m)
	if err != nil {
		return nil, err
	}
	if s, ok := wiredSecret(g.secret, g.from); ok {
		s.typed = true // and proved by who let us in: we know of nobody else
		r.learn(s)
	}
	r.pending = g
	if r, err = s.adopt(r); err != nil {
		return nil, err
	}
	return r, r.enter(ctx, w.Nick, g)
}

// claim keeps others from entering or leaving a room until release.
func (s *Service) claim(id event.Conversation) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moving[id] {
		return nil, fmt.Errorf("this room is being joined or left just now")
	}
	s.moving[id] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.moving, id)
	}, nil
}

// find asks members to let us in, one after the other, with the password that was typed.
func (s *Service) find(ctx context.Context, w Way, ask func(peer.ID, *guess) (*grant, error)) (*grant, error) {
	var last error = ErrNobody
	password := &guess{password: w.Password}
	// In no order that somebody could take a place in: peer IDs can be chosen.
	via := slices.Compact(slices.Sorted(slices.Values(w.Via)))
	rand.Shuffle(len(via), func(i, j int) { via[i], via[j] = via[j], via[i] })
	for _, p := range via {
		g, err := ask(p, password)
		if err == nil {
			g.from = p
			return g, nil
		}
		last = worse(last, err)
		if password.tried >= maxAdmitters {
			break
		}
	}
	return nil, last
}

// worse keeps what tells more of two reasons not to be in: a refusal says more
// than silence.
func worse(a, b error) error {
	var no *room.Refusal
	switch {
	case errors.As(b, &no) && no.Code == codeNotJoined:
		return a // he cannot let us in
	case no != nil:
		return b
	case refused(a):
		return a
	}
	// Whatever went wrong with him: there may be others, or he himself again.
	return fmt.Errorf("%w (the last one asked: %w)", ErrNobody, b)
}

func refused(err error) bool {
	var no *room.Refusal
	return errors.As(err, &no)
}

// rejoin enters a room we know. Where nobody else is in it, nobody need let us
// in.
func (s *Service) rejoin(ctx context.Context, r *Room, w Way) error {
	var in, alone, persistent bool
	var own event.LogID
	err := r.do(ctx, func() {
		in, alone, own = r.joined && r.isOccupant(s.self), len(r.others()) == 0, r.own.Log
		cfg := r.rules.Config()
		persistent = cfg.Persistent()
	})
	if err != nil {
		return err
	}
	if in {
		if len(w.Password) > 0 {
			if err := r.enterAgain(ctx, w); err != nil {
				return err
			}
		}
		return r.Rename(ctx, w.Nick)
	}
	if alone && persistent {
		return r.enter(ctx, w.Nick, nil)
	}
	g, err := s.find(ctx, w, func(p peer.ID, password *guess) (*grant, error) {
		return s.askToEnter(ctx, p, r.id, w.Nick, password, own)
	})
	if err != nil {
		return err
	}
	g.below = nil // what we have we keep
	if _, err := r.Ingest(ctx, g.from, g.control); err != nil {
		return err
	}
	err = r.do(ctx, func() {
		if err := r.putKeys(s.ctx, g.keys); err != nil {
			r.log.Warn("keep keys", "err", err)
		}
		_, _ = r.takeTyped(g.secret, g.from)
	})
	if err != nil {
		return err
	}
	return r.enter(context.WithoutCancel(ctx), w.Nick, g)
}

// enter says that we are in and follows the room; g is what let us in, nil if
// nobody had to. Error: *room.Refusal.
func (r *Room) enter(ctx context.Context, nick string, g *grant) error {
	var err error
	e := r.do(ctx, func() {
		if err = r.remember(ctx, true, nick); err != nil {
			return
		}
		r.life = lifetime{seen: time.Now()}
		if err = r.follow(); err != nil {
			r.log.Warn("join the topic", "err", err) // the next tick tries again
		}
		err = nil
		if !r.isOccupant(r.svc.self) || r.rules.Nick(r.svc.self) != nick {
			err = r.sayJoin(r.svc.ctx, nick, g)
		}
		r.pending = nil
		if err != nil && !r.isOccupant(r.svc.self) {
			err = errors.Join(err, r.remember(r.svc.ctx, false, nick))
			if !r.following() {
				r.unfollow()
			}
			return
		}
		if g != nil {
			// He knows the password, as we do: until his own word is here.
			if g.admission != nil {
				if err := r.letInNow(r.svc.ctx, g.from); err != nil {
					r.log.Warn("note who let us in", "err", err)
				}
			}
			r.svc.cfg.Sync.Kick(r.id, g.from)
		}
		r.announceSoon(0)
		r.svc.cfg.Handler.RoomChanged(r.id)
	})
	if e != nil {
		return e
	}
	return err
}

// Ping asks p whether we are in the room as far as he knows (XEP-0410). Errors:
// ErrNotJoined, *room.Refusal.
func (r *Room) Ping(ctx context.Context, p peer.ID) error {
	_, err := r.svc.ask(ctx, p, &pb.JoinAsk{Room: r.id[:], Ping: true}, nothingElse)
	var no *room.Refusal
	if errors.As(err, &no) && no.Code == codeNotJoined {
		return ErrNotJoined
	}
	return err
}
