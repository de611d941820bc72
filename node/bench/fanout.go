package main

import (
	"context"
	"fmt"
	"time"
)

// heard is what one contestant's rounds yielded.
type heard struct{ half, tail, lost, copies, bytes, all, rate []float64 }

// turn is a round at the calm rate.
type turn struct {
	before     cargo
	deliveries float64
}

func (o *heard) calm(ctx context.Context, h *hall, p pace) (t turn, err error) {
	t.before = h.carried()
	r, err := h.talk(ctx, p)
	if err != nil {
		return t, err
	}
	t.deliveries = float64(len(r.took))
	o.lost = append(o.lost, r.lost())
	o.half, o.tail = append(o.half, median(r.took)), append(o.tail, quantile(r.took, 0.99))
	return t, nil
}

// price notes what a turn cost up to now. What is advertised of its messages
// later belongs to it, so that is asked when it has been.
func (o *heard) price(h *hall, t turn) {
	now := h.carried()
	o.copies = append(o.copies, (now.payloads-t.before.payloads)/t.deliveries-1)
	o.bytes = append(o.bytes, (now.bytes-t.before.bytes)/t.deliveries)
	o.all = append(o.all, (now.all-t.before.all)/t.deliveries)
}

// contest has halls take turns, each time another one first: who speaks after a
// pause finds the machine asleep.
func contest(ctx context.Context, runs int, p pace, halls ...*hall) ([]*heard, error) {
	out := make([]*heard, len(halls))
	for i, h := range halls {
		if err := h.warm(ctx); err != nil {
			return nil, err
		}
		out[i] = &heard{}
	}
	for run := range runs {
		turns := make([]turn, len(halls))
		for n := range halls {
			i := (run + n) % len(halls)
			var err error
			if turns[i], err = out[i].calm(ctx, halls[i], p); err != nil {
				return nil, err
			}
		}
		time.Sleep(calmTime) // the last one's advertisements
		for i, h := range halls {
			out[i].price(h, turns[i])
		}
	}
	return out, nil
}

// openHalls makes crowds of n.
func openHalls(ctx context.Context, n int, kinds ...crowded) (halls []*hall, err error) {
	for _, k := range kinds {
		h, err := openHall(ctx, k, n)
		if err != nil {
			closeHalls(halls)
			return nil, err
		}
		halls = append(halls, h)
	}
	return halls, nil
}

func closeHalls(halls []*hall) {
	for _, h := range halls {
		h.close()
	}
}

// fanOut measures how a message gets to all members of a room, without what a
// node does with it.
func fanOut(ctx context.Context, b *bench) (t table, err error) {
	for _, n := range []int{10, 50} {
		got, err := fanOutOf(ctx, b, n)
		if err != nil {
			return t, fmt.Errorf("%d members: %w", n, err)
		}
		for i, yard := range []string{"tuned", "stock"} {
			t.compare(fmt.Sprintf("%d members, ", n), " ("+yard+")", got[0], got[i+1])
		}
	}
	t.Notes = []string{fmt.Sprintf("%d bytes, %d messages/s by members in turn, everybody connected to everybody over TCP, in one\n"+
		"process. From publishing to delivery, of a payload that nobody seals, opens or stores; every publisher\n"+
		"claims to reach all. Traffic is that of GossipSub's streams, without headers of the transport, for a\n"+
		"burst of %v and what is advertised of it afterwards. Rates were tried once, for %v each. Yardsticks:\n"+
		"GossipSub as it comes (stock; it signs), and with our parameters and flood publish (tuned).",
		line64, calmRate, calmTime, fullTime)}
	return t, nil
}

// fanOutOf measures crowds of n; of 50 also the highest rate, once, each when
// the others are gone.
func fanOutOf(ctx context.Context, b *bench, n int) ([]*heard, error) {
	halls, err := openHalls(ctx, n, sparing, tuned, stockGossip)
	if err != nil {
		return nil, err
	}
	defer func() { closeHalls(halls) }()
	got, err := contest(ctx, b.runs, pace{calmRate, line64, calmTime}, halls...)
	if err != nil || n < 50 {
		return got, err
	}
	for _, o := range got {
		best, _, err := halls[0].highest(ctx)
		if err != nil {
			return nil, err
		}
		o.rate = append(o.rate, float64(best))
		halls[0].close()
		halls = halls[1:]
	}
	return got, nil
}

// compare adds the rows of two contestants.
func (t *table) compare(before, after string, subj, yard *heard) {
	line := func(what, unit string, more bool, of func(*heard) []float64) {
		if r := (row{What: before + what + after, Unit: unit, More: more, Subject: of(subj), Yardstick: of(yard)}); len(r.Subject) > 0 {
			t.Rows = append(t.Rows, r)
		}
	}
	line("p50", "ms", false, func(o *heard) []float64 { return o.half })
	line("p99", "ms", false, func(o *heard) []float64 { return o.tail })
	line("lost", "%", false, func(o *heard) []float64 { return o.lost })
	line("duplicates", "per delivery", false, func(o *heard) []float64 { return o.copies })
	line("traffic", "bytes per delivery", false, func(o *heard) []float64 { return o.bytes })
	line("highest rate without loss", "messages/s", true, func(o *heard) []float64 { return o.rate })
}
