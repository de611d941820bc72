package rooms

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"p2pchat/protocol/envelope/pake"
	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

// Attempts at a password that are answered in earnest, per peer and, since
// identities cost nothing, per address. Beyond them every answer is no.
const (
	triesEvery = 12 * time.Second
	triesBurst = 5
	addrTries  = 4 // times as many for an address: several may sit behind one
	maxTried   = 4096
	// triesForgotten is when whoever tried has all his attempts back.
	triesForgotten = addrTries * triesBurst * triesEvery
	maxAdmitters   = 3 // asked with one password: each false one gets a guess
)

// errNotAuthorized is the one answer to every failure of the password step.
var errNotAuthorized = &room.Refusal{Code: room.NotAuthorized, Message: "not authorized"}

// letInNow notes that p may be served without another word for it.
func (r *Room) letInNow(ctx context.Context, people ...peer.ID) error {
	if len(r.letInAt) > maxTried {
		clear(r.letInAt)
	}
	for _, p := range people {
		r.letInAt[p] = time.Now()
	}
	return r.remain(ctx, people)
}

// remain notes so without an hour: who is in already.
func (r *Room) remain(ctx context.Context, people []peer.ID) error {
	people = slices.DeleteFunc(people, func(p peer.ID) bool { return r.letIn[p] })
	if len(people) == 0 {
		return nil
	}
	if err := r.svc.cfg.Store.PutAdmitted(ctx, r.id, people); err != nil {
		return err
	}
	for _, p := range people {
		r.letIn[p] = true
	}
	return nil
}

// noteAdmitted remembers those of people who, where there is a password, joined with
// the word of somebody who might give it: that he is put out later does not put them
// out. What he signs from then on, as if before, lets nobody in with those who know that
// he is out; to those who don't he could as well show the password under a new name.
func (r *Room) noteAdmitted(ctx context.Context, people ...peer.ID) error {
	if cfg := r.rules.Config(); cfg.Password() == 0 {
		return nil
	}
	return r.remain(ctx, slices.DeleteFunc(people, func(p peer.ID) bool { return !r.rules.Admitted(p) }))
}

// noteJoins does so with those who just joined.
func (r *Room) noteJoins(said []*event.Event) {
	var people []peer.ID
	for _, e := range said {
		if e.Kind == room.KindJoin && e.Author != r.svc.self {
			people = append(people, e.Author)
		}
	}
	if err := r.noteAdmitted(r.svc.ctx, people...); err != nil {
		r.log.Warn("note who was let in", "err", err)
	}
}

// maxAtDoor is how many are remembered whose joins are on their way.
const maxAtDoor = 1024

// welcomed notes somebody who was let in where there is no password: one may come
// before his join does. Of strangers nothing is stored.
func (r *Room) welcomed(p peer.ID) {
	if len(r.atDoor) >= maxAtDoor {
		clear(r.atDoor)
	}
	r.atDoor[p] = time.Now()
}

// guard notes who is in the room when a password comes: it guards the door and puts nobody
// out. It is done before what brings the password is committed: done afterwards, a crash
// between the two would lock them out.
func (r *Room) guard(ctx context.Context) error {
	if r.guarded {
		return nil
	}
	maps.DeleteFunc(r.atDoor, func(_ peer.ID, at time.Time) bool { return time.Since(at) >= joinWithin })
	return r.letInNow(ctx, slices.AppendSeq(r.others(), maps.Keys(r.atDoor))...)
}

// guardNew does so if what the rules say, which is not committed yet, has a password.
func (r *Room) guardNew(ctx context.Context) error {
	if cfg := r.rules.Config(); cfg.Password() == 0 {
		return nil
	}
	return r.guard(ctx)
}

// Configure changes settings, and with password not nil the password; an empty
// one takes it away. Errors: those of Govern.
func (r *Room) Configure(ctx context.Context, settings []room.Setting, password *[]byte) error {
	var next secret
	ops := make([]room.Op, 0, len(settings)+1)
	for _, s := range settings {
		ops = append(ops, room.Op{Kind: room.KindConfigure, Setting: s})
	}
	if password != nil {
		var err error
		if len(*password) > 0 {
			if next, err = r.newSecret(ctx, *password); err != nil {
				return err
			}
		}
		ops = append(ops, room.Op{Kind: room.KindConfigure, Setting: room.Password(next.generation)})
	}
	err := r.Govern(ctx, func(rules *room.Room) ([]room.Op, error) {
		if err := rules.May(r.svc.self, room.Configure); err != nil || next.generation == 0 {
			return ops, err
		}
		if next.generation != rules.NextPassword() {
			return nil, errors.New("the password was changed by somebody else just now; try again")
		}
		// Before anybody hears of it: without it nobody would get in. Which event sets
		// it is not known yet, see bind.
		if err := r.keepSecret(r.svc.ctx, next); err != nil {
			return nil, err
		}
		return ops, r.guard(r.svc.ctx)
	})
	if err != nil || next.generation == 0 {
		return err
	}
	return r.do(ctx, func() {
		for _, p := range r.TopicPeers() {
			if r.isOccupant(p) && r.entitled(p) {
				r.push(p, nil, &pb.JoinGrant{Secret: r.wireSecret()}, nil)
			}
		}
	})
}

