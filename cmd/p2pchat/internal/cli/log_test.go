package cli

import (
	"context"
	"testing"
	"time"

	"p2pchat/node/api"
)

// A room that was just entered is not one in which nothing was said.
func TestNothingListed(t *testing.T) {
	t.Parallel()
	since := api.LogQuery{Target: "#dev", Since: time.Now()}
	for _, c := range []struct {
		name string
		r    api.Reader
		q    api.LogQuery
		want string
	}{
		{"no node", noNode{}, api.LogQuery{Target: "#dev"}, "nothing was said there yet"},
		{"no node, since", noNode{}, since, "nothing was said there since then"},
		{"an invitation", noNode{more: []api.Message{{Kind: api.MessageInvite}}}, api.LogQuery{Target: "@bob"}, "nothing was said there yet; --all lists what else there is"},
		{"a person", aNode{err: api.Errorf(api.CodeNotFound, "no room")}, api.LogQuery{Target: "@bob"}, "nothing was said there yet"},
		{"just entered", aNode{status: api.RoomStatus{Members: 2}}, since, "nothing is here yet: what was said before comes from the others in the room"},
		{"alone", aNode{status: api.RoomStatus{Members: 1}}, api.LogQuery{Target: "#dev"}, "nothing was said there yet"},
		{"synced", aNode{status: api.RoomStatus{Members: 2, LastSync: api.Time{Time: time.Now()}}}, since, "nothing was said there since then"},
	} {
		if got := nothing(t.Context(), c.r, c.q); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// aNode has the status of a room, and is asked for nothing else.
type aNode struct {
	api.Service
	status api.RoomStatus
	err    error
}

func (n aNode) RoomStatus(context.Context, string) (api.RoomStatus, error) { return n.status, n.err }

func (n aNode) Log(context.Context, api.LogQuery) ([]api.Message, error) { return nil, nil }

// noNode reads what is held, all of which is listed on demand only.
type noNode struct {
	api.Reader
	more []api.Message
}

func (n noNode) Log(_ context.Context, q api.LogQuery) ([]api.Message, error) {
	if q.All {
		return n.more, nil
	}
	return nil, nil
}
