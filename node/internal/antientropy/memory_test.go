package antientropy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// memory is a replica without a disk. Control events cite each other by ctl and
// wait for those they cite; messages wait for the control events they cite. The
// root is over all control events but those marked as hidden.
type memory struct {
	mu        sync.Mutex
	controls  map[event.ID]*event.Event
	order     []event.ID // of controls, as they came
	hidden    map[event.ID]bool
	logs      map[event.LogKey]map[uint64][]*event.Event // at most two at a place, by ID
	low       map[event.LogKey]uint64
	parked    map[event.ID]*event.Event
	committed map[peer.ID]event.Frontier
	synced    map[peer.ID][]bool // what Synced said
	ingested  int                // events taken in, for the first time or again
	batches   int
	before    func(what string) error // called without the lock; nil: nothing
	news      chan struct{}           // closed and made anew at every change

	taken  map[event.ID]bool // messages that were taken back: nobody needs their bodies
	sought int               // messages looked for by ID
}

func newMemory(events ...*event.Event) *memory {
	m := &memory{
		controls: map[event.ID]*event.Event{}, hidden: map[event.ID]bool{}, logs: map[event.LogKey]map[uint64][]*event.Event{},
		low: map[event.LogKey]uint64{}, parked: map[event.ID]*event.Event{}, committed: map[peer.ID]event.Frontier{},
		synced: map[peer.ID][]bool{}, news: make(chan struct{}),
	}
	m.put(events...)
	return m
}

func (m *memory) changedLocked() {
	close(m.news)
	m.news = make(chan struct{})
}

// put commits events without asking.
func (m *memory) put(events ...*event.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range events {
		m.takeLocked(e)
	}
	m.changedLocked()
}

func (m *memory) takeLocked(e *event.Event) {
	for _, id := range e.Ctl {
		if m.controls[id] == nil {
			m.parked[e.ID] = e
			return
		}
	}
	if e.Lane == event.LaneControl {
		if m.controls[e.ID] == nil {
			m.controls[e.ID] = e
			m.order = append(m.order, e.ID)
			again := m.parked
			m.parked = map[event.ID]*event.Event{}
			for _, e := range again {
				m.takeLocked(e)
			}
		}
		return
	}
	log := m.logs[e.Key()]
	if log == nil {
		log = map[uint64][]*event.Event{}
		m.logs[e.Key()] = log
	}
	if i := slices.IndexFunc(log[e.Seq], func(o *event.Event) bool { return o.ID == e.ID }); i >= 0 {
		if m.lacksLocked(log[e.Seq][i]) {
			log[e.Seq][i] = e
		}
		return
	}
	at := append(log[e.Seq], e)
	slices.SortFunc(at, func(a, b *event.Event) int { return a.ID.Compare(b.ID) })
	log[e.Seq] = at[:min(len(at), 2)]
}

// lacksLocked tells whether the body of e is to be asked for.
func (m *memory) lacksLocked(e *event.Event) bool { return !e.HasBody() && !m.taken[e.ID] }

func (m *memory) hook(what string) error {
	m.mu.Lock()
	f := m.before
	m.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(what)
}

