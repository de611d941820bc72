package localapi

import (
	"context"
	"time"

	"p2pchat/node/api"
)

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
