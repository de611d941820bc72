package cli_test

import (
	"context"
	"fmt"
	"strings"

	"p2pchat/node/api"
)

// Rooms are dev, which was joined, and with all old, which was left.
func (f fixture) Rooms(_ context.Context, all bool) ([]api.Room, error) {
	rooms := []api.Room{{
		RoomID: fmt.Sprintf("%064x", 8), Name: "dev", Subject: "two\nlines \x1b[31m", Visible: true, Access: api.AccessOpen, Joined: true,
		Occupants: 2, Unread: 3, Standing: api.StandingNone, Role: api.RoleParticipant, Nick: "me too",
	}}
	if all {
		rooms = append(rooms, api.Room{
			RoomID: fmt.Sprintf("%064x", 9), Name: "old", Access: api.AccessMembersOnly, Moderated: true, Password: true,
			Standing: api.StandingOwner, Role: api.RoleNone,
		})
	}
	return rooms, nil
}

func (f fixture) findRoom(room string) error {
	if strings.TrimPrefix(room, "#") != "dev" {
		return api.Errorf(api.CodeNotFound, "no room called %q is known", room)
	}
	return nil
}

func (f fixture) Members(ctx context.Context, room string) ([]api.Member, error) {
	if err := f.findRoom(room); err != nil {
		return nil, err
	}
	self, err := f.me.Whoami(ctx)
	bob := f.lan.Join("stranger").PeerID()
	return []api.Member{
		{PeerID: bob, Nick: "bob (verified)", Standing: api.StandingOwner, Role: api.RoleOwner, Presence: api.PresenceOffline, Warning: "a warning\x07"},
		{PeerID: self.PeerID, Name: self.Name, Nick: "too", Standing: api.StandingNone, Role: api.RoleParticipant, Presence: api.PresenceOffline, Self: true},
	}, err
}

func (f fixture) RoomState(_ context.Context, room string) (api.RoomState, error) {
	return api.RoomState{
		RoomID: fmt.Sprintf("%064x", 8), Creator: "12D3", Root: "00", Config: map[string]string{"name": "dev"},
		Canonical: "p2pchat room state 1\nconfig name \"a\u202eb\"\n",
	}, f.findRoom(room)
}

// roomLog is what happened in the room dev.
func (f fixture) roomLog(ctx context.Context, q api.LogQuery) ([]api.Message, error) {
	self, err := f.me.Whoami(ctx)
	if err != nil {
		return nil, err
	}
	var all []api.Message
	add := func(author api.Identity, nick, kind, text string, verified bool) {
		n := len(all) + 1
		if !q.All && !api.Listed(kind) {
			return
		}
		state := api.Received
		if author == self {
			state = api.Delivered
		}
		all = append(all, api.Message{
			ID: fmt.Sprintf("%064x", n), Conversation: fmt.Sprintf("%064x", 8), Author: author.PeerID, Name: author.Name, Nick: nick,
			Time: api.Time{Time: day}, Log: "0011223344556677", Seq: uint64(n), Kind: kind, Text: text, State: state, Verified: verified,
		})
	}
	bob, eve := api.Identity{PeerID: "12D3KooWbob", Name: "bob"}, api.Identity{PeerID: "12D3KooWeve", Name: "eve"}
	add(self, "me", api.MessageJoin, "me", false)
	add(bob, "bob", api.MessageJoin, "bob", true)
	add(bob, "bob", api.MessageText, "hello", true)
	add(bob, "robert", api.MessageNick, "robert", true)
	add(bob, "robert", api.MessageText, "hi", true)
	add(eve, "bob (verified)", api.MessageText, "I am bob", false)
	add(eve, "bob (verified)", api.MessageSubject, "two\nlines", false)
	add(bob, "robert", api.MessageGovern, "took the voice of eve", true)
	add(bob, "robert", api.MessageEpoch, "", true)
	add(eve, "bob (verified)", api.MessageLeave, "", false)
	add(self, "me", api.MessageAction, "waves", false)
	return all, nil
}
