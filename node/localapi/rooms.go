package localapi

import (
	"context"
	"net/http"
	"time"

	"p2pchat/node/api"
)

func (s *Server) handleRooms(handle func(string, http.HandlerFunc)) {
	svc := s.svc
	handle("rooms", call(func(ctx context.Context, r rooms) ([]api.Room, error) { return svc.Rooms(ctx, r.All) }))
	handle("room/create", call(svc.CreateRoom))
	handle("room/join", call(svc.JoinRoom))
	handle("room/leave", call(func(ctx context.Context, r inRoom) (api.Entry, error) { return svc.LeaveRoom(ctx, r.Room) }))
	handle("room/members", call(func(ctx context.Context, r inRoom) ([]api.Member, error) { return svc.Members(ctx, r.Room) }))
	handle("room/status", call(func(ctx context.Context, r inRoom) (api.RoomStatus, error) { return svc.RoomStatus(ctx, r.Room) }))
	handle("room/state", call(func(ctx context.Context, r inRoom) (api.RoomState, error) { return svc.RoomState(ctx, r.Room) }))
	handle("room/ping", call(func(ctx context.Context, r roomPing) (api.Entry, error) { return svc.PingRoom(ctx, r.Room, r.Wait) }))
	handle("room/audit", call(func(ctx context.Context, r inRoom) ([]api.AuditRow, error) { return svc.Audit(ctx, r.Room) }))
	handle("room/subject", call(func(ctx context.Context, r roomSubject) (api.Entry, error) {
		return svc.SetSubject(ctx, r.Room, r.Subject)
	}))
	handle("room/configure", call(svc.Configure))
	handle("room/govern", call(svc.Govern))
	handle("room/voice", call(func(ctx context.Context, r inRoom) (api.Entry, error) { return svc.RequestVoice(ctx, r.Room) }))
	handle("room/invite", call(func(ctx context.Context, r roomInvite) (api.Entry, error) {
		return svc.Invite(ctx, r.Room, r.Who, r.Reason)
	}))
	handle("room/answer", call(svc.AnswerInvitation))
	handle("room/private", call(func(ctx context.Context, r roomPrivate) (api.Receipt, error) {
		return stored(svc.SendPrivate(ctx, r.Room, r.Who, r.Text, r.Wait))
	}))
	handle("invitations", call(func(ctx context.Context, _ none) ([]api.Invitation, error) { return svc.Invitations(ctx) }))
}

// Rooms implements [api.Service].
func (c *Client) Rooms(ctx context.Context, all bool) ([]api.Room, error) {
	return ask[[]api.Room](ctx, c, "rooms", rooms{All: all})
}

// Members implements [api.Service].
func (c *Client) Members(ctx context.Context, room string) ([]api.Member, error) {
	return ask[[]api.Member](ctx, c, "room/members", inRoom{Room: room})
}

// RoomState implements [api.Service].
func (c *Client) RoomState(ctx context.Context, room string) (api.RoomState, error) {
	return ask[api.RoomState](ctx, c, "room/state", inRoom{Room: room})
}

// CreateRoom implements [api.Service]. If the connection is lost before the
// answer, whether the room was made is unknown.
func (c *Client) CreateRoom(ctx context.Context, r api.CreateRoomRequest) (api.Entry, error) {
	// JSON would replace what is not UTF-8 without a word.
	if err := api.CheckRoomName(r.Name); err != nil {
		return api.Entry{}, err
	}
	if r.Nick != "" {
		if err := api.CheckNick(r.Nick); err != nil {
			return api.Entry{}, err
		}
	}
	return ask[api.Entry](ctx, c, "room/create", r)
}

// JoinRoom implements [api.Service].
func (c *Client) JoinRoom(ctx context.Context, r api.JoinRoomRequest) (api.Entry, error) {
	if r.Nick != "" {
		if err := api.CheckNick(r.Nick); err != nil {
			return api.Entry{}, err
		}
	}
	return ask[api.Entry](ctx, c, "room/join", r)
}

// LeaveRoom implements [api.Service].
func (c *Client) LeaveRoom(ctx context.Context, room string) (api.Entry, error) {
	return ask[api.Entry](ctx, c, "room/leave", inRoom{Room: room})
}

// RoomStatus implements [api.Service].
func (c *Client) RoomStatus(ctx context.Context, room string) (api.RoomStatus, error) {
	return ask[api.RoomStatus](ctx, c, "room/status", inRoom{Room: room})
}

// PingRoom implements [api.Service].
func (c *Client) PingRoom(ctx context.Context, room string, wait time.Duration) (api.Entry, error) {
	return ask[api.Entry](ctx, c, "room/ping", roomPing{Room: room, Wait: wait})
}
