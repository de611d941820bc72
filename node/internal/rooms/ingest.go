package rooms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// arrival is a number of events that came from elsewhere.
type arrival struct {
	from   peer.ID
	events []*event.Event
	size   int
	done   chan error // 1: the one result; nil for what gossip brought
}

func newArrival(from peer.ID, events []*event.Event, done chan error) arrival {
	a := arrival{from: from, events: events, done: done}
	for _, e := range events {
		a.size += e.Size()
	}
	return a
}

// arrive queues what gossip brought, unless too much is waiting: sync repairs.
func (r *Room) arrive(a arrival) {
	r.queue.Lock()
	full := r.queue.bytes+a.size > maxQueue
	if !full {
		r.queue.arrivals = append(r.queue.arrivals, a)
		r.queue.bytes += a.size
	}
	r.queue.Unlock()
	if full {
		r.svc.cfg.Sync.Kick(r.id, a.from)
		return
	}
	r.signal()
}

// Ingest verifies, judges and commits events that from handed over, and returns
// when they are on disk. An error that wraps [ErrRefused] is from's fault.
func (r *Room) Ingest(ctx context.Context, from peer.ID, events []*event.Event) error {
	if err := r.check(events); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	a := newArrival(from, events, make(chan error, 1))
	r.queue.Lock()
	r.queue.arrivals = append(r.queue.arrivals, a)
	r.queue.bytes += a.size
	r.queue.Unlock()
	r.signal()
	select {
	case err := <-a.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-r.ended:
		return ErrClosed
	}
}

// check refuses what no honest peer passes on: events of another conversation,
// false signatures, malformed bodies.
func (r *Room) check(events []*event.Event) error {
	for _, e := range events {
		if err := check(r.id, e); err != nil {
			return err
		}
	}
	return event.VerifyRange(events)
}

// check refuses an event that is none of the room's, or malformed; the signature
// is not looked at.
func check(id event.Conversation, e *event.Event) error {
	if e.Conversation != id && event.Conversation(e.ID) != id {
		return fmt.Errorf("event %s is of another conversation", e.ID)
	}
	if err := room.CheckBody(e); err != nil {
		return fmt.Errorf("event %s: %w", e.ID, err)
	}
	return nil
}

// ingest judges and commits arrivals as one batch.
func (r *Room) ingest(ctx context.Context, arrivals []arrival) {
	in := newIntake(r)
	for _, a := range arrivals {
		for _, e := range a.events {
			in.add(e, a.from)
		}
	}
	err := in.judge(ctx)
	for _, a := range arrivals {
		if a.done != nil {
			a.done <- err
		}
	}
}

// intake is one batch on its way into the history.
type intake struct {
	r        *Room
	from     map[event.ID]peer.ID
	control  []*event.Event
	messages []*event.Event
	fresh    map[event.ID]*event.Event // those kept that were not here
	kept     []event.ID                // their order
	effects  []room.Effects
	refused  []*event.Event        // by the rules, in the message lane
	logs     map[event.LogKey]bool // whether they may be written to
}

// Refused is the status of a message that the rules refuse and that only keeps
// its place in its log, so that what follows it there is held without a gap.
const Refused room.Status = 5

func newIntake(r *Room) *intake {
	return &intake{r: r, from: map[event.ID]peer.ID{}, fresh: map[event.ID]*event.Event{}, logs: map[event.LogKey]bool{}}
}

// add takes e unless it is here.
func (in *intake) add(e *event.Event, from peer.ID) {
	if _, twice := in.from[e.ID]; twice || in.r.holds(e) {
		return
	}
	in.from[e.ID] = from
	switch {
	case e.Lane == event.LaneControl:
		in.control = append(in.control, e)
	case in.takes(e.Key()):
		in.messages = append(in.messages, e)
	default:
		in.r.log.Debug("one log too many of an author", "event", e.ID, "from", from)
	}
}

// takes tells whether log k is here or may be opened: one author has so many.
func (in *intake) takes(k event.LogKey) bool {
	if takes, asked := in.logs[k]; asked {
		return takes
	}
	tops := in.r.rules.Tops()
	_, known := tops[k]
	if !known {
		n := 0
		for o := range tops {
			if o.Author == k.Author {
				n++
			}
		}
		for o, opened := range in.logs {
			if _, held := tops[o]; opened && !held && o.Author == k.Author {
				n++
			}
		}
		ok, err := in.r.svc.cfg.Store.TakesLog(in.r.svc.ctx, in.r.id, k)
		known = n < event.MaxLogs && (ok || err != nil) // an error comes again at the commit
	}
	in.logs[k] = known
	return known
}

