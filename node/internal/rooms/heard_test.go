package rooms

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
)

// heard is a handler, and a Sync, that keep what they are told.
type heard struct {
	mu        sync.Mutex
	messages  []Message
	governed  []*event.Event
	members   []change
	changed   int
	delivered []event.Head
	failed    []error
	keyed     []event.ID
	receipts  []receipt
	kicks     []peer.ID
	followed  map[event.Conversation]bool
	away      bool
}

type change struct {
	Member
	gone bool
}

type receipt struct {
	to peer.ID
	event.LogKey
	event.Head
}

func (h *heard) Messages(_ event.Conversation, _ Scene, ms []Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages = append(h.messages, ms...)
}

func (h *heard) Governed(_ event.Conversation, _ Scene, events []*event.Event, _ []Aside, _ time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.governed = append(h.governed, events...)
}

func (h *heard) RoomChanged(event.Conversation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed++
}

func (h *heard) MemberChanged(_ event.Conversation, m Member, gone bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.members = append(h.members, change{m, gone})
}

func (h *heard) Delivered(_ event.Conversation, _ event.LogKey, head event.Head) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.delivered = append(h.delivered, head)
}

func (h *heard) Keyed(_ event.Conversation, _ Scene, keys map[event.ID]envelope.Key) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keyed = append(h.keyed, slices.Collect(maps.Keys(keys))...)
}

// keyedEpochs are those whose keys it was told.
func (h *heard) keyedEpochs() []event.ID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.keyed)
}

func (h *heard) Failed(_ event.Conversation, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed = append(h.failed, err)
}

func (h *heard) receipt(to peer.ID, _ event.Conversation, k event.LogKey, head event.Head) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.receipts = append(h.receipts, receipt{to, k, head})
}

func (h *heard) Follow(id event.Conversation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.followed == nil {
		h.followed = map[event.Conversation]bool{}
	}
	h.followed[id] = true
}

func (h *heard) Forget(id event.Conversation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.followed, id)
}

func (h *heard) Kick(_ event.Conversation, p peer.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kicks = append(h.kicks, p)
}

func (h *heard) isAway() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.away
}

// forget has it begin anew.
func (h *heard) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages, h.governed, h.members, h.delivered, h.failed, h.receipts, h.kicks = nil, nil, nil, nil, nil, nil, nil
	h.changed = 0
}

// shown lists the texts told, with their nicks.
func (h *heard) shown() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, m := range h.messages {
		if t, err := event.DecodeText(m.Body); err == nil && m.Kind == event.KindText {
			out = append(out, m.Nick+": "+t)
		}
	}
	return out
}

func (h *heard) kicked(p peer.ID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Contains(h.kicks, p)
}

func (h *heard) receiptsTo(p peer.ID) []event.Head {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []event.Head
	for _, r := range h.receipts {
		if r.to == p {
			out = append(out, r.Head)
		}
	}
	return out
}
