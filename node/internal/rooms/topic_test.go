package rooms

import (
	"testing"

	"p2pchat/protocol/envelope"
	"p2pchat/protocol/event"
	"p2pchat/protocol/room"
)

// TestSays: who is here and who governs is nothing that people say.
func TestSays(t *testing.T) {
	t.Parallel()
	of := func(lane event.Lane, kinds ...event.Kind) arrived {
		c := &envelope.Content{}
		for _, k := range kinds {
			c.Events = append(c.Events, &event.Event{Header: event.Header{Lane: lane, Kind: k}})
		}
		return arrived{c}
	}
	for _, c := range []struct {
		data any
		says bool
	}{
		{nil, false},
		{arrived{&envelope.Content{Presence: &envelope.SignedPresence{}}}, false},
		{of(event.LaneMessage, room.KindJoin, room.KindLeave, room.KindNick), false},
		{of(event.LaneControl, room.KindKick), false},
		{of(event.LaneMessage, room.KindJoin, event.KindText), true},
		{of(event.LaneMessage, event.KindEdit), true},
		{of(event.LaneMessage, event.KindReact), true},
	} {
		if got := Says(c.data); got != c.says {
			t.Errorf("%+v: %v", c.data, got)
		}
	}
}