func (r *Room) holds(e *event.Event) bool {
	if e.Lane == event.LaneControl {
		return r.rules.Has(e.ID)
	}
	_, ok := r.rules.Verdict(e.ID)
	return ok
}

// judge hands the events to the rules and commits what they keep. If that
// fails, the rules are set back to what is stored.
func (in *intake) judge(ctx context.Context) error {
	r := in.r
	for len(in.control)+len(in.messages) > 0 {
		control, messages := in.control, in.messages
		in.control, in.messages = nil, nil
		if len(control) > 0 {
			in.results(control, r.rules.AddControl(control...))
		}
		if len(messages) > 0 {
			in.results(messages, r.rules.AddMessage(messages...))
		}
		for _, e := range control {
			for _, p := range r.parked.ready(e.ID) {
				delete(in.from, p.event.ID) // it may have come and been parked just now
				in.add(p.event, p.from)
			}
		}
	}
	if len(in.fresh)+len(in.refused) == 0 && !in.changed() {
		return nil
	}
	b := in.batch()
	in.keepPlaces(&b)
	at, err := r.svc.cfg.Ledger.Commit(ctx, r.id, b)
	if err != nil {
		r.failed(err)
		return err
	}
	r.after(ctx, in, b, at)
	return nil
}

// failed tells the faces and forgets what is in memory only.
func (r *Room) failed(err error) {
	r.svc.cfg.Handler.Failed(r.id, err)
	if r.svc.ctx.Err() != nil {
		return
	}
	if e := r.reload(r.svc.ctx); e != nil {
		r.log.Error("read the room again", "err", e)
	}
}

func (in *intake) changed() bool {
	return slices.ContainsFunc(in.effects, func(e room.Effects) bool { return len(e.Visibility)+len(e.Dropped) > 0 })
}

// results sorts what the rules say of events.
func (in *intake) results(events []*event.Event, eff room.Effects) {
	r := in.r
	in.effects = append(in.effects, eff)
	r.touchEpochs(events, eff)
	var missing *room.MissingError
	var no *room.Refusal
	for i, res := range eff.Results {
		e, from := events[i], in.from[events[i].ID]
		switch {
		case res.Err == nil:
			in.fresh[e.ID] = e
			in.kept = append(in.kept, e.ID)
		case errors.As(res.Err, &missing):
			r.parked.put(e, from, missing.IDs)
			r.repair(from)
		case errors.As(res.Err, &no) && e.Lane == event.LaneMessage:
			in.refused = append(in.refused, e)
		default:
			r.log.Debug("event not kept", "event", e.ID, "from", from, "why", res.Err)
		}
	}
}

// repair asks from for what is missing, not too often.
func (r *Room) repair(from peer.ID) { r.askFor(from, askEvery) }

// askFor has a run with from, unless there was one within a while.
func (r *Room) askFor(from peer.ID, within time.Duration) {
	if from == "" || from == r.svc.self {
		return
	}
	now := time.Now()
	if now.Sub(r.asked[from]) < within {
		return
	}
	if len(r.asked) > maxAsked {
		clear(r.asked)
	}
	r.asked[from] = now
	r.svc.cfg.Sync.Kick(r.id, from)
}

// batch is what there is to commit.
func (in *intake) batch() Batch {
	b := Batch{Verdicts: map[event.ID]room.Status{}}
	rules := in.r.rules
	for _, eff := range in.effects {
		for _, id := range eff.Visibility {
			if v, ok := rules.Verdict(id); ok {
				b.Verdicts[id] = v.Status
			}
		}
		for _, id := range eff.Dropped {
			if in.fresh[id] == nil {
				b.Dropped = append(b.Dropped, id)
			}
		}
	}
	for _, id := range in.kept {
		e := in.fresh[id]
		if e.Lane == event.LaneControl {
			if rules.Has(id) { // not put aside since
				b.Control = append(b.Control, e)
			}
		} else if v, ok := rules.Verdict(id); ok { // not dropped since
			b.Messages = append(b.Messages, e)
			b.Verdicts[id] = v.Status
		}
	}
	if len(b.Control) > 1 {
		sortAlongCtl(rules, b.Control)
	}
	return b
}

// keepPlaces keeps those refused that stand in the middle of a log, so that it
// goes on. A log that begins with one is none of the room's.
func (in *intake) keepPlaces(b *Batch) {
	if len(in.refused) == 0 {
		return
	}
	slices.SortFunc(in.refused, func(x, y *event.Event) int {
		return cmp.Or(x.Key().Compare(y.Key()), cmp.Compare(x.Seq, y.Seq))
	})
	tops := in.r.rules.Tops()
	for _, e := range in.refused {
		if tops[e.Key()] > 0 {
			b.Messages = append(b.Messages, e)
			b.Verdicts[e.ID] = Refused
		}
	}
}

