package localapi_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"p2pchat/node/api"
)

// roomy answers what it was told to and keeps what it was asked.
type roomy struct {
	api.Service
	asked  any
	rooms  []api.Room
	people []api.Member
	status api.RoomStatus
	state  api.RoomState
	entry  api.Entry
}

func (r *roomy) Rooms(_ context.Context, all bool) ([]api.Room, error) {
	r.asked = all
	return r.rooms, nil
}

func (r *roomy) Members(_ context.Context, room string) ([]api.Member, error) {
	r.asked = room
	return r.people, nil
}

func (r *roomy) RoomStatus(_ context.Context, room string) (api.RoomStatus, error) {
	r.asked = room
	return r.status, nil
}

func (r *roomy) RoomState(_ context.Context, room string) (api.RoomState, error) {
	r.asked = room
	return r.state, nil
}

func (r *roomy) CreateRoom(_ context.Context, q api.CreateRoomRequest) (api.Entry, error) {
	r.asked = q
	return r.entry, nil
}

func (r *roomy) JoinRoom(_ context.Context, q api.JoinRoomRequest) (api.Entry, error) {
	r.asked = q
	return r.entry, nil
}

func (r *roomy) LeaveRoom(_ context.Context, room string) (api.Entry, error) {
	r.asked = room
	return r.entry, nil
}

func (r *roomy) PingRoom(_ context.Context, room string, wait time.Duration) (api.Entry, error) {
	r.asked = api.JoinRoomRequest{Room: room, Wait: wait}
	return r.entry, nil
}

// Every field of what is asked about rooms arrives, and of what is answered.
func TestRoomsSurvive(t *testing.T) {
	t.Parallel()
	at := api.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)}
	svc := &roomy{
		Service: newScripted(),
		rooms:   []api.Room{{RoomID: "r", Name: "n", Access: "a", Standing: "s", Role: "o"}, {Name: "x", Subject: "\u2028", Joined: true}},
		people:  []api.Member{{PeerID: "p", Nick: "n\x1b", Self: true}},
		status: api.RoomStatus{
			RoomID: "r", Name: "n", Peers: []string{"p"}, Members: 1, Present: 2, Epoch: "e", Epochs: 3, Root: "o", Digest: "d",
			Messages: 1 << 63, Parked: 4, Missing: true, LastSync: at, SyncPeers: []string{"q"},
		},
		state: api.RoomState{
			RoomID: "r", Creator: "c", Config: map[string]string{"name": "<n>"}, People: []api.PersonState{{PeerID: "p", Standing: "s", Voice: "v"}},
			Subject: "s", Destroyed: true, Reason: "re", Alternate: "al", Root: "ro", Canonical: "lines\nof text \u202e<&>\n",
		},
		entry: api.Entry{RoomID: "r", Standing: "s", Role: "o"},
	}
	dir, _, _ := serve(t, svc)
	c := dial(t, dir)
	create := api.CreateRoomRequest{Name: "Küche", Hidden: true, History: "24h", Nick: "ni"}
	join := api.JoinRoomRequest{Room: "#dev", Nick: "ni", Wait: 1500 * time.Millisecond}
	for call, tt := range map[string]struct {
		call        func() (any, error)
		asked, want any
	}{
		"rooms":   {func() (any, error) { return c.Rooms(t.Context(), true) }, true, svc.rooms},
		"members": {func() (any, error) { return c.Members(t.Context(), "#dev") }, "#dev", svc.people},
		"status":  {func() (any, error) { return c.RoomStatus(t.Context(), "#dev") }, "#dev", svc.status},
		"state":   {func() (any, error) { return c.RoomState(t.Context(), "#dev") }, "#dev", svc.state},
		"create":  {func() (any, error) { return c.CreateRoom(t.Context(), create) }, create, svc.entry},
		"join":    {func() (any, error) { return c.JoinRoom(t.Context(), join) }, join, svc.entry},
		"leave":   {func() (any, error) { return c.LeaveRoom(t.Context(), "#dev") }, "#dev", svc.entry},
		"ping": {
			func() (any, error) { return c.PingRoom(t.Context(), "#dev", time.Second) },
			api.JoinRoomRequest{Room: "#dev", Wait: time.Second},
			svc.entry,
		},
	} {
		got, err := tt.call()
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v (%v), want %+v", call, got, err, tt.want)
		}
		if !reflect.DeepEqual(svc.asked, tt.asked) {
			t.Errorf("%s: the node was asked %+v, want %+v", call, svc.asked, tt.asked)
		}
	}
}

// What JSON would change does not reach the node, nor does what is too much.
func TestRoomsRefused(t *testing.T) {
	t.Parallel()
	svc := &roomy{Service: newScripted()}
	dir, _, _ := serve(t, svc)
	c := dial(t, dir)
	create := func(r api.CreateRoomRequest) error { _, err := c.CreateRoom(t.Context(), r); return err }
	join := func(r api.JoinRoomRequest) error { _, err := c.JoinRoom(t.Context(), r); return err }
	for what, tt := range map[string]struct {
		err  error
		want api.Code
	}{
		"a name that is no text":   {create(api.CreateRoomRequest{Name: "a\xff"}), api.CodeBadText},
		"a long name":              {create(api.CreateRoomRequest{Name: strings.Repeat("x", api.MaxRoomName+1)}), api.CodeTooLong},
		"a creator's nick":         {create(api.CreateRoomRequest{Name: "a", Nick: "\xff"}), api.CodeBadText},
		"a nick that is no text":   {join(api.JoinRoomRequest{Room: "a", Nick: "\xff"}), api.CodeBadText},
		"a room of a megabyte":     {join(api.JoinRoomRequest{Room: strings.Repeat("x", 1<<20)}), api.CodeTooLong},
		"a history of a megabyte":  {create(api.CreateRoomRequest{Name: "a", History: strings.Repeat("x", 1<<20)}), api.CodeTooLong},
		"a nick of half a million": {join(api.JoinRoomRequest{Room: "a", Nick: strings.Repeat("x", 1<<19)}), api.CodeTooLong},
	} {
		if !api.IsCode(tt.err, tt.want) {
			t.Errorf("%s: %v, want code %s", what, tt.err, tt.want)
		}
	}
	if svc.asked != nil {
		t.Errorf("the node was asked %+v", svc.asked)
	}
}
