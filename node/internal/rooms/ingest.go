package rooms

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// ingest judges and commits arrivals as one batch.
func (r *Room) ingest(ctx context.Context, arrivals []arrival) {
	err := r.mend()
	if err == nil && time.Now().Before(r.rests) {
		err = errResting
	}
	in := newIntake(r)
	if err == nil {
		for _, a := range arrivals {
			for _, e := range a.events {
				if in.add(e, a.from) && a.stands && e.Author != a.from {
					in.stand = append(in.stand, e.ID)
				}
			}
		}
		err = in.judge(ctx)
	}
	for _, a := range arrivals {
		if a.done == nil {
			continue
		}
		t := taken{err: err}
		for _, e := range a.events {
			if err == nil && in.fresh[e.ID] != nil && r.holds(e) {
				t.fresh++
			}
		}
		a.done <- t
	}
}

// intake is one batch on its way into the history.
type intake struct {
	r        *Room
	from     map[event.ID]peer.ID
	control  []*event.Event
	messages []*event.Event
	stand    []event.ID                // see arrival
	fresh    map[event.ID]*event.Event // those kept that were not here
	kept     []event.ID                // their order
	effects  []room.Effects
	refused  []*event.Event        // by the rules, in the message lane
	logs     map[event.LogKey]bool // those not here yet: whether they may be opened
	opening  map[peer.ID]int       // how many of them may
}

// Refused is the status of a message that the rules refuse and that only keeps
// its place in its log, so that what follows it there is held without a gap.
const Refused room.Status = 5

func newIntake(r *Room) *intake {
	return &intake{r: r, from: map[event.ID]peer.ID{}, fresh: map[event.ID]*event.Event{}, logs: map[event.LogKey]bool{}, opening: map[peer.ID]int{}}
}

// again has what is here already handed in again, see the tag nodedup.
var again bool

// add takes e unless it is here, with its body if e has it, and tells whether it was
// not.
func (in *intake) add(e *event.Event, from peer.ID) bool {
	held := in.r.holds(e)
	if _, twice := in.from[e.ID]; twice || held && !in.r.lacks(e) && !again {
		return false
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
	return !held
}

// takes tells whether log k is here or may be opened: one author has so many.
func (in *intake) takes(k event.LogKey) bool {
	r := in.r
	if r.opened[k] {
		return true
	}
	if takes, asked := in.logs[k]; asked {
		return takes
	}
	takes := false
	if r.opens[k.Author]+in.opening[k.Author] < event.MaxLogs {
		ok, err := r.svc.cfg.Store.TakesLog(r.svc.ctx, r.id, k)
		takes = ok || err != nil // an error comes again at the commit
	}
	if takes {
		in.opening[k.Author]++
	}
	in.logs[k] = takes
	if !takes {
		r.surplusLog(k)
	}
	return takes
}

// maxSurplus is how many logs are remembered that were turned down.
const maxSurplus = 4096

// unwanted is the low mark of a log that is turned down: no event is above it.
const unwanted = 1 << 62

// surplusLog notes that log k was turned down, so that sync does not bring it
// again and again.
func (r *Room) surplusLog(k event.LogKey) {
	if len(r.surplus) >= maxSurplus {
		clear(r.surplus)
	}
	r.surplus[k] = true
}

// wants gives the first seq wanted of logs of which not everything is.
func (r *Room) wants() map[event.LogKey]uint64 {
	if len(r.surplus) == 0 {
		return r.lows
	}
	out := maps.Clone(r.lows)
	if out == nil {
		out = map[event.LogKey]uint64{}
	}
	for k := range r.surplus {
		out[k] = unwanted
	}
	return out
}

// open notes that log k is here.
func (r *Room) open(k event.LogKey) {
	if !r.opened[k] {
		r.opened[k] = true
		r.opens[k.Author]++
	}
}

func (r *Room) holds(e *event.Event) bool {
	if e.Lane == event.LaneControl {
		return r.rules.Has(e.ID)
	}
	return r.rules.Holds(e)
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
		if len(in.stand) > 0 {
			in.results(nil, r.rules.Keep(in.stand...))
		}
		for _, e := range control {
			for _, p := range r.parked.ready(e.ID) {
				delete(in.from, p.event.ID) // it may have come and been parked just now
				in.add(p.event, p.from)
			}
		}
	}
	if err := r.rules.Err(); err != nil {
		r.failed(err)
		return err
	}
	if len(in.fresh)+len(in.refused) == 0 && !in.changed() {
		return nil
	}
	b := in.batch()
	in.keepPlaces(&b)
	var done Committed
	err := r.guardNew(ctx)
	if err == nil {
		done, err = r.svc.cfg.Ledger.Commit(ctx, r.id, b)
	}
	if err != nil {
		r.failed(err)
		return err
	}
	r.after(ctx, in, b, done)
	r.compact(ctx)
	return nil
}

// failed tells the faces and forgets what is in memory only.
func (r *Room) failed(err error) {
	r.svc.cfg.Handler.Failed(r.id, err)
	r.unsound = true
	if e := r.mend(); e != nil {
		r.log.Error("read the room again", "err", e)
	}
}

// errResting: a commit failed, and reading the room again took its time.
var errResting = errors.New("a commit failed a moment ago")

// restShare is how much of the time a room whose commits fail rests, so that a
// full disk does not have it read for ever.
const restShare = 4

// mend has the rules say again what is stored, if they may say more. Nothing is
// handed to them before.
func (r *Room) mend() error {
	if !r.unsound || r.svc.ctx.Err() != nil {
		return nil
	}
	start := time.Now()
	if err := r.reload(r.svc.ctx); err != nil {
		return err
	}
	r.unsound = false
	cfg := r.rules.Config()
	r.guarded = cfg.Password() > 0
	r.rests = time.Now().Add(restShare * time.Since(start))
	return nil
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
			in.r.open(e.Key())
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
	for _, e := range in.refused {
		if in.r.opened[e.Key()] {
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
