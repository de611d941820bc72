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
	asks, err := r.ask(p, append(wanted, r.mine.Wanted...))
	if err != nil {
		return false, err
	}
	if err := r.sendControls(ctx, p, append(missing, t.want...)); err != nil {
		return false, err
	}
	forked, err := r.sendLogs(ctx, p, t)
	if err != nil {
		return false, err
	}
	p.f.Digest = r.digest[:]
	done = !asks && !forked
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
	r.mine.Frontier, r.mine.Forks, r.digest = now.Frontier, now.Forks, now.digest()

	p := newPage(r.link)
	if err := r.sendControls(ctx, p, t.want); err != nil {
		return false, err
	}
	forked, err := r.sendLogs(ctx, p, t)
	if err != nil {
		return false, err
	}
	for _, k := range t.unknown.Keys() {
		if err := r.sendRange(ctx, p, event.Range{LogKey: k, From: 1, To: now.Frontier[k].Seq}, true); err != nil {
			return false, err
		}
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
	done = !asks && !forked && !(serving && p.brings)
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

// sendControls writes those of ids that are held, each after those it cites.
func (r *run) sendControls(ctx context.Context, p *page, ids []event.ID) error {
	for len(ids) > 0 {
		events, err := r.replica.Controls(ctx, ids, batchBytes)
		if err != nil {
			return fmt.Errorf("read control events: %w", err)
		}
		if len(events) == 0 {
			return nil // the rest is not held
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
	return nil
}

// sendLogs writes what the other side lacks of the listed logs. The first time,
// when t has its positions, it names those of which we hold another branch.
// Later it sends what has come to light or was written meanwhile, for some turns,
// so that a lively room lets the run end.
func (r *run) sendLogs(ctx context.Context, p *page, t *turn) (forked bool, err error) {
	first := !r.compared
	r.compared = true
	if r.later++; !first && r.later > maxLater {
		return false, nil
	}
	unknown := event.Frontier{}
	mine := splitFrontier(r.mine.Frontier).in(&r.listed.logs, false)
	if first {
		if err := r.sendNewest(ctx, p, mine); err != nil {
			return false, err
		}
	}
	for _, k := range mine.Keys() {
		m, whole := mine[k], false
		if theirs := t.heads[k]; first && theirs.Seq > 0 {
			before := r.parts[logBucket(k)][k] // as we listed it
			switch {
			case before.Seq == theirs.Seq:
				// Both see it, both send all. The head being the same, a
				// branch below it may be what makes the bucket differ.
				forks, branches := r.mine.Forks[k]
				state := sha256.Sum256(slices.Concat(before.ID[:], forks[:]))
				if whole = (before.ID != theirs.ID || branches) && r.svc.resend(resentKey{pairKey{r.room, r.peer}, k}, state); whole {
					r.resent[k] = state
				}
			case m.Seq > theirs.Seq:
				if whole, err = r.branched(ctx, k, theirs); err != nil {
					return false, err
				}
				if whole && len(unknown) < maxUnknown {
					unknown[k] = theirs
				}
			}
		}
		if err := r.sendRange(ctx, p, event.Range{LogKey: k, From: r.has[k].Seq + 1, To: m.Seq}, whole); err != nil {
			return false, err
		}
		if m.Seq > r.has[k].Seq {
			r.has[k] = m
		}
	}
	return len(unknown) > 0, p.unknown(unknown)
}

// sendNewest sends the newest messages of the room before all others to whom
// lacks much of what we have.
func (r *run) sendNewest(ctx context.Context, p *page, mine event.Frontier) error {
	lacks := func(k event.LogKey) uint64 { return max(r.has[k].Seq+1, r.low[k]) }
	var lacking uint64
	for k, h := range mine {
		if from := lacks(k); from <= h.Seq {
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
	events = slices.DeleteFunc(events, func(e *event.Event) bool {
		_, listed := mine[e.Key()]
		return !listed || e.Seq < lacks(e.Key())
	})
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

// sendRange writes what is held of rg. All of a log is sent once in a run.
func (r *run) sendRange(ctx context.Context, p *page, rg event.Range, whole bool) error {
	if whole {
		if r.whole[rg.LogKey] {
			return nil
		}
		r.whole[rg.LogKey] = true
		rg.From = 1
	}
	rg.From = max(rg.From, r.low[rg.LogKey])
	for rg.From <= rg.To {
		if !r.allowed() {
			return ErrNotServed
		}
		start := time.Now()
		events, err := r.replica.Range(ctx, rg, batchBytes)
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		if len(events) == 0 {
			return nil // dropped here
		}
		last := events[len(events)-1].Seq
		if last < rg.From {
			return fmt.Errorf("a range from %d gave event %d", rg.From, last)
		}
		rg.From = last + 1
		if len(r.early) > 0 {
			events = slices.DeleteFunc(slices.Clone(events), func(e *event.Event) bool { return r.early[e.ID] })
		}
		if err := p.events(events); err != nil {
			return err
		}
		r.svc.rest(r, start)
	}
	return nil
}
