package antientropy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"p2pchat/protocol/event"
)

// compare is turn 4: the opener's lists are known, so all that is different is.
func (r *run) compare(ctx context.Context, t *turn) (done bool, err error) {
	if t.listed == nil {
		return false, refused("a turn that lists nothing")
	}
	if err := r.summarize(ctx); err != nil {
		return false, err
	}
	// What neither side lists is the same, or for a later run. Which of the two
	// only the opener knows, so nothing is taken for committed there.
	r.listed = listed{control: t.listed.control, logs: r.narrow(t.listed.logs)}
	for _, id := range t.control {
		if !r.listed.control.has(id[0]) {
			return false, refused("an ID in a bucket that is not listed")
		}
	}
	missing, wanted, err := r.differentControl(ctx, t.control)
	if err != nil {
		return false, err
	}

	p := newPage(r.link)
	if err := r.announce(p); err != nil {
		return false, err
	}
	asks, err := r.ask(p, append(wanted, r.wants()...))
	if err != nil {
		return false, err
	}
	if err := r.sendWanted(ctx, p, append(missing, t.want...)); err != nil {
		return false, err
	}
	forked, err := r.sendLogs(ctx, p, t)
	if err != nil {
		return false, err
	}
	p.f.Digest = r.digest[:]
	done = !asks && !forked && !r.more
	return done, p.end(done)
}

// answer is every later turn.
func (r *run) answer(ctx context.Context, t *turn, serving bool) (done bool, err error) {
	if !r.compared {
		// The other side may have taken up less than we listed.
		if t.listed == nil || !t.listed.logs.within(&r.listed.logs) {
			return false, refused("positions in buckets that are not listed")
		}
		r.listed.logs = t.listed.logs
	}
	now, err := r.replica.Summary(ctx)
	if err != nil {
		return false, fmt.Errorf("summarize: %w", err)
	}
	r.mine.Frontier, r.mine.Forks, r.mine.Scattered, r.digest = now.Frontier, now.Forks, now.Scattered, now.digest()

	p := newPage(r.link)
	if err := r.sendWanted(ctx, p, t.want); err != nil {
		return false, err
	}
	for k := range t.unknown {
		r.sendWhole(k)
	}
	forked, err := r.sendLogs(ctx, p, t)
	if err != nil {
		return false, err
	}
	news := event.Frontier{}
	for k, h := range now.Frontier {
		if r.stated[k] != h && (t.touched[k] || r.listed.logs.has(logBucket(k))) {
			news[k], r.stated[k] = h, h
		}
	}
	if len(news) > maxHeads {
		return false, errNotEnding // so many new logs since the last turn are for the next run
	}
	if err := p.heads(news); err != nil {
		return false, err
	}
	asks, err := r.ask(p, now.Wanted)
	if err != nil {
		return false, err
	}
	p.f.Digest = r.digest[:]
	// The opener is answered in any case; the other side wants to hear that
	// what it brings was committed.
	done = !asks && !forked && !r.more && !(serving && p.brings)
	return done, p.end(done)
}

// differentControl gives the control events of the listed buckets that the other
// side lacks and those that we do.
func (r *run) differentControl(ctx context.Context, theirs []event.ID) (missing, wanted []event.ID, err error) {
	ours := map[event.ID]bool{}
	have := make(map[event.ID]bool, len(theirs))
	for _, id := range theirs {
		have[id] = true
	}
	for i := range 256 {
		if !r.listed.control.has(byte(i)) {
			continue
		}
		ids, err := r.replica.Covered(ctx, byte(i))
		if err != nil {
			return nil, nil, fmt.Errorf("list control events: %w", err)
		}
		for _, id := range ids {
			ours[id] = true
			if !have[id] {
				missing = append(missing, id)
			}
		}
	}
	for _, id := range theirs {
		if !ours[id] {
			wanted = append(wanted, id)
		}
	}
	return missing, wanted, nil
}

// sendWanted writes those of ids that are held: control events, each after those
// it cites, and messages whose body the other side lacks.
func (r *run) sendWanted(ctx context.Context, p *page, ids []event.ID) error {
	for len(ids) > 0 {
		events, err := r.replica.Controls(ctx, ids, batchBytes)
		if err != nil {
			return fmt.Errorf("read control events: %w", err)
		}
		if len(events) == 0 {
			break // the rest is not held, or no control event
		}
		if err := p.events(events); err != nil {
			return err
		}
		sent := make(map[event.ID]bool, len(events))
		for _, e := range events {
			sent[e.ID] = true
		}
		before := len(ids)
		ids = slices.DeleteFunc(ids, func(id event.ID) bool { return sent[id] })
		if len(ids) == before {
			return fmt.Errorf("%d control events that nobody asked for", len(events))
		}
	}
	return r.sendBodies(ctx, p, ids)
}

