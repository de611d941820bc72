package store

import (
	"maps"
	"sync"

	"p2pchat/protocol/event"
)

// What of the latest commits stays in memory: so many events, up to this many
// bytes, and the frontiers of so many conversations.
const (
	recentEvents    = 512 // a group
	recentBytes     = 256 << 10
	recentFrontiers = 64
)

// recent remembers what is asked for right after each commit: the frontier, for
// whom there is news or who is owed an acknowledgement, and the events, to be
// sent. Every commit makes SQLite's other connections drop their caches, so
// reading them would cost about as much as the commit.
//
// It holds nothing but what is committed, and is told of every commit before
// its Update returns.
type recent struct {
	mu        sync.Mutex
	commits   uint64
	frontiers map[event.Conversation]event.Frontier
	events    map[place]*event.Event
	order     []place // of events, oldest first; those since spoilt too
	bytes     int     // of events
}

// place is where an event stands.
type place struct {
	conv event.Conversation
	log  event.LogKey
	seq  uint64
}

func newRecent() *recent {
	return &recent{frontiers: map[event.Conversation]event.Frontier{}, events: map[place]*event.Event{}}
}

// news is what an Update changed of it.
type news struct {
	heads  []headNews
	added  []*event.Event // the only ones at their places
	spoilt []place        // another event came to this place or went, or a body came
}

type headNews struct {
	conv event.Conversation
	log  event.LogKey
	head event.Head
	held bool // false: no ID at the head is known
}

// committed takes over what a group changed, in the order of its members.
func (r *recent) committed(group []news) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commits++
	for _, n := range group {
		for _, h := range n.heads {
			f, ok := r.frontiers[h.conv]
			switch {
			case !ok:
			case h.held:
				f[h.log] = h.head
			default:
				delete(f, h.log)
			}
		}
		for _, e := range n.added {
			r.add(e)
		}
		for _, p := range n.spoilt {
			r.drop(p)
		}
	}
}

func (r *recent) add(e *event.Event) {
	p := place{e.Conversation, e.Key(), e.Seq}
	r.drop(p)
	r.events[p] = e
	r.order = append(r.order, p)
	r.bytes += e.Size()
	for r.bytes > recentBytes || len(r.order) > recentEvents {
		r.drop(r.order[0])
		r.order = r.order[1:]
	}
}

func (r *recent) drop(p place) {
	if e, ok := r.events[p]; ok {
		r.bytes -= e.Size()
		delete(r.events, p)
	}
}

// frontier is that of conv, a copy for the caller to keep, or read anew and
// remembered.
func (r *recent) frontier(conv event.Conversation, read func() (event.Frontier, error)) (event.Frontier, error) {
	r.mu.Lock()
	known, ok := r.frontiers[conv]
	if ok {
		defer r.mu.Unlock()
		return maps.Clone(known), nil
	}
	before := r.commits
	r.mu.Unlock()
	f, err := read()
	if err != nil {
		return f, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.commits == before { // else it may be older than what is committed now
		if len(r.frontiers) >= recentFrontiers {
			clear(r.frontiers)
		}
		r.frontiers[conv] = maps.Clone(f)
	}
	return f, nil
}

// span is what [Reader.Range] would read; ok is false if not all of it is
// remembered.
func (r *recent) span(conv event.Conversation, rg event.Range, limitBytes int) (out []*event.Event, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	size := 0
	for seq := rg.From; seq <= rg.To; seq++ {
		e, ok := r.events[place{conv, rg.LogKey, seq}]
		if !ok {
			return nil, false
		}
		if size += e.Size(); size > limitBytes && len(out) > 0 {
			break
		}
		out = append(out, e)
	}
	return out, len(out) > 0
}
