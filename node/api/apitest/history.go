package apitest

import (
	"slices"

	"p2pchat/node/api"
	"p2pchat/protocol/event"
)

// history is what a node keeps of one conversation.
type history struct {
	log    []*entry // by order
	unread int
}

// entry is a message as one node keeps it.
type entry struct {
	api.Message
	order uint64
	read  bool            // by the owner, what others said
	acked map[string]bool // in rooms, what the owner said: by peer ID
	about api.Invitation  // of an invitation

	// Of rooms: the event, nil for what is no message, whether the rules let it
	// be shown, and what was said, also after a retraction.
	event      *event.Event
	shown      bool
	kind, text string
}

var ranks = map[string]int{api.Queued: 0, api.Sent: 1, api.Delivered: 2, api.Read: 3}

// own lists the owner's messages, oldest first; government is none.
func (h *history) own() []*entry {
	return slices.DeleteFunc(slices.Clone(h.log), func(e *entry) bool { return e.State == api.Received || e.Log == "" })
}

func (h *history) find(id string) *entry {
	for _, e := range h.log {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// insert puts e in its place: what was said apart may arrive late, and the
// order is that of saying.
func (h *history) insert(e *entry) {
	at, _ := slices.BinarySearchFunc(h.log, e.order, func(x *entry, order uint64) int {
		return int(int64(x.order) - int64(order))
	})
	h.log = slices.Insert(h.log, at, e)
}

// reach lifts the owner's messages up to seq to a state and returns the ID of
// the newest one lifted, "" if all had reached it.
func (h *history) reach(owner *FakeNode, seq uint64, state string) (id string) {
	var top *entry
	for _, e := range h.own() {
		if e.Seq <= seq && ranks[e.State] < ranks[state] {
			e.State = state
			top = e
		}
	}
	if top == nil {
		return ""
	}
	owner.publish(api.Change{Type: api.ChangeState, State: &api.StateChange{
		Conversation: top.Conversation, Log: top.Log, Seq: top.Seq, State: state,
	}})
	return top.ID
}

// readUpTo marks what others said up to a message as read by the owner; it
// returns what was not yet.
func (h *history) readUpTo(upTo *entry) (fresh []*entry) {
	for _, e := range h.log {
		if e.State == api.Received && e.order <= upTo.order && !e.read {
			e.read = true
			h.unread--
			fresh = append(fresh, e)
		}
	}
	return fresh
}

// latest is the order of the newest message that is listed, 0 if there is
// none.
func (h *history) latest() uint64 {
	for _, e := range slices.Backward(h.log) {
		if api.Listed(e.Kind) {
			return e.order
		}
	}
	return 0
}

// list answers a query, but for how many are wanted; view gives what is shown.
func (h *history) list(q api.LogQuery, view func(*entry) api.Message) ([]api.Message, error) {
	for _, id := range []string{q.Before, q.After} {
		if id != "" && h.find(id) == nil {
			return nil, api.Errorf(api.CodeNotFound, "no message %q in this conversation", id)
		}
	}
	rows := []api.Message{}
	log := h.log
	if q.After != "" {
		log = log[slices.Index(log, h.find(q.After))+1:]
	}
	for _, e := range log {
		if e.ID == q.Before {
			break
		}
		if !e.Time.Before(q.Since) && (q.All || api.Listed(e.Kind)) {
			rows = append(rows, view(e))
		}
	}
	return rows, nil
}

// newest cuts rows to as many as q wants.
func newest(rows []api.Message, q api.LogQuery) []api.Message {
	switch n := len(rows) - q.Last; {
	case q.Last <= 0 || n <= 0:
		return rows
	case q.After != "":
		return rows[:q.Last]
	default:
		return rows[n:]
	}
}

// mentions counts what is unread and has one of names in it.
func (h *history) mentions(names ...string) int {
	n := 0
	for _, e := range h.log {
		if e.names(names...) {
			n++
		}
	}
	return n
}

// names tells whether e is unread and has one of names in it.
func (e *entry) names(names ...string) bool {
	if e.State != api.Received || e.read || e.Kind != api.MessageText && e.Kind != api.MessageAction {
		return false
	}
	return slices.ContainsFunc(names, func(name string) bool { return name != "" && api.Term{Text: name}.In(e.Text) })
}
