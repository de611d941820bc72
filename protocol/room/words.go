package room

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"p2pchat/protocol/event"
)

// Word is a message in which somebody speaks of himself: a join, leave or nick.
type Word struct {
	event.LogKey
	event.Head
	Kind event.Kind
}

// LastWord is the newest join or leave of p that is held, whatever the rules
// say of it; ok is false if there is none.
func (r *Room) LastWord(p peer.ID) (w Word, ok bool) {
	i := r.find(p)
	if i < 0 {
		return Word{}, false
	}
	var last *message
	for _, m := range r.people[i].said {
		if m.kind != KindNick && (last == nil || last.earlier(m)) {
			last = m
		}
	}
	if last == nil {
		return Word{}, false
	}
	return Word{last.log.key, event.Head{Seq: last.seq, ID: last.id}, last.kind}, true
}

// Nick is what p calls himself: his newest visible word about it, empty if there
// is none.
func (r *Room) Nick(p peer.ID) string {
	i := r.find(p)
	if i < 0 {
		return ""
	}
	var last *message
	for _, m := range r.people[i].said {
		if m.kind != KindLeave && m.counts() && (last == nil || last.earlier(m)) {
			last = m
		}
	}
	if last == nil {
		return ""
	}
	return last.nick()
}

// nick is the nick that m, a join or nick, gives its author.
func (m *message) nick() string {
	switch b := m.body.(type) {
	case *Join:
		return b.Nick
	case *Nick:
		return b.Nick
	}
	return ""
}
