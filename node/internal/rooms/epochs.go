package rooms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-msgio/pbio"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/pb"
	"p2pchat/protocol/room"
)

const (
	// rotateAfter is how long the others wait for whoever removed somebody to
	// announce a new epoch.
	// rotateSpread keeps all the others from announcing one each: whoever waits
	// least is heard by the rest.
	rotateAfter  = 5 * time.Second
	rotateSpread = 2 * time.Second
	// The search for a key that an event names: who is asked, how often, how
	// many searches there are at once, and when there is another. Anybody who may
	// speak can announce epochs whose keys nobody has.
	keyAsks     = 8
	keyTries    = 3
	keyPause    = time.Second
	keyEvery    = 10 * time.Second
	maxFetching = 16
)

// epochs are those that stored events announce. What the rules say of them is
// kept until something changes that they rest on.
func (r *Room) epochs() []room.EpochKey {
	if r.epochsKnown == nil {
		r.epochsKnown = r.rules.Epochs()
	}
	return r.epochsKnown
}

// touchEpochs forgets what is known of epochs if events may have changed it.
func (r *Room) touchEpochs(events []*event.Event, eff room.Effects) {
	given := make(map[event.ID]bool, len(events))
	for _, e := range events {
		given[e.ID] = true
		if e.Lane == event.LaneControl || e.Kind == room.KindJoin || e.Kind == room.KindEpoch {
			r.epochsKnown = nil
			return
		}
	}
	older := func(id event.ID) bool { return !given[id] }
	if len(eff.Dropped) > 0 || slices.ContainsFunc(eff.Visibility, older) {
		r.epochsKnown = nil
	}
}

// epoch is the one to send under: of those held that cover every removal known,
// the lowest.
func (r *Room) epoch() (event.ID, envelope.Key, bool) {
	held := *r.keys.Load()
	for _, e := range r.epochs() {
		if k, ok := held[e.ID]; ok && e.Covers {
			return e.ID, k, true
		}
	}
	return event.ID{}, envelope.Key{}, false
}

// renew sees to it that there is an epoch to send under. now: we removed
// somebody ourselves, so it is ours to announce; otherwise its key is looked for
// and, if none comes, an epoch is made.
func (r *Room) renew(now bool) {
	if !r.joined || !r.isOccupant(r.svc.self) {
		return
	}
	if _, _, ok := r.epoch(); ok {
		return
	}
	for _, e := range r.epochs() {
		if e.Covers {
			r.wantKey(e.ID, "")
		}
	}
	if now {
		r.announceEpoch()
		return
	}
	if r.renewing {
		return
	}
	r.renewing = true
	time.AfterFunc(rotateAfter+rand.N(rotateSpread), func() { // ends by itself
		r.post(func() {
			r.renewing = false
			if _, _, ok := r.epoch(); !ok && r.joined && r.isOccupant(r.svc.self) {
				r.announceEpoch() // who cannot tries again with a tick
			}
		})
	})
}

// announceEpoch makes an epoch, announces it and hands its key to every member
// connected. Whoever may not speak waits for one who may.
func (r *Room) announceEpoch() {
	key, err := envelope.NewKey(r.svc.cfg.Rand)
	if err != nil {
		r.log.Warn("make an epoch key", "err", err)
		return
	}
	body, err := room.EncodeBody(&room.Epoch{Commitment: room.EpochCommitment(key)})
	if err != nil {
		r.log.Warn("announce an epoch", "err", err)
		return
	}
	ctl, join, err := r.rules.DraftMessage(r.own, room.KindEpoch)
	if err != nil || join {
		r.log.Debug("cannot announce an epoch", "err", err)
		return
	}
	// The event goes out by hand: what is queued waits for this very key.
	events, err := r.svc.cfg.Ledger.Append(r.svc.ctx, r.id, []room.Draft{{Lane: event.LaneMessage, Kind: room.KindEpoch, Ctl: ctl, Body: body}})
	if err != nil {
		r.svc.cfg.Handler.Failed(r.id, err)
		return
	}
	if err := r.holdKeys(r.svc.ctx, map[event.ID]envelope.Key{events[0].ID: key}); err != nil {
		r.log.Warn("keep an epoch key", "err", err) // nobody will ever have it; another is made
	}
	in := newIntake(r)
	in.add(events[0], r.svc.self)
	r.takeOwn(r.svc.ctx, in)
	r.outbox = append(r.outbox, events...)
	// All that waited goes along, the removal first: it is what the
	// announcement cites.
	for _, p := range r.TopicPeers() {
		if r.isOccupant(p) && r.entitled(p) {
			r.push(p, r.outbox[max(0, len(r.outbox)-maxPushed):], r.grantOf(events[0].ID), nil)
		}
	}
	r.publishSoon()
}

