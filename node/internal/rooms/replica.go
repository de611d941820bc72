package rooms

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// Entitled tells whether p may be served the room's history and keys, and, unless he
// named the room, be told its ID. Whether somebody may is asked of the rules; we serve
// while we follow the room. Who may not although he was in it is told why.
func (r *Room) Entitled(p peer.ID, named bool) bool {
	ok := false
	err := r.do(r.svc.ctx, func() {
		if !r.following() {
			return
		}
		if ok = r.entitled(p); !ok {
			r.tellWhy(p, named)
		}
		ok = ok && (named || r.introduced(p))
	})
	return err == nil && ok
}

// introduced tells whether p knows the room's ID as far as we know, or may know it.
// Who has that of a hidden room may ask to enter; that somebody is in the topic, whose
// name everybody connected can see, says nothing.
func (r *Room) introduced(p peer.ID) bool {
	if cfg := r.rules.Config(); cfg.Visible() || r.letIn[p] || r.rules.Standing(p) >= room.Member {
		return true
	}
	x := r.people[p]
	_, spoke := r.rules.LastWord(p)
	return spoke || x != nil && !x.said.IsZero()
}

// entitled tells what the rules say of serving p; whom we let in through the
// password step ourselves needs no other word for it.
func (r *Room) entitled(p peer.ID) bool {
	if ended, _, _ := r.rules.Ended(); ended {
		// Nobody may enter any more; who was in it may hear that it ended. A word
		// of his is no proof of that where the door was guarded: he may have said
		// it without having been let in. He still hears of the end, see tellWhy.
		_, spoke := r.rules.LastWord(p)
		cfg, stands := r.rules.Config(), r.rules.Standing(p)
		return spoke && stands != room.Outcast && (!cfg.MembersOnly() || stands >= room.Member) &&
			(cfg.Password() == 0 || r.letIn[p] || p == r.rules.Creator())
	}
	// Whom we let in ourselves, or who let us in, while he is in the room or on
	// his way: who passes the door and never joins is not to listen for ever.
	return r.rules.Admitted(p) || r.passed(p) && (r.isOccupant(p) || time.Since(r.letInAt[p]) < joinWithin)
}

// passed tells whether p was let in, in the room or not, and might be now.
func (r *Room) passed(p peer.ID) bool {
	return r.rules.Admitted(p) || r.letIn[p] && r.rules.MayEnter(p) == nil
}

// joinWithin is how long the join of somebody who was let in may take to arrive.
const joinWithin = 2 * time.Minute

// Summary is what is committed of a room.
type Summary struct {
	Root     [32]byte      // of the control set
	Buckets  [256][32]byte // hashes of its buckets
	Frontier event.Frontier
	Low      map[event.LogKey]uint64 // the first seq wanted of a log; never changed
	Forks    map[event.LogKey][32]byte
	// Scattered are the logs of which something is held above a gap.
	Scattered map[event.LogKey]bool
	Wanted    []event.ID // control events that something parked cites
}

// Summary is what is committed now.
func (r *Room) Summary(ctx context.Context) (Summary, error) {
	var s Summary
	var err error
	e := r.do(ctx, func() {
		s = Summary{Root: r.rules.Root(), Buckets: r.rules.Buckets(), Low: r.wants(), Wanted: r.parked.wanted()}
		s.Forks, s.Scattered = r.rules.Forks()
		s.Frontier, err = r.svc.cfg.Store.Frontier(ctx, r.id)
	})
	if e != nil {
		return Summary{}, e
	}
	return s, err
}

// Covered lists, ascending, the control events in a bucket.
func (r *Room) Covered(ctx context.Context, bucket byte) ([]event.ID, error) {
	var out []event.ID
	err := r.do(ctx, func() { out = r.rules.Covered(bucket) })
	return out, err
}

