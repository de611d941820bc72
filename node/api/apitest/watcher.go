package apitest

import (
	"iter"

	"p2pchat/node/api"
)

// watcher is the least a face does with changes: it applies them to a
// snapshot. It checks what holds for every stream.
type watcher struct {
	p    *party
	next func() (api.Change, error, bool)
	stop func()

	seq           uint64
	self          api.Identity
	peers         map[string]api.Peer
	conversations map[string]api.Conversation
	messages      map[string]api.Message
	rooms         map[string]api.Room
	members       map[string]map[string]api.Member // by room and peer ID, as far as changes told
	lagged        bool                             // a snapshot must follow
}

// watch starts a watcher, which has its snapshot when watch returns: it misses
// nothing that happens after.
func (p *party) watch(svc api.Service) *watcher {
	p.Helper()
	w := p.watchFrom(svc, 0)
	if c, ok := w.more(); !ok || c.Type != api.ChangeSnapshot {
		p.Fatalf("a watch began with %+v, want a snapshot (%v)", c, p.ctx.Err())
	}
	return w
}

// watchFrom starts a watcher at a number; it asks when it is first read.
func (p *party) watchFrom(svc api.Service, since uint64) *watcher {
	w := &watcher{p: p, seq: since, messages: make(map[string]api.Message), members: make(map[string]map[string]api.Member)}
	w.next, w.stop = iter.Pull2(svc.Watch(p.ctx, since))
	return w
}

// more returns the next change, false at the end of the stream.
func (w *watcher) more() (api.Change, bool) {
	w.p.Helper()
	c, err, ok := w.next()
	if !ok {
		return c, false
	}
	if err != nil {
		w.p.Fatalf("watch: %v", err)
	}
	w.apply(c)
	return c, true
}

// until applies changes until done says so of one, which is returned. done is
// first asked with no change, for what is so already.
func (w *watcher) until(what string, done func(api.Change) bool) api.Change {
	w.p.Helper()
	for c, ok := (api.Change{}), true; ; c, ok = w.more() {
		if !ok {
			w.p.Fatalf("watch ended before: %s (%v)", what, w.p.ctx.Err())
		}
		if done(c) {
			return c
		}
	}
}

func (w *watcher) apply(c api.Change) {
	w.p.Helper()
	// After a restart numbers begin anew, but only with a snapshot.
	if c.Seq <= w.seq && (c.Type != api.ChangeSnapshot || w.peers != nil) {
		w.p.Fatalf("change %d of type %s came after number %d", c.Seq, c.Type, w.seq)
	}
	if w.lagged && c.Type != api.ChangeSnapshot {
		w.p.Fatalf("a %s change came after lagged, want a snapshot", c.Type)
	}
	w.seq, w.lagged = c.Seq, c.Type == api.ChangeLagged
	missing := false
	switch c.Type {
	case api.ChangeSnapshot:
		if missing = c.Snapshot == nil; !missing {
			w.start(*c.Snapshot)
		}
	case api.ChangePeer:
		if missing = c.Peer == nil; !missing && w.peers != nil {
			w.peers[c.Peer.PeerID] = *c.Peer
		}
	case api.ChangePeerRemoved:
		missing = c.PeerID == ""
		delete(w.peers, c.PeerID)
	case api.ChangeMessage:
		if missing = c.Message == nil; !missing {
			w.messages[c.Message.ID] = *c.Message
		}
	case api.ChangeState:
		if missing = c.State == nil; !missing {
			w.reach(*c.State)
		}
	case api.ChangeConversation:
		if missing = c.Conversation == nil; !missing && w.conversations != nil {
			w.conversations[c.Conversation.ID] = *c.Conversation
		}
	case api.ChangeTyping:
		missing = c.Typing == nil
	case api.ChangeHidden:
		if missing = c.Hidden == nil; !missing {
			delete(w.messages, c.Hidden.ID)
		}
	case api.ChangeRoom:
		if missing = c.Room == nil; !missing && w.rooms != nil {
			w.rooms[c.Room.RoomID] = *c.Room
		}
	case api.ChangeRoomLeft:
		if missing = c.Room == nil; !missing {
			delete(w.rooms, c.Room.RoomID)
			delete(w.members, c.Room.RoomID)
			delete(w.conversations, c.Room.RoomID)
		}
	case api.ChangeMember:
		if missing = c.Member == nil; !missing {
			w.change(*c.Member)
		}
	case api.ChangeInvitation:
		missing = c.Invitation == nil
	case api.ChangeVoiceRequest:
		missing = c.VoiceRequest == nil
	case api.ChangeNotice:
		missing = c.Notice == ""
	}
	if missing {
		w.p.Fatalf("a %s change came without its field: %+v", c.Type, c)
	}
}

func (w *watcher) start(s api.Snapshot) {
	w.p.Helper()
	if s.Peers == nil || s.Conversations == nil || s.Rooms == nil || s.Notices == nil {
		w.p.Errorf("a snapshot has a null list: %+v", s)
	}
	w.self, w.peers = s.Self, make(map[string]api.Peer)
	for _, peer := range s.Peers {
		w.peers[peer.PeerID] = peer
	}
	w.rooms = make(map[string]api.Room)
	for _, r := range s.Rooms {
		w.rooms[r.RoomID] = r
	}
	w.conversations = make(map[string]api.Conversation)
	for _, c := range s.Conversations {
		w.conversations[c.ID] = c
	}
}

func (w *watcher) change(c api.MemberChange) {
	if c.Gone {
		delete(w.members[c.RoomID], c.Member.PeerID)
		return
	}
	if w.members[c.RoomID] == nil {
		w.members[c.RoomID] = make(map[string]api.Member)
	}
	w.members[c.RoomID][c.Member.PeerID] = c.Member
}

var ladder = map[string]int{api.Queued: 1, api.Sent: 2, api.Delivered: 3, api.Read: 4}

func (w *watcher) reach(s api.StateChange) {
	w.p.Helper()
	if ladder[s.State] <= ladder[api.Queued] {
		w.p.Fatalf("messages reached state %q", s.State)
	}
	for id, m := range w.messages {
		if m.Conversation == s.Conversation && m.Log == s.Log && m.Seq <= s.Seq && ladder[m.State] < ladder[s.State] {
			m.State = s.State
			w.messages[id] = m
		}
	}
}