func (m *memory) bucketLocked(b byte) []event.ID {
	var ids []event.ID
	for id := range m.controls {
		if id[0] == b && !m.hidden[id] {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, event.ID.Compare)
	return ids
}

func (m *memory) Summary(context.Context) (Summary, error) {
	if err := m.hook("summary"); err != nil {
		return Summary{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Summary{Frontier: event.Frontier{}, Low: maps.Clone(m.low)}
	root := sha256.New()
	for b := range 256 {
		h := sha256.New()
		ids := m.bucketLocked(byte(b))
		for _, id := range ids {
			h.Write(id[:])
		}
		if len(ids) > 0 {
			h.Sum(s.Buckets[b][:0])
		}
		root.Write(s.Buckets[b][:])
	}
	root.Sum(s.Root[:0])
	for k, log := range m.logs {
		forks := sha256.New()
		forked, scattered := false, false
		seq := max(m.low[k], 1)
		for ; len(log[seq]) > 0; seq++ {
			s.Frontier[k] = event.Head{Seq: seq, ID: log[seq][0].ID}
		}
		for _, at := range slices.Sorted(maps.Keys(log)) {
			forked, scattered = forked || len(log[at]) > 1, scattered || at > seq
			for _, e := range log[at] {
				if len(log[at]) > 1 || at > seq {
					forks.Write(e.ID[:])
				}
			}
		}
		if forked || scattered {
			if s.Forks == nil {
				s.Forks, s.Scattered = map[event.LogKey][32]byte{}, map[event.LogKey]bool{}
			}
			s.Forks[k], s.Scattered[k] = [32]byte(forks.Sum(nil)), !forked
		}
	}
	wanted := map[event.ID]bool{}
	for _, e := range m.parked {
		for _, id := range e.Ctl {
			if m.controls[id] == nil && m.parked[id] == nil {
				wanted[id] = true
			}
		}
	}
	s.Wanted = slices.Collect(maps.Keys(wanted))
	return s, nil
}

func (m *memory) Bodiless(_ context.Context, after event.ID, limit int) ([]event.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []event.ID
	for _, log := range m.logs {
		for _, events := range log {
			for _, e := range events {
				if m.lacksLocked(e) && e.ID.Compare(after) > 0 {
					out = append(out, e.ID)
				}
			}
		}
	}
	slices.SortFunc(out, event.ID.Compare)
	return out[:min(limit, len(out))], nil
}

func (m *memory) Covered(_ context.Context, b byte) ([]event.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bucketLocked(b), nil
}

func (m *memory) Controls(_ context.Context, ids []event.ID, limit int) ([]*event.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked := map[event.ID]bool{}
	for _, id := range ids {
		asked[id] = true
	}
	var out []*event.Event
	size := 0
	for _, id := range m.order {
		if e := m.controls[id]; asked[id] {
			if size += e.Size(); size > limit && len(out) > 0 {
				break
			}
			out = append(out, e)
		}
	}
	return out, nil
}

func (m *memory) Bodies(_ context.Context, ids []event.ID) ([]*event.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sought += len(ids)
	var out []*event.Event
	for _, log := range m.logs {
		for _, events := range log {
			for _, e := range events {
				if e.HasBody() && slices.Contains(ids, e.ID) {
					out = append(out, e)
				}
			}
		}
	}
	return out, nil
}

func (m *memory) Range(_ context.Context, r event.Range, limit int) ([]*event.Event, error) {
	if err := m.hook("range"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*event.Event
	size := 0
	for _, seq := range slices.Sorted(maps.Keys(m.logs[r.LogKey])) {
		if seq < r.From || seq > r.To {
			continue
		}
		for _, e := range m.logs[r.LogKey][seq] {
			size += e.Size()
		}
		if size > limit && len(out) > 0 {
			break
		}
		out = append(out, m.logs[r.LogKey][seq]...)
	}
	return out, nil
}

func (m *memory) Newest(_ context.Context, n int) ([]*event.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*event.Event
	for _, log := range m.logs {
		for _, at := range log {
			all = append(all, at...)
		}
	}
	slices.SortFunc(all, func(a, b *event.Event) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	return all[max(0, len(all)-n):], nil
}

func (m *memory) Ingest(_ context.Context, _ peer.ID, events []*event.Event) (int, error) {
	if err := m.hook("ingest"); err != nil {
		return 0, err
	}
	if err := event.VerifyRange(events); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.sizeLocked() + m.wholeLocked()
	for _, e := range events {
		if e.Lane == event.LaneMessage && e.Seq < m.low[e.Key()] {
			continue
		}
		m.takeLocked(e)
	}
	m.ingested += len(events)
	m.batches++
	m.changedLocked()
	return min(m.sizeLocked()+m.wholeLocked()-before, len(events)), nil
}

// sizeLocked is how many events are held.
func (m *memory) sizeLocked() int {
	n := len(m.controls)
	for _, log := range m.logs {
		for _, events := range log {
			n += len(events)
		}
	}
	return n
}

// wholeLocked is how many messages are held with their body.
func (m *memory) wholeLocked() (n int) {
	for _, log := range m.logs {
		for _, events := range log {
			for _, e := range events {
				if e.HasBody() {
					n++
				}
			}
		}
	}
	return n
}

func (m *memory) Committed(from peer.ID, f event.Frontier) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.committed[from] == nil {
		m.committed[from] = event.Frontier{}
	}
	maps.Copy(m.committed[from], f)
	m.changedLocked()
}

func (m *memory) Synced(from peer.ID, equal, _ bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.synced[from] = append(m.synced[from], equal)
	m.changedLocked()
}

func (m *memory) setBefore(f func(string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before = f
}

// until waits for ok, which is called with the lock held.
func (m *memory) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.After(time.Minute); ; {
		m.mu.Lock()
		done, news := ok(), m.news
		m.mu.Unlock()
		if done {
			return
		}
		select {
		case <-news:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

// contents are the IDs of everything held and not parked.
func (m *memory) contents() map[event.ID]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[event.ID]bool{}
	for id := range m.controls {
		out[id] = true
	}
	for _, log := range m.logs {
		for _, events := range log {
			for _, e := range events {
				out[e.ID] = true
			}
		}
	}
	return out
}

func (m *memory) lastSynced(p peer.ID) (equal, told bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.synced[p]
	if len(all) == 0 {
		return false, false
	}
	return all[len(all)-1], true
}

var errTest = errors.New("the test says no")
