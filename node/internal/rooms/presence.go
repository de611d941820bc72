package rooms

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/identity"
	"p2pchat/protocol/room"
)

const (
	// presenceEvery is how often we say that we are here, presenceStale after
	// how long somebody silent, whom we are not connected to, counts as gone.
	presenceEvery = time.Minute
	presenceStale = 150 * time.Second
	tickEvery     = 5 * time.Second
	// presenceGather spaces what a crowd of newcomers has us say.
	presenceGather = time.Second
	// presenceAhead is how far ahead of our clock a presence may be dated.
	presenceAhead = time.Minute
	// maxPresences bounds who is remembered that never joined.
	maxPresences = 4096
)

// presence is what is known of somebody's being here.
type presence struct {
	here  bool // connected, and in the topic
	said  time.Time
	heard time.Time
	away  bool
	left  bool
}

func (r *Room) personOf(p peer.ID) *presence {
	x := r.people[p]
	if x == nil {
		if len(r.people) >= maxPresences {
			maps.DeleteFunc(r.people, func(p peer.ID, x *presence) bool { return !x.here && !r.isOccupant(p) })
		}
		x = &presence{}
		r.people[p] = x
	}
	return x
}

// present tells whether p is here: connected and in the topic, or heard of
// lately.
func (r *Room) present(p peer.ID, now time.Time) bool {
	if p == r.svc.self {
		return r.joined && r.topic.Load() != nil
	}
	x := r.people[p]
	return x != nil && !x.left && (x.here || now.Sub(x.heard) < presenceStale)
}

// heard takes in a presence; of two the newer counts.
func (r *Room) heard(p envelope.Presence, now time.Time) {
	if p.Peer == r.svc.self || p.Time.After(r.svc.cfg.Now().Add(presenceAhead)) {
		return
	}
	x := r.personOf(p.Peer)
	if !p.Time.After(x.said) {
		return
	}
	was := r.introduced(p.Peer)
	x.said, x.heard, x.away, x.left = p.Time, now, p.Away, p.Left
	if !was && x.here {
		r.svc.cfg.Sync.Kick(r.id, p.Peer)
	}
	if x.here && !r.entitled(p.Peer) {
		r.showPassword(p.Peer)
	}
	r.memberChanged(p.Peer)
}

// peerHere notes that p, connected to us, is in the topic.
func (r *Room) peerHere(p peer.ID) {
	x := r.personOf(p)
	x.here, x.left = true, false
	r.betterPause = min(r.betterPause, betterEvery) // he may know the secret better
	r.memberChanged(p)
	if r.svc.cfg.Away() {
		r.announceSoon(presenceGather) // he takes us for available
	}
}

// peerGone notes that p left the topic or the connection to him is gone.
func (r *Room) peerGone(p peer.ID) {
	x := r.personOf(p)
	x.here, x.heard = false, time.Time{}
	delete(r.inStep, p)
	delete(r.inTurn, p)
	delete(r.toldTopic, p) // he may come back with an older copy of his data
	r.memberChanged(p)
	r.ackHeard() // he is not waited for any more
}

// announceSoon says our presence after d, with whatever else asks for it.
func (r *Room) announceSoon(d time.Duration) {
	if r.announcing != nil || !r.joined {
		return
	}
	if gap := presenceGather - time.Since(r.announced); gap > d {
		d = gap
	}
	r.announcing = time.AfterFunc(max(d, 0), func() { // stopped in end
		r.post(func() {
			r.announcing = nil
			if t := r.topic.Load(); t != nil && r.joined {
				r.sayPresence(r.svc.ctx, *t, false)
			}
		})
	})
}

func (r *Room) sayPresence(ctx context.Context, t Topic, left bool) {
	now := time.Now()
	p, err := envelope.SignPresence(r.svc.cfg.Key, envelope.Presence{
		Room: r.id, Peer: r.svc.self, Away: r.svc.cfg.Away(), Left: left, Time: r.svc.cfg.Now(),
	})
	if err != nil {
		r.log.Debug("sign presence", "err", err)
		return
	}
	r.announced = now
	r.publish(ctx, t, &envelope.Content{Presence: p})
}

// tick says what is due and notices who fell silent.
func (r *Room) tick(now time.Time) {
	r.stash.expire(now)
	r.age(r.svc.ctx, now)
	if r.topic.Load() == nil && r.following() {
		if err := r.follow(); err != nil {
			r.log.Warn("join the topic", "err", err)
		}
	}
	if r.joined && r.topic.Load() != nil && now.Sub(r.announced) >= presenceEvery {
		r.announceSoon(0)
	}
	// Whatever kept a key, an epoch or the secret from coming, or a crash after
	// something was announced: it is looked for again.
	r.newEpochs(false)
	r.nextTurn()
	for _, p := range slices.Sorted(maps.Keys(r.shown)) {
		r.memberChanged(p)
	}
}

// member is an occupant with his presence.
func (r *Room) member(o room.Occupant) Member {
	m := Member{Occupant: o, Present: r.present(o.Peer, time.Now())}
	if o.Peer == r.svc.self {
		m.Away = r.svc.cfg.Away()
	} else if x := r.people[o.Peer]; x != nil {
		m.Away = x.away
	}
	return m
}

// memberChanged tells the handler if what p is has changed.
func (r *Room) memberChanged(p peer.ID) {
	was, ok := r.shown[p]
	if !ok {
		return
	}
	now := r.member(was.Occupant)
	if now != was {
		r.shown[p] = now
		r.svc.cfg.Handler.MemberChanged(r.id, now, false)
	}
}

// Renamed has the handler told again of p in every room: what it calls p has
// changed.
func (s *Service) Renamed(p peer.ID) {
	for _, r := range s.Rooms() {
		r.post(func() {
			if m, shown := r.shown[p]; shown {
				s.cfg.Handler.MemberChanged(r.id, m, false)
			}
		})
	}
}

// peopleChanged tells the handler who came, changed and went by the rules.
func (r *Room) peopleChanged() {
	now := map[peer.ID]Member{}
	for _, o := range r.rules.Occupants() {
		now[o.Peer] = r.member(o)
	}
	h := r.svc.cfg.Handler
	for _, p := range slices.Sorted(maps.Keys(now)) {
		if r.shown[p] != now[p] {
			h.MemberChanged(r.id, now[p], false)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(r.shown)) {
		if _, here := now[p]; !here {
			h.MemberChanged(r.id, r.shown[p], true)
		}
	}
	r.shown = now
	r.rankPeople()
}

// isOccupant tells whether p joined and did not leave.
func (r *Room) isOccupant(p peer.ID) bool {
	_, ok := r.shown[p]
	return ok
}

// others lists those who joined and did not leave, ourselves excluded.
func (r *Room) others() []peer.ID {
	var out []peer.ID
	for p := range r.shown {
		if p != r.svc.self {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// nickTaken tells whether somebody present other than p has the nick, or one that
// looks like it.
func (r *Room) nickTaken(p peer.ID, nick string) bool {
	now := time.Now()
	for q, m := range r.shown {
		if q != p && (room.SameNick(m.Nick, nick) || identity.Confusable(m.Nick, nick)) && r.present(q, now) {
			return true
		}
	}
	return false
}

// presentCount is how many are here, without p.
func (r *Room) presentCount(p peer.ID) int {
	now := time.Now()
	n := 0
	for q := range r.shown {
		if q != p && r.present(q, now) {
			n++
		}
	}
	return n
}