// sendBodies writes those of the messages ids that are held with their bodies,
// each once in a run however often it is asked for.
func (r *run) sendBodies(ctx context.Context, p *page, ids []event.ID) error {
	ids = slices.DeleteFunc(ids, func(id event.ID) bool {
		if r.sought[id] || len(r.sought) >= maxIDs {
			return true
		}
		r.sought[id] = true
		return false
	})
	for some := range slices.Chunk(ids, batchBodies) {
		if !r.allowed() {
			return ErrNotServed
		}
		start := time.Now()
		events, err := r.replica.Bodies(ctx, some)
		if err != nil {
			return fmt.Errorf("read messages: %w", err)
		}
		if err := p.events(events); err != nil {
			return err
		}
		r.svc.rest(ctx, start)
	}
	return nil
}

// sendLogs writes what the other side lacks of the listed logs, as much as fits
// into a turn: the newest first, so that what is said meanwhile does not wait for
// the past. The first time, when t has its positions, it names those of which we
// hold another branch. When all has been sent it goes on for some turns with what
// has come to light or was written meanwhile, so that a lively room lets the run
// end.
func (r *run) sendLogs(ctx context.Context, p *page, t *turn) (forked bool, err error) {
	first := !r.compared
	r.compared = true
	if !first && !r.more {
		if r.later++; r.later > maxLater {
			return false, nil
		}
	}
	unknown := event.Frontier{}
	mine := splitFrontier(r.mine.Frontier).in(&r.listed.logs, false)
	if first {
		if unknown, err = r.findBranches(ctx, p, t, mine); err != nil {
			return false, err
		}
		err = r.sendNewest(ctx, p, mine)
	} else {
		err = r.sendNews(ctx, p)
	}
	if err != nil {
		return false, err
	}
	r.tops, r.more = r.mine.Frontier, false
	turn := budget{time.Now().Add(turnLasts), turnBytes}
	for _, k := range mine.Keys() {
		if err := r.sendRange(ctx, p, event.Range{LogKey: k, From: r.next(k), To: mine[k].Seq}, &turn); err != nil {
			return false, err
		}
		if r.next(k) <= mine[k].Seq {
			r.more = true
			break
		}
	}
	return len(unknown) > 0, p.unknown(unknown)
}

// budget is what a turn may still take.
type budget struct {
	until time.Time
	bytes int
}

func (b *budget) spent() bool { return b.bytes <= 0 || time.Now().After(b.until) }

// next is the first seq of log k that the other side lacks and was not sent.
func (r *run) next(k event.LogKey) uint64 {
	if r.whole[k] {
		return max(r.cursor[k]+1, r.low[k])
	}
	return max(r.cursor[k]+1, r.has[k].Seq+1, r.low[k])
}

// sendWhole has all of a log sent from the beginning, once in a run.
func (r *run) sendWhole(k event.LogKey) {
	if !r.whole[k] {
		r.whole[k], r.more = true, true
		delete(r.cursor, k)
	}
}

// findBranches looks for logs in which the other side holds other events than
// we do: such a log is sent whole, and unknown lists those of which it cannot
// know that. It sends what is held above gaps of logs that are level.
func (r *run) findBranches(ctx context.Context, p *page, t *turn, mine event.Frontier) (unknown event.Frontier, err error) {
	unknown = event.Frontier{}
	for k, m := range mine {
		theirs := t.heads[k]
		if before := r.parts[logBucket(k)][k]; theirs.Seq == 0 || before.Seq == theirs.Seq || m.Seq <= theirs.Seq {
			continue
		}
		branched, err := r.branched(ctx, k, theirs)
		if err != nil {
			return nil, err
		}
		if branched {
			r.sendWhole(k)
			if len(unknown) < maxUnknown {
				unknown[k] = theirs
			}
		}
	}
	for k := range mine {
		if r.level(t, k) && r.parts[logBucket(k)][k].ID != t.heads[k].ID && r.unsent(k) {
			r.sendWhole(k)
		}
	}
	// The head being the same, what is below or above it may be what makes the
	// bucket differ.
	for k := range r.mine.Forks {
		if !r.listed.logs.has(logBucket(k)) || !r.level(t, k) || !r.unsent(k) {
			continue
		}
		if !r.mine.Scattered[k] {
			r.sendWhole(k)
		}
		if err := r.sendAbove(ctx, p, k); err != nil {
			return nil, err
		}
	}
	return unknown, nil
}

