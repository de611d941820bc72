package main

import (
	"context"
	"fmt"
	"math"
	"time"
)

// storms is how many rounds of the rate that is too much for stock GossipSub
// are measured.
const storms = 3

// wholeRooms measures the way of a message from Send at one node to the faces
// of all others.
func wholeRooms(ctx context.Context, b *bench) (t table, err error) {
	for _, n := range []int{10, 50} {
		var rows []row
		rows, err = wholeRoomsOf(ctx, b, n)
		t.Rows = append(t.Rows, rows...)
		if err != nil {
			err = fmt.Errorf("%d members: %w", n, err)
			break
		}
	}
	t.Notes = []string{
		fmt.Sprintf("Whole nodes in one process, connected over TCP, one database each, one open room; from `Send` until\n"+
			"`Watch` yields the message, at every other node. %d bytes of text, %d messages/s by members in turn, for\n"+
			"%v. Yardstick: GossipSub with our parameters and flood publish on the same topology, which commits a\n"+
			"row before it publishes and one for each payload before it counts; it signs, seals and judges nothing.\n"+
			"Nobody speaks often enough at that rate for events to be gathered, so the yardstick does not wait either;\n"+
			"it never does.",
			line64, calmRate, calmOf(10)),
		fmt.Sprintf("Traffic is bytes of streams, for %d messages in %v and what follows within %v; of nodes *all* is with\n"+
			"receipts, sync and keep-alives. Against stock GossipSub, whose payload is the text alone.",
			calmRate, calmTime, drain),
		fmt.Sprintf("Rates were tried once, from %d to %d messages/s, for %v each: everything is to be everywhere within %v.\n"+
			"The rate that is too much for stock GossipSub is the lowest tried at which it lost something; three times\n"+
			"that was said for %v, %d times, and what nodes had not shown half a minute later is lost. How much of\n"+
			"it was said in time is told beside it: `Send` waits for the disk, and %d of a member's may be under way.",
			fullFrom, fullMost, fullTime, drain, fullTime, storms, window),
	}
	return t, err
}

// calmOf is how long a round of n members lasts: long enough for a tail.
func calmOf(int) time.Duration { return 3 * calmTime }

func wholeRoomsOf(ctx context.Context, b *bench, n int) (rows []row, err error) {
	say := func(what, unit string, more bool, subj, yard []float64) *row {
		rows = append(rows, row{What: fmt.Sprintf("%d members, %s", n, what), Unit: unit, More: more, Subject: subj, Yardstick: yard})
		return &rows[len(rows)-1]
	}
	nodes, err := openHall(ctx, wholeNodes(b), n)
	if err != nil {
		return rows, err
	}
	defer func() { nodes.close() }()
	yard, err := openHall(ctx, committing(b, tuned), n)
	if err != nil {
		return rows, err
	}
	defer func() { yard.close() }()
	got, err := contest(ctx, b.runs, pace{calmRate, line64, calmOf(n)}, nodes, yard)
	if err != nil {
		return rows, err
	}
	say("p50", "ms", false, got[0].half, got[1].half)
	rows[len(rows)-1].Aim = 1.5
	say("p99", "ms", false, got[0].tail, got[1].tail)
	say("lost", "%", false, got[0].lost, got[1].lost)
	say("duplicates", "per delivery", false, got[0].copies, got[1].copies)
	yard.close()

	// Against stock: what a message costs, and what is too much for it.
	stock, err := openHall(ctx, stockGossip, n)
	if err != nil {
		return rows, err
	}
	defer func() { stock.close() }()
	cost, err := prices(ctx, b.runs, pace{calmRate, page, calmTime}, nodes, stock)
	if err != nil {
		return rows, err
	}
	say("1 KiB, traffic of GossipSub (stock)", "bytes per delivery", false, cost[0].bytes, cost[1].bytes)
	say("1 KiB, traffic, all (stock)", "bytes per delivery", false, cost[0].all, cost[1].all).Aim = 0.5
	_, tooMuch, err := stock.highest(ctx)
	if err != nil {
		return rows, err
	}
	stock.close()
	say("too much for stock GossipSub", "messages/s", true, nil, []float64{float64(tooMuch)})

	most, _, err := nodes.highest(ctx)
	if err != nil {
		return rows, err
	}
	rate := 3 * tooMuch
	var ours, theirs storm
	if err := ours.rage(ctx, nodes, rate); err != nil {
		return rows, err
	}
	nodes.close()
	if yard, err = openHall(ctx, committing(b, tuned), n); err != nil {
		return rows, err
	}
	bound, _, err := yard.highest(ctx)
	if err != nil {
		return rows, err
	}
	if err := theirs.rage(ctx, yard, rate); err != nil {
		return rows, err
	}
	say("highest rate without loss or delay", "messages/s", true, []float64{float64(most)}, []float64{float64(bound)})
	if rate > 0 {
		at := fmt.Sprintf("at %d/s, ", rate)
		say(at+"lost", "%", false, ours.lost, theirs.lost).Zero = true
		say(at+"said", "messages/s", true, ours.said, theirs.said)
		say(at+"p99", "ms", false, ours.tail, theirs.tail)
	}
	return rows, nil
}

// prices has halls take turns, each of which ends when all that belongs to it
// has been sent.
func prices(ctx context.Context, runs int, p pace, halls ...*hall) ([]*heard, error) {
	out := make([]*heard, len(halls))
	for i := range halls {
		out[i] = &heard{}
	}
	for range runs {
		for i, h := range halls {
			turn, err := out[i].calm(ctx, h, p)
			if err != nil {
				return nil, err
			}
			time.Sleep(drain)
			out[i].price(h, turn)
		}
	}
	return out, nil
}

// storm is what became of rounds at a rate that is too much.
type storm struct{ lost, said, tail []float64 }

func (s *storm) rage(ctx context.Context, h *hall, rate int) error {
	if rate == 0 {
		return nil
	}
	for range storms {
		r, err := h.talk(ctx, pace{rate, line64, fullTime})
		if err != nil {
			return err
		}
		s.lost, s.said = append(s.lost, math.Max(0, r.lost())), append(s.said, r.said)
		s.tail = append(s.tail, quantile(r.took, 0.99))
		time.Sleep(time.Second) // queues empty
	}
	return nil
}
