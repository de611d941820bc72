package cli

import (
	"context"
	"sync"
	"time"

	"p2pchat/node/api"
)

// tracker follows what becomes of our messages of one conversation: the node's
// changes give each message its place in our log, and say up to which place
// messages have been delivered. One goroutine reads the changes.
type tracker struct {
	svc    api.Service
	target string
	self   string // our peer ID

	ready chan struct{} // closed at the first snapshot
	done  chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	err     error               // why the changes ended
	places  map[string]position // of our messages, by ID
	order   []string            // their IDs as they came
	reached map[position]uint64 // by conversation and log (seq 0): delivered up to
	wake    chan struct{}       // closed at the next change
}

// position is where a message stands.
type position struct {
	conversation, log string
	seq               uint64
}

func newTracker(svc api.Service, target string) *tracker {
	return &tracker{
		svc: svc, target: target,
		ready: make(chan struct{}), done: make(chan struct{}),
		places: map[string]position{}, reached: map[position]uint64{}, wake: make(chan struct{}),
	}
}

// start begins to follow; from its return on nothing is missed.
func (t *tracker) start(ctx context.Context) error {
	id, err := t.svc.Whoami(ctx)
	if err != nil {
		return err
	}
	t.self = id.PeerID
	go t.follow(ctx) // ends with ctx or the node; wait waits for it
	select {
	case <-t.ready:
		return nil
	case <-t.done:
		return t.err
	}
}

func (t *tracker) wait() { <-t.done }

func (t *tracker) follow(ctx context.Context) {
	defer close(t.done)
	started := false
	err := error(nil)
	for change, changeErr := range t.svc.Watch(ctx, 0) {
		if err = changeErr; err != nil {
			break
		}
		switch change.Type {
		case api.ChangeSnapshot:
			if !started {
				started = true
				close(t.ready)
				continue
			}
			err = t.catchUp(ctx)
		case api.ChangeMessage:
			t.learn(change.Message)
		case api.ChangeState:
			t.reach(change.State)
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		err = first(ctx.Err(), api.Errorf(api.CodeNoNode, "the node has stopped"))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
	t.changed()
}

// changed wakes whoever waits; mu is held.
func (t *tracker) changed() {
	close(t.wake)
	t.wake = make(chan struct{})
}

func (t *tracker) learn(m *api.Message) {
	if m == nil || m.Author != t.self {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.places[m.ID]; !known {
		t.places[m.ID] = position{m.Conversation, m.Log, m.Seq}
		t.order = append(t.order, m.ID)
	}
	if delivered(m.State) {
		t.raise(position{m.Conversation, m.Log, 0}, m.Seq)
	}
	t.changed()
}

func (t *tracker) reach(s *api.StateChange) {
	if s == nil || !delivered(s.State) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.raise(position{s.Conversation, s.Log, 0}, s.Seq)
	t.changed()
}

func (t *tracker) raise(log position, seq uint64) { t.reached[log] = max(t.reached[log], seq) }

// catchUp reads from the log what changes were dropped: the newest messages,
// back to one of ours that we know of.
func (t *tracker) catchUp(ctx context.Context) error {
	before := ""
	for {
		page, err := t.svc.Log(ctx, api.LogQuery{Target: t.target, Last: window, Before: before})
		if err != nil {
			return err
		}
		known := false
		for i := range page {
			known = known || t.knows(page[i].ID)
			t.learn(&page[i])
		}
		if known || len(page) < window {
			return nil
		}
		before = page[0].ID
	}
}

func (t *tracker) knows(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, known := t.places[id]
	return known
}

// await waits until the message of r is delivered, or its deadline, or the end
// of the node, and returns r as it then is. Messages must be asked for in the
// order they were sent: what came before is forgotten.
func (t *tracker) await(ctx context.Context, r api.Receipt, deadline time.Time) api.Receipt {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		t.mu.Lock()
		at, known := t.places[r.ID]
		ok := known && t.reached[position{at.conversation, at.log, 0}] >= at.seq
		wake, ended := t.wake, t.err != nil
		if ok {
			t.forget(r.ID)
		}
		t.mu.Unlock()
		if ok {
			r.State, r.Acked = api.Delivered, max(r.Acked, 1)
			return r
		}
		if ended {
			return r
		}
		select {
		case <-wake:
		case <-timer.C:
			return r
		case <-ctx.Done():
			return r
		}
	}
}

// forget drops the message id and those before it; mu is held.
func (t *tracker) forget(id string) {
	for i, one := range t.order {
		if one == id {
			for _, old := range t.order[:i+1] {
				delete(t.places, old)
			}
			t.order = append(t.order[:0], t.order[i+1:]...)
			return
		}
	}
}
