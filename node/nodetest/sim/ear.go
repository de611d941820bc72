package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"p2pchat/node/api"
)

// Ear hears what a node tells its faces of the messages of a room.
type Ear struct {
	room string
	stop context.CancelFunc
	done chan struct{}

	mu     sync.Mutex
	told   map[string][]time.Time // by message ID
	lagged bool
}

// Listen hears room, a room ID, on n until Stop or the node's end.
func (n *Node) Listen(ctx context.Context, room string) *Ear {
	e := &Ear{room: room, done: make(chan struct{}), told: map[string][]time.Time{}}
	ctx, e.stop = context.WithCancel(ctx)
	here := make(chan struct{})
	begun := sync.OnceFunc(func() { close(here) })
	go func() { // ends with the context or the node
		defer close(e.done)
		defer begun()
		for c, err := range n.Watch(ctx, 0) {
			if err != nil {
				return
			}
			e.hear(c)
			if c.Type == api.ChangeSnapshot {
				begun()
			}
		}
	}()
	<-here
	return e
}

func (e *Ear) hear(c api.Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case c.Type == api.ChangeLagged:
		e.lagged = true
	case c.Type == api.ChangeMessage && c.Message.Conversation == e.room:
		e.told[c.Message.ID] = append(e.told[c.Message.ID], time.Now())
	}
}

// Stop ends listening.
func (e *Ear) Stop() {
	e.stop()
	<-e.done
}

// Once gives when the message was told; an error if not exactly once.
func (e *Ear) Once(id string) (time.Time, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch at := e.told[id]; {
	case e.lagged:
		return time.Time{}, errors.New("the ear did not keep up")
	case len(at) != 1:
		return time.Time{}, fmt.Errorf("message %s was told %d times", id, len(at))
	default:
		return at[0], nil
	}
}