// level tells whether both sides, as they listed it, hold log k without a gap up
// to the same seq.
func (r *run) level(t *turn, k event.LogKey) bool {
	return r.parts[logBucket(k)][k].Seq == t.heads[k].Seq
}

// unsent tells whether all that there is of log k is to be sent, both sides being
// level: once for each state that it is in.
func (r *run) unsent(k event.LogKey) bool {
	if _, now := r.resent[k]; now {
		return true
	}
	head, forks := r.parts[logBucket(k)][k], r.mine.Forks[k]
	state := sha256.Sum256(slices.Concat(head.ID[:], forks[:]))
	if !r.svc.resend(resentKey{pairKey{r.room, r.peer}, k}, state) {
		return false
	}
	r.resent[k] = state
	return true
}

// sendAbove sends what is held of log k above its first gap.
func (r *run) sendAbove(ctx context.Context, p *page, k event.LogKey) error {
	rg := event.Range{LogKey: k, From: max(r.mine.Frontier[k].Seq+1, r.low[k]), To: 1<<63 - 1}
	for {
		events, err := r.replica.Range(ctx, rg, batchBytes)
		if err != nil {
			return fmt.Errorf("read events above a gap: %w", err)
		}
		if len(events) == 0 {
			return nil
		}
		if err := p.events(events); err != nil {
			return err
		}
		rg.From = events[len(events)-1].Seq + 1
	}
}

// sendNewest sends the newest messages of the room before all others to whom
// lacks much of what we have.
func (r *run) sendNewest(ctx context.Context, p *page, mine event.Frontier) error {
	var lacking uint64
	for k, h := range mine {
		if from := r.next(k); from <= h.Seq {
			lacking += h.Seq + 1 - from
		}
	}
	if lacking <= 2*newestFirst {
		return nil
	}
	events, err := r.replica.Newest(ctx, newestFirst)
	if err != nil {
		return fmt.Errorf("read the newest events: %w", err)
	}
	return r.sendEarly(p, slices.DeleteFunc(events, func(e *event.Event) bool {
		_, listed := mine[e.Key()]
		return !listed || e.Seq < r.next(e.Key())
	}))
}

// sendNews sends what was committed since the last turn before more of the past,
// also of logs that this run is not about: there is no other with this peer until
// it ends.
func (r *run) sendNews(ctx context.Context, p *page) error {
	if !r.more {
		return nil // it comes at once anyway
	}
	for k, h := range r.mine.Frontier {
		from := max(r.tops[k].Seq+1, r.next(k))
		if from > h.Seq {
			continue
		}
		events, err := r.replica.Range(ctx, event.Range{LogKey: k, From: from, To: h.Seq}, batchBytes)
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		if err := r.sendEarly(p, events); err != nil {
			return err
		}
	}
	return nil
}

// sendEarly sends events before their turn, at once.
func (r *run) sendEarly(p *page, events []*event.Event) error {
	for _, e := range events {
		r.early[e.ID] = true
	}
	if err := p.events(events); err != nil {
		return err
	}
	return p.flush()
}

// branched tells whether another event than h is held at its place.
func (r *run) branched(ctx context.Context, k event.LogKey, h event.Head) (bool, error) {
	events, err := r.replica.Range(ctx, event.Range{LogKey: k, From: h.Seq, To: h.Seq}, batchBytes)
	if err != nil {
		return false, fmt.Errorf("look for a branch: %w", err)
	}
	return len(events) > 0 && !slices.ContainsFunc(events, func(e *event.Event) bool { return e.ID == h.ID }), nil
}

// sendRange writes what is held of rg, until the turn's budget is spent.
func (r *run) sendRange(ctx context.Context, p *page, rg event.Range, turn *budget) error {
	for rg.From <= rg.To && !turn.spent() {
		if !r.allowed() {
			return ErrNotServed
		}
		start := time.Now()
		events, err := r.replica.Range(ctx, rg, batchBytes)
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		last := rg.To // what is not there was dropped here
		if len(events) > 0 {
			last = events[len(events)-1].Seq
		}
		if last < rg.From {
			return fmt.Errorf("a range from %d gave event %d", rg.From, last)
		}
		rg.From, r.cursor[rg.LogKey] = last+1, last
		if len(r.early) > 0 {
			events = slices.DeleteFunc(slices.Clone(events), func(e *event.Event) bool { return r.early[e.ID] })
		}
		for _, e := range events {
			turn.bytes -= e.Size()
		}
		if err := p.events(events); err != nil {
			return err
		}
		r.svc.rest(ctx, start)
	}
	return nil
}
