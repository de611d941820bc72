package rooms

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

const (
	maxParked      = 256     // events per peer that wait for others
	maxParkedBytes = 4 << 20 // over all peers
	maxStash       = 64      // envelopes per peer that wait for their key
	maxStashBytes  = 4 << 20 // over all peers
	// askEvery spaces what one peer is asked for on suspicion.
	askEvery = 250 * time.Millisecond
	maxAsked = 4096 // peers remembered for it
)

// parking holds events whose ctl is not here yet. When it is full the oldest
// gives way: whatever goes is fetched again by sync, whose control events come
// first.
type parking struct {
	all   []parkedEvent
	bytes int
}

type parkedEvent struct {
	event   *event.Event
	from    peer.ID
	missing map[event.ID]bool
}

// put parks e until missing are here.
func (p *parking) put(e *event.Event, from peer.ID, missing []event.ID) {
	n := 0
	for _, x := range p.all {
		if x.event.ID == e.ID {
			return
		}
		if x.from == from {
			n++
		}
	}
	if n >= maxParked {
		p.drop(func(x parkedEvent) bool { return x.from == from })
	}
	for p.bytes+e.Size() > maxParkedBytes && len(p.all) > 0 {
		p.drop(func(parkedEvent) bool { return true })
	}
	x := parkedEvent{e, from, map[event.ID]bool{}}
	for _, id := range missing {
		x.missing[id] = true
	}
	p.all = append(p.all, x)
	p.bytes += e.Size()
}

// wanted lists, ascending, what is waited for.
func (p *parking) wanted() []event.ID {
	var out []event.ID
	for _, x := range p.all {
		for id := range x.missing {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, event.ID.Compare)
	return slices.Compact(out)
}

// drop removes the oldest for which f holds.
func (p *parking) drop(f func(parkedEvent) bool) {
	for i, x := range p.all {
		if f(x) {
			p.bytes -= x.event.Size()
			p.all = append(p.all[:i:i], p.all[i+1:]...)
			return
		}
	}
}

// ready takes out those that waited for id and for nothing else any more.
func (p *parking) ready(id event.ID) []parkedEvent {
	var out []parkedEvent
	rest := p.all[:0:0]
	for _, x := range p.all {
		if delete(x.missing, id); len(x.missing) == 0 {
			out = append(out, x)
			p.bytes -= x.event.Size()
		} else {
			rest = append(rest, x)
		}
	}
	p.all = rest
	return out
}

// stash holds payloads whose epoch key is not here yet.
type stash struct {
	all   []stashed
	bytes int
}

type stashed struct {
	epoch   event.ID
	from    peer.ID
	payload []byte
}

func (s *stash) put(x stashed) {
	n := 0
	for _, o := range s.all {
		if o.from == x.from {
			n++
		}
	}
	if n >= maxStash {
		return // whoever floods loses what sync brings
	}
	for s.bytes+len(x.payload) > maxStashBytes && len(s.all) > 0 {
		s.bytes -= len(s.all[0].payload)
		s.all = s.all[1:]
	}
	s.all = append(s.all, x)
	s.bytes += len(x.payload)
}

// take takes out those of an epoch.
func (s *stash) take(epoch event.ID) []stashed {
	var out []stashed
	rest := s.all[:0:0]
	for _, x := range s.all {
		if x.epoch == epoch {
			out = append(out, x)
			s.bytes -= len(x.payload)
		} else {
			rest = append(rest, x)
		}
	}
	s.all = rest
	return out
}
