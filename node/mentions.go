package node

import (
	"time"

	"p2pchat/node/api"
	"p2pchat/node/internal/store"
	"p2pchat/protocol/event"
)

// mentions tells whether a message is a text in which one of names, "" for none,
// stands as a word, in any writing of case and accents.
func mentions(e *event.Event, names ...string) bool {
	if e.Lane != event.LaneMessage || e.Kind != event.KindText || !e.HasBody() {
		return false
	}
	text, err := event.DecodeText(e.Body)
	if err != nil {
		return false
	}
	for _, name := range names {
		if name != "" && (api.Term{Text: name}).In(text) {
			return true
		}
	}
	return false
}

// Insert keeps an event, and notes if it names us: so the count is right however
// we are called later, and whatever the rules say of it then.
func (t ledgerTx) Insert(e *event.Event, at time.Time) (bool, error) {
	fresh, err := t.Tx.Insert(e, at)
	return t.noteMention(e, fresh, err)
}

// InsertRoom is Insert for a message of a room, where our nick is a name too.
func (t ledgerTx) InsertRoom(e *event.Event, at time.Time, verdict uint8, quiet bool) (bool, error) {
	fresh, err := t.Tx.InsertRoom(e, at, store.Verdict(verdict), quiet)
	return t.noteMention(e, fresh, err)
}

func (t ledgerTx) noteMention(e *event.Event, fresh bool, err error) (bool, error) {
	if err != nil || !fresh && !t.Embodied(e.ID) || e.Kind != event.KindText || e.Author == t.self.Peer {
		return fresh, err
	}
	nick, err := t.Nick(e.Conversation)
	if err == nil && mentions(e, t.self.Name, nick) {
		err = t.SetMention(e.ID)
	}
	return fresh, err
}