// maxPushed is how many events go along with a key.
const maxPushed = 64

// push hands events, and keys if there are any, to p. Where that fails, lost is
// called in the room's goroutine, if it is not nil.
func (r *Room) push(p peer.ID, events []*event.Event, g *pb.JoinGrant, lost func()) {
	msg := &pb.JoinAsk{Room: r.id[:], Push: &pb.JoinPush{Events: batch(events), Grant: g}}
	r.svc.wg.Go(func() { // ends with the stream
		if err := r.svc.tell(r.svc.ctx, p, msg); err != nil {
			r.log.Debug("push", "peer", p, "err", err)
			if lost != nil {
				r.post(lost)
			}
		}
	})
}

// tell opens a stream to p and says one thing; it returns nil once that was taken.
func (s *Service) tell(ctx context.Context, p peer.ID, msg *pb.JoinAsk) error {
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "rooms"), streamWithin)
	defer cancel()
	st, err := s.cfg.Host.NewStream(ctx, p, JoinProtocol)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = st.Reset() })
	defer stop()
	_ = st.SetDeadline(time.Now().Add(streamWithin))
	if err := pbio.NewDelimitedWriter(st).WriteMsg(msg); err != nil {
		_ = st.Reset()
		return err
	}
	_ = st.CloseWrite() // fails where the other side was quicker
	if _, err := st.Read(make([]byte, 1)); err != io.EOF {
		_ = st.Reset()
		return fmt.Errorf("not taken: %w", cmp.Or(err, errors.New("an answer that was not asked for")))
	}
	return st.Close()
}

// takePush takes in what a member pushed. Events are judged like any others;
// keys have to fit what events say of them. From who is no member only what put
// us out is of interest, which the rules judge too: his messages, keys and secrets
// are not.
func (r *Room) takePush(ctx context.Context, p peer.ID, m *pb.JoinPush) error {
	var follows, member bool
	err := r.do(ctx, func() { follows, member = r.following(), r.isOccupant(p) && r.entitled(p) })
	if err != nil {
		return err
	}
	if !follows {
		return errNoSuchRoom
	}
	var events []*event.Event
	for _, w := range m.GetEvents().GetEvents() {
		e, err := event.FromWire(w)
		if err != nil {
			return err
		}
		if member || e.Lane == event.LaneControl {
			events = append(events, e)
		}
	}
	if len(events) > 0 {
		a := newArrival(p, events, make(chan taken, 1))
		a.stands = member
		if _, err := r.take(ctx, a); err != nil {
			return err
		}
	}
	if m.Grant == nil || !member {
		return nil
	}
	return r.do(ctx, func() {
		g := m.Grant
		if r.rules.Standing(p) != room.Owner {
			g = &pb.JoinGrant{Keys: g.Keys} // the password is not his to tell
		}
		r.takeKeys(g, p)
	})
}

