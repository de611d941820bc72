package main

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	line64   = 64      // bytes of a payload
	page     = 1 << 10 // bytes of a long one
	calmRate = 10      // messages/s at which latency and traffic are measured
	calmTime = time.Second
	fullTime = time.Second // of each rate that is tried
	fullFrom = 100         // messages/s that are tried first
	fullMost = 3200        // no more than these are tried
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
	// carried is what all members together have been sent so far.
	carried func() cargo
	// repairs is how long after the last message what was lost may still come;
	// 0: drain.
	repairs time.Duration
	close   func()
}

// cargo counts payloads, copies included, bytes of GossipSub's streams, and
// bytes of all streams.
type cargo struct{ payloads, bytes, all float64 }

// crowded makes a crowd of n, and returns when it is ready to talk. Each payload
// that reaches a member who did not publish it is told to received, which may
// be called from anywhere at any time until the crowd is closed.
type crowded func(ctx context.Context, n int, received func(member int, payload []byte)) (*crowd, error)

// hall is a crowd and the tally of what it hears.
type hall struct {
	*crowd
	*tally
}

func openHall(ctx context.Context, open crowded, n int) (*hall, error) {
	h := &hall{tally: &tally{}}
	var err error
	if h.crowd, err = open(ctx, n, h.hear); err == nil {
		h.close = sync.OnceFunc(h.close) // it ends where it is done, or where something fails
	}
	return h, err
}

// warm has a hall talk until it keeps up: so many that just met have much to
// tell each other. A machine that is too busy for that is measured as it is.
func (h *hall) warm(ctx context.Context) error {
	for range 10 {
		r, err := h.talk(ctx, pace{calmRate, line64, calmTime})
		if err != nil || !r.late && quantile(r.took, 0.99) < millis(calmTime/4) {
			return err
		}
	}
	return nil
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
func (t *tally) message(i, size int) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent[i] = time.Now()
	return append(binary.BigEndian.AppendUint64(nil, t.first+uint64(i)), make([]byte, size-8)...)
}

func (t *tally) hear(_ int, payload []byte) {
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

// pace is how members talk: in turns, rate messages of size bytes a second for
// a while.
type pace struct {
	rate, size int
	last       time.Duration
}

// round is what became of it.
type round struct {
	took []float64 // of each delivery, milliseconds
	want int       // deliveries
	said float64   // messages/s that the members got out
	late bool      // that took too long, or not all was delivered within drain
}

// lost is the share of deliveries that never came, in percent.
func (r round) lost() float64 { return 100 * (1 - float64(len(r.took))/float64(r.want)) }

// talk has the members talk, without waiting for what they said to be out unless
// that is much, and waits until everybody has everything or
// nothing more can come.
func (h *hall) talk(ctx context.Context, p pace) (r round, err error) {
	messages, n := int(float64(p.rate)*p.last.Seconds()), len(h.members)
	h.begin(messages, n)
	start := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for k, m := range h.members {
		g.Go(func() error {
			var underWay errgroup.Group // saying something may wait for the disk
			underWay.SetLimit(window)
			for i := k; i < messages; i += n {
				time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(p.rate))))
				message := h.message(i, p.size)
				underWay.Go(func() error { return m.publish(ctx, message) })
			}
			return underWay.Wait()
		})
	}
	if err := g.Wait(); err != nil {
		return r, err
	}
	took := time.Since(start)
	r.said = float64(messages) / took.Seconds()
	r.late = took > p.last+p.last/4
	select {
	case <-h.all:
	case <-time.After(drain):
		r.late = true
		select {
		case <-h.all:
		case <-time.After(h.repairs - drain): // at once, if it is less
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r.took, r.want, h.took = h.took, h.want, nil
	return r, nil
}

// highest is the highest rate at which nothing is lost, and the lowest that
// was tried at which something is: doubled until something is, then the mean of
// the last two is tried. worst is 0 if nothing ever is.
func (h *hall) highest(ctx context.Context) (best, worst int, err error) {
	for rate := fullFrom; ; {
		ok, err := h.sustain(ctx, rate)
		if err != nil {
			return 0, 0, err
		}
		if ok {
			best = rate
		} else {
			worst = rate
		}
		switch {
		case worst == 0 && rate < fullMost:
			rate *= 2
		case rate == worst && worst > best+best/2+1: // not yet between the two
			rate = (best + worst) / 2
		default:
			return best, worst, nil
		}
	}
}

// sustain tries a rate, again if the machine was busy with something else.
func (h *hall) sustain(ctx context.Context, rate int) (bool, error) {
	for range 2 {
		r, err := h.talk(ctx, pace{rate, line64, fullTime})
		if err != nil || !r.late {
			return err == nil, err
		}
		time.Sleep(time.Second) // queues empty
	}
	return false, nil
}
