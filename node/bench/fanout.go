package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	line64   = 64 // bytes of a payload
	calmRate = 10 // messages/s at which latency and traffic are measured
	calmTime = time.Second
	fullTime = time.Second // of each rate that is tried
	fullFrom = 100         // messages/s that are tried first
	// drain is how long after the last message all have to have it: stock
	// GossipSub advertises what it carried for three seconds.
	drain = 3 * time.Second
)

// speaker is a member of a room, seen from outside: it says something to all
// others.
type speaker interface {
	publish(ctx context.Context, payload []byte) error
}

// crowd is a room in which everybody is connected to everybody.
type crowd struct {
	members []speaker
	// carried is what all members together have been sent so far: payloads,
	// copies included, and bytes of the streams.
	carried func() (payloads, bytes float64)
	close   func()
}

// crowded makes a crowd of n, and returns when it is ready to talk. Each payload
// that reaches a member who did not publish it is told to received, which may
// be called from anywhere at any time until the crowd is closed.
type crowded func(ctx context.Context, n int, received func(payload []byte)) (*crowd, error)

// hall is a crowd and the tally of what it hears.
type hall struct {
	*crowd
	*tally
}

func openHall(ctx context.Context, open crowded, n int) (*hall, error) {
	h := &hall{tally: &tally{}}
	var err error
	h.crowd, err = open(ctx, n, h.hear)
	return h, err
}

// tally keeps what became of the messages of a round. A message's first eight
// bytes are its number.
type tally struct {
	mu    sync.Mutex
	first uint64 // number of this round's first message
	sent  []time.Time
	took  []float64     // of each delivery, milliseconds
	want  int           // deliveries
	all   chan struct{} // closed when they are
}

func (t *tally) begin(messages, members int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.first += uint64(len(t.sent))
	t.sent = make([]time.Time, messages)
	t.want = messages * (members - 1)
	t.took = make([]float64, 0, t.want)
	t.all = make(chan struct{})
}

// message is the payload of the i-th message of the round, as of now.
func (t *tally) message(i int) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent[i] = time.Now()
	return append(binary.BigEndian.AppendUint64(nil, t.first+uint64(i)), make([]byte, line64-8)...)
}

func (t *tally) hear(payload []byte) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	i := binary.BigEndian.Uint64(payload) - t.first
	if i >= uint64(len(t.sent)) || t.took == nil { // of a round that is over
		return
	}
	t.took = append(t.took, millis(now.Sub(t.sent[i])))
	if len(t.took) == t.want {
		close(t.all)
	}
}

// errOverrun: the members could not even say it in time, or lost something.
var errOverrun = errors.New("not all was delivered")