// Controls gives control events, each after those it cites, up to limit bytes.
func (r *Room) Controls(ctx context.Context, ids []event.ID, limit int) ([]*event.Event, error) {
	wanted := make(map[event.ID]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	var order []event.ID
	err := r.do(ctx, func() {
		order = slices.DeleteFunc(r.rules.AlongCtl(), func(id event.ID) bool { return !wanted[id] })
	})
	if err != nil || len(order) == 0 {
		return nil, err
	}
	return r.svc.cfg.Store.EventsByID(ctx, order, limit)
}

// Range gives events of a log, like the store's.
func (r *Room) Range(ctx context.Context, rg event.Range, limit int) ([]*event.Event, error) {
	return r.svc.cfg.Store.Range(ctx, r.id, rg, limit)
}

// Newest gives the newest n messages that are shown, with joins that their
// authors need for it, by log and seq.
func (r *Room) Newest(ctx context.Context, n int) ([]*event.Event, error) {
	events, err := r.svc.cfg.Store.Latest(ctx, r.id, n)
	if err != nil {
		return nil, err
	}
	shown := map[event.ID]bool{}
	logs := map[event.LogKey]bool{}
	for _, e := range events {
		shown[e.ID], logs[e.Key()] = true, true
	}
	var joins []event.ID
	err = r.do(ctx, func() {
		joins = slices.DeleteFunc(r.rules.JoinsOf(maps.Keys(logs)), func(id event.ID) bool { return shown[id] })
	})
	if err != nil {
		return nil, err
	}
	more, err := r.svc.cfg.Store.EventsByID(ctx, joins, maxBatch)
	if err != nil {
		return nil, err
	}
	events = append(events, more...)
	slices.SortFunc(events, func(a, b *event.Event) int {
		return cmp.Or(a.Key().Compare(b.Key()), cmp.Compare(a.Seq, b.Seq), a.ID.Compare(b.ID))
	})
	return events, nil
}

// Synced notes how a run with p ended.
func (r *Room) Synced(p peer.ID, equal, ended bool) {
	r.post(func() {
		if equal {
			r.lastSync = time.Now()
			r.inStep[p] = true
		} else {
			delete(r.inStep, p)
		}
		if ended { // where something forked below his marks the two are never equal
			r.tellTopic(p)
		}
	})
}

// tellTopic hands p the subject if it lies below what his join wants of the
// history: whoever let him in told him what stood then, and what stands now may be
// an older one, once a later one fell, or one that was not known there.
func (r *Room) tellTopic(p peer.ID) {
	k, h, words := r.rules.TopicWord()
	if len(words) == 0 || r.toldTopic[p] == h.ID || !r.joined || !r.isOccupant(p) {
		return
	}
	low, err := r.lowOf(p, k)
	var events []*event.Event
	if err == nil && h.Seq < low {
		events, err = r.svc.cfg.Store.EventsByID(r.svc.ctx, words, maxBatch)
	}
	if err != nil {
		r.log.Warn("tell of the subject", "peer", p, "err", err)
		return
	}
	if _, here := r.toldTopic[p]; !here && len(r.toldTopic) >= maxAsked {
		clear(r.toldTopic)
	}
	r.toldTopic[p] = h.ID
	if len(events) == 0 {
		return
	}
	r.push(p, events, nil, func() { delete(r.toldTopic, p) }) // again after the next run
}

// lowOf is the first seq of log k that p wants, 0 if he wants all: that is said by
// the first join of his in a log.
func (r *Room) lowOf(p peer.ID, k event.LogKey) (low uint64, err error) {
	his := func(yield func(event.LogKey) bool) {
		for l := range r.opened {
			if l.Author == p && !yield(l) {
				return
			}
		}
	}
	joins, err := r.svc.cfg.Store.EventsByID(r.svc.ctx, r.rules.FirstJoins(his), maxBatch)
	for _, e := range joins {
		body, err := room.DecodeBody(e.Kind, e.Body)
		j, ok := body.(*room.Join)
		if err != nil || !ok {
			continue
		}
		for _, l := range j.Low {
			if l.LogKey == k {
				low = max(low, l.Seq)
			}
		}
	}
	return low, err
}
