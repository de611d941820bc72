package rooms

import (
	"container/list"
	"maps"
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
	byID    map[event.ID]*parkedEvent
	waiting map[event.ID][]*parkedEvent // by what they wait for
	byPeer  map[peer.ID]*list.List      // the oldest first
	all     list.List                   // the oldest first
	bytes   int
}

type parkedEvent struct {
	event   *event.Event
	from    peer.ID
	missing map[event.ID]bool
	// Its places in the lists.
	ofPeer, ofAll *list.Element
}

func (p *parking) len() int { return p.all.Len() }

// put parks e until missing are here.
func (p *parking) put(e *event.Event, from peer.ID, missing []event.ID) {
	if p.byID == nil {
		p.byID, p.waiting, p.byPeer = map[event.ID]*parkedEvent{}, map[event.ID][]*parkedEvent{}, map[peer.ID]*list.List{}
	}
	if p.byID[e.ID] != nil {
		return
	}
	if his := p.byPeer[from]; his != nil && his.Len() >= maxParked {
		p.drop(his.Front())
	}
	for p.bytes+e.Size() > maxParkedBytes && p.all.Len() > 0 {
		p.drop(p.all.Front())
	}
	x := &parkedEvent{event: e, from: from, missing: map[event.ID]bool{}}
	for _, id := range missing {
		x.missing[id] = true
		p.waiting[id] = append(p.waiting[id], x)
	}
	if p.byPeer[from] == nil {
		p.byPeer[from] = list.New()
	}
	x.ofPeer, x.ofAll = p.byPeer[from].PushBack(x), p.all.PushBack(x)
	p.byID[e.ID] = x
	p.bytes += e.Size()
}

// wanted lists, ascending, what is waited for.
func (p *parking) wanted() []event.ID {
	return slices.SortedFunc(maps.Keys(p.waiting), event.ID.Compare)
}

// drop removes the one in a place of either list.
func (p *parking) drop(at *list.Element) {
	x, ok := at.Value.(*parkedEvent)
	if !ok {
		return
	}
	p.take(x)
	for id := range x.missing {
		p.waiting[id] = slices.DeleteFunc(p.waiting[id], func(o *parkedEvent) bool { return o == x })
		if len(p.waiting[id]) == 0 {
			delete(p.waiting, id)
		}
	}
}

// take removes x from the lists.
func (p *parking) take(x *parkedEvent) {
	his := p.byPeer[x.from]
	if his.Remove(x.ofPeer); his.Len() == 0 {
		delete(p.byPeer, x.from)
	}
	p.all.Remove(x.ofAll)
	delete(p.byID, x.event.ID)
	p.bytes -= x.event.Size()
}

// ready takes out those that waited for id and for nothing else any more.
func (p *parking) ready(id event.ID) []*parkedEvent {
	var out []*parkedEvent
	for _, x := range p.waiting[id] {
		if delete(x.missing, id); len(x.missing) == 0 {
			p.take(x)
			out = append(out, x)
		}
	}
	delete(p.waiting, id)
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
	at      time.Time // put aside
}

// stashFor is how long an envelope waits for its key: sync brings what was in it
// sooner.
const stashFor = 15 * time.Second

// expire forgets what has waited too long.
func (s *stash) expire(now time.Time) {
	s.all = slices.DeleteFunc(s.all, func(x stashed) bool {
		old := now.Sub(x.at) >= stashFor
		if old {
			s.bytes -= len(x.payload)
		}
		return old
	})
}

func (s *stash) put(x stashed) {
	x.at = time.Now()
	n, oldest := 0, -1
	for i, o := range s.all {
		if o.from == x.from {
			if n++; oldest < 0 {
				oldest = i
			}
		}
	}
	if n >= maxStash { // the newest is what a key will come for
		s.bytes -= len(s.all[oldest].payload)
		s.all = slices.Delete(s.all, oldest, oldest+1)
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