// newSecret stretches the next password, which takes a while and is not for the
// room's goroutine.
func (r *Room) newSecret(ctx context.Context, password []byte) (secret, error) {
	s := secret{from: r.svc.self}
	if err := r.do(ctx, func() { s.generation = r.rules.NextPassword() }); err != nil {
		return s, err
	}
	s.value = pake.Stretch(r.id, s.generation, password)
	return s, nil
}

// guess is a password that somebody types, stretched once for all who are asked.
type guess struct {
	password []byte
	secret
	tried int  // how many were given a share, with which a false one can test a guess
	kept  bool // only the secret is known, of one generation
}

func (g *guess) stretched(id event.Conversation, generation uint64) pake.Secret {
	if g.generation != generation || generation == 0 {
		g.secret = secret{generation: generation, value: pake.Stretch(id, generation, g.password)}
	}
	return g.value
}

// proved is the secret as one that was typed and that somebody proved to know.
func (g *guess) proved(setting []byte) *pb.RoomSecret {
	return &pb.RoomSecret{Generation: g.generation, Secret: g.value[:], Setting: setting}
}

// prove is the joiner's part of the password step, of which f writes and reads
// frames. The steps are the same whatever the password, and there is one answer
// to all that fails.
func (s *Service) prove(id event.Conversation, admitter peer.ID, password *guess, c *pb.JoinChallenge, write func(*pb.JoinAsk) error, read func() (*pb.JoinAnswer, error)) error {
	if password.kept && c.Generation != password.generation {
		return errNotAuthorized // here: it would be wrong, and cost an attempt
	}
	j, share, err := pake.Start(s.cfg.Rand, password.stretched(id, c.Generation), pake.Context{Room: id, Joiner: s.self, Admitter: admitter, Generation: c.Generation})
	if err != nil {
		return err
	}
	password.tried++
	if err := write(&pb.JoinAsk{Room: id[:], Proof: &pb.JoinProof{Share: share}}); err != nil {
		return err
	}
	a, err := read()
	if err != nil {
		return err
	}
	confirm, failed := j.Finish(a.GetChallenge().GetShare(), a.GetChallenge().GetConfirm())
	if failed != nil {
		// Whoever listens is not to learn from our silence that it failed.
		confirm = make([]byte, pake.ConfirmSize)
		if _, err := rand.Read(confirm); err != nil {
			return err
		}
	}
	if err := write(&pb.JoinAsk{Room: id[:], Proof: &pb.JoinProof{Confirm: confirm}}); err != nil {
		return err
	}
	if failed != nil {
		return errNotAuthorized
	}
	return nil
}

// challenge is the admitter's part. Any failure is errNotAuthorized.
func (r *Room) challenge(st dialogue, p peer.ID, s secret) error {
	if !r.svc.mayTry(p, st.remote) {
		// Answered like every other, with a secret that nobody has.
		if _, err := rand.Read(s.value[:]); err != nil {
			return err
		}
	}
	if err := st.send(&pb.JoinAnswer{Challenge: &pb.JoinChallenge{Generation: s.generation}}); err != nil {
		return err
	}
	first, err := st.read(stretchWithin)
	if err != nil {
		return err
	}
	a, share, confirm, err := pake.Respond(r.svc.cfg.Rand, s.value,
		pake.Context{Room: r.id, Joiner: p, Admitter: r.svc.self, Generation: s.generation}, first.GetProof().GetShare())
	if err != nil {
		return errNotAuthorized
	}
	if err := st.send(&pb.JoinAnswer{Challenge: &pb.JoinChallenge{Share: share, Confirm: confirm}}); err != nil {
		return err
	}
	second, err := st.read(streamWithin)
	if err != nil {
		return err
	}
	if err := a.Verify(second.GetProof().GetConfirm()); err != nil {
		if errors.Is(err, pake.ErrNotAuthorized) {
			return errNotAuthorized
		}
		return fmt.Errorf("check a password: %w", err)
	}
	r.svc.tried(p, st.remote)
	return nil
}

// mayTry takes one attempt from what p, and his address, have left.
func (s *Service) mayTry(p peer.ID, remote ma.Multiaddr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	// The address first: identities cost nothing, and are not to fill the table.
	return s.take("addr "+addrOf(remote), addrTries*triesBurst, now) && s.take("peer "+string(p), triesBurst, now)
}

// tried gives the attempt back that succeeded.
func (s *Service) tried(p peer.ID, remote ma.Multiaddr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tries, "peer "+string(p))
	if b := s.tries["addr "+addrOf(remote)]; b != nil {
		b.left++
	}
}

func (s *Service) take(who string, burst float64, now time.Time) bool {
	b := s.tries[who]
	if b == nil {
		if len(s.tries) >= maxTried {
			maps.DeleteFunc(s.tries, func(_ string, b *budget) bool { return now.Sub(b.at) > triesForgotten })
		}
		if len(s.tries) >= maxTried {
			return false // a flood of identities gets no answer, and nobody else for a while
		}
		b = &budget{left: burst, at: now}
		s.tries[who] = b
	}
	b.left = min(burst, b.left+now.Sub(b.at).Seconds()/triesEvery.Seconds())
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// addrOf is the IP address. A /64 is everybody on a LAN, so it counts for nothing.
func addrOf(a ma.Multiaddr) string {
	ip, err := manet.ToIP(a)
	if err != nil {
		return ""
	}
	addr, _ := netip.AddrFromSlice(ip)
	addr = addr.Unmap()
	return addr.String()
}