// takeKeys keeps the keys that fit of those that somebody handed over, and the stretched
// password.
func (r *Room) takeKeys(g *pb.JoinGrant, from peer.ID) {
	if err := r.putKeys(r.svc.ctx, keysFrom(r.epochs(), g.Keys)); err != nil {
		r.log.Warn("keep a key", "err", err)
	}
	r.takeSecret(g.Secret, from)
}

// putKeys keeps epoch keys, opens what waited for them and sends what waited.
func (r *Room) putKeys(ctx context.Context, keys map[event.ID]envelope.Key) error {
	held := *r.keys.Load()
	fresh := map[event.ID]envelope.Key{}
	for _, e := range r.epochs() {
		if k, ok := keys[e.ID]; ok && room.EpochCommitment(k) == e.Commitment {
			if _, have := held[e.ID]; !have {
				fresh[e.ID] = k
			}
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := r.holdKeys(ctx, fresh); err != nil {
		return err
	}
	for id := range fresh {
		for _, s := range r.stash.take(id) {
			if verdict, data := (topicHandler{r}).Validate(s.from, s.payload); verdict == Accept {
				r.takeContent(s.from, data)
			}
		}
	}
	if len(r.outbox) > 0 {
		r.publishSoon()
	}
	return nil
}

// holdKeys keeps keys, of which is known that they are right.
func (r *Room) holdKeys(ctx context.Context, fresh map[event.ID]envelope.Key) error {
	if err := r.svc.cfg.Store.PutKeys(ctx, r.id, fresh); err != nil {
		return err
	}
	held := maps.Clone(*r.keys.Load())
	maps.Copy(held, fresh)
	r.keys.Store(&held)
	r.svc.cfg.Handler.Keyed(r.id, r.scene(), fresh)
	return nil
}

// Keys are those of the epochs that are held, and the room's name.
func (r *Room) Keys(ctx context.Context) (name string, keys map[event.ID]envelope.Key, err error) {
	err = r.do(ctx, func() { name, keys = r.scene().Name, *r.keys.Load() })
	return name, keys, err
}

// wantKey looks for the key of an epoch that a stored event names: with from, if he
// may know which room it is of, then with others connected.
func (r *Room) wantKey(epoch event.ID, from peer.ID) {
	if r.fetching[epoch] || len(r.fetching) >= maxFetching || time.Since(r.sought[epoch]) < keyEvery {
		return
	}
	if _, have := (*r.keys.Load())[epoch]; have {
		return
	}
	ask := slices.DeleteFunc(r.TopicPeers(), func(p peer.ID) bool { return p == from || !r.isOccupant(p) })
	rand.Shuffle(len(ask), func(i, j int) { ask[i], ask[j] = ask[j], ask[i] })
	if from != "" && r.introduced(from) {
		ask = slices.Insert(ask, 0, from)
	}
	if len(ask) == 0 {
		return
	}
	ask = ask[:min(len(ask), keyAsks)]
	if len(r.sought) >= maxAsked {
		clear(r.sought)
	}
	r.fetching[epoch], r.sought[epoch] = true, time.Now()
	r.svc.wg.Go(func() { r.fetchKey(epoch, ask) }) // ends with the tries
}

func (r *Room) fetchKey(epoch event.ID, ask []peer.ID) {
	q := &pb.JoinAsk{Room: r.id[:], Keys: &pb.JoinKeys{Epochs: [][]byte{epoch[:]}}}
	found := false
	for try := 0; try < keyTries && !found; try++ {
		if try > 0 {
			select {
			case <-r.ended:
				return
			case <-time.After(keyPause):
			}
		}
		for _, p := range ask {
			g, err := r.svc.ask(r.svc.ctx, p, q, nothingElse)
			if err != nil || len(g.Keys) == 0 {
				continue
			}
			err = r.do(r.svc.ctx, func() {
				r.takeKeys(g, p)
				_, found = (*r.keys.Load())[epoch]
			})
			if err != nil || found {
				break
			}
		}
	}
	r.post(func() { delete(r.fetching, epoch) })
}
