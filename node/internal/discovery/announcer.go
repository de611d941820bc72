package discovery

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Times of the announcer.
const (
	answerGap    = time.Second            // between two answers to everyone (RFC 6762, 6)
	askedGap     = 250 * time.Millisecond // between two answers to being asked for by name
	answerSpread = 100 * time.Millisecond // answers of many nodes are spread over this (RFC 6762, 6)
	repeatEvery  = time.Minute            // an announcement for those who missed the others
	lonelyEvery  = 10 * time.Second       // the same, of a node without any connection
	seekBatch    = 300 * time.Millisecond // peers to be asked for within this share a packet
	quietMesh    = 8                      // connections above which others' questions count as ours
)

// burst are the times, after a start or a change of the network, at which we
// announce ourselves and ask who is there.
var burst = []time.Duration{0, 300 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}

// announcer decides what is multicast and when. Like policy it is a state
// machine without clock or network.
//
// What keeps it cheap: a query carries the asker's own announcement, so one
// packet both asks and tells; a peer that is connected to the asker stays
// silent, and so does one that will dial the asker anyway; a node that misses
// someone asks for that one by name, which nobody else answers; and one that
// misses nobody only repeats its announcement once a minute.
type announcer struct {
	self peer.ID
	rand *rand.Rand

	lonely   bool        // no connection: ask, rather than only tell
	bursts   []time.Time // ascending
	repeat   time.Time
	answerAt time.Time // an answer is owed then
	lastSent time.Time // of our announcement, in whatever packet
	seeks    map[peer.ID]*seek
}

// seek is the search for one peer by name.
type seek struct {
	since time.Time
	next  time.Time
}

// sending is a packet to be multicast, on every interface in use.
type sending struct {
	query  bool
	askAll bool
	ask    []peer.ID
}

func newAnnouncer(self peer.ID, r *rand.Rand) *announcer {
	return &announcer{self: self, rand: r, seeks: map[peer.ID]*seek{}}
}

func (a *announcer) jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d*3/4 + time.Duration(a.rand.Int64N(int64(d/2)+1))
}

// appear begins a burst: the node starts, or a link or an address came.
func (a *announcer) appear(now time.Time) {
	a.bursts = a.bursts[:0]
	for _, d := range burst {
		a.bursts = append(a.bursts, now.Add(a.jitter(d)))
	}
	a.repeatFrom(now)
	for _, s := range a.seeks {
		s.since, s.next = now, now
	}
}

func (a *announcer) repeatFrom(now time.Time) {
	every := repeatEvery
	if a.lonely {
		every = lonelyEvery
	}
	a.repeat = now.Add(a.jitter(every))
}

// setLonely takes in whether there is no connection at all.
func (a *announcer) setLonely(now time.Time, lonely bool) {
	if lonely && !a.lonely && !a.repeat.IsZero() {
		a.repeat = now.Add(a.jitter(lonelyEvery))
	}
	a.lonely = lonely
}

// askedByName owes an answer at once: only we can give it.
func (a *announcer) askedByName(now time.Time) {
	at := now.Add(a.jitter(answerSpread / 10))
	if gap := a.lastSent.Add(askedGap); at.Before(gap) {
		at = gap
	}
	a.owe(at)
}

// askedAll owes an answer among many.
func (a *announcer) askedAll(now time.Time) {
	at := now.Add(answerSpread/5 + time.Duration(a.rand.Int64N(int64(answerSpread))))
	if gap := a.lastSent.Add(answerGap); at.Before(gap) {
		at = gap
	}
	a.owe(at)
}

func (a *announcer) owe(at time.Time) {
	if a.answerAt.IsZero() || at.Before(a.answerAt) {
		a.answerAt = at
	}
}

// overheard takes in that someone else asked for peers by name. In a mesh one
// question serves all: everyone hears the answer.
func (a *announcer) overheard(now time.Time, asked []peer.ID, connections int) {
	if connections < quietMesh {
		return
	}
	for _, id := range asked {
		if s := a.seeks[id]; s != nil {
			s.next = now.Add(a.jitter(seekPause(now.Sub(s.since))))
		}
	}
}

// miss takes in which peers are missing, and since when.
func (a *announcer) miss(now time.Time, missing map[peer.ID]time.Time) {
	for id := range a.seeks {
		if _, ok := missing[id]; !ok {
			delete(a.seeks, id)
		}
	}
	for id, since := range missing {
		if s := a.seeks[id]; s == nil || s.since.Before(since) {
			a.seeks[id] = &seek{since: since, next: now}
		}
	}
}

// seekPause is the time between two questions for a peer missing that long.
func seekPause(age time.Duration) time.Duration {
	switch {
	case age < 250*time.Millisecond:
		return 300 * time.Millisecond
	case age < 900*time.Millisecond:
		return 700 * time.Millisecond
	case age < 15*time.Second:
		return time.Second
	case age < eagerFor:
		return 2 * time.Second
	case age < fullRateFor:
		return 4 * time.Second
	default:
		return slowEvery
	}
}

// tick returns what is to be sent now, and when to call next; zero: nothing is
// planned.
func (a *announcer) tick(now time.Time) (out []sending, next time.Time) {
	var s sending
	send := false
	for len(a.bursts) > 0 && !now.Before(a.bursts[0]) {
		a.bursts = a.bursts[1:]
		send, s.query, s.askAll = true, true, true
	}
	for _, k := range a.seeks {
		if !now.Before(k.next) {
			send, s.query = true, true
		}
	}
	if !a.repeat.IsZero() && !now.Before(a.repeat) {
		send = true
		s.query, s.askAll = s.query || a.lonely, s.askAll || a.lonely
		a.repeatFrom(now)
	}
	if !a.answerAt.IsZero() && !now.Before(a.answerAt) {
		send = true
	}
	if send {
		if s.query {
			for id, k := range a.seeks {
				if !now.Add(seekBatch).Before(k.next) {
					s.ask = append(s.ask, id)
					k.next = now.Add(a.jitter(seekPause(now.Sub(k.since))))
				}
			}
			slices.Sort(s.ask) // map order is random, packets need not be
		}
		if len(s.ask) <= maxQuestions {
			out = append(out, s)
		} else {
			for part := range slices.Chunk(s.ask, maxQuestions) {
				out = append(out, sending{query: true, askAll: s.askAll && len(out) == 0, ask: part})
			}
		}
		a.lastSent, a.answerAt = now, time.Time{}
	}

	soonest := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if len(a.bursts) > 0 {
		soonest(a.bursts[0])
	}
	for _, k := range a.seeks {
		soonest(k.next)
	}
	soonest(a.repeat)
	soonest(a.answerAt)
	return out, next
}