// sortAlongCtl sorts events that are held so that each comes after those it
// cites.
func sortAlongCtl(rules *room.Room, events []*event.Event) {
	order := map[event.ID]int{}
	for i, id := range rules.AlongCtl() {
		order[id] = i
	}
	slices.SortFunc(events, func(a, b *event.Event) int { return order[a.ID] - order[b.ID] })
}

// after tells whom it concerns what was committed at that time.
func (r *Room) after(ctx context.Context, in *intake, b Batch, at time.Time) {
	clear(r.inStep)
	front, err := r.svc.cfg.Store.Frontier(ctx, r.id)
	if err != nil {
		r.log.Warn("read the frontier", "err", err)
	}
	receipts := map[event.LogKey]bool{}
	ours := false
	for _, e := range b.Messages {
		if e.Author == r.svc.self {
			ours = true
		} else {
			receipts[e.Key()] = true
		}
		if front[e.Key()].Seq < e.Seq {
			r.repair(in.from[e.ID]) // a gap
		}
	}
	if ours {
		r.refreshOwn() // the ledger may have given our log up
	}
	for _, k := range slices.SortedFunc(maps.Keys(receipts), event.LogKey.Compare) {
		if h, ok := front[k]; ok {
			r.svc.cfg.Receipt(k.Author, r.id, k, h)
		}
	}
	r.tell(ctx, in, b, at)
}

func (r *Room) scene() Scene {
	cfg := r.rules.Config()
	return Scene{Name: cfg.Name(), Logging: cfg.Logging()}
}

// tellMessages has the handler hear of messages, in the order of logs.
func (r *Room) tellMessages(ms []Message) {
	if len(ms) == 0 {
		return
	}
	slices.SortStableFunc(ms, func(a, b Message) int {
		if a.Before(b.Event) {
			return -1
		}
		return 1
	})
	r.svc.cfg.Handler.Messages(r.id, r.scene(), ms)
}

// tell has the handler hear of a batch.
func (r *Room) tell(ctx context.Context, in *intake, b Batch, at time.Time) {
	h := r.svc.cfg.Handler
	var ms []Message
	said := false // something people say of themselves, or the subject
	nicks := map[peer.ID]string{}
	message := func(e *event.Event, at time.Time, fresh bool) {
		v, _ := r.rules.Verdict(e.ID)
		nick, known := nicks[e.Author]
		if !known {
			nick = r.rules.Nick(e.Author)
			nicks[e.Author] = nick
		}
		ms = append(ms, Message{Event: e, At: at, Nick: nick, Verdict: v, Fresh: fresh})
		switch e.Kind {
		case room.KindJoin, room.KindLeave, room.KindNick, room.KindSubject:
			said = true
		}
	}
	for _, e := range b.Messages {
		if b.Verdicts[e.ID] != Refused {
			message(e, at, true)
		}
	}
	var older []event.ID
	for id := range b.Verdicts {
		if in.fresh[id] == nil {
			older = append(older, id)
		}
	}
	slices.SortFunc(older, event.ID.Compare)
	for len(older) > 0 {
		events, err := r.svc.cfg.Store.EventsByID(ctx, older, maxBatch)
		if err != nil || len(events) == 0 {
			r.log.Warn("read messages whose verdict changed", "err", err)
			break
		}
		for _, e := range events {
			message(e, at, false)
		}
		older = older[1+slices.Index(older, events[len(events)-1].ID):]
		if len(older) > 0 { // a switch may touch more than memory is for
			r.tellMessages(ms)
			ms = nil
		}
	}
	r.tellMessages(ms)
	governed := slices.ContainsFunc(in.effects, func(e room.Effects) bool { return len(e.Governed) > 0 || e.Everyone || len(e.People) > 0 })
	if len(b.Control) > 0 {
		h.Governed(r.id, r.scene(), b.Control, at)
	}
	if said || governed {
		r.peopleChanged()
		h.RoomChanged(r.id)
	}
	epochs := slices.ContainsFunc(b.Messages, func(e *event.Event) bool { return e.Kind == room.KindEpoch })
	if governed || epochs {
		r.guard()
		r.putOut()
		mine := slices.ContainsFunc(b.Control, func(e *event.Event) bool { return e.Author == r.svc.self })
		r.newEpochs(mine)
	}
}
