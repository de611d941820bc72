package rooms

import (
	"cmp"
	"context"
	"fmt"
	"maps"
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
		people: map[peer.ID]*presence{}, shown: map[peer.ID]Member{}, asked: map[peer.ID]time.Time{}, inStep: map[peer.ID]bool{}, toldTopic: map[peer.ID]event.ID{},
		fetching: map[event.ID]bool{}, sought: map[event.ID]time.Time{}, letIn: map[peer.ID]bool{}, letInAt: map[peer.ID]time.Time{}, atDoor: map[peer.ID]time.Time{}, told: map[peer.ID]time.Time{}, shownTo: map[peer.ID]time.Time{}, inTurn: map[peer.ID]bool{}, surplus: map[event.LogKey]bool{},
	}
	r.life.seen = m.Present
	r.life.wake(time.Now())
	if err := r.reload(ctx); err != nil && r.rules == nil {
		return nil, err
	} else if err != nil { // what it says can be read; on a full disk it is put right later
		r.log.Warn("put right what a crash left behind", "err", err)
		r.unsound = true
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
	if err := r.loadSecrets(ctx); err != nil {
		return nil, err
	}
	cfg := r.rules.Config()
	r.guarded = cfg.Password() > 0
	if err := r.noteAdmitted(ctx, r.others()...); err != nil { // of one who came when we ended
		r.log.Warn("note who was let in", "err", err) // the next start does
	}
	if nick := r.rules.Nick(s.self); r.isOccupant(s.self) && nick != "" {
		r.nick = nick
	}
	r.own, err = s.cfg.Ledger.OwnLog(ctx, m.Room)
	return r, err
}

// reload has the rules take in again what is stored, and nothing else. If only what a
// crash left behind could not be put right, the rules are there all the same.
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
	c := checking{
		rules: rules, from: archive{context.WithoutCancel(ctx), st, r.id}, stored: map[event.ID]room.Status{}, wrong: map[event.ID]room.Status{},
	}
	compacted := false
	take := func() error {
		if err := c.take(); err != nil {
			return err
		}
		compacted = rules.Compact(c.from, r.svc.cfg.CompactAfter) || compacted
		return nil
	}
	err = st.EachPiece(ctx, r.id, func(line *room.Line, e *event.Event, v room.Status) error {
		said := event.Time(0)
		switch {
		case line != nil:
			c.lines = append(c.lines, *line)
			if line.Author == r.svc.self {
				said = line.Time
			}
		default:
			c.events = append(c.events, e)
			if v != room.Visible {
				c.stored[e.ID] = v
			}
			if e.Author == r.svc.self && (e.Kind == event.KindText || e.Kind == event.KindEdit) {
				said = e.Time
			}
		}
		if said.Wall().After(r.lastSaid) {
			r.lastSaid = said.Wall()
		}
		if len(c.events) >= loadBatch {
			return take()
		}
		return nil
	})
	if err == nil {
		err = take()
	}
	if err != nil {
		return err
	}
	c.look(rules.Split())
	if now := time.Now(); r.lastSaid.After(now) { // the clock was put back
		r.lastSaid = now
	}
	if err := c.takeForks(ctx, st); err != nil {
		return err
	}
	heads, err := st.Frontier(ctx, r.id)
	if err != nil {
		return err
	}
	for k, low := range lows {
		rules.Prune(k, low)
		if h := heads[k]; h.Seq+1 == low {
			rules.Under(k, h.ID)
		}
	}
	c.look(rules.Keep(c.fallen()...))
	if err := rules.Err(); err != nil {
		return err
	}
	r.bare = true // it is looked for when sync asks
	if compacted {
		r.keepLines(ctx, rules)
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
	if len(c.wrong) > 0 {
		return st.SetVerdicts(ctx, c.wrong)
	}
	return nil
}

// checking compares what rules say of messages as they are loaded with the
// verdicts they were stored with.
type checking struct {
	rules  *room.Room
	from   archive
	lines  []room.Line // to be handed in next, with events
	events []*event.Event
	stored map[event.ID]room.Status // but for the visible ones
	wrong  map[event.ID]room.Status // what those are to be that differ
}

// take hands in what is gathered.
func (c *checking) take() error {
	fx, err := c.rules.AddLines(c.from, c.lines, c.events...)
	if err != nil {
		return err
	}
	c.lines, c.events = c.lines[:0], c.events[:0]
	c.look(fx)
	return nil
}

// look compares all verdicts that are new.
func (c *checking) look(fx room.Effects) {
	for _, id := range fx.Visibility {
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

// fallen lists what is hidden now and was not when it was stored: visible, or not
// judged yet.
func (c *checking) fallen() (out []event.ID) {
	for id, now := range c.wrong {
		if was := cmp.Or(c.stored[id], room.Visible); now == room.Hidden && (was == room.Visible || was == room.Waiting) {
			out = append(out, id)
		}
	}
	return out
}

// Prune forgets what is below low of a log, as this node alone wants it.
func (r *Room) Prune(ctx context.Context, k event.LogKey, low uint64) error {
	var err error
	ended := r.do(ctx, func() {
		if err = r.svc.cfg.Store.Prune(ctx, r.id, k, low); err != nil {
			return
		}
		r.rules.Prune(k, low)
		lows := map[event.LogKey]uint64{} // a new one: summaries hold the old
		maps.Copy(lows, r.lows)
		lows[k] = low
		r.lows = lows
	})
	if ended != nil {
		return ended
	}
	return err
}

// takeForks hands in what the rules passed over when it came, since what a cut
// reaches it by was not here yet.
func (c *checking) takeForks(ctx context.Context, st Store) error {
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
		c.look(c.rules.AddMessage(events...))
	}
}
