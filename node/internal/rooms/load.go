package rooms

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// load reads a room from the store and puts right what a crash left behind.
func (s *Service) load(ctx context.Context, m Membership) (*Room, error) {
	r := &Room{
		svc: s, id: m.Room, log: s.log.With("room", m.Room.String()[:12]), joined: m.Joined, nick: m.Nick,
		work: make(chan func(), workSize), ended: make(chan struct{}), waiting: make(chan struct{}, 1),
		people: map[peer.ID]*presence{}, shown: map[peer.ID]Member{}, asked: map[peer.ID]time.Time{}, inStep: map[peer.ID]bool{},
		fetching: map[event.ID]bool{}, sought: map[event.ID]time.Time{}, letIn: map[peer.ID]bool{}, letInAt: map[peer.ID]time.Time{}, atDoor: map[peer.ID]bool{}, told: map[peer.ID]time.Time{}, surplus: map[event.LogKey]bool{},
	}
	r.life.seen = m.Present
	r.life.wake(time.Now())
	if err := r.reload(ctx); err != nil {
		return nil, err
	}
	keys, err := s.cfg.Store.Keys(ctx, m.Room)
	if err != nil {
		return nil, err
	}
	r.keys.Store(&keys)
	given, err := s.cfg.Store.Acks(ctx, m.Room)
	if err != nil {
		return nil, err
	}
	r.acks.init(given)
	admitted, err := s.cfg.Store.Admitted(ctx, m.Room)
	if err != nil {
		return nil, err
	}
	for _, p := range admitted {
		r.letIn[p] = true
	}
	if err := r.loadSecret(ctx); err != nil {
		return nil, err
	}
	cfg := r.rules.Config()
	r.guarded = cfg.Password() > 0
	if nick := r.rules.Nick(s.self); r.isOccupant(s.self) && nick != "" {
		r.nick = nick
	}
	r.own, err = s.cfg.Ledger.OwnLog(ctx, m.Room)
	return r, err
}

// reload has the rules take in again what is stored, and nothing else.
func (r *Room) reload(ctx context.Context) error {
	st := r.svc.cfg.Store
	controls, err := st.Controls(ctx, r.id)
	if err != nil {
		return err
	}
	if len(controls) == 0 {
		return fmt.Errorf("no genesis is stored")
	}
	rules, err := room.New(controls[0])
	if err != nil {
		return err
	}
	if r.genesis == nil { // others read it
		r.genesis = controls[0]
	}
	rules.AddControl(controls[1:]...)
	lows, err := st.Lows(ctx, r.id)
	if err != nil {
		return err
	}
	c := checking{rules: rules, stored: map[event.ID]room.Status{}, wrong: map[event.ID]room.Status{}}
	gaveUp := archive{context.WithoutCancel(ctx), st, r.id}
	var batch []*event.Event
	take := func() {
		c.add(batch)
		batch = batch[:0]
		rules.Compact(gaveUp, r.svc.cfg.CompactAfter)
	}
	err = st.EachMessage(ctx, r.id, func(e *event.Event, v room.Status) error {
		if v != room.Visible {
			c.stored[e.ID] = v
		}
		if e.Author == r.svc.self && (e.Kind == event.KindText || e.Kind == event.KindEdit) && e.Time.Wall().After(r.lastSaid) {
			r.lastSaid = e.Time.Wall()
		}
		if batch = append(batch, e); len(batch) == loadBatch {
			take()
		}
		return rules.Err()
	})
	if err != nil {
		return err
	}
	take()
	if now := time.Now(); r.lastSaid.After(now) { // the clock was put back
		r.lastSaid = now
	}
	if err := c.takeForks(ctx, st); err != nil {
		return err
	}
	for k, low := range lows {
		rules.Prune(k, low)
	}
	if err := rules.Err(); err != nil {
		return err
	}
	if len(c.wrong) > 0 {
		if err := st.SetVerdicts(ctx, c.wrong); err != nil {
			return err
		}
	}
	r.rules, r.lows, r.epochsKnown = rules, lows, nil
	r.opened, r.opens = map[event.LogKey]bool{}, map[peer.ID]int{}
	for k, top := range rules.Tops() {
		if top > 0 {
			r.open(k)
		}
	}
	clear(r.shown)
	for _, o := range rules.Occupants() {
		r.shown[o.Peer] = r.member(o)
	}
	r.rankPeople()
	return nil
}

// checking compares what rules say of messages as they are loaded with the
// verdicts they were stored with.
type checking struct {
	rules  *room.Room
	stored map[event.ID]room.Status // but for the visible ones
	wrong  map[event.ID]room.Status // what those are to be that differ
}

// add hands messages in, and looks at all whose verdict is new.
func (c checking) add(events []*event.Event) {
	for _, id := range c.rules.AddMessage(events...).Visibility {
		v, ok := c.rules.Verdict(id)
		was := cmp.Or(c.stored[id], room.Visible)
		switch {
		case !ok:
		case v.Status == was:
			delete(c.wrong, id)
		default:
			c.wrong[id] = v.Status
		}
	}
}

// takeForks hands in what the rules passed over when it came, since what a cut
// reaches it by was not here yet.
func (c checking) takeForks(ctx context.Context, st Store) error {
	for tried := map[event.ID]bool{}; ; {
		ids := slices.DeleteFunc(c.rules.Wanted(), func(id event.ID) bool { return tried[id] })
		if len(ids) == 0 {
			return nil
		}
		for _, id := range ids {
			tried[id] = true
		}
		events, err := st.EventsByID(ctx, ids, maxQueue)
		if err != nil {
			return err
		}
		c.add(events)
	}
}