// talk has the members take turns, rate messages a second for d, and waits
// until everybody has everything, or for drain. It returns how long each
// delivery took, also with errOverrun.
func (h *hall) talk(ctx context.Context, rate int, d time.Duration) (took []float64, err error) {
	messages, n := int(float64(rate)*d.Seconds()), len(h.members)
	h.begin(messages, n)
	start := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for k, m := range h.members {
		g.Go(func() error {
			for i := k; i < messages; i += n {
				time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate))))
				if err := m.publish(ctx, h.message(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	late := time.Since(start) > d+d/4
	select {
	case <-h.all:
	case <-time.After(drain):
		late = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	took, h.took = h.took, nil
	if late {
		err = errOverrun
	}
	return took, err
}

// highest is the highest rate at which nothing is lost: doubled until something
// is, then the mean of the last two is tried.
func (h *hall) highest(ctx context.Context) (float64, error) {
	good, bad := 0, 0
	for rate := fullFrom; bad == 0 || rate != good; {
		switch err := h.sustain(ctx, rate); {
		case err == nil:
			good = rate
		case errors.Is(err, errOverrun):
			bad = rate
		default:
			return 0, err
		}
		switch {
		case bad == 0:
			rate *= 2
		case rate == bad && bad > good+good/2+1: // not yet between the two
			rate = (good + bad) / 2
		default:
			rate = good
		}
	}
	return float64(good), nil
}

// sustain tries a rate, again if the machine was busy with something else.
func (h *hall) sustain(ctx context.Context, rate int) (err error) {
	for range 2 {
		if _, err = h.talk(ctx, rate, fullTime); !errors.Is(err, errOverrun) {
			return err
		}
		time.Sleep(time.Second) // queues empty
	}
	return err
}

// heard is what one contestant's rounds yielded.
type heard struct{ half, tail, lost, copies, bytes, rate []float64 }

// turn is a round at the calm rate.
type turn struct{ payloads, bytes, deliveries float64 }

func (o *heard) calm(ctx context.Context, h *hall) (t turn, err error) {
	t.payloads, t.bytes = h.carried()
	took, err := h.talk(ctx, calmRate, calmTime)
	if err != nil && !errors.Is(err, errOverrun) {
		return t, err
	}
	t.deliveries = float64(len(took))
	o.lost = append(o.lost, 100*(1-t.deliveries/float64(h.want)))
	o.half, o.tail = append(o.half, median(took)), append(o.tail, quantile(took, 0.99))
	return t, nil
}

// price notes what a turn cost up to now. What is advertised of its messages
// later belongs to it, so that is asked when the others have had theirs.
func (o *heard) price(h *hall, t turn) {
	payloads, bytes := h.carried()
	o.copies = append(o.copies, (payloads-t.payloads)/t.deliveries-1)
	o.bytes = append(o.bytes, (bytes-t.bytes)/t.deliveries)
}

// contest measures crowds of n, which take turns. The highest rates are tried
// once, and each crowd is gone before the next one tries.
func contest(ctx context.Context, runs, n int, rates bool, kinds ...crowded) ([]*heard, error) {
	var halls []*hall
	var out []*heard
	defer func() {
		for _, h := range halls {
			h.close()
		}
	}()
	for _, k := range kinds {
		h, err := openHall(ctx, k, n)
		if err != nil {
			return nil, err
		}
		halls, out = append(halls, h), append(out, &heard{})
	}
	for range runs {
		turns := make([]turn, len(halls))
		for i, h := range halls {
			var err error
			if turns[i], err = out[i].calm(ctx, h); err != nil {
				return nil, err
			}
		}
		time.Sleep(calmTime) // the last one's advertisements
		for i, h := range halls {
			out[i].price(h, turns[i])
		}
	}
	for ; rates && len(halls) > 0; halls = halls[1:] {
		r, err := halls[0].highest(ctx)
		if err != nil {
			return nil, err
		}
		o := out[len(out)-len(halls)]
		o.rate = append(o.rate, r)
		halls[0].close()
	}
	return out, nil
}

// fanOut measures how a message gets to all members of a room, without what a
// node does with it.
func fanOut(ctx context.Context, b *bench) (t table, err error) {
	for _, n := range []int{10, 50} {
		got, err := contest(ctx, b.runs, n, n == 50, sparing, tuned, stockGossip)
		if err != nil {
			return t, fmt.Errorf("%d members: %w", n, err)
		}
		for i, yard := range []string{"tuned", "stock"} {
			subj, yardstick := got[0], got[i+1]
			line := func(what, unit string, more bool, of func(*heard) []float64) {
				if r := (row{What: fmt.Sprintf("%d members, %s (%s)", n, what, yard), Unit: unit, More: more, Subject: of(subj), Yardstick: of(yardstick)}); len(r.Subject) > 0 {
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
	}
	t.Notes = []string{fmt.Sprintf("%d bytes, %d messages/s by members in turn, everybody connected to everybody over TCP, in one\n"+
		"process. From publishing to delivery, of a payload that nobody seals, opens or stores; every publisher\n"+
		"claims to reach all. Traffic is that of GossipSub's streams, without headers of the transport, for a\n"+
		"burst of %v and what is advertised of it afterwards. Rates were tried once, for %v each. Yardsticks:\n"+
		"GossipSub as it comes (stock; it signs), and with our parameters and flood publish (tuned).",
		line64, calmRate, calmTime, fullTime)}
	return t, nil
}
